//! Everything that can be done in normal and visual mode, as closed sets.

use crate::key::Key;
use crate::visual::VisualKind;

/// One complete command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) register: Option<char>,
    /// 0: none was typed.
    pub(crate) count: usize,
    pub(crate) verb: Verb,
    /// `v`, `V` or CTRL-V between operator and motion.
    pub(crate) force: Option<VisualKind>,
    /// The keys behind register, count and operator, to repeat them.
    pub(crate) keys: Vec<Key>,
}

impl Command {
    pub(crate) fn times(&self) -> usize {
        self.count.max(1)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verb {
    /// Esc, or a key that leaves an unfinished command without complaint.
    Cancel,
    Escape,
    Move(Motion),
    Operate(Op, Motion),
    OperateVisual(Op, Widen),
    StartInsert(Place),
    Open {
        below: bool,
    },
    Replace,
    ReplaceChars(Key),
    SwapCase,
    Join {
        spaces: bool,
    },
    Put {
        before: bool,
        rest_behind: bool,
    },
    AddNumber {
        up: bool,
    },
    HalfPage {
        down: bool,
    },
    /// CTRL-O and Tab: through the places jumped from.
    Jump {
        back: bool,
    },
    Undo,
    /// `U`
    UndoRow,
    Redo,
    Repeat,
    Record(Option<char>),
    Execute(char),
    SetMark(char),
    Visual(VisualKind),
    Reselect,
    SwapEnds {
        corners: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Delete,
    Yank,
    Change,
    ShiftLeft,
    ShiftRight,
    ToggleCase,
    Upper,
    Lower,
    Join,
    JoinPlain,
    Replace(Key),
    Insert,
    Append,
    Add { progressive: bool },
    Subtract { progressive: bool },
}

impl Op {
    /// The keys that name the operator.
    pub(crate) fn keys(self) -> Vec<Key> {
        let text = match self {
            Op::Delete => "d",
            Op::Yank => "y",
            Op::Change => "c",
            Op::ShiftLeft => "<",
            Op::ShiftRight => ">",
            Op::ToggleCase => "g~",
            Op::Upper => "gU",
            Op::Lower => "gu",
            Op::Join => "J",
            Op::JoinPlain => "gJ",
            Op::Insert => "I",
            Op::Append => "A",
            Op::Replace(key) => return vec![Key::Char('r'), key],
            Op::Add { .. } => return vec![Key::Ctrl('a')],
            Op::Subtract { .. } => return vec![Key::Ctrl('x')],
        };
        text.chars().map(Key::Char).collect()
    }
}

/// What a capital letter does to the selection it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widen {
    No,
    /// To whole lines, unless it is a block.
    Lines,
    /// To whole lines; a block to the ends of its lines.
    LinesOrEnds,
    /// To whole lines, even a block.
    AlwaysLines,
}

/// Where insert mode begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Cursor,
    After,
    NonBlank,
    LineEnd,
    ColumnZero,
    /// Where it was left last.
    LastInsert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    Left {
        wrap: bool,
    },
    Right {
        wrap: bool,
    },
    Up {
        first: bool,
    },
    Down {
        first: bool,
    },
    LineStart,
    FirstNonBlank,
    LineEnd,
    LastNonBlank,
    Column,
    /// The doubled operator, and `_`.
    CurrentLines,
    WordNext {
        big: bool,
    },
    WordBack {
        big: bool,
    },
    WordEnd {
        big: bool,
    },
    WordEndBack {
        big: bool,
    },
    Find {
        target: char,
        forward: bool,
        until: bool,
    },
    FindAgain {
        reverse: bool,
    },
    Line {
        last: bool,
    },
    Sentence {
        forward: bool,
    },
    Paragraph {
        forward: bool,
    },
    Match,
    Mark {
        name: char,
        lines: bool,
        jump: bool,
    },
    Object {
        around: bool,
        object: Object,
    },
    Home,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Word { big: bool },
    Sentence,
    Paragraph,
    Quote(char),
    Block { open: char, close: char },
    Tag,
}
