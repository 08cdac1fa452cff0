//! Rules about Rust files.

use crate::source::Source;
use crate::tidy::Tree;

const ROLES: &[&str] = &["auth", "gateway", "notify"];

/// A module, and the modules and crates that it may not name.
const BORDERS: &[(&str, &[&str])] = &[
    ("crates/server/src/auth", &["gateway", "notify"]),
    ("crates/server/src/gateway", &["auth", "notify"]),
    ("crates/server/src/notify", &["auth", "gateway"]),
    ("crates/server/src/bus", ROLES),
    ("crates/server/src/cache", ROLES),
    ("crates/server/src/queue", ROLES),
    ("crates/server/src/outward", ROLES),
    ("crates/tui/src/view", &["client", "tokio"]),
    ("crates/tui/src/update", &["tokio"]),
];

pub(crate) fn borders(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (module, banned) in BORDERS {
        for source in tree.sources.iter().filter(|source| source.is_in(module)) {
            for name in *banned {
                for line in lines_that_name(source, name) {
                    let at = at(source, line);
                    findings.push(format!("{at}: {module} may not name {name}"));
                }
            }
        }
    }
    findings
}

/// The lines whose code uses `name` as a module or crate (a variable of that name is none).
fn lines_that_name(source: &Source, name: &str) -> Vec<usize> {
    let lines = source.lines.iter().enumerate();
    let named = lines.filter(|(_, line)| {
        let is_use = line.code.trim_start().trim_start_matches("pub(crate) ").starts_with("use ");
        words(&line.code).any(|(before, word, after)| {
            let is_path = before.ends_with("::") || after.starts_with("::");
            word == name && (is_use || is_path)
        })
    });
    named.map(|(index, _)| index).collect()
}

/// Every word of a line, with what stands before and after it.
fn words(code: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    code.split(move |char| !is_word(char)).filter(|word| !word.is_empty()).map(move |word| {
        let begin = word.as_ptr() as usize - code.as_ptr() as usize;
        (&code[..begin], word, &code[begin + word.len()..])
    })
}

pub(crate) fn roles_meet_in_run(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| source.is_in("crates/server/src")) {
        let named = ROLES.iter().filter(|role| !lines_that_name(source, role).is_empty());
        if named.count() == ROLES.len() && !source.is_in("crates/server/src/run") {
            findings.push(format!("{} names all roles: only run.rs does", source.path));
        }
    }
    findings
}

#[derive(Clone, Copy)]
enum Place {
    Code,
    Comment,
}

/// A word, where it may not stand, and what to do instead.
const BANNED: &[(&str, Place, &str)] = &[
    ("unbounded_channel", Place::Code, "channel(limits::…), and say what happens when it is full"),
    ("thread::sleep", Place::Code, "wait for the event itself"),
    ("dbg!", Place::Code, "tracing::debug!, or nothing"),
    ("todo!", Place::Code, "write it, or leave the function out"),
    ("unimplemented!", Place::Code, "write it, or leave the function out"),
    ("#[ignore", Place::Code, "a test that runs, or no test"),
    ("#![allow(", Place::Code, "#![expect(lint, reason = …)], which falls when it is not needed"),
    ("todo!", Place::Comment, "write it"),
    ("TODO", Place::Comment, "do it, or file it where work is planned"),
    ("FIXME", Place::Comment, "fix it"),
    ("XXX", Place::Comment, "say what is wrong"),
];

pub(crate) fn banned_words(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        // The table above names what it bans, in comments of this room too.
        for (index, line) in source.lines.iter().enumerate() {
            for (word, place, instead) in BANNED {
                let text = match place {
                    Place::Code => &line.code,
                    Place::Comment if source.is_in("xtask/src") => continue,
                    Place::Comment => &line.comment,
                };
                if text.contains(word) {
                    findings.push(format!("{}: {word}; instead: {instead}", at(source, index)));
                }
            }
            let is_lib = source.path.ends_with("/lib.rs");
            if line.code.trim_start().starts_with("pub use ") && !is_lib {
                findings.push(format!("{}: pub use; instead: in lib.rs", at(source, index)));
            }
        }
    }
    findings
}

