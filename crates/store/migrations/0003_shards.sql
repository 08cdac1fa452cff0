-- Where each logical shard is, and what is needed to move one while everybody writes.
-- docs/data.md, "Shards", tells how these tables play together.

-- Who this database is, however it is reached: one row, written when it is first opened.
CREATE TABLE database_id (
  one       SMALLINT NOT NULL PRIMARY KEY,    -- always 1
  id        TEXT     NOT NULL,                -- 128 random bits
  directory TEXT     NOT NULL                 -- the id of the directory it belongs to; may be itself
) /*clustered*/;

-- Only in the directory: the databases, and what people call them.
CREATE TABLE shard_database (
  name TEXT NOT NULL PRIMARY KEY,
  id   TEXT NOT NULL
) /*clustered*/;

-- Only in the directory: the map. The largest epoch is the version of the map.
CREATE TABLE shard_home (
  shard BIGINT NOT NULL PRIMARY KEY,
  name  TEXT   NOT NULL,
  epoch BIGINT NOT NULL                       -- of the move that brought it there; 0: none
) /*clustered*/;

-- Only in the directory: moves that were begun and are not finished.
CREATE TABLE shard_move (
  shard      BIGINT NOT NULL PRIMARY KEY,
  source     TEXT   NOT NULL,
  target     TEXT   NOT NULL,
  epoch      BIGINT NOT NULL,
  started_at BIGINT NOT NULL
) /*clustered*/;

-- In each database: what it has to say about a shard. No row: nothing was ever moved.
CREATE TABLE shard_gate (
  shard BIGINT   NOT NULL PRIMARY KEY,
  state SMALLINT NOT NULL,                    -- 1 open, 2 fenced, 3 arriving, 4 gone
  epoch BIGINT   NOT NULL,                    -- of the move that brought it here; 0: none
  move  BIGINT   NOT NULL                     -- the epoch of the last move that began here
) /*clustered*/;

--postgres: CREATE SEQUENCE shard_epoch;
--postgres: CREATE INDEX conversation_by_shard ON conversation (((conv_id >> 12) & 1023), conv_id);
