//! Names of emoji, for Tab after `:name`. A table of our own: the ones people write, one character
//! each, so that every terminal draws them alike.

#[rustfmt::skip] // a table is read in columns
pub static NAMES: &[(&str, &str)] = &[
    ("+1", "👍"), ("-1", "👎"), ("100", "💯"), ("angry", "😠"), ("ant", "🐜"), ("beer", "🍺"),
    ("beers", "🍻"), ("blush", "😊"), ("boom", "💥"), ("broken_heart", "💔"), ("bug", "🐛"),
    ("cake", "🍰"), ("cat", "🐱"), ("check", "✅"), ("clap", "👏"), ("coffee", "☕"),
    ("confused", "😕"), ("construction", "🚧"), ("cool", "😎"), ("crab", "🦀"), ("cry", "😢"),
    ("dizzy", "💫"), ("dog", "🐶"), ("eyes", "👀"), ("facepalm", "🤦"), ("fire", "🔥"),
    ("ghost", "👻"), ("gift", "🎁"), ("grin", "😁"), ("hand", "✋"), ("heart", "❤"),
    ("heart_eyes", "😍"), ("hourglass", "⏳"), ("hug", "🤗"), ("innocent", "😇"), ("joy", "😂"),
    ("key", "🔑"), ("kiss", "😘"), ("laughing", "😆"), ("lock", "🔒"), ("mail", "📫"),
    ("memo", "📝"), ("moon", "🌙"), ("muscle", "💪"), ("neutral", "😐"), ("no_entry", "⛔"),
    ("ok", "👌"), ("package", "📦"), ("partying", "🥳"), ("phone", "📞"), ("pizza", "🍕"),
    ("pray", "🙏"), ("question", "❓"), ("rage", "😡"), ("rainbow", "🌈"), ("raised_hands", "🙌"),
    ("robot", "🤖"), ("rocket", "🚀"), ("rofl", "🤣"), ("rose", "🌹"), ("scream", "😱"),
    ("see_no_evil", "🙈"), ("shrug", "🤷"), ("skull", "💀"), ("sleepy", "😴"), ("smile", "😄"),
    ("smirk", "😏"), ("snail", "🐌"), ("snowflake", "❄"), ("sob", "😭"), ("sparkles", "✨"),
    ("star", "⭐"), ("sun", "☀"), ("sunglasses", "😎"), ("sweat", "😅"), ("tada", "🎉"),
    ("thinking", "🤔"), ("thumbsdown", "👎"), ("thumbsup", "👍"), ("turtle", "🐢"),
    ("umbrella", "☔"), ("unamused", "😒"), ("warning", "⚠"), ("wave", "👋"), ("wink", "😉"),
    ("worried", "😟"), ("wrench", "🔧"), ("x", "❌"), ("yum", "😋"), ("zap", "⚡"), ("zzz", "💤"),
];

/// The emoji whose names begin so, each once, in the order of their names.
pub fn beginning(begun: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, emoji) in NAMES.iter().filter(|(name, _)| name.starts_with(begun)) {
        if !found.iter().any(|other| other == emoji) {
            found.push((*emoji).to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_every_emoji_is_one_character() {
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
        for (name, emoji) in NAMES {
            assert_eq!(emoji.chars().count(), 1, "{name}");
            assert_eq!(proto::clean::text(emoji), *emoji, "{name}");
        }
        assert_eq!(beginning("thumbs"), ["👎", "👍"]);
    }
}
