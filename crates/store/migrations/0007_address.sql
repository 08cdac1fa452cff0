-- Since when the account has its address: what a mail before that holds is worth nothing any more.
ALTER TABLE app_user ADD COLUMN address_at BIGINT NOT NULL DEFAULT 0;
