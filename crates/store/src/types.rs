//! What goes into the store and comes out of it where the wire's own types do not fit.

use std::collections::{BTreeSet, HashMap};

use proto::http::Preview;
use proto::{Message, Receipt, Relation, Role, id};

pub type Result<T> = std::result::Result<T, Error>;

/// Why the store did not do it. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no such thing here")]
    NotFound,
    #[error("not allowed")]
    Forbidden,
    /// The value is taken; names the field.
    #[error("this {0} is taken")]
    Taken(&'static str),
    /// A number of things has reached its maximum; says which.
    #[error("{0}")]
    Limit(&'static str),
    /// The value fits the wire but not the data; says why.
    #[error("{0}")]
    Invalid(&'static str),
    /// The disk is full. Reading works. Repeat later.
    #[error("the server's disk is full")]
    Full,
    /// The database does not answer in time. Repeat later with the same key.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Our bug, or a broken database. For the log, not for the wire.
    #[error("{0}")]
    Internal(String),
}

/// How to hold the databases.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections per PostgreSQL database, or readers beside the writer of SQLite.
    pub connections: u32,
    /// Longest wait for a connection and for a statement, in milliseconds. Longer: `Unavailable`.
    pub timeout_ms: u64,
    /// SQLite: below this many free bytes on the disk writes are refused with `Full`, so that the
    /// last of it is left for checkpoints and for deleting.
    pub disk_reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 4, timeout_ms: 5_000, disk_reserve_bytes: 64 << 20 }
    }
}

/// What a database says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Which engine, and its version.
    pub engine: String,
    /// Versions of the schema that the next opening applies.
    pub pending: Vec<i64>,
    /// How far its clock is ahead of ours, in milliseconds; `None`: it has ours.
    pub clock_ahead_ms: Option<i64>,
    /// What would keep us from working with it, in sentences.
    pub wrong: Vec<String>,
    /// What is good to know.
    pub notes: Vec<String>,
}

/// The connections to one database now.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// All that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// How many there may be.
    pub max: u32,
    /// The database did not answer when it was last asked, with all others, for what is somebody's.
    pub away: bool,
}

impl Pool {
    /// Connections that somebody uses.
    pub fn busy(&self) -> u32 {
        self.open.saturating_sub(self.idle)
    }
}

/// A person who signs up. Checked by `proto::check` before.
pub struct NewUser {
    pub user_id: i64,
    pub handle: String,
    pub name: String,
    pub email: Option<String>,
    /// argon2id, PHC string.
    pub pass_hash: String,
}

/// What a login is checked against. Never leaves the server.
pub struct Credential {
    pub user_id: i64,
    pub pass_hash: String,
}

/// A login on one device. The token itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the token: 32 bytes.
    pub token_hash: Vec<u8>,
    pub user_id: i64,
    pub device: String,
    pub created_at: i64,
    pub used_at: i64,
    pub expires_at: i64,
}

/// How two people stand to each other after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relations {
    /// The peer as I see him.
    pub mine: Relation,
    /// Me as the peer sees me.
    pub theirs: Relation,
}

/// What one transaction of a grouping writer takes in.
#[derive(Debug, Default)]
pub struct Batch {
    pub sends: Vec<NewMessage>,
    pub moves: Vec<CursorMove>,
}

impl Batch {
    pub(crate) fn conv_ids(&self) -> impl Iterator<Item = i64> {
        let sends = self.sends.iter().map(|send| send.conv_id);
        sends.chain(self.moves.iter().map(|cursor| cursor.conv_id))
    }
}

/// A message that wants to be stored. Checked by `proto::check` before.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub conv_id: i64,
    pub sender_id: i64,
    pub client_key: i64,
    pub reply_seq: i64,
    pub body: String,
    /// People named with `@handle`; those who are no members are passed over.
    pub mentions: Vec<i64>,
}

/// "This member has it up to here." Backwards, beyond the end, or not a member: nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorMove {
    pub conv_id: i64,
    pub user_id: i64,
    pub delivered_seq: i64,
    /// 0 = only delivered.
    pub read_seq: i64,
}

