-- The aggregations that are kept: what they were declared as, and whether their tables hold all facts.
CREATE TABLE _aggregations (
  name VARCHAR NOT NULL, position INTEGER NOT NULL, built_in BOOLEAN NOT NULL, path VARCHAR NOT NULL, text VARCHAR NOT NULL,
  compiled VARCHAR NOT NULL, stored BOOLEAN NOT NULL, built BOOLEAN NOT NULL
);
