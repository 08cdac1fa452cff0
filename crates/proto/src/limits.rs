//! The bounds of the wire, one name each. What only a server or only a client bounds is in its own
//! `limits.rs`.

/// A WebSocket message in either direction, in bytes. Larger: closed with `CLOSE_CODE_TOO_BIG`
/// before it is buffered.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The text of one message, in bytes. Longer: `ERROR_CODE_INVALID`.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// A page or a part of a Paint is cut before it grows past this, in bytes, so that it fits a frame.
pub const PAGE_BYTES_MAX: usize = 48 * 1024;
/// Messages in one Page.
pub const PAGE_MESSAGES_MAX: u32 = 100;
/// Messages in one Page where the asker names no number.
pub const PAGE_MESSAGES_DEFAULT: u32 = 50;
/// Conversations in one Paint: the ones with the newest messages.
pub const PAINT_CONVERSATIONS_MAX: u32 = 200;
/// The newest message of a conversation in a Paint is cut to this many characters.
pub const PREVIEW_CHARS_MAX: u32 = 120;
/// Positions in one Hello. More: `ERROR_CODE_INVALID`; a client names those with the newest
/// messages.
pub const HELLO_POSITIONS_MAX: usize = 2_000;
/// The name of the client program in Hello, in bytes.
pub const CLIENT_NAME_BYTES_MAX: usize = 64;
/// Messages of one conversation that one catch-up sends by itself. What is left is named in
/// CaughtUp.
pub const CATCH_UP_MESSAGES_MAX: u32 = 10_000;
/// Messages that one Search looks at.
pub const SEARCH_WINDOW: u32 = 2_000;
/// The text of a Search or a Find, in bytes.
pub const SEARCH_BYTES_MAX: usize = 64;
/// … and at least this many.
pub const SEARCH_BYTES_MIN: usize = 2;
/// People in one Found.
pub const FOUND_MAX: u32 = 50;
/// People in one Found where the asker names no number.
pub const FOUND_DEFAULT: u32 = 20;
/// People in one Who, Invite or CreateGroup.
pub const PEOPLE_PER_FRAME_MAX: usize = 100;
/// Members of a group.
pub const GROUP_MEMBERS_MAX: u32 = 1_000;
/// In larger groups a receipt is told to its owner's devices only; the others ask with Members.
pub const RECEIPT_MEMBERS_MAX: u32 = 64;
/// In larger groups typing is not passed on.
pub const TYPING_MEMBERS_MAX: u32 = 64;
/// The title of a group, in bytes.
pub const TITLE_BYTES_MAX: usize = 64;
/// A person's display name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// A handle, in characters (all of them ASCII).
pub const HANDLE_CHARS_MIN: usize = 3;
/// … at most.
pub const HANDLE_CHARS_MAX: usize = 32;
/// A password, in bytes: long enough for any passphrase, short enough not to be an attack on
/// argon2.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// A password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// An e-mail address, in bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// The URL of a webhook or of a push topic, in bytes.
pub const DOOR_URL_BYTES_MAX: usize = 500;
/// The name of a device, in bytes.
pub const DEVICE_BYTES_MAX: usize = 64;
/// An emoji of a reaction, in bytes.
pub const EMOJI_BYTES_MAX: usize = 32;
/// Different reactions of one person to one message.
pub const REACTIONS_PER_PERSON_MAX: u32 = 8;
/// Reactions to one message.
pub const REACTIONS_PER_MESSAGE_MAX: u32 = 256;
/// Mentions in one message that are looked up; further ones are only text.
pub const MENTIONS_MAX: usize = 20;
/// Contacts of one person: friends, requests and blocks together.
pub const CONTACTS_MAX: u32 = 5_000;
/// How long a `client_key` is remembered, in milliseconds. A client must not retry longer.
pub const CLIENT_KEY_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// A client sends something at least this often, in milliseconds (Ping if nothing else).
pub const HEARTBEAT_MS: u64 = 20_000;
/// Either side that hears nothing for so long closes, in milliseconds.
pub const SILENCE_MS: u64 = 45_000;
/// A Typing is shown for this long, in milliseconds …
pub const TYPING_SHOWN_MS: u64 = 5_000;
/// … and repeated no sooner than this.
pub const TYPING_REPEAT_MS: u64 = 3_000;
/// Sends of one connection that may wait for their Sent. The gateway stops reading at this number.
pub const SENDS_IN_FLIGHT_MAX: usize = 64;
