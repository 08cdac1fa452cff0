-- The first schema. One text for SQLite and PostgreSQL; docs/data.md explains it.
--
-- Three marks make one text do for both (engine/migrate.rs reads them):
--   /*clustered*/  WITHOUT ROWID on SQLite: the rows lie in the order of their key
--   /*bytes*/      COLLATE "C" on PostgreSQL: ranges of words go by bytes, whatever the locale
--   --postgres:    the rest of the line is for PostgreSQL only
--postgres: CREATE DOMAIN blob AS bytea;

-- Which part of how many this database is. One row; written once, when the database is first opened.
CREATE TABLE placement (
  part  BIGINT NOT NULL PRIMARY KEY,
  parts BIGINT NOT NULL
) /*clustered*/;

-- ── people: only in the directory, the first database ────────────────────────────────────────────

CREATE TABLE app_user (
  user_id      BIGINT   NOT NULL PRIMARY KEY,
  handle       TEXT     NOT NULL,
  name         TEXT     NOT NULL,
  email        TEXT,
  email_ok     SMALLINT NOT NULL DEFAULT 0,
  pass_hash    TEXT     NOT NULL,
  discoverable SMALLINT NOT NULL DEFAULT 1,   -- 0: found by the exact handle only
  created_at   BIGINT   NOT NULL,
  last_seen    BIGINT   NOT NULL DEFAULT 0
) /*clustered*/;
CREATE UNIQUE INDEX app_user_handle ON app_user (handle);
CREATE UNIQUE INDEX app_user_email ON app_user (email);

-- The words people are found by: the handle, and each word of handle and name, folded (words.rs).
CREATE TABLE user_word (
  word    TEXT /*bytes*/ NOT NULL,
  user_id BIGINT NOT NULL,
  PRIMARY KEY (word, user_id)
) /*clustered*/;
CREATE INDEX user_word_by_user ON user_word (user_id, word);

CREATE TABLE session (
  token_hash BLOB   NOT NULL PRIMARY KEY,
  user_id    BIGINT NOT NULL,
  device     TEXT   NOT NULL,
  created_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
) /*clustered*/;
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_end ON session (expires_at);

CREATE TABLE mail_token (
  token_hash BLOB     NOT NULL PRIMARY KEY,
  user_id    BIGINT   NOT NULL,
  purpose    SMALLINT NOT NULL,               -- 1 confirm the address, 2 reset the password
  expires_at BIGINT   NOT NULL
) /*clustered*/;
CREATE INDEX mail_token_by_end ON mail_token (expires_at);

-- Two rows a pair; each person owns her own. state is proto's Relation.
CREATE TABLE contact (
  owner_id BIGINT   NOT NULL,
  peer_id  BIGINT   NOT NULL,
  state    SMALLINT NOT NULL,
  since    BIGINT   NOT NULL,
  PRIMARY KEY (owner_id, peer_id)
) /*clustered*/;

-- ── conversations: each lives whole in the database of its logical shard ─────────────────────────

CREATE TABLE conversation (
  conv_id      BIGINT   NOT NULL PRIMARY KEY,
  kind         SMALLINT NOT NULL,             -- 1 direct, 2 group
  dm_lo        BIGINT,                        -- direct: the smaller user_id …
  dm_hi        BIGINT,                        -- … and the larger
  dm_block     SMALLINT NOT NULL DEFAULT 0,   -- bit 1: lo blocked hi; bit 2: hi blocked lo
  title        TEXT,
  member_count BIGINT   NOT NULL DEFAULT 0,   -- members who have not left
  last_seq     BIGINT   NOT NULL DEFAULT 0,
  last_rev     BIGINT   NOT NULL DEFAULT 0,
  last_at      BIGINT   NOT NULL DEFAULT 0,   -- in no index: a send then touches none here
  created_at   BIGINT   NOT NULL
) /*clustered*/;
CREATE UNIQUE INDEX conversation_dm ON conversation (dm_lo, dm_hi);

-- Always 0 <= read_seq <= delivered_seq <= conversation.last_seq.
CREATE TABLE member (
  conv_id       BIGINT   NOT NULL,
  user_id       BIGINT   NOT NULL,
  role          SMALLINT NOT NULL DEFAULT 1,  -- 1 member, 2 admin, 3 owner
  joined_seq    BIGINT   NOT NULL DEFAULT 0,  -- may see seq > joined_seq
  delivered_seq BIGINT   NOT NULL DEFAULT 0,
  read_seq      BIGINT   NOT NULL DEFAULT 0,
  mention_seq   BIGINT   NOT NULL DEFAULT 0,
  delivered_at  BIGINT   NOT NULL DEFAULT 0,
  read_at       BIGINT   NOT NULL DEFAULT 0,
  muted_until   BIGINT   NOT NULL DEFAULT 0,
  left_at       BIGINT,
  PRIMARY KEY (conv_id, user_id)
) /*clustered*/;
CREATE INDEX member_by_user ON member (user_id, conv_id);

CREATE TABLE message (
  conv_id   BIGINT   NOT NULL,
  seq       BIGINT   NOT NULL,
  sender_id BIGINT   NOT NULL,
  sent_at   BIGINT   NOT NULL,
  rev       BIGINT,                           -- NULL: never touched since it was sent
  edited_at BIGINT,                           -- NULL: the text is as it was sent
  kind      SMALLINT NOT NULL DEFAULT 0,      -- proto's MessageKind
  reply_seq BIGINT,
  body      TEXT     NOT NULL,
  PRIMARY KEY (conv_id, seq)
) /*clustered*/;
-- Holds only what was edited, deleted or reacted to: a send does not touch it.
CREATE INDEX message_changed ON message (conv_id, rev) WHERE rev IS NOT NULL;

CREATE TABLE reaction (
  conv_id BIGINT NOT NULL,
  seq     BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  emoji   TEXT   NOT NULL,
  PRIMARY KEY (conv_id, seq, user_id, emoji)
) /*clustered*/;

-- Which client_key became which message; forgotten after a week, so that it never grows with history.
CREATE TABLE sent_key (
  conv_id    BIGINT NOT NULL,
  sender_id  BIGINT NOT NULL,
  client_key BIGINT NOT NULL,
  seq        BIGINT NOT NULL,
  sent_at    BIGINT NOT NULL,
  PRIMARY KEY (conv_id, sender_id, client_key)
) /*clustered*/;

-- ── work that leaves the database ────────────────────────────────────────────────────────────────

CREATE TABLE outbox (
  id       BIGINT   NOT NULL PRIMARY KEY,
  topic    TEXT     NOT NULL,
  payload  BLOB     NOT NULL,
  due_at   BIGINT   NOT NULL,
  attempts SMALLINT NOT NULL DEFAULT 0
) /*clustered*/;
CREATE INDEX outbox_due ON outbox (due_at, id);

CREATE TABLE nudge (
  user_id BIGINT   NOT NULL PRIMARY KEY,
  due_at  BIGINT   NOT NULL,
  mails   SMALLINT NOT NULL DEFAULT 0
) /*clustered*/;
CREATE INDEX nudge_due ON nudge (due_at, user_id);

-- Room in each page, so that a moved counter or cursor is written beside its old row and no index is touched.
--postgres: ALTER TABLE conversation SET (fillfactor = 70);
--postgres: ALTER TABLE member SET (fillfactor = 70);
--postgres: ALTER TABLE nudge SET (autovacuum_vacuum_scale_factor = 0.02);
--postgres: ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02);
