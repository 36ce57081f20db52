-- The trained models that an answer asked, and what a ranker learns from: of each item, what sources said and
-- its features, as JSON.
ALTER TABLE recommendations ADD COLUMN models VARCHAR;
ALTER TABLE recommendations ADD COLUMN features VARCHAR;
