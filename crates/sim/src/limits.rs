//! The bounds of a simulation, one name each.

use std::time::Duration;

/// People. Each two are friends and have a conversation, and all are in a group.
pub const PEOPLE: usize = 4;
/// Simulated time in one step of the network: nothing happens between two steps.
pub const STEP: Duration = Duration::from_millis(2);
/// How long people write and things break, in simulated seconds, unless asked otherwise.
pub const SECONDS: u64 = 30;
/// Before that everybody has so long to connect, and nothing breaks.
pub const ARRIVAL: Duration = Duration::from_secs(5);
/// Longest wait until everything has arrived when all is whole again: longer than the longest
/// back-off and a send without an answer together. Longer: something never arrives.
pub const SETTLE: Duration = Duration::from_secs(150);
/// Then nothing happens for so long: who is there is known by then, and nothing comes twice.
pub const QUIET: Duration = Duration::from_secs(10);
/// How often that is looked at.
pub const LOOK: Duration = Duration::from_millis(100);
/// Longest pause between two messages of one person, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 1_500;
/// Longest time until something else breaks, in milliseconds.
pub const PEACE_MS_MAX: u64 = 3_000;
/// Longest time that something stays broken, in milliseconds.
pub const BROKEN_MS_MAX: u64 = 8_000;
/// Messages that are written at once now and then.
pub const BURST: usize = 12;
/// So long before the end the last words are said for the first time, while all lines break …
pub const LAST_STORM: Duration = Duration::from_millis(800);
/// … and so often in all, each time when everything has arrived.
pub const LAST_WORDS: u64 = 8;
/// A server that is to die does so at the latest after so many more writes and syncs.
pub const LAST_BREATHS_MAX: u64 = 40;
/// Longest wait of one call to SQLite at the server, in milliseconds.
pub const SLOW_DISK_MS: u64 = 20;
/// Where bells are lost, it is one in so many.
pub const DEAF_TO_EVERY: u64 = 11;
/// Connections that wait to be accepted, and packets of one connection that wait to be read.
pub const TCP_PACKETS: usize = 4_096;
/// Streams that wait to be taken over by the server.
pub const STREAMS_MAX: usize = 1_024;
/// The real time that one seed may take. Longer: it hangs.
pub const REAL_TIME_MAX: Duration = Duration::from_secs(120);
