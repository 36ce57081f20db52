-- What a served item is similar to, and how far from it: of the lists that answer activity events.
ALTER TABLE recommendations ADD COLUMN similar_to VARCHAR;
ALTER TABLE recommendations ADD COLUMN distance DOUBLE;
