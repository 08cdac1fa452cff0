//! All that the screen knows, as plain data. Changed only by `update.rs`, drawn by `view/`.

use std::collections::{HashMap, VecDeque};

use client::search::Sought;
use client::{Below, Figures, Line, Queued};
use jiff::tz::TimeZone;
use proto::{Conversation, ConversationKind, Member, Message, Person, Relation, Sent};
use ratatui::layout::Rect;

use crate::commands::{Command, Layer};
use crate::composer::Composer;
use crate::effect::Ask;
use crate::keys::Key;
use crate::line_edit::LineEdit;
use crate::settings::Settings;

pub struct Model {
    pub me: i64,
    /// Unix milliseconds, as of the last tick.
    pub now: i64,
    pub zone: TimeZone,
    pub columns: u16,
    pub rows: u16,
    /// The terminal window has the focus: what is on the screen is being read.
    pub focused: bool,
    /// The terminal tells when it gets and loses the focus: it has done so.
    pub focus_told: bool,
    pub colors: Colors,
    pub settings: Settings,

    pub line: Line,
    pub figures: Figures,
    pub people: HashMap<i64, Person>,
    /// Newest message first.
    pub conversations: Vec<Conversation>,
    /// Of groups that were opened: who is in, and how far each has it.
    pub members: HashMap<i64, Vec<Member>>,
    /// The newest message of mine in a conversation that the server keeps because nobody is online.
    pub kept: HashMap<i64, Sent>,
    /// The whole outbox, oldest first.
    pub queued: Vec<Queued>,
    pub typing: Vec<Typist>,

    pub chat: Option<Chat>,
    /// The conversation that was open before this one.
    pub other: Option<i64>,
    pub composer: Composer,
    pub target: Target,
    pub draft: Draft,
    /// When I last told the others that I am typing.
    pub typing_told_at: i64,

    pub place: Place,
    pub list_cursor: Option<ListRow>,
    /// What lies over the conversation and has the keys.
    pub over: Option<Over>,
    /// A conversation is being opened that the server has to be asked for: what is pressed
    /// meanwhile is meant for it, and waits. Esc does not wait for it any longer.
    pub opening: Option<Vec<Key>>,
    /// Keys that may be the beginning of one of the user's own.
    pub held: Vec<Key>,
    /// Keys of an unfinished command.
    pub pending: Vec<Key>,
    /// When the clock first saw the unfinished command; unix milliseconds.
    pub pending_at: Option<i64>,
    /// It has waited so long that the keys that may follow are shown.
    pub which_key: bool,
    pub notice: Option<Notice>,
    /// What was told, and how the line was: when, and in words; oldest first.
    pub log: VecDeque<(i64, String)>,
    pub asked: Option<Asked>,
    /// What `.` does again.
    pub repeat: Option<Repeat>,
    /// What `u` takes back.
    pub undo: Option<Undo>,
    /// What `n` and `N` look for.
    pub search: Option<Sought>,
    /// The words that `/` had last.
    pub search_words: String,
    /// Which lesson of `:tutor` is shown.
    pub tutor: Option<usize>,
    /// The command that the last key ran.
    pub ran: Option<Command>,
    /// Where jumps began, oldest first.
    pub jumps: Vec<Spot>,
    /// Where one came back from, for the way on; the next one last.
    pub jumps_on: Vec<Spot>,
    pub marks: HashMap<char, Spot>,
    /// Lines of the `:` history, oldest first.
    pub history: Vec<String>,
    /// So many of the last ones were run here; the others were kept from before.
    pub history_own: usize,
    /// A key was pressed or a conversation opened: from here on nothing opens by itself.
    pub begun: bool,
    /// Something that can be seen has changed since the last frame.
    pub stale: bool,
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Bold, dim and reversed only.
    None,
    /// A table of 256.
    Table,
    True,
}

/// Which part of the main screen has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Messages,
    List,
    Compose,
}

/// What can lie over the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    Finder(Finder),
    CommandLine(CommandLine),
    Search(LineEdit),
    Help(Help),
    Details(Details),
    Results(Results),
    Reactions(Reactions),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finder {
    pub line: LineEdit,
    pub friends_only: bool,
    /// The answer of the server, and the text it was asked for.
    pub everybody: Option<(String, Vec<i64>)>,
    pub selected: usize,
    pub searching: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    pub line: LineEdit,
    /// Which line of the history is shown, and what was typed before going there.
    pub history: Option<(usize, String)>,
    pub completion: Option<Completion>,
}

