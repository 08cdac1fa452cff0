INSERT INTO conversation (conv_id, kind, dm_lo, dm_hi, member_count, last_at, created_at)
SELECT n, 1, 2 * n, 2 * n + 1, 2, 1, 1 FROM generate_series(1, :convs) n;
INSERT INTO member (conv_id, user_id)
SELECT n, 2 * n + side FROM generate_series(1, :convs) n, generate_series(0, 1) side;
