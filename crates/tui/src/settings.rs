//! What people can choose, and how it is written: `config.toml`, `:set`, and the commented default.
//! A file with mistakes never keeps the screen from starting: each mistake is told with its line,
//! and what it is about stays as it was.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::commands::Layer;
use crate::keymap::{self, Keymap};
use crate::limits::{CONFIG_BYTES_MAX, MAPPINGS_MAX};

/// Everything that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub keymap: Keymap,
    pub q_quits: QQuits,
    pub receipts: Receipts,
    pub notify: Notify,
    pub show_text: bool,
    pub theme: Theme,
}

/// What `q` outside the box does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QQuits {
    /// Quits; asks once while something is unsent.
    #[default]
    Yes,
    No,
    /// Asks once, always.
    Ask,
}

/// When the others are told that I have read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Receipts {
    /// It is on the screen and the terminal has the focus.
    #[default]
    Focused,
    /// It is on the screen.
    Visible,
    Never,
}

/// What draws attention to a message that nobody is looking at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    #[default]
    Bell,
    /// The terminal shows a notification of its own.
    Terminal,
    /// The desktop does.
    Desktop,
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// The terminal's own sixteen colours.
    #[default]
    Terminal,
    Dark,
    Light,
}

const BOOLS: [(&str, bool); 2] = [("true", true), ("false", false)];
const Q_QUITS: [(&str, QQuits); 3] =
    [("true", QQuits::Yes), ("false", QQuits::No), ("ask", QQuits::Ask)];
const RECEIPTS: [(&str, Receipts); 3] =
    [("focused", Receipts::Focused), ("visible", Receipts::Visible), ("never", Receipts::Never)];
const NOTIFY: [(&str, Notify); 4] = [
    ("bell", Notify::Bell),
    ("terminal", Notify::Terminal),
    ("desktop", Notify::Desktop),
    ("off", Notify::Off),
];
const THEMES: [(&str, Theme); 3] =
    [("terminal", Theme::Terminal), ("dark", Theme::Dark), ("light", Theme::Light)];

/// One thing that can be chosen by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    QQuits,
    Receipts,
    Notify,
    ShowText,
    Theme,
}

/// One line of the table of settings.
#[derive(Debug)]
pub struct ChoiceRow {
    pub name: &'static str,
    pub choice: Choice,
    pub help: &'static str,
    /// What each of its words means, one line each.
    pub words: &'static [&'static str],
}

pub static CHOICES: &[ChoiceRow] = &[
    ChoiceRow {
        name: "q_quits",
        choice: Choice::QQuits,
        help: "what q does outside the message box; :q and ZZ quit in any case",
        words: &[
            "true   quits, and asks once while something is unsent",
            "ask    asks once, always",
            "false  does not quit",
        ],
    },
    ChoiceRow {
        name: "receipts",
        choice: Choice::Receipts,
        help: "when the others are told that you have read their messages",
        words: &[
            "focused  they are on the screen and the terminal has the focus",
            "visible  they are on the screen",
            "never    only when you say :read; what you saw is unread again at the next start",
        ],
    },
    ChoiceRow {
        name: "notify",
        choice: Choice::Notify,
        help: "what a message does that comes while you are not looking; never if it is muted",
        words: &[
            "bell      rings",
            "terminal  the terminal shows a notification (OSC 9 or OSC 777)",
            "desktop   the desktop does (notify-send, or osascript on a Mac)",
            "off       nothing",
        ],
    },
    ChoiceRow {
        name: "show_text",
        choice: Choice::ShowText,
        help: "a notification has the sender and the beginning of the text in it",
        words: &["true   anybody who sees your desktop can read it", "false  it says how many"],
    },
    ChoiceRow {
        name: "theme",
        choice: Choice::Theme,
        help: "the colours; with NO_COLOR in the environment there are none",
        words: &[
            "terminal  the sixteen colours of your terminal",
            "dark      natter's own, on a dark ground",
            "light     natter's own, on a light ground",
        ],
    },
];

/// The row with this name.
///
/// # Errors
/// A sentence for the user.
pub fn find_choice(name: &str) -> Result<&'static ChoiceRow, String> {
    let names = || CHOICES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let found = CHOICES.iter().find(|row| row.name == name);
    found.ok_or_else(|| format!("there is no setting {name}; there are {}", names()))
}

/// The words that a setting can be set to.
pub fn words(choice: Choice) -> Vec<&'static str> {
    match choice {
        Choice::QQuits => Q_QUITS.iter().map(|row| row.0).collect(),
        Choice::Receipts => RECEIPTS.iter().map(|row| row.0).collect(),
        Choice::Notify => NOTIFY.iter().map(|row| row.0).collect(),
        Choice::ShowText => BOOLS.iter().map(|row| row.0).collect(),
        Choice::Theme => THEMES.iter().map(|row| row.0).collect(),
    }
}