/// What Tab offers for a line; the last row is what was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    pub rows: Vec<CompletionRow>,
    pub at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionRow {
    /// The whole line.
    pub line: String,
    /// The word that completes it, and what it is.
    pub word: String,
    pub help: String,
}

/// The `?` screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Help {
    pub scroll: usize,
    /// Only what has this in it is shown; empty = all.
    pub filter: String,
    /// The filter while it is typed.
    pub line: Option<LineEdit>,
}

/// A popup of lines to read: a message's journey, the figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    pub title: String,
    pub lines: Vec<String>,
    pub scroll: usize,
    /// The message that it tells about, while the answer is under way.
    pub about: Option<(i64, i64)>,
}

/// Messages that were found, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// What was looked for, in words.
    pub title: String,
    pub from: ResultsFrom,
    pub messages: Vec<Message>,
    pub selected: usize,
    pub searching: bool,
}

impl Eq for Results {}

/// Who looks, and where he goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultsFrom {
    /// All conversations on this machine; None: everything was looked at.
    Here { sought: Sought, below: Option<Below> },
    /// One conversation on the server. Everything from here on was looked at; 0 = down to the
    /// beginning.
    Server { conv_id: i64, text: String, scanned_to: i64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reactions {
    pub conv_id: i64,
    pub seq: i64,
    pub line: LineEdit,
}

/// The row of emoji that 1 to 8 take.
pub const EMOJI: [&str; 8] = ["👍", "❤", "😂", "🎉", "😮", "😢", "👀", "✅"];

/// What Enter in the box does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    New,
    Reply { seq: i64 },
    Edit { seq: i64 },
}

/// What the box held before an edit, and whether the disk has what it holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    pub unsaved: bool,
    pub changed_at: i64,
    /// The draft that waits while an old message is edited in the box.
    pub aside: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub tone: Tone,
    pub until: i64,
}

/// What was asked once: the same key again does it, any other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Quit,
    Delete(ItemId),
    /// All that are mine between these two.
    DeleteAll(ItemId, ItemId),
    /// The n-th address of a message, counted from 0.
    Open(ItemId, usize),
}

/// A deed that can be done to another message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat {
    Keys(Vec<Key>),
    React(String),
}

/// How the last change is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    Ask(Ask),
    /// What was deleted comes back as a text only.
    Texts(String),
    /// A group with this title: there is no way back.
    Left(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typist {
    pub conv_id: i64,
    pub user_id: i64,
    pub until: i64,
}

/// How something is meant; the theme turns it into colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Dim,
    Good,
    Warn,
    Bad,
    Accent,
}

/// The open conversation: what is loaded of it and where one looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    pub conv_id: i64,
    /// In seq order, without holes, as far as they are loaded.
    pub messages: Vec<Message>,
    /// The message that verbs mean; None: the newest.
    pub cursor: Option<ItemId>,
    /// The lowest row on the screen; None: the end, which follows what comes.
    pub bottom: Option<Anchor>,
    /// What came unseen, and so stands below a divider; None: nothing did.
    pub new: Option<Unseen>,
    pub older: Older,
    pub newer: Newer,
    /// A message to go to as soon as it is loaded.
    pub goal: Option<Goal>,
    /// A search that goes on beyond the loaded messages.
    pub hunt: Option<Hunt>,
    /// Columns of long lines of code that are hidden at the left edge.
    pub code_left: usize,
    /// Where a selection began; it reaches to the cursor.
    pub selected: Option<ItemId>,
    /// The first page came from the disk.
    pub loaded: bool,
    /// The last Read that was said.
    pub read_told: i64,
}

/// A search in the open conversation, on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    pub sought: Sought,
    /// From here …
    pub seq: i64,
    /// … to older messages, or to newer ones.
    pub up: bool,
    /// The disk was asked.
    pub asked: bool,
}

/// A message that is to be gone to, and where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    pub seq: i64,
    pub asked: GoalAsked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalAsked {
    Nobody,
    Disk,
    Server,
    /// The server has filled the disk.
    DiskAgain,
}

/// A message in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    pub conv_id: i64,
    pub seq: i64,
}

/// The messages after one seq and up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    pub after: i64,
    pub up_to: i64,
}

/// What is known about messages before the first loaded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Older {
    OnDisk,
    OnServer,
    Asking,
    /// The server has filled the disk; whether it has more before that.
    Fetched {
        more: bool,
    },
    /// The server was asked and there was no line.
    Offline,
    Nothing,
}

/// What is known about messages after the last loaded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// There are none: what comes is put behind it.
    Nothing,
    OnDisk,
    /// The copy has a hole here.
    OnServer,
    Asking,
    /// The server was asked and there was no line.
    Offline,
    /// The end is wanted: it is read anew.
    ToTheEnd,
}