const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
/// A file that has to be long says why near its top.
const EXCUSE_WITHIN_LINES: usize = 20;

pub(crate) fn lengths(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let top = source.lines.iter().take(EXCUSE_WITHIN_LINES);
        let excused =
            top.filter(|line| line.comment.contains("// tidy: long because ")).count() > 0;
        if source.lines.len() > FILE_LINES_MAX && !excused {
            let count = source.lines.len();
            findings.push(format!("{}: {count} lines: split it by subject", source.path));
        }
        for (index, line) in source.lines.iter().enumerate() {
            let columns = line.raw.chars().count();
            if columns > LINE_COLUMNS_MAX && !source.is_excused(index, "long") {
                findings.push(format!("{}: {columns} columns", at(source, index)));
            }
        }
    }
    findings
}

const SQL_ROOMS: &[&str] =
    &["crates/store", "crates/client/src/cache", "crates/client/src/pen", "xtask"];

pub(crate) fn sql(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        if SQL_ROOMS.iter().any(|room| source.is_in(room)) {
            continue;
        }
        for literal in source.literals.iter().filter(|literal| is_sql(&literal.text)) {
            let at = at(source, literal.line);
            findings.push(format!("{at}: SQL; instead: a function of the room with the data"));
        }
    }
    findings
}

fn is_sql(text: &str) -> bool {
    let has = |word: &str| text.contains(word);
    has("SELECT ") && (has(" FROM ") || has("SELECT 1"))
        || has("INSERT INTO ")
        || has("UPDATE ") && has(" SET ")
        || has("DELETE FROM ")
        || has("CREATE TABLE ")
        || has("DROP TABLE ")
        || has("PRAGMA ")
}

pub(crate) fn sleeping_tests(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        for (index, line) in source.lines.iter().enumerate() {
            let sleeps = words(&line.code).any(|(_, word, after)| {
                (word == "sleep" || word == "sleep_until") && after.starts_with('(')
            });
            if line.test && sleeps && !source.is_excused(index, "sleeps") {
                let at = at(source, index);
                findings.push(format!("{at}: a test sleeps; instead: wait for the event"));
            }
        }
    }
    findings
}

pub(crate) fn story(tree: &Tree) -> Vec<String> {
    let stories = tree.sources.iter().filter(|source| {
        source.path.starts_with("crates/store/tests/") && source.path.contains("story")
    });
    let told: Vec<&str> =
        stories.flat_map(|source| &source.lines).map(|line| line.code.as_str()).collect();
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| source.is_in("crates/store/src")) {
        for (index, line) in source.lines.iter().enumerate() {
            let Some((_, signature)) = line.code.split_once("pub async fn ") else {
                continue;
            };
            let name = signature.split(['(', '<']).next().unwrap_or_default();
            let mut calls = told.iter().flat_map(|code| words(code));
            let called = calls.any(|(before, word, after)| {
                word == name && before.ends_with(['.', ':']) && after.starts_with('(')
            });
            // No story begins without open; it is called where the stories' stores are made.
            if !called && name != "open" {
                findings.push(format!("{}: {name} is not in the story", at(source, index)));
            }
        }
    }
    findings
}

