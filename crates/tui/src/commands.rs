//! THE table: what each key does in each layer, and what each `:` command does. The dispatch, the
//! hint bar, the `?` screen and `docs/keys.md` are views of it, so they cannot disagree.

use crate::keymap::Keymap;
use crate::keys;

/// Who gets the keys. In the message box everything is text; outside it letters are verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    Messages,
    /// Messages are being selected.
    Select,
    List,
    Insert,
    Normal,
    Finder,
    CommandLine,
    Search,
    Help,
    Details,
    Results,
    Reactions,
}

impl Layer {
    pub const ALL: [Layer; 12] = [
        Layer::Messages,
        Layer::Select,
        Layer::List,
        Layer::Insert,
        Layer::Normal,
        Layer::Finder,
        Layer::CommandLine,
        Layer::Search,
        Layer::Help,
        Layer::Details,
        Layer::Results,
        Layer::Reactions,
    ];

    /// The heading in the help and in the documentation.
    pub fn title(self) -> &'static str {
        match self {
            Layer::Messages => "Messages",
            Layer::Select => "Messages, selecting",
            Layer::List => "Conversations and friends",
            Layer::Insert => "Message box, INSERT",
            Layer::Normal => "Message box, NORMAL",
            Layer::Finder => "Finder",
            Layer::CommandLine => "Command line",
            Layer::Search => "Search line",
            Layer::Help => "Help",
            Layer::Details => "Details",
            Layer::Results => "Search results",
            Layer::Reactions => "Reactions",
        }
    }

    /// What it is called in `config.toml` and behind `:map`.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Messages => "messages",
            Layer::Select => "select",
            Layer::List => "list",
            Layer::Insert => "insert",
            Layer::Normal => "normal",
            Layer::Finder => "finder",
            Layer::CommandLine => "command",
            Layer::Search => "search",
            Layer::Help => "help",
            Layer::Details => "details",
            Layer::Results => "results",
            Layer::Reactions => "reactions",
        }
    }

    /// The layer with this name.
    ///
    /// # Errors
    /// A sentence with the names there are.
    pub fn named(name: &str) -> Result<Layer, String> {
        let names = || Layer::ALL.map(Layer::name).join(", ");
        let found = Layer::ALL.into_iter().find(|layer| layer.name() == name);
        found.ok_or_else(|| format!("there is no layer {name}; there are {}", names()))
    }

    /// The layer whose keys also work here.
    pub fn below(self) -> Option<Layer> {
        match self {
            Layer::List | Layer::Select => Some(Layer::Messages),
            _ => None,
        }
    }

    /// A number before a command repeats it. Not where numbers are text, or are keys themselves.
    pub fn takes_counts(self) -> bool {
        match self {
            Layer::Messages | Layer::Select | Layer::List => true,
            Layer::Help | Layer::Details | Layer::Results => true,
            Layer::Insert | Layer::Normal | Layer::Finder => false,
            Layer::CommandLine | Layer::Search | Layer::Reactions => false,
        }
    }

    /// Keys without a row go into a text here.
    pub fn takes_text(self) -> bool {
        match self {
            Layer::Insert | Layer::Normal | Layer::Finder => true,
            Layer::CommandLine | Layer::Search | Layer::Reactions => true,
            Layer::Messages | Layer::Select | Layer::List => false,
            Layer::Help | Layer::Details | Layer::Results => false,
        }
    }
}

/// What a key can do, in groups: each group is one `match` in one file under `update/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Move(Move),
    Jump(Jump),
    /// A place by its letter: the key behind it.
    Mark(Mark),
    Write(Write),
    Message(Deed),
    Go(Go),
    List(ListDeed),
    Box(BoxDeed),
    Field(FieldDeed),
    /// The message box's own editor knows what to do; the row is here to be read.
    Editor,
}

/// Up and down in whatever has the keys: messages, list, popup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Down,
    Up,
    First,
    Last,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    RowDown,
    RowUp,
    /// The screen moves so that the cursor is at its top, in its middle, at its bottom.
    CursorTop,
    CursorMiddle,
    CursorBottom,
    /// Long lines of code move under the screen's edge.
    CodeLeft,
    CodeRight,
    CodeHalfLeft,
    CodeHalfRight,
}

