-- What a refused record needs beside its bytes to be tried again as it came.
ALTER TABLE quarantine ADD COLUMN user_agent VARCHAR;
ALTER TABLE quarantine ADD COLUMN context VARCHAR;
ALTER TABLE quarantine ADD COLUMN sent_time TIMESTAMP;

-- What people decided about refused records, from the topic quarantine_decisions; of several the last counts.
CREATE TABLE quarantine_decisions (
  dt DATE NOT NULL, decided_time TIMESTAMP NOT NULL,
  record_topic VARCHAR NOT NULL, record_partition INTEGER NOT NULL, record_offset BIGINT NOT NULL,
  decision VARCHAR NOT NULL, note VARCHAR, mend VARCHAR, replayed_as VARCHAR,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE VIEW quarantine_desk AS
  SELECT concat(q.log_topic, ':', q.log_partition, ':', q.log_offset) AS record,
         CASE WHEN d.decision IS NULL OR d.decision = 'reopened' THEN 'waiting' ELSE d.decision END AS state,
         q.*, d.decided_time, d.note, d.mend, d.replayed_as
  FROM quarantine q LEFT JOIN (
    SELECT * FROM quarantine_decisions
    WHERE (log_partition, log_offset) IN (
      SELECT (log_partition, max(log_offset)) FROM quarantine_decisions
      GROUP BY log_partition, record_topic, record_partition, record_offset)) d
  ON q.log_topic = d.record_topic AND q.log_partition = d.record_partition AND q.log_offset = d.record_offset;
