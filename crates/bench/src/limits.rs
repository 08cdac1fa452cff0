//! The bounds of a benchmark, one name each, with what happens at them, and the sizes that make
//! runs comparable.

use std::time::Duration;

/// Connections of one run. More: the options are refused; loopback has about 28,000 ports for one
/// address.
pub(crate) const CONNECTIONS_MAX: usize = 20_000;
/// Pairs of one run. More: the options are refused.
pub(crate) const PAIRS_MAX: usize = 2_000;
/// Seconds of one measurement. More: the options are refused.
pub(crate) const SECONDS_MAX: u64 = 3_600;
/// Connections of one person: what a gateway allows, so that fewer people have to sign up.
pub(crate) const CONNECTIONS_PER_PERSON: usize = 10;
/// Sign-ups under way at once. Each costs the server an argon2 run; more would be refused by its
/// queue.
pub(crate) const SIGN_UPS_AT_ONCE: usize = 16;
/// Connections that are being opened at once; the others wait.
pub(crate) const OPENING_AT_ONCE: usize = 64;
/// The answer to an HTTP call, in bytes. Longer: an error.
pub(crate) const HTTP_BYTES_MAX: u64 = 64 * 1024;
/// Longest wait for one frame, one call or one open connection. Longer: the run fails and says so.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for a child process to say that it listens. Longer: it is killed and the run fails.
pub(crate) const START_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for a child process to end when asked. Longer: it is killed.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(15);
/// Load before a measurement begins: connections, caches and the disk's own queue get into their
/// stride.
pub(crate) const WARM_UP: Duration = Duration::from_millis(1_500);
/// How often a person who waits is told how far it is.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Messages a second of an open loop. More: the options are refused.
pub(crate) const RATE_MAX: u32 = 1_000_000;
/// Rest before memory is read, so that what a burst of new connections borrowed has been given
/// back.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// How long rows are written without any network to find the limit of the storage.
pub(crate) const ROWS_FOR: Duration = Duration::from_secs(3);
/// Connections of pgbench where each writes one message in a transaction. More only wait for locks.
pub(crate) const PGBENCH_CONNECTIONS_MAX: usize = 64;
/// Words that Redis publishes alone.
pub(crate) const WORDS_ALONE: u32 = 200_000;
/// What is around a frame on the bus, in bytes: who speaks, and two tags.
pub(crate) const BUS_WORD_BYTES: usize = 12;
/// Words that a gateway gives to Redis in one piece.
pub(crate) const BUS_WORDS_AT_ONCE: usize = 1_024;
/// Syncs of one small write each, to find what the disk itself takes.
pub(crate) const SYNCS: u32 = 100;
/// Sends in one transaction where the server does not tell how it groups.
pub(crate) const GROUP_DEFAULT: usize = 64;
/// A recipient says Delivered of one conversation at most once in this time. Our own client waits
/// longer (50 ms).
pub(crate) const DELIVERED_EVERY: Duration = Duration::from_millis(20);
/// The text of a message: the average length of a line in a public chat.
pub(crate) const TEXT_BYTES: usize = 66;
/// Paints between two readings of the processor time: as many tickets are taken before.
pub(crate) const PAINTS_PER_ROUND: usize = 25;
/// Times that a question is put to the store alone, at the most …
pub(crate) const QUESTIONS_ALONE: u32 = 200;
/// … and the time after which it is not repeated any more.
pub(crate) const ALONE_FOR: Duration = Duration::from_secs(1);
/// … and that the echo server is asked for a frame of the size of the answer.
pub(crate) const ECHO_QUESTIONS: u32 = 2_000;
/// Rows of people or messages that are written in one transaction.
pub(crate) const ROWS_AT_ONCE: usize = 1_000;
/// After so many rows somebody who waits is told how far it is.
pub(crate) const ROWS_TOLD_EVERY: usize = 100_000;
/// People beside those who act, at the most; a larger size of growth has no more of them.
pub(crate) const CROWD_MAX: usize = 1_000_000;
/// Sizes of growth. More messages would take hours, fewer tell nothing: the options are refused.
pub(crate) const SIZE_MIN: u64 = 1_000;
pub(crate) const SIZE_MAX: u64 = 100_000_000;
/// Messages in the copies on disk that a screen starts from. More than a client keeps of one
/// conversation, or fewer than fill a screen: the options are refused.
pub(crate) const COPY_MIN: u64 = 100;
pub(crate) const COPY_MAX: u64 = 200_000;
/// Frames of each kind that are drawn in memory.
pub(crate) const FRAMES: usize = 300;
/// Starts of the screen with each copy.
pub(crate) const STARTS: usize = 15;
/// Letters that are typed at each screen.
pub(crate) const LETTERS: usize = 500;
/// Seconds of each of the many small loads of growth; a longer wish is cut.
pub(crate) const PROBE_SECONDS_MAX: u64 = 5;
/// Times that somebody comes back who has missed a little …
pub(crate) const RETURNS: usize = 50;
/// … to each of so many starts of the server: the median of one start was up to half as much again
/// as that of the next, on a database of the same size.
pub(crate) const RETURN_STARTS: usize = 8;
/// How often one catch-up is repeated.
pub(crate) const CATCH_UPS: u32 = 10;
/// … and at the echo server, where one alone takes less than the kernel's clock of processor time
/// can tell.
pub(crate) const ECHO_CATCH_UPS: u32 = 300;
/// Violations that are told one by one; more are only counted by their end.
pub(crate) const VIOLATIONS_MAX: usize = 20;
/// The longest latency that is told apart, in microseconds. Longer ones count as this.
pub(crate) const LATENCY_US_MAX: u64 = 60_000_000;
/// Messages of one writer to a group that not every member has yet, at the most. More: the options
/// are refused, as this is what the gateway allows.
pub(crate) const FANOUT_WINDOW_MAX: usize = proto::limits::SENDS_IN_FLIGHT_MAX;
/// Frames that the echo server keeps for a listener who is slow. More: he is cut off.
pub(crate) const ECHO_BACKLOG: usize = 1_024;
/// Different frame sizes that one request to the echo server may ask for.
pub(crate) const ECHO_ORDERS_MAX: usize = 4;
/// Frames of one size that one request to the echo server may ask for. More: the connection is
/// closed.
pub(crate) const ECHO_FRAMES_MAX: u16 = 20_000;

/// The buffers of the gateway's WebSockets, so that the echo server has the same. In bytes.
pub(crate) const READ_BUFFER_BYTES: usize = 2 * 1024;
/// … what gathers before it is written.
pub(crate) const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// … and what may wait at the most.
pub(crate) const WRITE_BUFFER_BYTES_MAX: usize = 4 * proto::limits::FRAME_BYTES_MAX;
/// Frames that the echo server takes off one socket before it flushes, as the gateway does.
pub(crate) const FRAMES_PER_TURN: usize = 32;

/// Messages of one question for the log of a conversation, which is read to its end.
pub(crate) const LOG_PAGE: u32 = 100;
