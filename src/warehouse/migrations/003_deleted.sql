-- When each item and user was deleted last: their events stay, and must not bring them back.
CREATE TABLE _deleted (log_topic VARCHAR NOT NULL, id VARCHAR NOT NULL, deleted_time TIMESTAMP NOT NULL);
