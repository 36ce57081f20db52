-- What came of the rules of contracts on tables, each time they were looked at; those of the live tables alone.
CREATE TABLE contract_results (
  dt DATE NOT NULL, check_time TIMESTAMP NOT NULL, run VARCHAR NOT NULL, trigger VARCHAR NOT NULL,
  contract VARCHAR NOT NULL, version VARCHAR NOT NULL, object VARCHAR NOT NULL, table_name VARCHAR NOT NULL,
  property VARCHAR, rule VARCHAR NOT NULL, metric VARCHAR NOT NULL, dimension VARCHAR, severity VARCHAR NOT NULL,
  passed BOOLEAN NOT NULL, figure DOUBLE, row_count BIGINT, must VARCHAR NOT NULL, error VARCHAR, samples VARCHAR
);

CREATE VIEW contract_results_latest AS
  SELECT * FROM contract_results
  QUALIFY row_number() OVER (PARTITION BY contract, object, rule ORDER BY check_time DESC, run DESC) = 1;