/// A message on the screen by the name that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemId {
    Seq(i64),
    Key(i64),
}

/// A row of the screen: so many rows of this item are hidden below the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub item: ItemId,
    pub hidden: usize,
}

/// A message or what will be one.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    Stored(&'a Message),
    Queued(&'a Queued),
}

/// A row of the list that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListRow {
    Conversation(i64),
    /// A friend without a conversation yet.
    Friend(i64),
    /// Somebody who asks to be a friend.
    Request(i64),
    /// Somebody I asked.
    Asked(i64),
}

impl Model {
    /// Nothing known yet; the terminal has this size.
    pub fn new(me: i64, now: i64, zone: TimeZone, columns: u16, rows: u16) -> Self {
        Self {
            me,
            now,
            zone,
            columns,
            rows,
            focused: true,
            focus_told: false,
            colors: Colors::True,
            settings: Settings::default(),
            line: Line::Connecting,
            figures: Figures::default(),
            people: HashMap::new(),
            conversations: Vec::new(),
            members: HashMap::new(),
            kept: HashMap::new(),
            queued: Vec::new(),
            typing: Vec::new(),
            chat: None,
            other: None,
            composer: Composer::default(),
            target: Target::New,
            draft: Draft::default(),
            typing_told_at: 0,
            place: Place::Messages,
            list_cursor: None,
            over: None,
            opening: None,
            held: Vec::new(),
            pending: Vec::new(),
            pending_at: None,
            which_key: false,
            notice: None,
            log: VecDeque::new(),
            asked: None,
            search: None,
            search_words: String::new(),
            tutor: None,
            ran: None,
            jumps: Vec::new(),
            jumps_on: Vec::new(),
            repeat: None,
            undo: None,
            marks: HashMap::new(),
            history: Vec::new(),
            history_own: 0,
            begun: false,
            stale: true,
        }
    }

    /// Who gets the keys now.
    pub fn layer(&self) -> Layer {
        match (&self.over, self.place, self.composer.is_inserting()) {
            (Some(Over::Finder(_)), ..) => Layer::Finder,
            (Some(Over::CommandLine(_)), ..) => Layer::CommandLine,
            (Some(Over::Search(_)), ..) => Layer::Search,
            (Some(Over::Help(help)), ..) if help.line.is_some() => Layer::Search,
            (Some(Over::Help(_)), ..) => Layer::Help,
            (Some(Over::Details(_)), ..) => Layer::Details,
            (Some(Over::Results(_)), ..) => Layer::Results,
            (Some(Over::Reactions(_)), ..) => Layer::Reactions,
            (None, Place::Messages, _) if self.selection().is_some() => Layer::Select,
            (None, Place::Messages, _) => Layer::Messages,
            (None, Place::List, _) => Layer::List,
            (None, Place::Compose, true) => Layer::Insert,
            (None, Place::Compose, false) => Layer::Normal,
        }
    }

    /// Keys wait for the next one: of a mapping, of a command, or of the box's editor.
    pub fn is_unfinished(&self) -> bool {
        let boxed = self.over.is_none() && self.place == Place::Compose;
        !self.held.is_empty() || !self.pending.is_empty() || (boxed && self.composer.is_waiting())
    }

    /// The lines of the `:` history that are this screen's.
    pub fn own_history(&self) -> &[String] {
        &self.history[self.history.len().saturating_sub(self.history_own)..]
    }

    pub fn area(&self) -> Rect {
        Rect::new(0, 0, self.columns, self.rows)
    }

