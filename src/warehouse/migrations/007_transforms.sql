-- Tables that transforms make are in a schema of their own; here is what was made of them, and of what. A replay's schema has
-- these tables too, empty: transforms read the live tables.
CREATE SCHEMA IF NOT EXISTS analytics;
CREATE TABLE _transforms (
  name VARCHAR NOT NULL, path VARCHAR NOT NULL, text VARCHAR NOT NULL, version INTEGER NOT NULL, hash VARCHAR, run BIGINT,
  run_time TIMESTAMP, duration_us BIGINT, row_count BIGINT, error VARCHAR, error_time TIMESTAMP
);
CREATE TABLE _transform_intervals (
  name VARCHAR NOT NULL, interval_start TIMESTAMP NOT NULL, interval_end TIMESTAMP NOT NULL, stale BOOLEAN NOT NULL, hash VARCHAR,
  run BIGINT, filled_time TIMESTAMP, duration_us BIGINT, row_count BIGINT
);
-- Which facts each has seen, by the log's offsets, and of the rows that were taken away, by their number.
CREATE TABLE _transform_offsets (
  name VARCHAR NOT NULL, log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, next_offset BIGINT NOT NULL
);
CREATE TABLE _transform_versions (
  name VARCHAR NOT NULL, version INTEGER NOT NULL, path VARCHAR NOT NULL, text VARCHAR NOT NULL, until_time TIMESTAMP NOT NULL
);
-- The hours of facts that were taken away or put in the place of others, which offsets cannot tell; numbered as they came.
CREATE TABLE _fact_changes (number BIGINT NOT NULL, hour TIMESTAMP NOT NULL);