/// Ways to another message of the open conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    BlockUp,
    BlockDown,
    DayUp,
    DayDown,
    MentionUp,
    MentionDown,
    ScreenTop,
    ScreenMiddle,
    ScreenBottom,
    SearchOn,
    SearchBack,
    SameSender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Set,
    GoTo,
}

/// Ways into the message box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    AtCursor,
    AfterCursor,
    AtEnd,
    OnNewLine,
    /// In the user's own editor.
    Outside,
}

/// Verbs on the message under the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Reply,
    Retry,
    Edit,
    Delete,
    Copy,
    /// A register goes into the box.
    Put,
    Select,
    Unselect,
    React,
    Details,
    /// A web address in it.
    Open,
}

/// Ways to another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    Find,
    CommandLine,
    Search,
    Replied,
    JumpedFrom,
    OlderJump,
    NewerJump,
    Help,
    /// What may be pressed here.
    Menu,
    Quit,
    /// Without a question.
    QuitNow,
    Suspend,
    Redraw,
    /// The last deed again, or taken back.
    Again,
    Undo,
    LineAgain,
    Close,
    NextConversation,
    PreviousConversation,
    OtherConversation,
    NextUnread,
    PreviousUnread,
    OtherPane,
    List,
    Messages,
}

/// Verbs on the row under the cursor of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListDeed {
    Open,
    Accept,
    Decline,
}

/// What the box does not leave to its editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxDeed {
    Send,
    Leave,
    Complete,
}

/// What the one-line fields (finder, command line, reactions) and the results do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldDeed {
    Choose,
    Everybody,
    Befriend,
    Complete,
    CompleteBack,
    Older,
    Newer,
    More,
    /// The text of a register, by its letter: the key behind it.
    Register,
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub layer: Layer,
    /// Ways to press it, separated by blanks, in the notation of [`keys::parse`].
    pub keys: &'static str,
    pub command: Command,
    pub help: &'static str,
    /// The word in the hint bar; empty = not there.
    pub hint: &'static str,
}

const fn row(
    layer: Layer,
    keys: &'static str,
    command: Command,
    hint: &'static str,
    help: &'static str,
) -> Row {
    Row { layer, keys, command, help, hint }
}

use BoxDeed as B;
use Command as C;
use Deed as D;
use FieldDeed as F;
use Go as G;
use Jump as J;
use Layer as L;
use ListDeed as I;
use Mark as K;
use Move as M;
use Write as W;

