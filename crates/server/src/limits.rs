//! The bounds of the server that no operator needs to set, one name each, with what happens at the
//! bound. Those of the wire are in `proto::limits`; those that depend on the machine or the site
//! are in `config.rs`.

// ── before a connection ─────────────────────────────────────────────────────────────────────────

/// A request's line and headers, in bytes. More: 431.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// From the first byte of a connection to the end of its headers, in milliseconds. Longer: closed.
pub const HEADER_MS_MAX: u64 = 5_000;
/// The body of an HTTP call, in bytes. More: 413.
pub const HTTP_BODY_BYTES_MAX: usize = 8 * 1024;
/// One HTTP call from headers to answer, in milliseconds. Longer: 408.
pub const HTTP_CALL_MS_MAX: u64 = 10_000;
/// Passwords that wait for their argon2 run (25 to 36 ms each). More: 429.
pub const PASSWORDS_WAITING_MAX: usize = 64;
/// By how much the priority of these runs is lowered where messages want the processor as well: a
/// third of a message's share, with which even a full queue is served within an HTTP call, if no
/// more than one core's worth of messages is in the way.
pub(crate) const PASSWORDS_NICE: i32 = 5;
/// Addresses and accounts whose rate is remembered. When all are in use, the rest share one bucket.
pub const RATE_KEYS_MAX: usize = 65_536;
/// Tickets that are not used yet. More: the call is answered 503, so that nobody can fill the
/// memory.
pub const TICKETS_MAX: usize = 65_536;
/// A session lives this long after its last use, in milliseconds.
pub const SESSION_MS: i64 = 30 * 24 * 3_600 * 1_000;

// ── one connection ──────────────────────────────────────────────────────────────────────────────

/// Connections of one user on one gateway. One more: the oldest gets Goodbye TOO_MANY.
pub const CONNECTIONS_PER_USER_MAX: usize = 10;
/// Commands of one user on one gateway that do one thing and go, beside the connections above. One
/// more: `ERROR_CODE_BUSY`, and it comes again …
pub const BRIEF_PER_USER_MAX: usize = 10;
/// … after so many milliseconds.
pub const BRIEF_RETRY_MS: i64 = 200;
/// Fragments of one WebSocket message. More: closed 1009. They cost a client 6 bytes and us a scan
/// each.
pub const FRAGMENTS_MAX: u32 = 16;
/// What the WebSocket layer reads at once, in bytes: each idle connection owns this much.
pub const READ_BUFFER_BYTES: usize = 2 * 1024;
/// What gathers before a write that was not flushed goes out, in bytes.
pub const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What may wait inside the WebSocket layer, in bytes: the buffer above and a frame or two. Not
/// reached, because we wait for the socket before each frame.
pub const WRITE_BUFFER_BYTES_MAX: usize = 4 * proto::limits::FRAME_BYTES_MAX;
/// Events that wait for one connection. More, or more bytes: Goodbye TOO_SLOW and 1013; the store
/// has them.
pub const QUEUE_FRAMES_MAX: usize = 256;
/// … and their bytes.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Frames that are taken off one socket before its answers are flushed.
pub const FRAMES_PER_TURN: usize = 32;
/// Wait for the peer to read our last frames and to close, in milliseconds. Longer: we just close.
pub const LINGER_MS: u64 = 1_000;
/// Rounds of catching up for a client that cannot keep pace with what arrives meanwhile. More:
/// 1013.
pub const CATCH_UP_ROUNDS_MAX: u32 = 3;
/// Paints that are read from the store at once; the others wait. Keeps a storm of reconnects from
/// starving those who are connected.
pub const PAINTS_AT_ONCE: usize = 8;
/// Answers about when a friend was last seen, and about who may see me type, are used again for
/// this long.
pub const REMEMBERED_MS: u64 = 30_000;
/// Friends whose last-seen time one connection remembers. More: all are forgotten.
pub const REMEMBERED_FRIENDS_MAX: usize = 64;

// ── the writer ──────────────────────────────────────────────────────────────────────────────────

/// Sends that wait for one database's writer. More: their connections wait and read nothing.
pub const WRITER_QUEUE_SENDS: usize = 4_096;
/// Sends in one transaction. The rest go into the next.
pub const BATCH_SENDS_MAX: usize = 512;
/// Cursor moves in one transaction. The rest go into the next.
pub const BATCH_MOVES_MAX: usize = 1_024;
/// Cursors that wait for one database's writer, one per member and conversation. More: the move is
/// dropped; the client's next one, or its next Hello, carries the same news.
pub const MOVES_WAITING_MAX: usize = 65_536;
/// Connections and conversations in which a message was put off and has not come again yet. Beyond
/// that, order among the repetitions of one writer is not promised.
pub(crate) const PUT_OFF_MAX: usize = 65_536;
/// Cursor moves wait this long, in milliseconds, for sends to ride with; then they go alone.
pub const MOVES_WAIT_MS: u64 = 25;
/// What a refused one is told to wait, in milliseconds, when too many connect at once …
pub const BUSY_RETRY_MS: i64 = 250;
/// … when the database does not answer …
pub const UNAVAILABLE_RETRY_MS: i64 = 1_000;
/// … and when the disk is full.
pub const FULL_RETRY_MS: i64 = 5_000;

