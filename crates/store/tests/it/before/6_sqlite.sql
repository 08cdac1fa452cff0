-- What the program of version 6 of the schema says to store a message, to paint, to catch up, and of a link.
-- A snapshot: it is not kept up with the code. before.rs says how it is read.

-- lock the conversations
-- rows := 1
-- $1 := CONV
WITH input AS (SELECT $1 AS conv_id)
SELECT c.conv_id, c.kind, c.dm_block, c.last_seq
  FROM input JOIN conversation c ON c.conv_id = input.conv_id ORDER BY c.conv_id

-- known keys
-- rows := 0
-- $1 := CONV
-- $2 := ANN
-- $3 := 4711
WITH input AS (SELECT $1 AS conv_id, $2 AS sender_id, $3 AS client_key)
SELECT k.conv_id, k.sender_id, k.client_key, k.seq, k.sent_at
  FROM input JOIN sent_key k ON k.conv_id = input.conv_id
   AND k.sender_id = input.sender_id AND k.client_key = input.client_key

-- lock the members
-- rows := 1
-- $1 := CONV
-- $2 := ANN
WITH input AS (SELECT $1 AS conv_id, $2 AS user_id)
SELECT m.conv_id, m.user_id, m.joined_seq, m.delivered_seq, m.read_seq, m.mention_seq,
       m.delivered_at, m.read_at, c.last_seq
  FROM input
  JOIN member m ON m.conv_id = input.conv_id AND m.user_id = input.user_id
  JOIN conversation c ON c.conv_id = m.conv_id
 WHERE m.left_at IS NULL ORDER BY m.conv_id, m.user_id

-- all members
-- rows := 2
-- $1 := CONV
WITH input AS (SELECT $1 AS conv_id)
SELECT m.conv_id, m.user_id FROM input JOIN member m ON m.conv_id = input.conv_id
 WHERE m.left_at IS NULL

-- move the end
-- $1 := 1800000000001
-- $2 := CONV
-- $3 := 2
WITH input AS (SELECT $2 AS conv_id, $3 AS last_seq)
UPDATE conversation SET last_seq = input.last_seq,
       last_at = CASE WHEN last_at < $1 THEN $1 ELSE last_at END
  FROM input WHERE conversation.conv_id = input.conv_id

-- remember the key
-- $1 := 1800000000001
-- $2 := CONV
-- $3 := ANN
-- $4 := 4711
-- $5 := 2
WITH input AS (SELECT $2 AS conv_id, $3 AS sender_id, $4 AS client_key, $5 AS seq)
INSERT INTO sent_key (conv_id, sender_id, client_key, seq, sent_at)
SELECT conv_id, sender_id, client_key, seq, $1 FROM input

-- the message
-- $1 := 1800000000001
-- $2 := CONV
-- $3 := 2
-- $4 := ANN
-- $5 := NULL
-- $6 := 'of the version before'
WITH input AS (SELECT $2 AS conv_id, $3 AS seq, $4 AS sender_id, $5 AS reply_seq, $6 AS body)
INSERT INTO message (conv_id, seq, sender_id, sent_at, reply_seq, body)
SELECT conv_id, seq, sender_id, $1, reply_seq, body FROM input

-- cursors
-- $1 := CONV
-- $2 := ANN
-- $3 := 2
-- $4 := 2
-- $5 := 0
-- $6 := 1800000000001
-- $7 := 1800000000001
WITH input AS (SELECT $1 AS conv_id, $2 AS user_id, $3 AS delivered_seq, $4 AS read_seq,
       $5 AS mention_seq, $6 AS delivered_at, $7 AS read_at)
UPDATE member SET delivered_seq = input.delivered_seq, read_seq = input.read_seq,
       mention_seq = input.mention_seq, delivered_at = input.delivered_at,
       read_at = input.read_at
  FROM input WHERE member.conv_id = input.conv_id AND member.user_id = input.user_id

-- a nudge
-- $1 := 1800000600001
-- $2 := BOB
WITH input AS (SELECT $2 AS user_id)
INSERT INTO nudge (user_id, due_at) SELECT user_id, $1 FROM input WHERE 1 = 1
ON CONFLICT (user_id) DO UPDATE SET due_at = nudge.due_at WHERE 1 = 0