#[rustfmt::skip] // a table is read in columns
pub static TABLE: &[Row] = &[
    row(L::Messages, "i", C::Write(W::AtCursor), "write", "write, at the cursor of the box"),
    row(L::Messages, "a", C::Write(W::AfterCursor), "", "write, after the cursor"),
    row(L::Messages, "A", C::Write(W::AtEnd), "", "write, at the end of the text"),
    row(L::Messages, "o", C::Write(W::OnNewLine), "", "write, on a new line"),
    row(L::Messages, "gE", C::Write(W::Outside), "", "write in $VISUAL or $EDITOR"),
    row(L::Messages, "j <Down>", C::Move(M::Down), "", "next message; with a number, so many"),
    row(L::Messages, "k <Up>", C::Move(M::Up), "", "message before"),
    row(L::Messages, "gg <Home>", C::Move(M::First), "", "first message here; {n}gg number n"),
    row(L::Messages, "G <End>", C::Move(M::Last), "", "newest message; {n}G number n"),
    row(L::Messages, "{", C::Jump(J::BlockUp), "", "to where this person began, or the one before"),
    row(L::Messages, "}", C::Jump(J::BlockDown), "", "to where the next person begins"),
    row(L::Messages, "[d", C::Jump(J::DayUp), "", "beginning of the day, or of the one before"),
    row(L::Messages, "]d", C::Jump(J::DayDown), "", "next day"),
    row(L::Messages, "[m", C::Jump(J::MentionUp), "", "message before that mentions me"),
    row(L::Messages, "]m", C::Jump(J::MentionDown), "", "next message that mentions me"),
    row(L::Messages, "H", C::Jump(J::ScreenTop), "", "top of the screen"),
    row(L::Messages, "M", C::Jump(J::ScreenMiddle), "", "middle of the screen"),
    row(L::Messages, "L", C::Jump(J::ScreenBottom), "", "bottom of the screen"),
    row(L::Messages, "/", C::Go(G::Search), "", "search here, from the cursor up"),
    row(L::Messages, "n", C::Jump(J::SearchOn), "", "search on, up to older messages"),
    row(L::Messages, "N", C::Jump(J::SearchBack), "", "search back, down to newer messages"),
    row(L::Messages, "*", C::Jump(J::SameSender), "", "search the same sender; n and N go on"),
    row(L::Messages, "gd", C::Go(G::Replied), "", "to the message that this one replies to"),
    row(L::Messages, "m<any>", C::Mark(K::Set), "", "mark this message with a letter"),
    row(L::Messages, "'<any> `<any>", C::Mark(K::GoTo), "", "to the marked message"),
    row(L::Messages, "'' ``", C::Go(G::JumpedFrom), "", "to where the last jump began, and back"),
    row(L::Messages, "<C-o>", C::Go(G::OlderJump), "", "back through the jumps"),
    row(L::Messages, "<C-i> g,", C::Go(G::NewerJump), "", "on again; ^I where it is not Tab"),
    row(L::Messages, "zt", C::Move(M::CursorTop), "", "this message to the top of the screen"),
    row(L::Messages, "zz", C::Move(M::CursorMiddle), "", "this message to the middle"),
    row(L::Messages, "zb", C::Move(M::CursorBottom), "", "this message to the bottom"),
    row(L::Messages, "zl", C::Move(M::CodeRight), "", "more of the right of long lines of code"),
    row(L::Messages, "zh", C::Move(M::CodeLeft), "", "and back to their left"),
    row(L::Messages, "zL", C::Move(M::CodeHalfRight), "", "half a screen to their right"),
    row(L::Messages, "zH", C::Move(M::CodeHalfLeft), "", "half a screen back"),
    row(L::Messages, "<C-d>", C::Move(M::HalfDown), "", "half a screen down"),
    row(L::Messages, "<C-u>", C::Move(M::HalfUp), "", "half a screen up"),
    row(L::Messages, "<C-f> <PageDown>", C::Move(M::PageDown), "", "a screen down"),
    row(L::Messages, "<C-b> <PageUp>", C::Move(M::PageUp), "", "a screen up"),
    row(L::Messages, "<C-e>", C::Move(M::RowDown), "", "one row down"),
    row(L::Messages, "<C-y>", C::Move(M::RowUp), "", "one row up"),
    row(L::Messages, "f", C::Go(G::Find), "find", "find people, friends and groups"),
    row(L::Messages, ":", C::Go(G::CommandLine), "command", "command line"),
    row(L::Messages, "r", C::Message(D::Reply), "", "reply to this message"),
    row(L::Messages, "R", C::Message(D::Retry), "", "send again what was not sent"),
    row(L::Messages, "e cc", C::Message(D::Edit), "", "edit my message in the box"),
    row(L::Messages, "dd", C::Message(D::Delete), "", "delete mine; asks once; also d{motion}"),
    row(L::Messages, "yy \"<any>yy", C::Message(D::Copy), "", "copy its text; also y{motion}"),
    row(L::Messages, "p \"<any>p", C::Message(D::Put), "", "put what was copied into the box"),
    row(L::Messages, "v V", C::Message(D::Select), "", "select messages"),
    row(L::Messages, "+", C::Message(D::React), "", "react; the same emoji again takes it back"),
    row(L::Messages, "K", C::Message(D::Details), "", "details: who got it, and the way it went"),
    row(L::Messages, "gx", C::Message(D::Open), "", "show its link; again: open it; {n}gx"),
    row(L::Messages, ".", C::Go(G::Again), "", "the last deed again, on this message"),
    row(L::Messages, "@:", C::Go(G::LineAgain), "", "the last : line again"),
    row(L::Messages, "u", C::Go(G::Undo), "", "take back the last change"),
    row(L::Messages, "gt", C::Go(G::NextConversation), "", "next conversation; {n}gt the n-th"),
    row(L::Messages, "gT", C::Go(G::PreviousConversation), "", "conversation before"),
    row(L::Messages, "<C-^>", C::Go(G::OtherConversation), "", "the one that was open before"),
    row(L::Messages, "]u", C::Go(G::NextUnread), "", "next conversation with unread messages"),
    row(L::Messages, "[u", C::Go(G::PreviousUnread), "", "the one before with unread messages"),
    row(L::Messages, "<Tab> <C-w>w <C-w><C-w>", C::Go(G::OtherPane), "", "list or messages"),
    row(L::Messages, "<C-w>h", C::Go(G::List), "", "to the list"),
    row(L::Messages, "<C-w>l", C::Go(G::Messages), "", "to the messages"),
    row(L::Messages, "? <F1>", C::Go(G::Help), "keys", "all keys"),
    row(L::Messages, "<Space>", C::Go(G::Menu), "", "what may be pressed here"),
    row(L::Messages, "<C-l>", C::Go(G::Redraw), "", "draw everything again"),
    row(L::Messages, "<C-z>", C::Go(G::Suspend), "", "rest; fg comes back"),
    row(L::Messages, "q", C::Go(G::Quit), "quit", "quit; asks once while something is unsent"),
    row(L::Messages, "ZZ ZQ", C::Go(G::QuitNow), "", "quit, at once; drafts stay"),

    row(L::Select, "y \"<any>y", C::Message(D::Copy), "copy", "copy their texts"),
    row(L::Select, "d", C::Message(D::Delete), "delete", "delete those that are mine; asks once"),
    row(L::Select, "r", C::Message(D::Reply), "reply", "reply to the one under the cursor"),
    row(L::Select, "v V <Esc> <C-c> q", C::Message(D::Unselect), "back", "select nothing"),

    row(L::List, "j <Down>", C::Move(M::Down), "", "next row"),
    row(L::List, "k <Up>", C::Move(M::Up), "", "row before"),
    row(L::List, "gg <Home>", C::Move(M::First), "", "first row"),
    row(L::List, "G <End>", C::Move(M::Last), "", "last row"),
    row(L::List, "<CR> l <Right>", C::List(I::Open), "open", "open the conversation"),
    row(L::List, "a", C::List(I::Accept), "accept", "accept the friend request"),
    row(L::List, "x", C::List(I::Decline), "decline", "decline the friend request"),
    row(L::List, "<Esc>", C::Go(G::Messages), "", "to the messages"),

    row(L::Insert, "<CR>", C::Box(B::Send), "send", "send"),
    row(L::Insert, "<A-CR> <C-j>", C::Editor, "", "new line"),
    row(L::Insert, "<Esc> <C-c>", C::Box(B::Leave), "normal", "to NORMAL; if empty, leave"),
    row(L::Insert, "<Tab>", C::Box(B::Complete), "", "complete @name, :emoji; again: the next"),
    row(L::Insert, "<BS> <C-h> <Del>", C::Editor, "", "delete a character"),
    row(L::Insert, "<C-w> <C-u>", C::Editor, "", "delete the word, the line before the cursor"),
    row(L::Insert, "<C-r>", C::Editor, "", "insert a register: ^R a, ^R \""),
    row(L::Insert, "<C-o>", C::Editor, "", "one command of NORMAL"),
    row(L::Insert, "<C-t> <C-d>", C::Editor, "", "indent the line more, less"),
    row(L::Insert, "<C-x><C-e>", C::Write(W::Outside), "", "write on in $VISUAL or $EDITOR"),
    row(L::Insert, "<C-z>", C::Go(G::Suspend), "", "rest; fg comes back"),
    row(L::Insert, "<F1>", C::Go(G::Help), "", "all keys"),
    row(L::Insert, "<PageUp>", C::Move(M::PageUp), "", "a screen of messages up"),
    row(L::Insert, "<PageDown>", C::Move(M::PageDown), "", "a screen of messages down"),
    row(L::Insert, "<C-v> <C-a> <C-e> <C-y>", C::Editor, "", "as in vim"),
    row(L::Insert, "<Up>", C::Editor, "", "line up; in an empty box: edit my last message"),
    row(L::Insert, "<Left> <Right> <Down> <Home> <End>", C::Editor, "", "move the cursor"),

    row(L::Normal, "<CR>", C::Box(B::Send), "send", "send"),
    row(L::Normal, "<Esc> <C-c>", C::Box(B::Leave), "messages", "to the messages; the draft stays"),
    row(L::Normal, ":", C::Go(G::CommandLine), "command", "command line"),
    row(L::Normal, "/", C::Go(G::Search), "", "search the conversation; the draft stays"),
    row(L::Normal, "? <F1>", C::Go(G::Help), "", "all keys"),
    row(L::Normal, "<PageUp>", C::Move(M::PageUp), "", "a screen of messages up"),
    row(L::Normal, "<PageDown>", C::Move(M::PageDown), "", "a screen of messages down"),
    row(L::Normal, "<C-l>", C::Go(G::Redraw), "", "draw everything again"),
    row(L::Normal, "<C-z>", C::Go(G::Suspend), "", "rest; fg comes back"),
    row(L::Normal, "ZZ ZQ", C::Go(G::QuitNow), "", "quit, at once; the draft stays"),
    row(L::Normal, "i a I A o O R gi", C::Editor, "insert", "insert, replace"),
    row(L::Normal, "h j k l <Left> <Down> <Up> <Right>", C::Editor, "", "left, down, up, right"),
    row(L::Normal, "w b e ge W B E gE", C::Editor, "", "words"),
    row(L::Normal, "0 ^ $ g_ |", C::Editor, "", "in the line"),
    row(L::Normal, "f F t T ; ,", C::Editor, "", "to a character in the line, and again"),
    row(L::Normal, "gg G { } ( ) %", C::Editor, "", "in the text; to the other bracket"),
    row(L::Normal, "dd cc yy >> << gUU guu g~~", C::Editor, "", "verbs: d{motion}, ciw, ya( …"),
    row(L::Normal, "x X s S D C Y r J gJ ~ <C-a> <C-x>", C::Editor, "", "small changes"),
    row(L::Normal, "p P gp gP", C::Editor, "", "put what was deleted or copied"),
    row(L::Normal, "\"", C::Editor, "", "register of the next verb; \"+ is the clipboard"),
    row(L::Normal, "u <C-r> .", C::Editor, "", "undo, redo, repeat"),
    row(L::Normal, "v V <C-v> gv", C::Editor, "", "select characters, lines, a block"),
    row(L::Normal, "q @", C::Editor, "", "record a macro, play it: qa … q, 3@a"),
    row(L::Normal, "m ' `", C::Editor, "", "marks"),

    row(L::Finder, "<CR>", C::Field(F::Choose), "open", "open the conversation"),
    row(L::Finder, "<Tab>", C::Field(F::Everybody), "everybody", "search everybody on the server"),
    row(L::Finder, "<C-a>", C::Field(F::Befriend), "add friend", "send a friend request"),
    row(L::Finder, "<Down> <C-n>", C::Move(M::Down), "", "next row"),
    row(L::Finder, "<Up> <C-p>", C::Move(M::Up), "", "row before"),
    row(L::Finder, "<C-r><any>", C::Field(F::Register), "", "insert a register"),
    row(L::Finder, "<Esc> <C-c>", C::Go(G::Close), "back", "back"),

    row(L::CommandLine, "<CR>", C::Field(F::Choose), "run", "run it"),
    row(L::CommandLine, "<Tab>", C::Field(F::Complete), "complete", "complete; again for the next"),
    row(L::CommandLine, "<S-Tab>", C::Field(F::CompleteBack), "", "the completion before"),
    row(L::CommandLine, "<Up> <C-p>", C::Field(F::Older), "", "older line with this beginning"),
    row(L::CommandLine, "<Down> <C-n>", C::Field(F::Newer), "", "newer line"),
    row(L::CommandLine, "<C-r><any>", C::Field(F::Register), "", "insert a register, of own words"),
    row(L::CommandLine, "<Esc> <C-c>", C::Go(G::Close), "back", "back"),

    row(L::Search, "<CR>", C::Field(F::Choose), "search", "search; an empty line: the text before"),
    row(L::Search, "<C-r><any>", C::Field(F::Register), "", "insert a register"),
    row(L::Search, "<Esc> <C-c>", C::Go(G::Close), "back", "back"),

    row(L::Help, "j <Down>", C::Move(M::Down), "scroll", "down"),
    row(L::Help, "k <Up>", C::Move(M::Up), "", "up"),
    row(L::Help, "<C-d> <PageDown> <Space>", C::Move(M::HalfDown), "", "half a screen down"),
    row(L::Help, "<C-u> <PageUp>", C::Move(M::HalfUp), "", "half a screen up"),
    row(L::Help, "/", C::Go(G::Search), "search", "show only what has a text in it"),
    row(L::Help, "gg <Home>", C::Move(M::First), "", "beginning"),
    row(L::Help, "G <End>", C::Move(M::Last), "", "end"),
    row(L::Help, "q <Esc> <C-c> ? <F1>", C::Go(G::Close), "close", "close"),

    row(L::Details, "j <Down>", C::Move(M::Down), "scroll", "down"),
    row(L::Details, "k <Up>", C::Move(M::Up), "", "up"),
    row(L::Details, "q <Esc> <C-c> K <CR>", C::Go(G::Close), "close", "close"),

    row(L::Results, "j <Down>", C::Move(M::Down), "", "next result"),
    row(L::Results, "k <Up>", C::Move(M::Up), "", "result before"),
    row(L::Results, "gg <Home>", C::Move(M::First), "", "first result"),
    row(L::Results, "G <End>", C::Move(M::Last), "", "last result"),
    row(L::Results, "<CR>", C::Field(F::Choose), "go there", "go to this message"),
    row(L::Results, "m", C::Field(F::More), "search on", "search further back"),
    row(L::Results, "q <Esc> <C-c>", C::Go(G::Close), "close", "close"),

    row(L::Reactions, "<CR>", C::Field(F::Choose), "react", "give what was typed; 1 to 8 take one"),
    row(L::Reactions, "<Esc> <C-c>", C::Go(G::Close), "back", "back"),
];

