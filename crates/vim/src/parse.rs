//! From keys to a command. The whole sequence is read again at each key: it is unfinished, or
//! nonsense, or one command.

use crate::command::{Command, Motion, Object, Op, Place, Verb, Widen};
use crate::key::{Key, char_of_key};
use crate::limits::COUNT_MAX;
use crate::register::is_register;
use crate::visual::VisualKind;

/// What the meaning of keys depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) visual: bool,
    pub(crate) recording: bool,
    pub(crate) executing: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    More,
    Nonsense,
    Done(Command),
}

/// Why a sequence is no command: `?` carries it to the top.
enum Stop {
    More,
    Nonsense,
    Cancel,
}

type Reading<T> = Result<T, Stop>;

/// The keys not read yet.
struct Keys<'a> {
    rest: &'a [Key],
}

impl Keys<'_> {
    fn next(&mut self) -> Reading<Key> {
        let (&key, rest) = self.rest.split_first().ok_or(Stop::More)?;
        self.rest = rest;
        Ok(key)
    }

    /// The second key of a command; Esc there leaves the command quietly.
    fn argument(&mut self) -> Reading<Key> {
        match self.next()? {
            Key::Esc => Err(Stop::Cancel),
            key => Ok(key),
        }
    }

    fn text_argument(&mut self) -> Reading<char> {
        match self.argument()? {
            Key::Char(c) => Ok(c),
            key @ (Key::Enter | Key::Tab | Key::Ctrl(_)) => Ok(char_of_key(key)),
            _ => Err(Stop::Nonsense),
        }
    }

    /// Digits, and the key behind them.
    fn count(&mut self) -> Reading<(usize, Key)> {
        let mut count = 0;
        loop {
            match self.next()? {
                Key::Char(digit @ '1'..='9') => count = grown(count, digit),
                Key::Char('0') if count != 0 => count = grown(count, '0'),
                Key::Delete if count != 0 => count /= 10,
                key => return Ok((count, key)),
            }
        }
    }
}

fn grown(count: usize, digit: char) -> usize {
    if count > COUNT_MAX / 10 {
        return COUNT_MAX;
    }
    count * 10 + digit.to_digit(10).map_or(0, |d| d as usize)
}

/// Counts before and behind an operator or a register multiply.
fn combined(before: usize, count: usize) -> usize {
    match (before, count) {
        (0, count) => count,
        (before, 0) => before,
        (before, count) => before.saturating_mul(count).min(COUNT_MAX),
    }
}

pub(crate) fn parse(keys: &[Key], situation: Situation) -> Parsed {
    let mut reader = Keys { rest: keys };
    match read_command(&mut reader, situation) {
        Ok(command) => Parsed::Done(command),
        Err(Stop::More) => Parsed::More,
        Err(Stop::Nonsense) => Parsed::Nonsense,
        Err(Stop::Cancel) => Parsed::Done(Command {
            register: None,
            count: 0,
            verb: Verb::Cancel,
            force: None,
            keys: Vec::new(),
        }),
    }
}

fn read_command(keys: &mut Keys, situation: Situation) -> Reading<Command> {
    let mut register = None;
    let mut before = 0;
    loop {
        let (count, key) = keys.count()?;
        let count = combined(before, count);
        if key == Key::Char('"') {
            register = Some(read_register(keys)?);
            before = count;
            continue;
        }
        if !situation.visual
            && let Some(op) = operator(key, keys)?
        {
            return read_operated(keys, register, count, op);
        }
        let start = keys.rest;
        let verb = if situation.visual {
            visual_verb(key, keys, situation)?
        } else {
            normal_verb(key, keys, situation)?
        };
        let used = start.len() - keys.rest.len();
        if key == Key::Delete && !situation.visual {
            // A quirk of Vim: this spelling of "x" forgets the register.
            register = None;
        }
        let (verb, key) = spelled_out(verb, key);
        let keys = [&[key], &start[..used]].concat();
        return Ok(Command { register, count, verb, force: None, keys });
    }
}