-- the Paint
-- rows := 1
-- $1 := BOB
-- $2 := 50
-- $3 := 280
SELECT p.*, o.delivered_seq AS friend_delivered_seq, o.read_seq AS friend_read_seq,
       o.mailed_seq AS friend_mailed_seq, o.mailed_at AS friend_mailed_at,
       m.seq, m.sender_id, m.sent_at, m.rev, m.edited_at, m.kind AS message_kind,
       m.reply_seq, substr(m.body, 1, $3) AS preview
  FROM (SELECT c.conv_id, c.kind, c.title, c.member_count, c.last_seq, c.last_rev,
               c.last_at, me.role, me.joined_seq, me.delivered_seq, me.read_seq,
               me.mention_seq, me.muted_until,
               CASE WHEN c.dm_lo = $1 THEN c.dm_hi ELSE c.dm_lo END AS friend_id
          FROM member me JOIN conversation c ON c.conv_id = me.conv_id
         WHERE me.user_id = $1 AND me.left_at IS NULL AND ((c.conv_id >> 12) & 1023) NOT IN
               (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
         ORDER BY c.last_at DESC, c.conv_id LIMIT $2) p
  LEFT JOIN member o ON o.conv_id = p.conv_id AND o.user_id = p.friend_id
  LEFT JOIN message m ON m.conv_id = p.conv_id AND m.seq = p.last_seq AND m.seq > p.joined_seq
 ORDER BY p.last_at DESC, p.conv_id

-- where everything stands
-- rows := 1
-- $1 := BOB
-- $2 := 10000
SELECT c.last_at, c.conv_id, c.last_seq, c.last_rev, me.joined_seq, me.delivered_seq, me.read_seq
  FROM member me JOIN conversation c ON c.conv_id = me.conv_id
 WHERE me.user_id = $1 AND me.left_at IS NULL AND ((c.conv_id >> 12) & 1023) NOT IN
       (SELECT shard FROM shard_gate WHERE shard >= 0 AND state >= 3)
 ORDER BY c.last_at DESC, c.conv_id LIMIT $2

-- is he in
-- rows := 1
-- $1 := CONV
-- $2 := BOB
SELECT joined_seq FROM member WHERE conv_id = $1 AND user_id = $2 AND left_at IS NULL

-- what is new
-- rows := 2
-- $1 := CONV
-- $2 := 0
-- $3 := 51
SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
  FROM message WHERE conv_id = $1 AND seq > $2 ORDER BY seq LIMIT $3

-- what was before
-- rows := 2
-- $1 := CONV
-- $2 := 0
-- $3 := 3
-- $4 := 51
SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
  FROM message WHERE conv_id = $1 AND seq > $2 AND seq < $3
 ORDER BY seq DESC LIMIT $4

-- what was changed
-- rows := 0
-- $1 := CONV
-- $2 := 0
-- $3 := 0
-- $4 := 51
SELECT conv_id, seq, sender_id, sent_at, rev, edited_at, kind, reply_seq, body
  FROM message WHERE conv_id = $1 AND rev > $2 AND rev IS NOT NULL AND seq > $3
 ORDER BY rev LIMIT $4

-- reactions
-- rows := 0
-- $1 := CONV
-- $2 := '[2]'
WITH input AS (SELECT value AS seq FROM json_each($2))
SELECT r.seq, r.emoji, r.user_id FROM input
  JOIN reaction r ON r.conv_id = $1 AND r.seq = input.seq

-- a link in a mail
-- $1 := X'0102'
-- $2 := BOB
-- $3 := 1800000600001
INSERT INTO mail_token (token_hash, user_id, purpose, expires_at)
VALUES ($1, $2, 1, $3)

-- whose link it is
-- rows := 1
-- $1 := X'0102'
-- $2 := 1800000000001
SELECT user_id FROM mail_token
 WHERE token_hash = $1 AND purpose = 1 AND expires_at > $2

-- it is used up
-- rows := 1
-- $1 := X'0102'
-- $2 := 1800000000001
DELETE FROM mail_token WHERE token_hash = $1 AND purpose = 1 AND expires_at > $2
RETURNING user_id
