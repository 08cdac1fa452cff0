//! The bounds of the screen, one name each, and what happens there.

/// Messages of the open conversation in memory. More: the oldest are let go; scrolling up reads
/// them again.
pub const CHAT_MESSAGES_MAX: usize = 20_000;
/// How many of the oldest are let go at once, so that it does not happen at each message.
pub const CHAT_MESSAGES_LET_GO: usize = 1_000;
/// Messages read from the disk at a time.
pub const PAGE_MESSAGES: u32 = 100;
/// A count before a command. More counts as this.
pub const COUNT_MAX: usize = 9_999;
/// Keys of an unfinished command. More: they are forgotten.
pub const PENDING_KEYS_MAX: usize = 16;
/// Keys of the user's own. More: they are not taken, and told.
pub const MAPPINGS_MAX: usize = 500;
/// Keys that one of them stands for. More: it is not taken, and told.
pub const MAPPED_KEYS_MAX: usize = 64;
/// A key that is the beginning of one of them, and has a meaning of its own, waits so long for the
/// next, in milliseconds.
pub const MAPPING_WAIT_MS: i64 = 500;
/// The file of settings, in bytes. More: it is not read, and told.
pub const CONFIG_BYTES_MAX: usize = 256 * 1024;
/// Lines of the `:` history. More: the oldest are forgotten.
pub const HISTORY_LINES_MAX: usize = 200;
/// Bytes of it that are read from the disk. More: the rest is not.
pub const HISTORY_BYTES_MAX: u64 = 1024 * 1024;
/// A line in the finder, the command line or the reaction box, in bytes. More is not taken.
pub const LINE_BYTES_MAX: usize = 4 * 1024;
/// Text in the message box, in bytes, that a paste may fill. More is cut, and told. The editor has
/// a bound of its own for what is typed, and the server's is checked at Enter.
pub const BOX_BYTES_MAX: usize = 64 * 1024;
/// Messages around one that is gone to, read from the disk at once.
pub const AROUND_MESSAGES: u32 = 200;
/// Results that a search brings at a time.
pub const FOUND_PAGE: usize = 100;
/// Messages deleted at once. More: none is, and a notice says so.
pub const DELETE_MESSAGES_MAX: usize = CALLS_MAX;
/// Places to jump back to. More: the oldest are forgotten.
pub const JUMPS_MAX: usize = 100;
/// People shown in the finder. More: the best ones.
pub const FINDER_ROWS_MAX: usize = 100;
/// Results of a search in the popup. More: no further pages are asked for.
pub const FOUND_ROWS_MAX: usize = 1_000;
/// People who are typing at the same time. More are not shown.
pub const TYPING_MAX: usize = 16;
/// An unfinished command waits for so long before the keys that may follow are shown, in
/// milliseconds.
pub const WHICH_KEY_MS: i64 = 300;
/// A notice stays for this long, in milliseconds, or until the next key.
pub const NOTICE_MS: i64 = 8_000;
/// Keys that wait for a conversation that is being opened. More: they are forgotten.
pub const OPENING_KEYS_MAX: usize = 256;
/// Lines of `:log`. More: the oldest are forgotten.
pub const LOG_LINES_MAX: usize = 500;
/// A draft is saved when nothing was typed for so long, in milliseconds.
pub const DRAFT_PAUSE_MS: i64 = 1_000;
/// Two messages of one person within this time stand under one head line, in milliseconds.
pub const SAME_HEAD_MS: i64 = 5 * 60 * 1_000;
/// Calls to the gateway under way at the same time. More: the call is not made and a notice says
/// so.
pub const CALLS_MAX: usize = 16;
/// Events taken before the screen is drawn again, so that catching up does not starve the keyboard.
pub const EVENTS_PER_FRAME_MAX: usize = 256;
/// A lone Esc is one when nothing came behind it for so long, in milliseconds: what a terminal
/// sends for an arrow begins with one, and may be cut in two on its way.
pub const ESC_WAIT_MS: i64 = 30;
/// Bytes of one read from the terminal.
pub const READ_BYTES: usize = 4 * 1024;
/// A terminal's sequence, in bytes. Longer: it is passed over.
pub const SEQUENCE_BYTES_MAX: usize = 64;
/// A paste, in bytes. The rest is passed over: it is more than the box has room for, and that is
/// told.
pub const PASTE_BYTES_MAX: usize = 2 * BOX_BYTES_MAX;
/// A web address that can be opened, in bytes. Longer ones are not offered.
pub const LINK_BYTES_MAX: usize = 2 * 1024;
/// Columns of a message in a notification. More is cut.
pub const NOTIFICATION_COLUMNS: usize = 120;
/// A stopped process wakes up by itself after so long where nobody can wake it, in milliseconds.
pub const SUSPENDED_MS: u64 = 500;
/// Keys that wait for the screen. More: the terminal keeps them until there is room.
pub const KEYBOARD_QUEUE: usize = 256;
/// Text for the terminal's clipboard, in bytes. More is not copied, and a notice says so: terminals
/// drop longer sequences in silence.
pub const CLIPBOARD_BYTES_MAX: usize = 48 * 1024;