/// The `:` commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    Quit,
    Send,
    SendAndQuit,
    Find,
    Friends,
    Add,
    Accept,
    Decline,
    Remove,
    Block,
    Unblock,
    Msg,
    Group,
    Invite,
    Leave,
    Kick,
    Appoint,
    Members,
    Rename,
    Mute,
    Notices,
    Retry,
    Reconnect,
    LogOut,
    Status,
    Log,
    Search,
    Tutor,
    Mentions,
    Open,
    Next,
    Previous,
    Conversations,
    Read,
    Set,
    Map,
    Unmap,
    Theme,
    Help,
}

/// One `:` command.
#[derive(Debug)]
pub struct TypedRow {
    pub name: &'static str,
    /// What follows the name; `…` = one or more, `[ ]` = may be left out.
    pub arguments: &'static str,
    pub command: Typed,
    pub help: &'static str,
}

const fn typed(
    name: &'static str,
    arguments: &'static str,
    command: Typed,
    help: &'static str,
) -> TypedRow {
    TypedRow { name, arguments, command, help }
}

use Typed as T;

#[rustfmt::skip] // a table is read in columns
pub static TYPED: &[TypedRow] = &[
    typed("q", "", T::Quit, "quit, at once"),
    typed("quit", "", T::Quit, "quit, at once"),
    typed("qa", "", T::Quit, "quit, at once"),
    typed("w", "", T::Send, "send what is in the box"),
    typed("wq", "", T::SendAndQuit, "send what is in the box, and quit"),
    typed("x", "", T::SendAndQuit, "send what is in the box, and quit"),
    typed("find", "[text]", T::Find, "find people, friends and groups"),
    typed("friends", "", T::Friends, "only friends"),
    typed("add", "handle", T::Add, "send a friend request"),
    typed("accept", "handle", T::Accept, "accept a friend request"),
    typed("decline", "handle", T::Decline, "decline a friend request"),
    typed("remove", "handle", T::Remove, "end a friendship, or take a request back"),
    typed("block", "handle", T::Block, "take nothing more from a person"),
    typed("unblock", "handle", T::Unblock, "end a block"),
    typed("msg", "handle [text]", T::Msg, "open the conversation; send the text"),
    typed("group", "title handle…", T::Group, "make a group; quote a title of two words"),
    typed("invite", "handle…", T::Invite, "add people to this group"),
    typed("leave", "", T::Leave, "leave this group; `:leave!` does it"),
    typed("kick", "handle", T::Kick, "remove a person from this group"),
    typed("appoint", "handle role", T::Appoint, "make a member an admin, the owner, or a member"),
    typed("members", "", T::Members, "who is in this group, and as what"),
    typed("rename", "title", T::Rename, "give this group another title"),
    typed("mute", "[hours | off]", T::Mute, "no bell, no mail; 8 hours unless told"),
    typed("notices", "[what]", T::Notices, "how you are told while away; show or change it"),
    typed("retry", "", T::Retry, "send again everything that was refused"),
    typed("reconnect", "", T::Reconnect, "connect anew, and do not wait for the next try"),
    typed("status", "", T::Status, "the connection and its figures, explained"),
    typed("log", "", T::Log, "what was told here, and how the connection was"),
    typed("search", "words", T::Search, "search everywhere here; `:search!` asks the server"),
    typed("mentions", "", T::Mentions, "what mentions you, in all conversations"),
    typed("b", "name | number", T::Open, "open the conversation of this name, or this place"),
    typed("bn", "", T::Next, "next conversation"),
    typed("bp", "", T::Previous, "conversation before"),
    typed("ls", "", T::Conversations, "all conversations, with their places"),
    typed("read", "", T::Read, "tell that I have read this conversation"),
    typed("set", "[name[=value]]", T::Set, "show the settings, or change one until you quit"),
    typed("map", "[layer [keys to]]", T::Map, "show keys, or give them a meaning until you quit"),
    typed("unmap", "layer keys", T::Unmap, "give keys their first meaning back"),
    typed("theme", "[name]", T::Theme, "the colours: terminal, dark, light"),
    typed("logout", "", T::LogOut, "end this login, and quit"),
    typed("tutor", "[off]", T::Tutor, "a few minutes of lessons that look what you do"),
    typed("help", "", T::Help, "all keys and commands"),
];