fn read_register(keys: &mut Keys) -> Reading<char> {
    match keys.argument()? {
        Key::Char(c) if is_register(c) => Ok(c),
        _ => Err(Stop::Nonsense),
    }
}

/// `x` is `dl`, `Y` is `yy`, and so on: repeated under their long names.
fn spelled_out(verb: Verb, key: Key) -> (Verb, Key) {
    let long = match (&verb, key) {
        (Verb::Operate(..), Key::Char('x') | Key::Delete) => 'l',
        (Verb::Operate(..), Key::Char('X')) => 'h',
        (Verb::Operate(..), Key::Char('D' | 'C')) => '$',
        (Verb::Operate(..), Key::Char('s')) => 'l',
        (Verb::Operate(..), Key::Char('S')) => 'c',
        (Verb::Operate(..), Key::Char('Y')) => 'y',
        _ => return (verb, key),
    };
    (verb, Key::Char(long))
}

fn operator(key: Key, keys: &mut Keys) -> Reading<Option<Op>> {
    Ok(match key {
        Key::Char('d') => Some(Op::Delete),
        Key::Char('c') => Some(Op::Change),
        Key::Char('y') => Some(Op::Yank),
        Key::Char('<') => Some(Op::ShiftLeft),
        Key::Char('>') => Some(Op::ShiftRight),
        Key::Char('g') => {
            let op = match keys.rest.first().ok_or(Stop::More)? {
                Key::Char('u') => Some(Op::Lower),
                Key::Char('U') => Some(Op::Upper),
                Key::Char('~') => Some(Op::ToggleCase),
                _ => None,
            };
            if op.is_some() {
                keys.next()?;
            }
            op
        }
        _ => None,
    })
}

/// What an operator works on: a motion, a text object, or itself doubled.
fn read_operated(
    keys: &mut Keys,
    register: Option<char>,
    before: usize,
    op: Op,
) -> Reading<Command> {
    let mut total = before;
    let mut force = None;
    loop {
        let (count, key) = keys.count()?;
        total = combined(total, count);
        match key {
            Key::Char('v') => force = Some(VisualKind::Char),
            Key::Char('V') => force = Some(VisualKind::Line),
            Key::Ctrl('v' | 'q') => force = Some(VisualKind::Block),
            Key::Esc | Key::Ctrl('c') => return Err(Stop::Cancel),
            _ => {
                let start = keys.rest;
                let motion = operated_motion(key, keys, op)?;
                let used = start.len() - keys.rest.len();
                let keys = [&[key], &start[..used]].concat();
                let verb = Verb::Operate(op, motion);
                return Ok(Command { register, count: total, verb, force, keys });
            }
        }
    }
}

fn operated_motion(key: Key, keys: &mut Keys, op: Op) -> Reading<Motion> {
    let doubled = match (op, key) {
        (Op::Delete, Key::Char('d'))
        | (Op::Change, Key::Char('c'))
        | (Op::Yank, Key::Char('y'))
        | (Op::ShiftLeft, Key::Char('<'))
        | (Op::ShiftRight, Key::Char('>'))
        | (Op::ToggleCase, Key::Char('~'))
        | (Op::Upper, Key::Char('U'))
        | (Op::Lower, Key::Char('u')) => true,
        (Op::ToggleCase | Op::Upper | Op::Lower, Key::Char('g')) => {
            let second = keys.rest.first().ok_or(Stop::More)?;
            let same = op.keys().get(1) == Some(second);
            if same {
                keys.next()?;
            }
            same
        }
        _ => false,
    };
    if doubled {
        return Ok(Motion::CurrentLines);
    }
    if let Key::Char(kind @ ('i' | 'a')) = key {
        return Ok(Motion::Object { around: kind == 'a', object: object(keys)? });
    }
    match motion(key, keys)? {
        Some(motion) => Ok(motion),
        None => nonsense(key, keys),
    }
}

