//! THE DATA: the only place where a message *is*. `docs/data.md` tells the tables, their keys and what each query costs.
//!
//! Every query is written once and runs on SQLite and PostgreSQL. This room never sees a socket and has no clock of
//! its own: whoever calls says what time it is (unix milliseconds).

mod types;

pub use types::*;

use proto::{Conversation, Message, Person, Role, history};

/// The databases behind natter. Cheap to clone.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Connects, brings the schema up to date (safe when several nodes start at once) and is ready for use.
    ///
    /// `urls`: the first is the directory (people, sessions, contacts), all of them hold conversations.
    /// `sqlite:PATH` (exactly one) or `postgres://…` (one or more).
    pub async fn open(urls: &[String], options: &Options) -> Result<Self> { todo!() }
    /// Waits for what is under way, checkpoints SQLite, closes all connections.
    pub async fn close(&self) { todo!() }
    /// A cheap question to every database: does it answer?
    pub async fn ping(&self) -> Result<()> { todo!() }
    /// How many databases hold conversations; a grouping writer runs for each.
    pub fn databases(&self) -> usize { todo!() }
    /// Which of them holds this conversation.
    pub fn database_of(&self, conv_id: i64) -> usize { todo!() }
    /// SQLite: `PRAGMA integrity_check`; both: dense seq, cursors in bounds. What is wrong, in sentences; empty = nothing.
    pub async fn integrity(&self) -> Result<Vec<String>> { todo!() }
    /// One bounded round of forgetting (old client keys, ended sessions, spent mail tokens). How many rows went.
    pub async fn forget(&self, now: i64) -> Result<u64> { todo!() }

    // ── people ──────────────────────────────────────────────────────────────────────────────────
    /// `Taken("handle")` or `Taken("email")` if somebody has it already.
    pub async fn create_user(&self, user: &NewUser, now: i64) -> Result<()> { todo!() }
    pub async fn credential(&self, handle: &str) -> Result<Option<Credential>> { todo!() }
    pub async fn credential_of(&self, user_id: i64) -> Result<Option<Credential>> { todo!() }
    pub async fn set_password(&self, user_id: i64, pass_hash: &str) -> Result<()> { todo!() }
    /// Unknown ids are left out. `relation` and `since` as `viewer` sees them; `last_seen` only of friends.
    pub async fn people(&self, viewer: i64, ids: &[i64]) -> Result<Vec<Person>> { todo!() }
    pub async fn user_ids(&self, handles: &[&str]) -> Result<Vec<i64>> { todo!() }
    /// Exact, prefix, second word, one letter wrong; best first. Never those who blocked the viewer.
    pub async fn find_people(&self, viewer: i64, text: &str, limit: u32) -> Result<Vec<Person>> { todo!() }
    /// Called on disconnect and at most once a minute.
    pub async fn set_last_seen(&self, user_id: i64, now: i64) -> Result<()> { todo!() }

    // ── sessions ────────────────────────────────────────────────────────────────────────────────
    pub async fn create_session(&self, session: &Session) -> Result<()> { todo!() }
    /// The living session with this token hash; used_at and expires_at are moved at most once an hour.
    pub async fn use_session(&self, token_hash: &[u8], now: i64) -> Result<Option<Session>> { todo!() }
    pub async fn sessions(&self, user_id: i64, now: i64) -> Result<Vec<Session>> { todo!() }
    /// Ends the user's session whose hash begins with these 8 bytes. false: there is none.
    pub async fn end_session(&self, user_id: i64, hash_prefix: &[u8]) -> Result<bool> { todo!() }
    /// Ends all sessions of the user but this one; answers the ended hashes.
    pub async fn end_other_sessions(&self, user_id: i64, keep: &[u8]) -> Result<Vec<Vec<u8>>> { todo!() }

    // ── contacts ────────────────────────────────────────────────────────────────────────────────
    /// Friends, requests both ways and people I blocked.
    pub async fn contacts(&self, user_id: i64) -> Result<Vec<Person>> { todo!() }
    /// Who is told of my presence.
    pub async fn friend_ids(&self, user_id: i64) -> Result<Vec<i64>> { todo!() }
    /// Crossing requests become a friendship. A request to someone who blocked me looks like any other request.
    pub async fn befriend(&self, me: i64, peer: i64, now: i64) -> Result<Relations> { todo!() }
    pub async fn accept(&self, me: i64, peer: i64, now: i64) -> Result<Relations> { todo!() }
    /// Ends a friendship or a request from either side.
    pub async fn drop_contact(&self, me: i64, peer: i64) -> Result<Relations> { todo!() }
    /// Also closes the direct conversation for both, on its shard. Repeating it repairs a crash in between.
    pub async fn block(&self, me: i64, peer: i64, now: i64) -> Result<Relations> { todo!() }
    pub async fn unblock(&self, me: i64, peer: i64) -> Result<Relations> { todo!() }
    /// Which of these have blocked me.
    pub async fn blocked_by(&self, me: i64, ids: &[i64]) -> Result<Vec<i64>> { todo!() }

    // ── the log ─────────────────────────────────────────────────────────────────────────────────
    /// One transaction for everything that waits at one database: messages get their seq, cursors move.
    /// When this returns Ok, it is committed and synced. All conversations must belong to `database`.
    pub async fn commit(&self, database: usize, batch: &Batch, now: i64) -> Result<Committed> { todo!() }
    pub async fn edit(&self, me: i64, conv_id: i64, seq: i64, body: &str, now: i64) -> Result<Changed> { todo!() }
    pub async fn delete(&self, me: i64, conv_id: i64, seq: i64, now: i64) -> Result<Changed> { todo!() }
    pub async fn react(&self, me: i64, conv_id: i64, seq: i64, emoji: &str, remove: bool) -> Result<Changed> { todo!() }
    /// `(messages, more)`; oldest first. Cut at `limit` messages and `PAGE_BYTES_MAX`. NotFound if `me` is no member.
    pub async fn history(&self, me: i64, conv_id: i64, from: history::From, limit: u32) -> Result<(Vec<Message>, bool)> { todo!() }
    /// `(messages newest first, scanned_to)`.
    pub async fn search(&self, me: i64, conv_id: i64, text: &str, before_seq: i64, limit: u32) -> Result<(Vec<Message>, i64)> { todo!() }

    // ── conversations ───────────────────────────────────────────────────────────────────────────
    /// The Paint's conversations, newest first, on all databases at once.
    pub async fn conversations(&self, me: i64, limit: u32) -> Result<Vec<Conversation>> { todo!() }
    /// Where every conversation of mine stands. In one snapshot per database.
    pub async fn digest(&self, me: i64) -> Result<Vec<Standing>> { todo!() }
    /// One conversation as `me` sees it; `members` filled in if asked for. NotFound if not a member.
    pub async fn conversation(&self, me: i64, conv_id: i64, with_members: bool) -> Result<Conversation> { todo!() }
    /// Members who have not left, in order of joining (user_id only).
    pub async fn member_ids(&self, conv_id: i64) -> Result<Vec<i64>> { todo!() }
    /// How far each member has it, and when his cursors last moved.
    pub async fn cursors(&self, me: i64, conv_id: i64) -> Result<Vec<Cursor>> { todo!() }
    /// The id of the direct conversation; `true` if it was made now. Forbidden if one blocked the other.
    pub async fn open_direct(&self, me: i64, peer: i64, now: i64) -> Result<(i64, bool)> { todo!() }
    pub async fn create_group(&self, me: i64, title: &str, user_ids: &[i64], now: i64) -> Result<GroupChange> { todo!() }
    pub async fn invite(&self, me: i64, conv_id: i64, user_ids: &[i64], now: i64) -> Result<GroupChange> { todo!() }
    pub async fn leave(&self, me: i64, conv_id: i64, now: i64) -> Result<GroupChange> { todo!() }
    pub async fn kick(&self, me: i64, conv_id: i64, user_id: i64, now: i64) -> Result<GroupChange> { todo!() }
    pub async fn rename(&self, me: i64, conv_id: i64, title: &str, now: i64) -> Result<GroupChange> { todo!() }
    pub async fn appoint(&self, me: i64, conv_id: i64, user_id: i64, role: Role, now: i64) -> Result<GroupChange> { todo!() }
    pub async fn mute(&self, me: i64, conv_id: i64, until: i64) -> Result<()> { todo!() }
}
