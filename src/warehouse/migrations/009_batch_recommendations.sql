-- The best items of every user, made at once; of each set the rows of its last run alone.
CREATE TABLE batch_recommendation_runs (
  set_name VARCHAR NOT NULL, run BIGINT NOT NULL, made_time TIMESTAMP NOT NULL, model VARCHAR NOT NULL,
  list_length INTEGER NOT NULL, user_count BIGINT NOT NULL, row_count BIGINT NOT NULL, path VARCHAR NOT NULL
);

CREATE TABLE batch_recommendations (
  set_name VARCHAR NOT NULL, user_id VARCHAR NOT NULL, position INTEGER NOT NULL, item_id VARCHAR NOT NULL,
  score DOUBLE NOT NULL
);