/// Unknown commands that take one more key take it along.
fn nonsense<T>(key: Key, keys: &mut Keys) -> Reading<T> {
    if matches!(key, Key::Char('z' | '[' | ']' | 'g') | Key::Ctrl('\\')) {
        keys.argument()?;
    }
    Err(Stop::Nonsense)
}

fn motion(key: Key, keys: &mut Keys) -> Reading<Option<Motion>> {
    Ok(Some(match key {
        Key::Char('h') | Key::Left => Motion::Left { wrap: false },
        Key::Backspace | Key::Ctrl('h') => Motion::Left { wrap: true },
        Key::Char('l') | Key::Right => Motion::Right { wrap: false },
        Key::Char(' ') => Motion::Right { wrap: true },
        Key::Char('j') | Key::Down | Key::Ctrl('j' | 'n') => Motion::Down { first: false },
        Key::Char('k') | Key::Up | Key::Ctrl('p') => Motion::Up { first: false },
        Key::Char('+') | Key::Enter => Motion::Down { first: true },
        Key::Char('-') => Motion::Up { first: true },
        Key::Char('0') => Motion::LineStart,
        Key::Char('^') => Motion::FirstNonBlank,
        Key::Char('$') => Motion::LineEnd,
        Key::End => Motion::End,
        Key::Home => Motion::Home,
        Key::Char('|') => Motion::Column,
        Key::Char('_') => Motion::CurrentLines,
        Key::Char('w') => Motion::WordNext { big: false },
        Key::Char('W') => Motion::WordNext { big: true },
        Key::Char('b') => Motion::WordBack { big: false },
        Key::Char('B') => Motion::WordBack { big: true },
        Key::Char('e') => Motion::WordEnd { big: false },
        Key::Char('E') => Motion::WordEnd { big: true },
        Key::Char(way @ ('f' | 'F' | 't' | 'T')) => Motion::Find {
            target: keys.text_argument()?,
            forward: way.is_ascii_lowercase(),
            until: way.eq_ignore_ascii_case(&'t'),
        },
        Key::Char(';') => Motion::FindAgain { reverse: false },
        Key::Char(',') => Motion::FindAgain { reverse: true },
        Key::Char('G') => Motion::Line { last: true },
        Key::Char('(') => Motion::Sentence { forward: false },
        Key::Char(')') => Motion::Sentence { forward: true },
        Key::Char('{') => Motion::Paragraph { forward: false },
        Key::Char('}') => Motion::Paragraph { forward: true },
        Key::Char('%') => Motion::Match,
        Key::Char(quote @ ('\'' | '`')) => {
            Motion::Mark { name: keys.text_argument()?, lines: quote == '\'', jump: true }
        }
        Key::Char('g') => return g_motion(keys),
        _ => return Ok(None),
    }))
}

fn g_motion(keys: &mut Keys) -> Reading<Option<Motion>> {
    let motion = match keys.rest.first().ok_or(Stop::More)? {
        Key::Char('g') => Motion::Line { last: false },
        Key::Char('e') => Motion::WordEndBack { big: false },
        Key::Char('E') => Motion::WordEndBack { big: true },
        Key::Char('_') => Motion::LastNonBlank,
        Key::Char(quote @ ('\'' | '`')) => {
            let lines = *quote == '\'';
            keys.next()?;
            return Ok(Some(Motion::Mark { name: keys.text_argument()?, lines, jump: false }));
        }
        _ => return Ok(None),
    };
    keys.next()?;
    Ok(Some(motion))
}