    pub fn conversation(&self, conv_id: i64) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.conv_id == conv_id)
    }

    /// The conversation that is open, with what is known about it.
    pub fn open_conversation(&self) -> Option<&Conversation> {
        self.conversation(self.chat.as_ref()?.conv_id)
    }

    /// What waits to be sent in the open conversation, oldest first.
    pub fn queued_here(&self) -> impl Iterator<Item = &Queued> {
        // it stands below the newest message
        let here = self.chat.as_ref().filter(|chat| chat.at_end()).map(|chat| chat.conv_id);
        self.queued.iter().filter(move |queued| Some(queued.conv_id) == here)
    }

    /// Messages of the open conversation and what waits behind them.
    pub fn item_count(&self) -> usize {
        self.chat.as_ref().map_or(0, |chat| chat.messages.len()) + self.queued_here().count()
    }

    pub fn item(&self, index: usize) -> Option<Item<'_>> {
        let chat = self.chat.as_ref()?;
        match chat.messages.get(index) {
            Some(message) => Some(Item::Stored(message)),
            None => self.queued_here().nth(index - chat.messages.len()).map(Item::Queued),
        }
    }

    pub fn index_of(&self, id: ItemId) -> Option<usize> {
        let chat = self.chat.as_ref()?;
        match id {
            ItemId::Seq(seq) => chat.messages.binary_search_by_key(&seq, |m| m.seq).ok(),
            ItemId::Key(key) => {
                let at = self.queued_here().position(|queued| queued.client_key == key)?;
                Some(chat.messages.len() + at)
            }
        }
    }

    /// The item that verbs mean.
    pub fn cursor_index(&self) -> Option<usize> {
        let newest = self.item_count().checked_sub(1)?;
        let cursor = self.chat.as_ref()?.cursor;
        Some(cursor.and_then(|id| self.index_of(id)).unwrap_or(newest))
    }

    /// The first and the last item that are selected.
    pub fn selection(&self) -> Option<(usize, usize)> {
        let began = self.index_of(self.chat.as_ref()?.selected?)?;
        let cursor = self.cursor_index()?;
        Some((began.min(cursor), began.max(cursor)))
    }

    /// The rows of the list, in order.
    pub fn list_rows(&self) -> Vec<ListRow> {
        let mut rows: Vec<ListRow> =
            self.conversations.iter().map(|c| ListRow::Conversation(c.conv_id)).collect();
        let talked: std::collections::HashSet<i64> = self
            .conversations
            .iter()
            .filter(|c| c.kind() == ConversationKind::Direct)
            .map(|c| c.friend_id)
            .collect();
        let mut others: Vec<&Person> = self.people.values().collect();
        others.sort_by(|a, b| a.handle.cmp(&b.handle));
        let of =
            |relation: Relation| others.iter().filter(move |person| person.relation() == relation);
        let friends = of(Relation::Friend).filter(|person| !talked.contains(&person.user_id));
        rows.extend(friends.map(|person| ListRow::Friend(person.user_id)));
        rows.extend(of(Relation::Asks).map(|person| ListRow::Request(person.user_id)));
        rows.extend(of(Relation::Asked).map(|person| ListRow::Asked(person.user_id)));
        rows
    }

    /// Where the cursor of the list stands.
    pub fn list_index(&self, rows: &[ListRow]) -> usize {
        let chosen = self
            .list_cursor
            .or_else(|| self.chat.as_ref().map(|chat| ListRow::Conversation(chat.conv_id)));
        chosen.and_then(|row| rows.iter().position(|other| *other == row)).unwrap_or(0)
    }

    /// A short sentence for the user, until the next key or for some seconds.
    pub fn tell(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        // what only answers a key is not worth keeping
        if tone != Tone::Dim {
            self.log(text.clone());
        }
        let until = self.now + crate::limits::NOTICE_MS;
        self.notice = Some(Notice { text, tone, until });
    }

    /// For `:log`; what comes twice in a row stands there once.
    pub fn log(&mut self, text: String) {
        if self.log.back().is_some_and(|(_, last)| *last == text) {
            self.log.pop_back();
        }
        if self.log.len() >= crate::limits::LOG_LINES_MAX {
            self.log.pop_front();
        }
        self.log.push_back((self.now, text));
    }
}

impl Chat {
    /// The newest message is loaded.
    pub fn at_end(&self) -> bool {
        self.newer == Newer::Nothing
    }

    /// The newest message is on the screen, and what comes will be.
    pub fn follows(&self) -> bool {
        self.bottom.is_none() && self.at_end()
    }
}

impl<'a> Item<'a> {
    pub fn id(&self) -> ItemId {
        match self {
            Item::Stored(message) => ItemId::Seq(message.seq),
            Item::Queued(queued) => ItemId::Key(queued.client_key),
        }
    }

    pub fn at(&self) -> i64 {
        match self {
            Item::Stored(message) => message.sent_at,
            Item::Queued(queued) => queued.queued_at,
        }
    }

    /// None: it is mine, and not stored yet.
    pub fn message(&self) -> Option<&'a Message> {
        match self {
            Item::Stored(message) => Some(message),
            Item::Queued(_) => None,
        }
    }
}

/// Messages in it that I have not read. 0 is also the answer for a group I have left.
pub fn unread(conversation: &Conversation) -> i64 {
    (conversation.last_seq.saturating_sub(conversation.read_seq)).max(0)
}

/// There is an unread message that mentions me.
pub fn mentioned(conversation: &Conversation) -> bool {
    conversation.mention_seq > conversation.read_seq
}
