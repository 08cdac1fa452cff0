//! What the client room tells and is told. Texts of others in here are clean (`proto::clean`): they
//! were cleaned where they entered the process.

use proto::{ErrorCode, Message, Person, Presence, Receipt, Sent, Typing};
use serde::{Deserialize, Serialize};

use crate::dial::Way;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no line now. What was queued stays queued.
    #[error("not connected")]
    Offline,
    /// The session is not valid (any more).
    #[error("not logged in: {0}")]
    SignedOut(String),
    /// The gateway refused a frame.
    #[error("{text}")]
    Refused { code: ErrorCode, text: String, retry_after_ms: i64 },
    /// An HTTP call was refused.
    #[error("{detail}")]
    Http { status: u16, detail: String },
    /// The value is not worth sending; says why.
    #[error("{0}")]
    Invalid(String),
    #[error("nobody here is called {0}")]
    NobodyCalled(String),
    #[error("you are in no group called +{0}")]
    NoGroup(String),
    /// The gateway said that this program must not come back by itself; says why.
    #[error("{0}")]
    Stopped(String),
    /// No answer in time.
    #[error("{0} does not answer")]
    Silent(String),
    /// There is no way to the server.
    #[error("cannot reach {server}: {why}")]
    Unreachable { server: String, why: String },
    /// The own disk: cache, outbox, session file.
    #[error("{0}")]
    Disk(String),
}

/// A login as it is kept in `session.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// `http(s)://HOST[:PORT]` of the auth role.
    pub server: String,
    pub user_id: i64,
    pub handle: String,
    pub token: String,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Told to the gateway in Hello.
    pub program: String,
    /// Say Delivered for what was stored. false: only look.
    pub mark_delivered: bool,
    /// A command that does one thing and goes: it waits for a place instead of taking that of
    /// another connection of this account.
    pub brief: bool,
    /// How the line gets to the server.
    pub way: Way,
    /// A gateway that is not heard for so long, though it was asked, has gone: in milliseconds.
    pub silence_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: concat!("natter ", env!("CARGO_PKG_VERSION")).into(),
            mark_delivered: true,
            brief: false,
            way: Way::Tcp,
            silence_ms: proto::limits::SILENCE_MS,
        }
    }
}

/// The state of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Connecting,
    /// Connected; what was missing is coming in.
    CatchingUp,
    /// Everything is live.
    Live,
    /// Waiting before the next try: unix milliseconds of it, and why the last one ended.
    Waiting {
        until: i64,
        why: String,
    },
    /// The session was ended or is not valid: log in again.
    SignedOut {
        why: String,
    },
    /// The server said that this program must not come back by itself.
    Stopped {
        why: String,
    },
}

/// What happened. In order, as the line saw it; the cache has it already when the event is told.
#[derive(Debug, Clone)]
pub enum Event {
    Line(Line),
    /// A conversation appeared, changed its title, members, settings, or went (left = true).
    Conversation(proto::Conversation),
    /// A message that was not here before, in seq order per conversation. `live`: it did not come
    /// from catching up.
    New {
        message: Message,
        live: bool,
    },
    /// A message that was here has changed: edited, deleted, reacted to.
    Changed(Message),
    /// A message of mine is stored. Its text is in the cache under `seq` now and not in the outbox
    /// any more.
    Sent(Sent),
    /// The server does not take this message; it stays in the outbox, marked, until `retry` or
    /// `unqueue`.
    SendRefused {
        client_key: i64,
        code: ErrorCode,
        text: String,
    },
    Receipt(Receipt),
    Presence(Presence),
    Typing(Typing),
    Person(Person),
    /// `true`: some conversations are in a database that does not answer the gateway, and are as
    /// they were when they were last seen. `false`: it is back, and what was missing has come.
    Incomplete(bool),
    /// Another process of this profile has put something into the outbox or taken something out.
    Outbox,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Where to go on; None: everything was looked at.
    pub below: Option<Below>,
}

/// A place in the copy by time, below which a search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Below {
    /// Unix milliseconds.
    pub sent_at: i64,
    pub(crate) id: i64,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub conv_id: i64,
    pub client_key: i64,
    pub body: String,
    pub reply_seq: i64,
    pub queued_at: i64,
    /// Why the server refused it; empty = it waits for the line.
    pub refused: String,
}

/// The proof that nothing was lost, since this client was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Holes in seq that were seen and had to be asked for.
    pub gaps: u64,
    /// Holes that are still open. 0 except for moments.
    pub gaps_open: u64,
    /// Messages that came a second time and were dropped before anybody saw them.
    pub duplicates: u64,
    /// Connections after the first one that went on where the last one ended.
    pub resumed: u64,
    /// Messages that came while catching up, not live.
    pub replayed: u64,
    /// Sends that had to be repeated because the line broke before their answer.
    pub resent: u64,
    /// From Send to Sent, the last one, in microseconds. 0 = none yet.
    pub last_send_us: u64,
}
