-- What a queue between the outbox and its workers needs. Only in the directory.

-- How many workers in a row began this job and were never heard of again.
ALTER TABLE mail_job ADD COLUMN deaths SMALLINT NOT NULL DEFAULT 0;