/// What one transaction did.
#[derive(Debug, Default)]
pub struct Committed {
    /// One for each of `Batch::sends`, in the same order.
    pub sends: Vec<SendOutcome>,
    /// One for each cursor that really moved, senders' own cursors included.
    pub receipts: Vec<Receipt>,
    /// The members of every conversation named in `sends` (stored or repeated) and `receipts`.
    pub members: HashMap<i64, Vec<i64>>,
    /// Moves that one of several databases did not take. Repeat them later.
    pub moves_left: Vec<CursorMove>,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    Stored {
        seq: i64,
        sent_at: i64,
    },
    /// The same client_key was stored before, in this batch or long ago.
    Repeated {
        seq: i64,
        sent_at: i64,
    },
    /// No such conversation, not a member, or one of the two has blocked the other.
    Forbidden,
    /// It replies to a message that does not exist.
    BadReply,
    /// Its database does not answer, or its shard is being moved. Repeat later with the same key.
    Unavailable,
    /// The disk of its database is full. Repeat later with the same key.
    Full,
}

/// An old message after a change, and who must hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub message: Message,
    /// false: the change was there already (same reaction again); nobody needs to hear.
    pub moved: bool,
    pub members: Vec<i64>,
}

/// A change of a group: its traces in the log, and who must hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupChange {
    pub conv_id: i64,
    /// The messages that tell it in the conversation itself, in seq order.
    pub messages: Vec<Message>,
    /// Members after the change.
    pub members: Vec<i64>,
    /// Who is not a member any more because of it.
    pub removed: Vec<i64>,
    /// Who is a member because of it.
    pub added: Vec<i64>,
}

/// Where one of my conversations stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub conv_id: i64,
    pub last_seq: i64,
    pub last_rev: i64,
    pub joined_seq: i64,
    pub delivered_seq: i64,
    pub read_seq: i64,
}

/// What was found where somebody could look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached<T> {
    pub found: Vec<T>,
    pub away: Away,
}

/// The shards whose database does not answer. Of a conversation in one of them nothing is known: to
/// find it nowhere does not mean that it is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Away(pub(crate) BTreeSet<u16>);

impl Away {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, conv_id: i64) -> bool {
        self.0.contains(&id::shard_of(conv_id))
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// How far one member has a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub user_id: i64,
    pub role: Role,
    pub delivered_seq: i64,
    pub read_seq: i64,
    /// When the cursors last moved; 0 = never.
    pub delivered_at: i64,
    pub read_at: i64,
    /// Up to where a mail has told him, and when; 0 = none has, or nobody may know.
    pub mailed_seq: i64,
    pub mailed_at: i64,
}

/// Work for the mail service. What it says is true when it was written down; who does it asks
/// again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Somebody signed up with an address: is it his?
    Confirm { user_id: i64 },
    /// Somebody says that he has forgotten his password.
    Reset { user_id: i64 },
    /// Somebody logged in: the owner of the account is told by mail. `session` is the id by which
    /// that session can be ended, `from` says in words where it came from.
    Login { user_id: i64, session: String, device: String, from: String, at: i64 },
    /// Somebody has chosen a door that is not mail: the first thing that comes through it says so.
    Door { user_id: i64 },
    /// Somebody has unread messages. Never in the table `outbox`: the nudge itself waits there.
    Nudge { user_id: i64 },
}

impl Job {
    /// Whom it is for.
    pub fn user_id(&self) -> i64 {
        match self {
            Self::Confirm { user_id }
            | Self::Reset { user_id }
            | Self::Login { user_id, .. }
            | Self::Door { user_id }
            | Self::Nudge { user_id } => *user_id,
        }
    }

    pub fn topic(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Reset { .. } => "reset",
            Self::Login { .. } => "login",
            Self::Door { .. } => "door",
            Self::Nudge { .. } => "nudge",
        }
    }
}

/// A row of the outbox that is leased to who reads this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The same on every try: what the doer knows repetitions by.
    pub id: i64,
    pub job: Job,
    /// This one included.
    pub attempts: u32,
}

/// A row of the outbox, for a person who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    pub id: i64,
    pub topic: String,
    /// While somebody is at it: the end of his lease.
    pub due_at: i64,
    pub attempts: u32,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    pub id: i64,
    pub topic: String,
    /// None: this program cannot read it.
    pub job: Option<Job>,
    pub why: String,
    pub died_at: i64,
}

