-- What the mail service has to remember. Only in the directory, but for what concerns `nudge`.

-- What a person wants of it, and what he got. No row: the defaults, and no mail yet.
CREATE TABLE mail_state (
  user_id    BIGINT   NOT NULL PRIMARY KEY,
  unwanted   SMALLINT NOT NULL DEFAULT 0,     -- 1: no mail about messages
  preview    SMALLINT NOT NULL DEFAULT 0,     -- 0 texts, 1 names only, 2 neither
  quiet_from SMALLINT NOT NULL DEFAULT 0,     -- minute of the UTC day from which no mail comes …
  quiet_to   SMALLINT NOT NULL DEFAULT 0,     -- … up to this one; the same: always
  hide       SMALLINT NOT NULL DEFAULT 0,     -- 1: senders do not learn of mails
  mailed_at  BIGINT   NOT NULL DEFAULT 0,     -- the last mail about messages
  mails      SMALLINT NOT NULL DEFAULT 0      -- … and how many since he last came online
) /*clustered*/;

-- Which jobs are being done (until the lease ends) or were done (until nobody can ask again).
CREATE TABLE mail_job (
  topic    TEXT     NOT NULL,
  id       BIGINT   NOT NULL,
  done     SMALLINT NOT NULL DEFAULT 0,
  until_at BIGINT   NOT NULL,
  PRIMARY KEY (topic, id)
) /*clustered*/;
CREATE INDEX mail_job_by_end ON mail_job (until_at);

-- Facts of `outbox` that could not be delivered; they wait for a person.
CREATE TABLE outbox_dead (
  id      BIGINT NOT NULL PRIMARY KEY,
  topic   TEXT   NOT NULL,
  payload BLOB   NOT NULL,
  why     TEXT   NOT NULL,
  died_at BIGINT NOT NULL
) /*clustered*/;

-- How many mails somebody got is known in the directory; nudges are wherever conversations are.
ALTER TABLE nudge DROP COLUMN mails;
