//! The bounds of this room, one name each, and what happens at them. Those that a client can see
//! are in `proto::limits`.

use std::time::Duration;

/// Runs of one transaction that PostgreSQL ended for a deadlock. After that: `Unavailable`.
pub(crate) const CONFLICT_TRIES: u32 = 4;
/// Ids drawn for one new conversation before giving up: `Unavailable`. Two in a row colliding is
/// one in millions.
pub(crate) const ID_TRIES: u32 = 8;
/// Rounds of comparing contacts and conversation after a block, while others change it:
/// `Unavailable`.
pub(crate) const MIRROR_TRIES: u32 = 8;
/// Rounds of finding the heir of a group while its members change: `Unavailable`.
pub(crate) const HEIR_TRIES: u32 = 8;
/// Databases that are asked at the same time when a question goes to all of them.
pub(crate) const DATABASES_AT_ONCE: usize = 8;
/// A database that did not answer a question to all of them is passed over by the next ones for so
/// long; then one of them asks it again.
pub(crate) const AWAY_ASKED_EVERY: Duration = Duration::from_secs(2);
/// Databases behind one store: one for each logical shard at the very most.
pub(crate) const DATABASES_MAX: usize = proto::id::SHARDS as usize;
/// How long who needs a shard that is being moved waits for it. Longer: `Unavailable`, and what a
/// dead mover left is put in order.
pub(crate) const FENCE_WAIT: Duration = Duration::from_secs(2);
/// How often he asks meanwhile.
pub(crate) const FENCE_ASKED_EVERY: Duration = Duration::from_millis(10);
/// How long a mover, and everybody who comes after him, waits for writes that are under way.
/// Longer: he steps back and tries again …
pub(crate) const FENCE_LOCK: Duration = Duration::from_millis(500);
/// … so often. Then the move fails.
pub(crate) const FENCE_TRIES: u32 = 20;
/// Rounds of copying beside the writers before a shard is fenced, however much is still missing.
pub(crate) const COPY_ROUNDS: u32 = 16;
/// So few rows may be missing when it is fenced: they are copied while its writers wait.
pub(crate) const COPY_REST_ROWS: u64 = 500;
/// Rows of one table that are copied at once …
pub(crate) const COPY_ROWS: i64 = 500;
/// … and after so many the target commits.
pub(crate) const COPY_COMMIT_ROWS: u64 = 5_000;
/// Conversations that are listed, and looked at, at once while a shard is copied.
pub(crate) const COPY_CONVERSATIONS: i64 = 64;
/// Rows that one statement deletes where a shard was moved away.
pub(crate) const SWEEP_ROWS: i64 = 5_000;
/// How often a mover looks whether all processes can reach the new home, a second apart. Then the
/// move is refused.
pub(crate) const REACH_TRIES: u32 = 3;
/// Conversations in one digest: those with the newest messages. Older ones come when they move.
pub const DIGEST_MAX: i64 = 10_000;
/// Contacts of one person with the blocks that were made when there was no room for more contacts:
/// `Limit`.
pub(crate) const CONTACTS_AND_BLOCKS_MAX: i64 = 2 * proto::limits::CONTACTS_MAX as i64;
/// Sessions of one person; the one that was not used for the longest time gives way.
pub(crate) const SESSIONS_MAX: i64 = 64;
/// A session that is not used for so long ends, in milliseconds.
pub(crate) const SESSION_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// How often the use of a session is written down, in milliseconds.
pub(crate) const SESSION_TOUCH_MS: i64 = 3_600 * 1_000;
/// Words one person can be found by; further ones of a long name are passed over.
pub(crate) const WORDS_MAX: usize = 12;
/// A word is cut to this many characters, when stored and when searched.
pub(crate) const WORD_CHARS_MAX: usize = 32;
/// Shorter words are not tried with one letter wrong: everything is one letter away from them.
pub(crate) const TYPO_CHARS_MIN: usize = 4;
/// Longer ones neither: the probes grow with the letters.
pub(crate) const TYPO_CHARS_MAX: usize = 16;
/// People that one step of a search looks at; the best of those whom the viewer may see are shown.
pub(crate) const FIND_ROWS: i64 = 200;
/// Where so few have a word that begins like the second one, the first is looked for among them …
pub(crate) const RARE_WORD_MAX: i64 = 500;
/// … else the second among those who have the first, but among so many at most.
pub(crate) const COMMON_WORD_MAX: i64 = 5_000;
/// The first mail about unread messages comes so long after the oldest of them, in milliseconds.
pub(crate) const NUDGE_FIRST_MS: i64 = 10 * 60 * 1_000;
/// The pause after the first, the second and every further mail to somebody who does not come, in
/// milliseconds.
pub(crate) const NUDGE_PAUSES_MS: [i64; 3] = [3_600_000, 6 * 3_600_000, 24 * 3_600_000];
/// From one mail with a link to a new password to the next for the same account, in milliseconds.
/// Who asks earlier is told the same and gets none.
pub(crate) const RESET_PAUSE_MS: i64 = 5 * 60 * 1_000;
/// Conversations that one mail can tell of, those with the newest messages.
pub(crate) const UNREAD_MAX: i64 = 50;
/// A job that was done is remembered for so long, in milliseconds: no queue brings it again later.
pub(crate) const JOB_REMEMBERED_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Workers that one job may take with it. After that it is given up: the next one would die too.
pub(crate) const JOB_DEATHS_MAX: i64 = 5;
/// Whoever held a job and whose lease has ended is remembered for so long, in milliseconds, so that
/// deaths are counted. Longer than any pause before the next try.
pub(crate) const DEATHS_REMEMBERED_MS: i64 = 24 * 3_600 * 1_000;
/// Undeliverable facts that one call lists.
pub(crate) const DEAD_MAX: i64 = 1_000;
/// Rows that one round of forgetting looks at, for each table and database.
pub(crate) const FORGET_ROWS: i64 = 10_000;
/// Faults that `integrity` names for each rule; more are only more of the same.
pub(crate) const FAULTS_MAX: i64 = 20;
/// Ids in one statement. Longer lists go in slices.
pub(crate) const IDS_AT_ONCE: usize = 1_000;
/// Prepared statements that each connection keeps. More than the room has.
pub(crate) const STATEMENTS_MAX: usize = 200;