// ── the whole gateway ───────────────────────────────────────────────────────────────────────────

/// Messages whose way through this gateway is remembered, the newest.
pub const JOURNEYS_MAX: usize = 4_096;
/// People whose going offline waits for the grace to pass. More: told at once.
pub const LEAVING_MAX: usize = 65_536;
/// Draining connections say goodbye one by one over a millisecond each, but no longer than this.
pub const DRAIN_SPREAD_MS_MAX: u64 = 5_000;
/// The whole drain, in milliseconds. Then the process ends with what is committed.
pub const DRAIN_MS_MAX: u64 = 10_000;
/// Housekeeping runs this often, in milliseconds …
pub const HOUSEKEEPING_MS: u64 = 60_000;
/// … and takes at most this many bounded slices in one run.
pub const HOUSEKEEPING_SLICES: u32 = 20;
/// A database that was away at the start is tried again this often, in milliseconds.
pub const TAKE_IN_MS: u64 = 2_000;

// ── spans ───────────────────────────────────────────────────────────────────────────────────────

/// Spans that wait for their collector. More: dropped, and counted in `natter_spans_dropped_total`.
pub const SPANS_WAITING_MAX: usize = 4_096;
/// Spans in one request. The rest are in the next.
pub const SPANS_AT_ONCE: usize = 512;
/// Spans wait this long for others to go with, in milliseconds; so long is the first pause before
/// they are offered again, and each further one twice as long.
pub const SPANS_EVERY_MS: u64 = 1_000;
/// How often spans are offered to a collector that is away. After that: dropped and counted.
pub const SPANS_TRIES_MAX: u32 = 4;
/// From connecting to the collector to its answer, in milliseconds. Longer: it is away.
pub const COLLECTOR_MS_MAX: u64 = 5_000;
/// What a collector may answer, in bytes. More: not read.
pub const COLLECTOR_ANSWER_BYTES_MAX: usize = 16 * 1024;

// ── Redis ───────────────────────────────────────────────────────────────────────────────────────

/// To open one connection to Redis, in milliseconds. Longer: tried again.
pub const REDIS_CONNECT_MS_MAX: u64 = 2_000;
/// From a command to its answer, in milliseconds. Longer: the command has failed, and a heartbeat
/// that is not answered ends the connection.
pub const REDIS_ANSWER_MS_MAX: u64 = 5_000;
/// Each connection is asked for a sign of life this often, in milliseconds.
pub const REDIS_HEARTBEAT_MS: u64 = 5_000;
/// Pause before Redis is looked for again, in milliseconds: doubled from the first …
pub const REDIS_RETRY_MS: u64 = 100;
/// … up to this one, and each made shorter by chance, so that gateways do not come all at once.
pub const REDIS_RETRY_MS_MAX: u64 = 2_000;
/// How long a sender's answer waits for Redis to say who is there, in milliseconds. Longer: he is
/// told what this gateway knows, and until the next heartbeat nobody waits at all.
pub const PUBLISH_MS_MAX: u64 = 250;
/// How long a connection waits to be subscribed, in milliseconds. Longer: it goes on, and compares
/// its positions once it is subscribed.
pub const SUBSCRIBE_MS_MAX: u64 = 1_000;
/// Subscriptions that wait for the keeper of the links. More: everybody is subscribed anew.
pub const BUS_ORDERS_MAX: usize = 16_384;
/// Commands that are sent to one server of Redis in one piece. The rest are the next piece.
pub const BUS_COMMANDS_AT_ONCE: usize = 1_024;
/// Users of a dead gateway whose friends one other gateway tells in one go. The rest are next.
pub const INHERITED_AT_ONCE: usize = 256;
/// Users who could not be told something while Redis was away and are to be told to look into the
/// store. More: they find it when positions are compared.
pub const MISSED_USERS_MAX: usize = 65_536;
/// How often a nudge that no database took is tried again, in milliseconds.
pub const NUDGE_OWED_MS: u64 = 2_000;
/// Users whose nudge no database took. More: the next message to them nudges them.
pub const NUDGES_OWED_MAX: usize = 65_536;
/// Who heard a word on another gateway seems to be there for so long, in milliseconds; after that
/// he is only asked after by the next word.
pub const HEARD_MS: u64 = 60_000;
/// Users of whom that is remembered. More: all are forgotten, and the next message to each of them
/// costs a nudge.
pub const HEARD_USERS_MAX: usize = 65_536;
/// With several gateways positions are compared at least this often, in milliseconds; the tick of
/// the connection comes on top and both stay below a minute …
pub const POSITION_CHECK_BUS_MS: u64 = 45_000;
/// … and this often while Redis is away.
pub const POSITION_CHECK_DEGRADED_MS: u64 = 20_000;
/// … and this often while a database is away that may hold some of the user's conversations. What
/// is there is found again within this, the half of it at the earliest.
pub const POSITION_CHECK_AWAY_MS: u64 = 6_000;

