-- + the ends of the logs and the messages
UPDATE conversation SET last_seq = last_seq + :each, last_at = 1
 WHERE conv_id BETWEEN 1 AND :convs;
INSERT INTO message (conv_id, seq, sender_id, sent_at, body)
SELECT c.conv_id, c.last_seq - n, 2 * c.conv_id, 1, repeat('x', :width)
  FROM conversation c, generate_series(0, :each - 1) n
 WHERE c.conv_id BETWEEN 1 AND :convs;
-- + and their keys, looked up first
SELECT k.seq FROM conversation c
  JOIN sent_key k ON k.conv_id = c.conv_id AND k.sender_id = 2 * c.conv_id
   AND k.client_key = c.last_seq
 WHERE c.conv_id BETWEEN 1 AND :convs;
INSERT INTO sent_key (conv_id, sender_id, client_key, seq, sent_at)
SELECT c.conv_id, 2 * c.conv_id, (random() * 9e18)::bigint, c.last_seq - n, 1
  FROM conversation c, generate_series(0, :each - 1) n
 WHERE c.conv_id BETWEEN 1 AND :convs;
-- + and the writers' own cursors
UPDATE member SET delivered_seq = c.last_seq, read_seq = c.last_seq, delivered_at = 1, read_at = 1
  FROM conversation c
 WHERE c.conv_id BETWEEN 1 AND :convs AND member.conv_id = c.conv_id
   AND member.user_id = 2 * c.conv_id;
-- + and the readers' cursors
UPDATE member SET delivered_seq = c.last_seq, delivered_at = 1
  FROM conversation c
 WHERE c.conv_id BETWEEN 1 AND :convs AND member.conv_id = c.conv_id
   AND member.user_id = 2 * c.conv_id + 1;
-- + and a nudge for everybody, who has one
INSERT INTO nudge (user_id, due_at)
SELECT 2 * n + 1, 1 FROM generate_series(1, :convs) n
    ON CONFLICT (user_id) DO UPDATE SET due_at = nudge.due_at WHERE 1 = 0;