/// A connection that rested for longer is asked whether it still lives before it is used.
pub(crate) const REST_UNASKED: Duration = Duration::from_secs(5);
/// PostgreSQL connections that nobody needs are closed after this time …
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(10 * 60);
/// … and all of them after this, so that a server's leaks stay small.
pub(crate) const CONNECTION_LIFE: Duration = Duration::from_secs(60 * 60);

/// How often the size of SQLite's WAL is looked at.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// From this size on its pages are copied into the database beside the writer, in bytes.
pub(crate) const WAL_COPY_BYTES: u64 = 4 << 20;
/// From this size on the writer is held for a moment so that the WAL can begin anew, in bytes.
pub(crate) const WAL_RESTART_BYTES: u64 = 64 << 20;
/// Before that it is copied again until less than this came during a copy, in bytes; a WAL of which
/// a reader keeps more from being copied goes on growing until he ends …
pub(crate) const WAL_REST_BYTES: u64 = 2 << 20;
/// … but no more often than this.
pub(crate) const WAL_COPIES_MAX: usize = 3;
/// A WAL that begins anew and is longer than this is cut to it, in bytes; well above
/// `WAL_RESTART_BYTES`.
pub(crate) const WAL_KEPT_BYTES: i64 = 128 << 20;
/// Whoever has held the writer in vain, because readers were in the way, lets him go for so long.
pub(crate) const WAL_HOLD_PAUSE: Duration = Duration::from_secs(5);
/// What SQLite's WAL puts before each page.
pub(crate) const WAL_HEADER_BYTES: i64 = 24;
/// The longest that a checkpoint waits for readers, or for another process that writes, while it
/// holds the writer.
pub(crate) const CHECKPOINT_BUSY: Duration = Duration::from_millis(200);
/// How often the free space of the disk is asked for.
pub(crate) const DISK_ASKED_EVERY: Duration = Duration::from_secs(1);

/// A link that confirms an address is good for so long, in milliseconds …
pub(crate) const CONFIRM_LINK_MS: i64 = 24 * 3_600_000;
/// … one that sets a new password …
pub(crate) const RESET_LINK_MS: i64 = 3_600_000;
/// … and one to the mail settings.
pub(crate) const SETTINGS_LINK_MS: i64 = 90 * 24 * 3_600_000;
