\set conv random(1, :convs)
WITH grown AS (UPDATE conversation SET last_seq = last_seq + 1, last_at = 1
                WHERE conv_id = :conv RETURNING last_seq)
INSERT INTO message (conv_id, seq, sender_id, sent_at, body)
SELECT :conv, last_seq, 2 * :conv, 1, repeat('x', :width) FROM grown;