/// The `:` command with this name, or the only one that begins with it.
///
/// # Errors
/// A sentence for the user: unknown, or the candidates where there are several.
pub fn find_typed(name: &str) -> Result<&'static TypedRow, String> {
    if let Some(row) = TYPED.iter().find(|row| row.name == name) {
        return Ok(row);
    }
    let rows: Vec<&TypedRow> = TYPED.iter().filter(|row| row.name.starts_with(name)).collect();
    match rows.as_slice() {
        [] => Err(format!("no such command: {name}   :help shows all")),
        [row, others @ ..] if others.iter().all(|other| other.command == row.command) => Ok(row),
        several => {
            let names: Vec<&str> = several.iter().map(|row| row.name).collect();
            Err(format!("{name} may be {}", names.join(", ")))
        }
    }
}

/// A row's keys as people write them: `j  ↓`; without those that mean something else to this user.
pub fn shown_keys(row: &Row, keymap: &Keymap) -> Vec<String> {
    let ways = row.keys.split(' ').map(keys::parse);
    ways.filter(|way| !keymap.hides(row.layer, way)).map(|way| keys::show_all(&way)).collect()
}

/// `docs/keys.md`, whole.
pub fn document() -> String {
    let mut out = String::from(
        "# Keys\n\n\
         Generated from the table in `crates/tui/src/commands.rs`;\n\
         a test fails when this page is stale.\n\n\
         In the message box everything is vim. Outside it, letters are verbs.\n\
         The badge on the box and the shape of the cursor say where you are.\n",
    );
    for layer in Layer::ALL {
        out.push_str(&format!("\n## {}\n\n", layer.title()));
        if let Some(below) = layer.below() {
            out.push_str(&format!("The keys of *{}* work here too.\n\n", below.title()));
        }
        out.push_str("| keys | meaning |\n|---|---|\n");
        for row in TABLE.iter().filter(|row| row.layer == layer) {
            let keys: Vec<String> =
                shown_keys(row, &Keymap::default()).iter().map(|way| code(way)).collect();
            out.push_str(&format!("| {} | {} |\n", keys.join(" "), row.help));
        }
    }
    out.push_str("\n## Commands\n\n");
    out.push_str("A name may be cut short as long as it stays the only one.\n\n");
    out.push_str("| command | meaning |\n|---|---|\n");
    for row in TYPED {
        let usage = format!(":{} {}", row.name, row.arguments);
        out.push_str(&format!("| {} | {} |\n", code(usage.trim_end()), row.help));
    }
    out
}

fn code(text: &str) -> String {
    // a table's cell ends at a bar, and a code span at its backtick
    let text = text.replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}