fn object(keys: &mut Keys) -> Reading<Object> {
    Ok(match keys.argument()? {
        Key::Char('w') => Object::Word { big: false },
        Key::Char('W') => Object::Word { big: true },
        Key::Char('s') => Object::Sentence,
        Key::Char('p') => Object::Paragraph,
        Key::Char('t') => Object::Tag,
        Key::Char(quote @ ('"' | '\'' | '`')) => Object::Quote(quote),
        Key::Char('b' | '(' | ')') => Object::Block { open: '(', close: ')' },
        Key::Char('B' | '{' | '}') => Object::Block { open: '{', close: '}' },
        Key::Char('[' | ']') => Object::Block { open: '[', close: ']' },
        Key::Char('<' | '>') => Object::Block { open: '<', close: '>' },
        _ => return Err(Stop::Nonsense),
    })
}

fn normal_verb(key: Key, keys: &mut Keys, situation: Situation) -> Reading<Verb> {
    if let Some(verb) = shared_verb(key, keys, situation)? {
        return Ok(verb);
    }
    let op = |op, motion| Verb::Operate(op, motion);
    Ok(match key {
        Key::Char('x') | Key::Delete => op(Op::Delete, Motion::Right { wrap: false }),
        Key::Char('X') => op(Op::Delete, Motion::Left { wrap: false }),
        Key::Char('D') => op(Op::Delete, Motion::LineEnd),
        Key::Char('C') => op(Op::Change, Motion::LineEnd),
        Key::Char('s') => op(Op::Change, Motion::Right { wrap: false }),
        Key::Char('S') => op(Op::Change, Motion::CurrentLines),
        Key::Char('Y') => op(Op::Yank, Motion::CurrentLines),
        Key::Char('i') => Verb::StartInsert(Place::Cursor),
        Key::Char('a') => Verb::StartInsert(Place::After),
        Key::Char('I') => Verb::StartInsert(Place::NonBlank),
        Key::Char('A') => Verb::StartInsert(Place::LineEnd),
        Key::Char('o') => Verb::Open { below: true },
        Key::Char('O') => Verb::Open { below: false },
        Key::Char('R') => Verb::Replace,
        Key::Char('r') => Verb::ReplaceChars(replacement(keys)?),
        Key::Char('~') => Verb::SwapCase,
        Key::Char('J') => Verb::Join { spaces: true },
        Key::Char('u') => Verb::Undo,
        Key::Char('U') => Verb::UndoRow,
        Key::Ctrl('r') => Verb::Redo,
        Key::Ctrl('o') => Verb::Jump { back: true },
        Key::Tab => Verb::Jump { back: false },
        Key::Char('.') => Verb::Repeat,
        Key::Ctrl('a') => Verb::AddNumber { up: true },
        Key::Ctrl('x') => Verb::AddNumber { up: false },
        Key::Char('g') => match keys.argument()? {
            Key::Char('J') => Verb::Join { spaces: false },
            Key::Char('i') => Verb::StartInsert(Place::LastInsert),
            Key::Char('I') => Verb::StartInsert(Place::ColumnZero),
            _ => return Err(Stop::Nonsense),
        },
        // There are no windows: their commands do nothing.
        Key::Ctrl('w') => {
            keys.argument()?;
            Verb::Cancel
        }
        _ => return nonsense(key, keys),
    })
}

