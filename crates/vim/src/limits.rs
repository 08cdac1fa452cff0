//! Every maximum of the editor, and what happens when it is reached.

/// Bytes of text in the buffer. A change that would pass it is refused with a beep.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one register. Appending beyond it is refused with a beep.
pub const REGISTER_BYTES_MAX: usize = TEXT_BYTES_MAX;
/// A typed count stops growing here, as in Vim.
pub const COUNT_MAX: usize = 999_999_999;
/// Keys that one pressed key may set off through macros, counts and `.`; then all that wait are
/// dropped.
pub const KEYS_PER_PRESS_MAX: usize = 100_000;
/// Bytes of text under all those keys together: each counts the text as it is then, because it may
/// have to look at all of it. Beyond it, too, all that wait are dropped. A short text never gets
/// there before `KEYS_PER_PRESS_MAX`.
pub const BYTES_PER_PRESS_MAX: usize = 64 * 1024 * 1024;
/// Keys waiting to be pressed by macros and `.`; more are not queued, and the command fails.
pub const KEYS_QUEUED_MAX: usize = 100_000;
/// Keys of one unfinished command. A longer one is dropped.
pub const KEYS_PENDING_MAX: usize = 64;
/// Keys of one macro being recorded or of one insert kept for `.`; later ones are not kept.
pub const KEYS_RECORDED_MAX: usize = 64 * 1024;
/// Changes that can be undone; the oldest is forgotten first.
pub const UNDO_STEPS_MAX: usize = 1000;
/// Bytes of old lines kept for undo; the oldest change is forgotten first.
pub const UNDO_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Places kept for CTRL-O; the oldest is forgotten first.
pub const JUMPS_MAX: usize = 100;
/// Bytes read while looking for the tags of `it` and `at`; beyond that there are none.
pub const TAG_BYTES_READ_MAX: usize = 4 * 1024 * 1024;
/// Columns of one tab stop and of one shift.
pub const TAB_WIDTH: usize = 8;