/// Who may do a job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// You, until the lease ends.
    Yours,
    /// Somebody else is at it.
    Busy,
    /// It was done.
    Done,
    /// You, but only to give it up: too many have died with it.
    Poison,
}

/// How a notice reaches somebody who is away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Door {
    /// By mail to the confirmed address.
    #[default]
    Mail,
    /// By a call of a program of his own, signed with `key`.
    Webhook { url: String, key: String },
    /// By a push server that speaks like ntfy; the URL names the topic.
    Push { url: String },
}

/// What a person wants to be told while he is away, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeSettings {
    /// Nothing about messages.
    pub unwanted: bool,
    pub door: Door,
    pub preview: Preview,
    /// Nothing from this minute of the UTC day …
    pub quiet_from: u16,
    /// … up to this one. The same: at any time.
    pub quiet_to: u16,
    /// Others learn neither since when he is offline nor whether a mail was written.
    pub hide: bool,
}

/// Everything that a mail to somebody depends on, but the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub user_id: i64,
    pub handle: String,
    pub name: String,
    pub email: Option<String>,
    /// He has shown that the address is his.
    pub email_ok: bool,
    pub settings: NoticeSettings,
    /// Why the last notice did not get through his door. Empty: it did.
    pub door_fault: String,
    /// The last mail about messages; 0 = none.
    pub mailed_at: i64,
    /// How many of them since he last came online.
    pub mails: u32,
}

impl Recipient {
    /// Until when no further mail about messages may go out; in the past: now.
    pub fn pause_ends_at(&self) -> i64 {
        match self.mails {
            0 => 0,
            n => {
                let pauses = crate::limits::NUDGE_PAUSES_MS;
                self.mailed_at + pauses[(n as usize - 1).min(pauses.len() - 1)]
            }
        }
    }

    /// The end of the quiet hours that `at` lies in. None: he may be written to then.
    pub fn quiet_ends_at(&self, at: i64) -> Option<i64> {
        let from = i64::from(self.settings.quiet_from);
        let to = i64::from(self.settings.quiet_to);
        let minute = at.div_euclid(MINUTE_MS).rem_euclid(DAY_MINUTES);
        let quiet = match from <= to {
            true => (from..to).contains(&minute),
            false => !(to..from).contains(&minute),
        };
        let wait = (to - minute).rem_euclid(DAY_MINUTES);
        let minute_began = at - at.rem_euclid(MINUTE_MS);
        quiet.then_some(minute_began + wait * MINUTE_MS)
    }

    /// Whether a notice about messages can and may go out to him.
    pub fn wants_notices(&self) -> bool {
        let reachable = match self.settings.door {
            Door::Mail => self.email.is_some() && self.email_ok,
            Door::Webhook { .. } | Door::Push { .. } => true,
        };
        reachable && !self.settings.unwanted
    }

    /// When a mail about messages may go out that is due at `due_at`. None: he gets none. What goes
    /// through another door is between him and that door.
    pub fn mail_at(&self, due_at: i64) -> Option<i64> {
        if !self.wants_notices() || self.settings.door != Door::Mail {
            return None;
        }
        let at = due_at.max(self.pause_ends_at());
        Some(self.quiet_ends_at(at).unwrap_or(at))
    }
}

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

/// One conversation in which somebody has something unread that a mail may tell of: a direct one,
/// or a group in which he is mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub conv_id: i64,
    /// The other one of a direct conversation; 0 in groups.
    pub peer_id: i64,
    pub title: String,
    pub read_seq: i64,
    pub last_seq: i64,
    /// When the first unread message was stored …
    pub since: i64,
    /// … and the last one.
    pub last_at: i64,
}

/// What a one-use link of a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Confirm = 1,
    Reset = 2,
    /// The page of the mail settings, and unsubscribing. Not used up.
    Settings = 3,
}

impl Purpose {
    /// How long such a link is good, in milliseconds.
    pub fn lives_ms(self) -> i64 {
        match self {
            Self::Confirm => crate::limits::CONFIRM_LINK_MS,
            Self::Reset => crate::limits::RESET_LINK_MS,
            Self::Settings => crate::limits::SETTINGS_LINK_MS,
        }
    }
}
