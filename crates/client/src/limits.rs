//! The bounds of the line, one name each, with what happens at the limit. Those of the wire are in
//! `proto::limits`.

/// Events that wait for a slow consumer. Full: the line stops reading from the gateway until there
/// is room.
pub const EVENTS_MAX: usize = 4_096;
/// Orders of the program that wait for the line. Full: the caller waits; `typing` is dropped.
pub const ORDERS_MAX: usize = 256;
/// Jobs that wait for the one connection that writes the cache. Full: the caller waits.
pub const WRITES_MAX: usize = 256;
/// Jobs that share one transaction.
pub const WRITES_PER_COMMIT_MAX: usize = 64;
/// Frames that are taken from the socket at once and share one transaction.
pub const FRAMES_PER_COMMIT_MAX: usize = 256;
/// Frames that wait for the socket. Full: nothing new is said until some have gone out.
pub const FRAMES_OUT_MAX: usize = 512;
/// Tries of one question while the server's database does not answer …
pub const CALL_TRIES: u32 = 4;
/// … with the pause it asks for between them, but no longer than this, in milliseconds.
pub const CALL_RETRY_MS_MAX: u64 = 2_000;
/// Questions of the program without an answer. More: `Error::Invalid`.
pub const CALLS_MAX: usize = 64;
/// Longest wait for the answer to one of them, in milliseconds. Longer: `Error::Silent`.
pub const ANSWER_MS: u64 = 15_000;
/// Longest wait for `Sent`, in milliseconds. Longer: the line counts as broken and is made anew.
pub const SENT_MS: u64 = 30_000;
/// Longest HTTP call, in milliseconds, and longest way to an open WebSocket. Longer:
/// `Error::Silent`.
pub const CONNECT_MS: u64 = 10_000;
/// Longest wait for the gateway's close frame when leaving, in milliseconds.
pub const CLOSE_MS: u64 = 1_000;
/// The answer to an HTTP call, in bytes. Longer: `Error::Http`.
pub const HTTP_BYTES_MAX: usize = 256 * 1024;
/// The first wait after a break is a random part of this, in milliseconds; it doubles with each
/// failure …
pub const BACK_OFF_FIRST_MS: u64 = 1_000;
/// … up to this.
pub const BACK_OFF_MAX_MS: u64 = 30_000;
/// A `Goodbye` or `Retry-After` cannot keep a client away longer than this, in milliseconds.
pub const STAY_AWAY_MAX_MS: u64 = 300_000;
/// Sends of this client that wait for their `Sent`: half of what a gateway allows.
pub const SENDS_IN_FLIGHT_MAX: usize = proto::limits::SENDS_IN_FLIGHT_MAX / 2;
/// Messages in the outbox. Full: `Error::Invalid`, the text stays with the writer.
pub const OUTBOX_MAX: usize = 10_000;
/// Messages that have left the outbox and are remembered, because the order to send them may still
/// be on its way to the line. More: the oldest is forgotten, and if its order comes only now, the
/// server knows its key, and it is told as sent a second time.
pub const GONE_REMEMBERED_MAX: usize = 1_024;
/// Messages of one conversation in the cache. The oldest beyond are dropped; scrolling up fetches
/// them again.
pub const CACHED_MESSAGES_MAX: i64 = 200_000;
/// Conversations that a client follows. Further ones are passed over.
pub const CONVERSATIONS_MAX: usize = 50_000;
/// People that a client remembers. Further ones are told as events only.
pub const PEOPLE_MAX: usize = 200_000;
/// Messages of one conversation that are kept while an earlier one is missing. More: dropped and
/// asked for again.
pub const AHEAD_MAX: usize = 256;
/// A hole that closes by itself within this many milliseconds is not asked for: two messages that
/// are stored at the same moment may come in any order.
pub const HOLE_GRACE_MS: u64 = 150;
/// Questions for missing messages that are under way at once, over all conversations.
pub const QUESTIONS_MAX: usize = 8;
/// Unknown people that are kept in mind until they can be asked for. Further ones are not asked
/// for.
pub const STRANGERS_MAX: usize = 10_000;
/// Delivered and Read of one conversation are said at most once in this time, in milliseconds.
pub const CURSOR_MS: u64 = 50;
/// Messages that one call of `messages` reads.
pub const MESSAGES_PER_READ_MAX: u32 = 1_000;
/// A draft, in bytes. Longer: `Error::Invalid`.
pub const DRAFT_BYTES_MAX: usize = 64 * 1024;
/// The name of a profile, in characters.
pub const PROFILE_CHARS_MAX: usize = 32;
/// Wait for another process that writes the same cache, in milliseconds. Longer: `Error::Disk`.
pub const CACHE_BUSY_MS: u64 = 10_000;
/// Readers of the cache beside its one writer.
pub const CACHE_READERS: u32 = 2;
/// Words of one search. Further ones are not looked for.
pub const SEARCH_WORDS_MAX: usize = 16;
/// Triples of characters that one search asks the index for. Further ones only narrow what the
/// answer is compared with anyway.
pub const SEARCH_GRAMS_MAX: usize = 64;
/// Messages that one search compares. More: it stops, and says where to go on.
pub const SEARCH_LOOKED_MAX: usize = 50_000;
/// Messages that one step of a search takes from the disk.
pub const SEARCH_STEP: u32 = 500;
/// The outbox on disk is looked at this often for what another process put there, in milliseconds.
pub const OUTBOX_LOOK_MS: u64 = 2_000;
