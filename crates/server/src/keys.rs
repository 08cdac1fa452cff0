//! What is the same for every setting: its name in the file, its flag and its variable, how its
//! text is read, how it is shown. The settings themselves are in `config.rs`.

use std::fmt::{self, Write as _};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

/// One setting. The same table makes the file, the flags, the variables and the page of the book.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As in the file: `listen`, or `rates.sends` for `sends` below `[rates]`.
    pub name: &'static str,
    pub kind: Kind,
    /// What it means, in sentences.
    pub help: &'static str,
    /// What could be written where nothing is the default; empty elsewhere.
    pub example: &'static str,
}

/// How the value of a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text that may hold a password.
    Secret,
    /// Texts; in flags and variables with commas between them.
    List,
    Secrets,
    Number,
    /// `{ burst = 9, per_minute = 60 }`; in flags and variables `9/60`.
    Rate,
}

impl Key {
    /// `--rates-sends`, without the dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// `NATTER_RATES_SENDS`
    pub fn variable(&self) -> String {
        format!("NATTER_{}", self.name.replace('.', "_").to_uppercase())
    }

    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List | Kind::Secrets)
    }

    fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets)
    }

    /// A table that holds nothing but this key, from the text of a flag or variable.
    pub(crate) fn table(&self, text: &str) -> Result<Table, String> {
        let value = match self.kind {
            Kind::Text | Kind::Secret => Value::String(text.to_owned()),
            Kind::List | Kind::Secrets => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                Value::Array(texts.map(|text| Value::String(text.to_owned())).collect())
            }
            Kind::Number => Value::Integer(text.trim().parse().map_err(|_| "not a number")?),
            Kind::Rate => rate(text).ok_or("not a rate (AT ONCE/A MINUTE, as 9/60)")?,
        };
        let one = |name: &str, value| Table::from_iter([(name.to_owned(), value)]);
        Ok(match self.name.split_once('.') {
            None => one(self.name, value),
            Some((part, name)) => one(part, Value::Table(one(name, value))),
        })
    }

    fn find<'a>(&self, table: &'a Table) -> Option<&'a Value> {
        match self.name.split_once('.') {
            None => table.get(self.name),
            Some((part, name)) => table.get(part)?.get(name),
        }
    }

    /// The last part of its name: what stands before the `=`.
    fn short(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

fn rate(text: &str) -> Option<Value> {
    let (burst, per_minute) = text.split_once('/')?;
    let number = |text: &str| text.trim().parse::<u32>().ok().map(|n| Value::Integer(n.into()));
    let (burst, per_minute) = (number(burst)?, number(per_minute)?);
    let rate = [("burst".to_owned(), burst), ("per_minute".to_owned(), per_minute)];
    Some(Value::Table(Table::from_iter(rate)))
}

/// Lays one table over another, key by key.
pub(crate) fn lay_over(below: &mut Table, above: Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            // A rate is one value, not a part with keys.
            (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("burst") => {
                lay_over(old, new);
            }
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

/// A `natter.toml` that says `settings`: every key with its meaning, those that are as they are by
/// default commented out. Secrets are not shown.
pub(crate) fn print(keys: &[Key], settings: &Table, defaults: &Table) -> String {
    let mut text = String::from(
        "# natter.toml. Flags and environment variables go before what is written here:\n\
         # `rates.sends` is also --rates-sends and NATTER_RATES_SENDS.\n",
    );
    let mut part = "";
    for key in keys {
        if let Some((its_part, _)) = key.name.split_once('.')
            && its_part != part
        {
            part = its_part;
            let _ = write!(text, "\n[{part}]\n");
        }
        text.push('\n');
        comment(&mut text, key.help);
        let (now, default) = (key.find(settings), key.find(defaults));
        let line = match now.filter(|value| !is_empty(value)) {
            Some(value) => format!("{} = {value}", key.short()),
            None => format!("{} = {}", key.short(), key.example),
        };
        let _ = match () {
            () if now == default => writeln!(text, "# {line}"),
            () if key.is_secret() => {
                writeln!(text, "# Is set; what may be secret of it is not shown.\n# {line}")
            }
            () => writeln!(text, "{line}"),
        };
    }
    text
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

const COLUMNS: usize = 100;

fn comment(text: &mut String, sentences: &str) {
    let mut columns = 0;
    for word in sentences.split_whitespace() {
        if columns == 0 || columns + 1 + word.len() > COLUMNS {
            text.push_str(if columns == 0 { "#" } else { "\n#" });
            columns = 1;
        }
        let _ = write!(text, " {word}");
        columns += 1 + word.len();
    }
    text.push('\n');
}

/// The table of `docs/operate.md`.
pub(crate) fn document(keys: &[Key], defaults: &Table) -> String {
    let mut text = String::from("| key | default | meaning |\n|---|---|---|\n");
    for key in keys {
        let default = match key.find(defaults) {
            Some(value) if !is_empty(value) => format!("`{value}`"),
            _ if key.example.is_empty() => String::new(),
            _ => format!("none; e.g. `{}`", key.example),
        };
        let _ = writeln!(text, "| `{}` | {default} | {} |", key.name, key.help.trim());
    }
    text
}

/// An address that may hold a password. Shown without it, wherever it is shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// `postgres://natter:…@db/chat`: who and where, but no password and nothing of a query.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(if self.0.starts_with("sqlite:") { &self.0 } else { "…" });
        };
        // A password that should have been escaped may hold any sign, so the last @ ends it.
        let (user, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (who.split_once(':').map_or("", |(user, _)| user), place),
            None => ("", rest),
        };
        let (place, query) = place.split_once('?').map_or((place, ""), |(place, _)| (place, "?…"));
        let who = if rest.contains('@') { format!("{user}:…@") } else { String::new() };
        write!(f, "{scheme}://{who}{place}{query}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A list that may be written as a text with commas. What is wrong is told without its text, which
/// may be a secret.
pub(crate) fn texts<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Texts::deserialize(deserializer)? {
        Texts::One(text) => text.split(',').map(|text| text.trim().to_owned()).collect(),
        Texts::Many(texts) => texts,
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).map(T::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (secret, shown) in [
            ("postgres://natter:hunter2@db:5432/chat", "postgres://natter:…@db:5432/chat"),
            ("postgres://db/chat?password=hunter2", "postgres://db/chat?…"),
            ("redis://:hunter2@r", "redis://:…@r"),
            ("redis://hunter2@r", "redis://:…@r"),
            ("smtps://a:hunter2/@?b@host", "smtps://a:…@host"),
            ("amqp://a:b@h/x?k=hunter2@", "amqp://a:…@"),
            ("sqlite:/var/lib/natter.db", "sqlite:/var/lib/natter.db"),
            ("hunter2", "…"),
        ] {
            let secret = Secret::from(secret);
            assert_eq!((secret.to_string(), format!("{secret:?}")), (shown.into(), shown.into()));
        }
    }
}
