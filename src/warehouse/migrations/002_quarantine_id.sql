-- What a row of a file is known by, so that loading the file once more replaces it.
ALTER TABLE quarantine ADD COLUMN message_id VARCHAR;