fn at(source: &Source, line: usize) -> String {
    format!("{}:{}", source.path, line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Tree) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
        rule(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn a_role_that_names_another_is_found() {
        let auth = "crates/server/src/auth/login.rs";
        assert_eq!(
            found(borders, auth, "fn a() { crate::gateway::cut() }"),
            ["crates/server/src/auth/login.rs:1: crates/server/src/auth may not name gateway"]
        );
        assert_eq!(found(borders, auth, "use crate::{gateway, limits};").len(), 1);
        assert_eq!(found(borders, auth, "let gateway = pick(); // crate::gateway::cut").len(), 0);
        assert_eq!(found(borders, "crates/server/src/run.rs", "gateway::run()").len(), 0);
    }

    #[test]
    fn a_view_that_names_the_client_is_found() {
        assert_eq!(found(borders, "crates/tui/src/view/list.rs", "use client::Event;").len(), 1);
        assert_eq!(found(borders, "crates/tui/src/update.rs", "tokio::spawn(x)").len(), 1);
        assert_eq!(found(borders, "crates/tui/src/app.rs", "use client::Event;").len(), 0);
    }

    #[test]
    fn a_second_meeting_place_of_the_roles_is_found() {
        let all = "use crate::{auth, gateway, notify};";
        assert_eq!(found(roles_meet_in_run, "crates/server/src/limits.rs", all).len(), 1);
        assert_eq!(found(roles_meet_in_run, "crates/server/src/run.rs", all).len(), 0);
        let modules = "mod auth;\nmod gateway;\nmod notify;";
        assert_eq!(found(roles_meet_in_run, "crates/server/src/lib.rs", modules).len(), 0);
    }

    #[test]
    fn banned_words_are_found_with_their_replacement() {
        for (word, place, instead) in BANNED {
            let text = match place {
                Place::Code => format!("fn a() {{ {word} }}"),
                Place::Comment => format!("// {word}"),
            };
            let findings = found(banned_words, "crates/a/src/b.rs", &text);
            assert_eq!(findings, [format!("crates/a/src/b.rs:1: {word}; instead: {instead}")]);
        }
        assert_eq!(found(banned_words, "crates/a/src/b.rs", "let a = \"todo!\";").len(), 0);
    }

    #[test]
    fn pub_use_outside_of_lib_rs_is_found() {
        assert_eq!(found(banned_words, "crates/a/src/b.rs", "pub use c::D;").len(), 1);
        assert_eq!(found(banned_words, "crates/a/src/lib.rs", "pub use c::D;").len(), 0);
    }

    #[test]
    fn a_long_line_is_found_unless_it_says_why() {
        let line = format!("// {}", "a".repeat(LINE_COLUMNS_MAX));
        assert_eq!(found(lengths, "a.rs", &line), ["a.rs:1: 103 columns"]);
        let excused = format!("// tidy: long because it is a URL\n{line}");
        assert_eq!(found(lengths, "a.rs", &excused).len(), 0);
    }

    #[test]
    fn a_long_file_is_found_unless_it_says_why() {
        let file = "a\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(found(lengths, "a.rs", &file).len(), 1);
        let excused = format!("// tidy: long because it is one table\n{file}");
        assert_eq!(found(lengths, "a.rs", &excused).len(), 0);
    }

    #[test]
    fn sql_outside_of_the_data_is_found() {
        for text in ["SELECT a\n FROM b", "INSERT INTO a", "UPDATE a SET b = 1", "DELETE FROM a"] {
            let code = format!("let query = \"{text} \";");
            assert_eq!(found(sql, "crates/server/src/a.rs", &code).len(), 1, "{text}");
            assert_eq!(found(sql, "crates/store/src/a.rs", &code).len(), 0, "{text}");
        }
        assert_eq!(found(sql, "crates/tui/src/a.rs", "let badge = \"SELECT MESSAGES\";").len(), 0);
    }

    #[test]
    fn a_test_that_sleeps_is_found_unless_it_says_why() {
        let test = "tokio::time::sleep(second).await;";
        assert_eq!(found(sleeping_tests, "crates/a/tests/it/b.rs", test).len(), 1);
        assert_eq!(found(sleeping_tests, "crates/a/src/b.rs", test).len(), 0);
        let inner = format!("#[cfg(test)]\nmod tests {{ {test} }}");
        assert_eq!(found(sleeping_tests, "crates/a/src/b.rs", &inner).len(), 1);
        let excused = format!("// tidy: sleeps because time is the subject\n{test}");
        assert_eq!(found(sleeping_tests, "crates/a/tests/it/b.rs", &excused).len(), 0);
    }

    #[test]
    fn a_store_method_that_no_story_calls_is_found() {
        let lib = ("crates/store/src/lib.rs", "pub async fn a() {}\npub async fn b(&self) {}");
        let story_rs = ("crates/store/tests/it/story.rs", "Store::a(); // store.b()");
        assert_eq!(
            story(&Tree::of(&[lib, story_rs])),
            ["crates/store/src/lib.rs:2: b is not in the story"]
        );
    }
}