// ── mail ────────────────────────────────────────────────────────────────────────────────────────

/// How often the notify role looks for what is due, in milliseconds.
pub const RELAY_MS: u64 = 1_000;
/// Jobs that one process does at once, of each kind (nudges: and database). The rest are next.
pub const JOBS_AT_ONCE: u32 = 16;
/// Tries of one job that fail for what it is. After that it waits for a person, in `outbox_dead`.
pub const JOB_TRIES_MAX: u32 = 5;
/// Tries that fail because nobody can be reached who would take it: three days, at the longest
/// pause of about an hour. After that as above.
pub const JOB_TRIES_AWAY_MAX: u32 = 72;
/// A notice that did not get through is tried again after this, in milliseconds, as long as
/// something is unread; later after a quarter of the time that it has been due …
pub const NUDGE_RETRY_MS: i64 = 5 * 60_000;
/// … up to this …
pub const NUDGE_RETRY_MS_MAX: i64 = 3_600_000;
/// … and not at all when it has been due for so long. The next message has a try of its own.
pub const NUDGE_TRIED_MS_MAX: i64 = 3 * 24 * 3_600_000;
/// The first mail comes so long after the oldest unread message, in milliseconds. While somebody is
/// online, we look again after this.
pub const NUDGE_FIRST_MS: i64 = 10 * 60_000;
/// Conversations that one mail tells of; the subject counts all.
pub const MAIL_CONVERSATIONS_MAX: usize = 10;
/// Texts of one conversation in a mail, the newest …
pub const MAIL_TEXTS_MAX: u32 = 3;
/// … cut to this many characters.
pub const MAIL_TEXT_CHARS_MAX: usize = 200;
/// A whole mail may take as long as so many of its steps (`timers.mail_step_ms`). Longer: tried
/// again later.
pub const MAIL_STEPS: u32 = 3;
/// What RabbitMQ hands to one process at once. More would only wait here and not at another one.
pub const PREFETCH: u16 = JOBS_AT_ONCE as u16;
/// Jobs that the relay publishes at once, of each kind: as many confirms are awaited together.
pub const RELAY_AT_ONCE: u32 = 256;
/// A job that is being published belongs to its relay for so long, in milliseconds. Longer than the
/// wait for the confirm. After that, another relay publishes it too.
pub const RELAY_LEASE_MS: i64 = 30_000;
/// A nudge that RabbitMQ has taken over is looked at again after this, in milliseconds, should
/// RabbitMQ have lost it.
pub const NUDGE_QUEUED_MS: i64 = 3_600_000;
/// Jobs in one queue of RabbitMQ. More are refused and wait in their tables: RabbitMQ is for work
/// that flows, and long queues are what it is worst at.
pub const QUEUE_JOBS_MAX: i64 = 100_000;
/// How often RabbitMQ hands one job out again whose worker vanished. More: to the dead ones. Each
/// worker that says it has begun is counted in the database, and five of those are enough; this is
/// for those that die before.
pub const DELIVERIES_MAX: i64 = 20;
/// Connecting to RabbitMQ and declaring the queues, in milliseconds. Longer: tried again.
pub const AMQP_OPEN_MS_MAX: u64 = 10_000;
/// RabbitMQ's word that a job is safe, in milliseconds. Longer: it is published again.
pub const CONFIRM_MS_MAX: u64 = 10_000;
/// A silent line to RabbitMQ is asked for a sign of life after half of this, in seconds, and given
/// up after twice of it.
pub const AMQP_HEARTBEAT_S: u16 = 10;
/// The pause before RabbitMQ is tried again, in milliseconds, doubles from this …
pub const AMQP_PAUSE_MS_MIN: u64 = 100;
/// … to this.
pub const AMQP_PAUSE_MS_MAX: u64 = 10_000;
/// Addresses of one name that a call of a webhook or push server tries. The rest are passed over.
pub const DOOR_ADDRESSES_MAX: usize = 4;
/// The head of its answer, in bytes. More: it counts as no answer.
pub const DOOR_HEAD_BYTES_MAX: usize = 16 * 1024;
/// The text of a push, in bytes: what ntfy takes before it makes a file of it. More is cut.
pub const PUSH_BYTES_MAX: usize = 4_000;
/// Mails in the directory that stands for a mail server. The oldest give way.
pub const MAILS_KEPT_MAX: usize = 1_000;