fn visual_verb(key: Key, keys: &mut Keys, situation: Situation) -> Reading<Verb> {
    if let Key::Char(kind @ ('i' | 'a')) = key {
        let object = object(keys)?;
        return Ok(Verb::Move(Motion::Object { around: kind == 'a', object }));
    }
    if let Some(verb) = shared_verb(key, keys, situation)? {
        return Ok(verb);
    }
    let op = Verb::OperateVisual;
    Ok(match key {
        Key::Char('d' | 'x') | Key::Delete => op(Op::Delete, Widen::No),
        Key::Char('D') => op(Op::Delete, Widen::LinesOrEnds),
        Key::Char('X') => op(Op::Delete, Widen::Lines),
        Key::Char('y') => op(Op::Yank, Widen::No),
        Key::Char('Y') => op(Op::Yank, Widen::Lines),
        Key::Char('c' | 's') => op(Op::Change, Widen::No),
        Key::Char('C') => op(Op::Change, Widen::LinesOrEnds),
        Key::Char('S' | 'R') => op(Op::Change, Widen::AlwaysLines),
        Key::Char('<') => op(Op::ShiftLeft, Widen::No),
        Key::Char('>') => op(Op::ShiftRight, Widen::No),
        Key::Char('~') => op(Op::ToggleCase, Widen::No),
        Key::Char('u') => op(Op::Lower, Widen::No),
        Key::Char('U') => op(Op::Upper, Widen::No),
        Key::Char('J') => op(Op::Join, Widen::No),
        Key::Char('r') => op(Op::Replace(replacement(keys)?), Widen::No),
        Key::Char('I') => op(Op::Insert, Widen::Lines),
        Key::Char('A') => op(Op::Append, Widen::Lines),
        Key::Ctrl('a') => op(Op::Add { progressive: false }, Widen::No),
        Key::Ctrl('x') => op(Op::Subtract { progressive: false }, Widen::No),
        Key::Char('o') => Verb::SwapEnds { corners: false },
        Key::Char('O') => Verb::SwapEnds { corners: true },
        Key::Char('g') => match keys.argument()? {
            Key::Char('u') => op(Op::Lower, Widen::No),
            Key::Char('U') => op(Op::Upper, Widen::No),
            Key::Char('~') => op(Op::ToggleCase, Widen::No),
            Key::Char('J') => op(Op::JoinPlain, Widen::No),
            Key::Ctrl('a') => op(Op::Add { progressive: true }, Widen::No),
            Key::Ctrl('x') => op(Op::Subtract { progressive: true }, Widen::No),
            _ => return Err(Stop::Nonsense),
        },
        _ => return nonsense(key, keys),
    })
}

/// What means the same with and without a selection.
fn shared_verb(key: Key, keys: &mut Keys, situation: Situation) -> Reading<Option<Verb>> {
    if let Some(motion) = motion(key, keys)? {
        return Ok(Some(Verb::Move(motion)));
    }
    Ok(Some(match key {
        Key::Esc | Key::Ctrl('c') => Verb::Escape,
        Key::Char('v') => Verb::Visual(VisualKind::Char),
        Key::Char('V') => Verb::Visual(VisualKind::Line),
        Key::Ctrl('v' | 'q') => Verb::Visual(VisualKind::Block),
        Key::Ctrl('d') => Verb::HalfPage { down: true },
        Key::Ctrl('u') => Verb::HalfPage { down: false },
        Key::Char('p') => Verb::Put { before: false, rest_behind: false },
        Key::Char('P') => Verb::Put { before: true, rest_behind: false },
        Key::Char('m') => Verb::SetMark(keys.text_argument()?),
        Key::Char('@') => Verb::Execute(keys.text_argument()?),
        Key::Char('q') if situation.recording || situation.executing => Verb::Record(None),
        Key::Char('q') => Verb::Record(Some(keys.text_argument()?)),
        Key::Char('g') => {
            let verb = match keys.rest.first().ok_or(Stop::More)? {
                Key::Char('v') => Verb::Reselect,
                Key::Char('p') => Verb::Put { before: false, rest_behind: true },
                Key::Char('P') => Verb::Put { before: true, rest_behind: true },
                _ => return Ok(None),
            };
            keys.next()?;
            verb
        }
        _ => return Ok(None),
    }))
}

/// The character behind `r`; keys that are no character are nonsense there.
fn replacement(keys: &mut Keys) -> Reading<Key> {
    match keys.argument()? {
        key @ (Key::Char(_) | Key::Enter | Key::Tab | Key::Ctrl(_)) => Ok(key),
        _ => Err(Stop::Nonsense),
    }
}