impl Settings {
    /// The word that a setting has now.
    pub fn word(&self, choice: Choice) -> &'static str {
        fn of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
            table.iter().find(|row| row.1 == *value).map_or("", |row| row.0)
        }
        match choice {
            Choice::QQuits => of(&Q_QUITS, &self.q_quits),
            Choice::Receipts => of(&RECEIPTS, &self.receipts),
            Choice::Notify => of(&NOTIFY, &self.notify),
            Choice::ShowText => of(&BOOLS, &self.show_text),
            Choice::Theme => of(&THEMES, &self.theme),
        }
    }

    /// Sets it to a word.
    ///
    /// # Errors
    /// It is none of its words: a sentence that says which there are.
    pub fn set(&mut self, row: &ChoiceRow, word: &str) -> Result<(), String> {
        fn put<T: Copy>(table: &[(&str, T)], word: &str, place: &mut T) -> bool {
            let found = table.iter().find(|row| row.0 == word);
            found.map(|row| *place = row.1).is_some()
        }
        let done = match row.choice {
            Choice::QQuits => put(&Q_QUITS, word, &mut self.q_quits),
            Choice::Receipts => put(&RECEIPTS, word, &mut self.receipts),
            Choice::Notify => put(&NOTIFY, word, &mut self.notify),
            Choice::ShowText => put(&BOOLS, word, &mut self.show_text),
            Choice::Theme => put(&THEMES, word, &mut self.theme),
        };
        match done {
            true => Ok(()),
            false => Err(format!("{} is one of {}", row.name, words(row.choice).join(", "))),
        }
    }
}

/// Something in the file that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

/// What a file says, over the defaults; and what is wrong with it.
pub fn parse(text: &str) -> (Settings, Vec<Mistake>) {
    let mut settings = Settings::default();
    if text.len() > CONFIG_BYTES_MAX {
        let text = format!("the file has more than {CONFIG_BYTES_MAX} bytes");
        return (settings, vec![Mistake { line: 1, text }]);
    }
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|error| Mistake {
            line: line_of(error.span().map_or(0, |span| span.start)),
            text: error.message().to_string(),
        })
        .collect();
    let mut told = |at: usize, text: String| mistakes.push(Mistake { line: line_of(at), text });
    for (key, value) in table.get_ref() {
        let at = key.span().start;
        let done = match (key.get_ref().as_ref(), value.get_ref()) {
            ("keys", DeValue::Table(layers)) => {
                read_keys(&mut settings.keymap, layers, &mut told);
                Ok(())
            }
            ("keys", _) => Err("keys is a table for each layer, such as [keys.messages]".into()),
            (name, value) => find_choice(name).and_then(|row| settings.set(row, &word_of(value))),
        };
        if let Err(text) = done {
            told(at, text);
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    (settings, mistakes)
}

/// The mistakes in one sentence; empty where there are none.
pub fn told(mistakes: &[Mistake]) -> String {
    let Some(first) = mistakes.first() else {
        return String::new();
    };
    let more = match mistakes.len() - 1 {
        0 => String::new(),
        count => format!("  (and {count} more)"),
    };
    // a parser's sentence may quote the file
    let text = proto::clean::line(&first.text);
    format!("config.toml, line {}: {text}{more}", first.line)
}

fn word_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        _ => String::new(),
    }
}

fn read_keys(keymap: &mut Keymap, layers: &DeTable<'_>, told: &mut impl FnMut(usize, String)) {
    for (name, rows) in layers {
        let at = name.span().start;
        let layer = match Layer::named(name.get_ref()) {
            Ok(layer) => layer,
            Err(why) => {
                told(at, why);
                continue;
            }
        };
        let DeValue::Table(rows) = rows.get_ref() else {
            told(at, format!("keys.{} is a table: keys = \"keys or :command\"", name.get_ref()));
            continue;
        };
        for (from, to) in rows {
            if let Err(why) = read_mapping(keymap, layer, from.get_ref(), to) {
                told(from.span().start, why);
            }
        }
    }
}

fn read_mapping(
    keymap: &mut Keymap,
    layer: Layer,
    from: &str,
    to: &Spanned<DeValue<'_>>,
) -> Result<(), String> {
    let DeValue::String(to) = to.get_ref() else {
        return Err(format!("what {from} means is a text: keys, or a : command"));
    };
    if keymap.rows.len() >= MAPPINGS_MAX {
        return Err(format!("there are more than {MAPPINGS_MAX} keys of your own"));
    }
    keymap.put(keymap::mapping(layer, from, to)?);
    Ok(())
}

/// `config.toml` with everything in it as it is without a file.
pub fn document() -> String {
    let mut out = String::from(
        "# The settings of natter's screen, as they are without this file. Every line may be left \
         out.\n# Its place: $XDG_CONFIG_HOME/natter/config.toml, usually \
         ~/.config/natter/config.toml\n",
    );
    let defaults = Settings::default();
    for row in CHOICES {
        out.push_str(&format!("\n# {}\n", row.help));
        for word in row.words {
            out.push_str(&format!("#   {word}\n"));
        }
        let word = defaults.word(row.choice);
        let bare = BOOLS.iter().any(|known| known.0 == word);
        let value = if bare { word.to_string() } else { format!("\"{word}\"") };
        out.push_str(&format!("{} = {value}\n", row.name));
    }
    out.push_str(
        "\n# Keys of your own, in a table for each layer. On the left what you press; on the right \
         what it means:\n# keys as natter knows them, or a : command, or \"\" for nothing. Keys \
         are written as in vim:\n# <CR> <Esc> <Space> <C-x> <F5> <lt>. The layers:\n",
    );
    for layer in Layer::ALL {
        out.push_str(&format!("#   keys.{:<10} {}\n", layer.name(), layer.title()));
    }
    out.push_str(
        "#\n# [keys.messages]\n# \"<C-n>\" = \"gt\"\n# \"gs\" = \":status\"\n# \"q\" = \"\"\n#\n\
         # [keys.insert]\n# \"jk\" = \"<Esc>\"\n",
    );
    out
}
