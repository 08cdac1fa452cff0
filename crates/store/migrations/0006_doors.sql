-- How somebody who is away is told of what stayed unread. Only in the directory.

ALTER TABLE mail_state ADD COLUMN door SMALLINT NOT NULL DEFAULT 0;   -- 0 mail, 1 webhook, 2 push
ALTER TABLE mail_state ADD COLUMN door_url TEXT NOT NULL DEFAULT '';
-- What signs the calls of a webhook. Not a hash: both ends need it.
ALTER TABLE mail_state ADD COLUMN door_key TEXT NOT NULL DEFAULT '';
-- Why the last notice did not get through. Empty: it did.
ALTER TABLE mail_state ADD COLUMN door_fault TEXT NOT NULL DEFAULT '';
