//! `:notices`: what may follow it. Its popup and Tab show this table.

use client::notices::Change;
use proto::http::Preview;

/// What may follow `:notices`, what may follow that, and what it does.
pub const WORDS: &[(&str, &str, &str)] = &[
    ("mail", "", "tell me by mail, to the confirmed address"),
    ("push", "URL", "by a push server like ntfy; the URL of a topic"),
    ("webhook", "URL", "by a signed call of a program of my own"),
    ("off", "", "tell me nothing"),
    ("preview", "full", "a notice says who wrote, and what"),
    ("preview", "names", "who wrote"),
    ("preview", "none", "only that there is something"),
    ("quiet", "22:00-06:30", "nothing between these hours, in UTC"),
    ("quiet", "off", "at any hour"),
    ("hide", "", "nobody sees since when I am away, or a mail"),
    ("show", "", "friends see it"),
];

/// What was typed behind `:notices`. None: it is only to be shown.
///
/// # Errors
/// A sentence for the user.
pub fn parse(rest: &str) -> Result<Option<Change>, String> {
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim();
    let url = || match rest {
        "" => Err(format!("where to? :notices {word} https://…")),
        url => Ok(url.to_owned()),
    };
    let preview = |preview| Ok(Some(Change::Preview(preview)));
    let change = match (word, rest) {
        ("", _) => return Ok(None),
        ("webhook", _) => return Ok(Some(Change::Webhook(url()?))),
        ("push", _) => return Ok(Some(Change::Push(url()?))),
        ("preview", "full") => return preview(Preview::Full),
        ("preview", "names") => return preview(Preview::Names),
        ("preview", "none") => return preview(Preview::None),
        ("preview", _) => return Err("how much? full, names or none must follow".into()),
        ("quiet", "off") => return Ok(Change::quiet("00:00-00:00")),
        ("quiet", hours) => {
            let wrong = "which hours? :notices quiet 22:00-06:30, or :notices quiet off";
            return Change::quiet(hours).map(Some).ok_or_else(|| wrong.into());
        }
        ("mail", _) => Change::Mail,
        ("off", _) => Change::Off,
        ("hide", _) => Change::Hide(true),
        ("show", _) => Change::Hide(false),
        _ => return Err(format!("what is {word}? :notices shows what may follow")),
    };
    match rest {
        "" => Ok(Some(change)),
        _ => Err(format!("nothing may follow :notices {word}")),
    }
}

/// The table, as lines of the popup.
pub fn help() -> impl Iterator<Item = String> {
    WORDS.iter().map(|(word, argument, help)| {
        format!(":notices {:<20}{help}", format!("{word} {argument}"))
    })
}
