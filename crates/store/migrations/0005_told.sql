-- What senders learn of mails, and changes that may be repeated.

-- Up to which message a mail has told this member, and when; only where the sender may know it.
ALTER TABLE member ADD COLUMN mailed_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN mailed_at BIGINT NOT NULL DEFAULT 0;

-- 1: others learn neither since when he is offline nor of mails to him. It stood in mail_state, where
-- each look at a person would have had to ask for it.
ALTER TABLE app_user ADD COLUMN hides SMALLINT NOT NULL DEFAULT 0;
UPDATE app_user SET hides = 1 WHERE user_id IN (SELECT user_id FROM mail_state WHERE hide = 1);
ALTER TABLE mail_state DROP COLUMN hide;

-- When somebody last asked for a new password for this account.
ALTER TABLE app_user ADD COLUMN reset_at BIGINT NOT NULL DEFAULT 0;

-- Which key of a person's became which group; forgotten after a week. In the database that follows from
-- person and key, where the group is too.
CREATE TABLE group_key (
  user_id    BIGINT NOT NULL,
  client_key BIGINT NOT NULL,
  conv_id    BIGINT NOT NULL,
  made_at    BIGINT NOT NULL,
  PRIMARY KEY (user_id, client_key)
) /*clustered*/;
CREATE INDEX group_key_by_age ON group_key (made_at);
-- A shard that moves takes its keys along.
CREATE INDEX group_key_by_conv ON group_key (conv_id);
