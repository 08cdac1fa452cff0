//! What goes in and out of `update`: everything that can happen to the screen, and everything it
//! can ask for.

use client::notices::Change;
use client::search::Sought;
use client::{Below, Event, Figures, Found, Queued};
use proto::http::Notices;
use proto::{Conversation, Journey, Message, Page, Person, Role};

use crate::keys::Key;

/// Everything that can happen to the screen.
#[derive(Debug, Clone)]
pub enum Input {
    Key(Key),
    /// One block, never keys.
    Paste(String),
    Size {
        columns: u16,
        rows: u16,
    },
    Focus(bool),
    /// Time has passed: unix milliseconds.
    Tick {
        now: i64,
        figures: Figures,
    },
    Client(Event),
    Answer(Answer),
}

/// Everything the screen can ask for. `run.rs` does it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Conversations, people and outbox, from the disk.
    LoadAll,
    /// A page of messages from the disk; before_seq 0 = the newest.
    Load {
        conv_id: i64,
        before_seq: i64,
    },
    /// What stands around a message, from the disk.
    LoadAround {
        conv_id: i64,
        seq: i64,
    },
    /// A page of messages after this one, from the disk.
    LoadAfter {
        conv_id: i64,
        after_seq: i64,
    },
    LoadQueued,
    /// All conversations, on the disk.
    Search {
        sought: Sought,
        below: Option<Below>,
    },
    /// The next such message of one conversation before `seq` (`up`) or after it, on the disk.
    SearchIn {
        conv_id: i64,
        sought: Sought,
        seq: i64,
        up: bool,
    },
    LoadDraft {
        conv_id: i64,
    },
    /// An empty text forgets it.
    SaveDraft {
        conv_id: i64,
        text: String,
    },
    Send {
        conv_id: i64,
        body: String,
        reply_seq: i64,
    },
    Retry {
        client_key: i64,
    },
    Unqueue {
        client_key: i64,
    },
    Read {
        conv_id: i64,
        seq: i64,
    },
    Typing {
        conv_id: i64,
    },
    Reconnect,
    /// Something that needs the gateway and is answered later.
    Ask(Ask),
    /// To the terminal's clipboard, because the user said so.
    Copy {
        text: String,
    },
    Bell,
    /// A notification of the desktop, or of the terminal.
    Notify {
        desktop: bool,
        title: String,
        text: String,
    },
    /// A web address, to the desktop.
    Open {
        url: String,
    },
    /// A text, to the user's own editor.
    Edit {
        text: String,
    },
    /// Rest, until the shell says otherwise.
    Suspend,
    /// Everything is drawn anew.
    Redraw,
    Exit(Exit),
}

/// A question to the gateway; its answer comes as [`Answer::Asked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    History {
        conv_id: i64,
        before_seq: i64,
    },
    HistoryAfter {
        conv_id: i64,
        after_seq: i64,
    },
    Search {
        conv_id: i64,
        text: String,
        before_seq: i64,
    },
    Journey {
        conv_id: i64,
        seq: i64,
    },
    Members {
        conv_id: i64,
    },
    Edit {
        conv_id: i64,
        seq: i64,
        body: String,
    },
    Delete {
        conv_id: i64,
        seq: i64,
    },
    React {
        conv_id: i64,
        seq: i64,
        emoji: String,
        remove: bool,
    },
    Find {
        text: String,
    },
    Person {
        who: Who,
        deed: PersonDeed,
    },
    OpenDirect {
        who: Who,
        text: String,
    },
    CreateGroup {
        title: String,
        handles: Vec<String>,
    },
    Invite {
        conv_id: i64,
        handles: Vec<String>,
    },
    Leave {
        conv_id: i64,
    },
    Kick {
        conv_id: i64,
        handle: String,
    },
    Appoint {
        conv_id: i64,
        handle: String,
        role: Role,
    },
    Rename {
        conv_id: i64,
        title: String,
    },
    Mute {
        conv_id: i64,
        until: i64,
    },
    /// None: only show how it is.
    Notices(Option<Change>),
}

/// A person by number, or by a handle that has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Id(i64),
    Handle(String),
}

/// What changes how a person stands to me.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonDeed {
    Befriend,
    Accept,
    Decline,
    Remove,
    Block,
    Unblock,
}

/// What came of an effect.
#[derive(Debug, Clone)]
pub enum Answer {
    All {
        conversations: Vec<Conversation>,
        people: Vec<Person>,
        queued: Vec<Queued>,
    },
    Queued(Vec<Queued>),
    Messages {
        conv_id: i64,
        before_seq: i64,
        messages: Vec<Message>,
    },
    /// Empty: the message is not here. `end`: they reach to the newest one.
    Around {
        conv_id: i64,
        seq: i64,
        messages: Vec<Message>,
        end: bool,
    },
    After {
        conv_id: i64,
        after_seq: i64,
        messages: Vec<Message>,
        end: bool,
    },
    Found {
        sought: Sought,
        found: Found,
    },
    FoundIn {
        conv_id: i64,
        sought: Sought,
        up: bool,
        seq: Option<i64>,
    },
    Draft {
        conv_id: i64,
        text: String,
    },
    /// The outbox did not take it: the text must not be lost.
    NotQueued {
        conv_id: i64,
        body: String,
        why: String,
    },
    Asked {
        ask: Ask,
        got: Result<Got, Trouble>,
    },
    /// The user's editor has ended; Err says why its text was not taken.
    Edited {
        text: Result<String, String>,
    },
    /// The disk failed at something that has no other answer.
    Failed {
        why: String,
    },
}

/// Why a question has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    Offline,
    Refused(String),
}

#[derive(Debug, Clone)]
pub enum Got {
    Done,
    /// There is more history before this page, which is on the disk now.
    History {
        more: bool,
    },
    Page(Page),
    Journey(Journey),
    People(Vec<Person>),
    Person(Person),
    Conversation(Box<Conversation>),
    Notices(Box<Notices>),
}

/// How the screen ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Quit,
    /// The session is not valid any more: log in again.
    SignedOut,
    /// The user wants the session to end.
    LogOut,
}
