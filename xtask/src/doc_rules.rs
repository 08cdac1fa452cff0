//! Rules about documents, and about what a file may say of the world outside of the repository.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::tidy::Tree;

const PROTO: &str = "crates/proto/natter.proto";
const PROTOCOL: &str = "docs/protocol.md";
/// Whoever gets one of these looks it up in docs/protocol.md, by its number where a peer that does
/// not know our names sees numbers.
const CODES: &[(&str, bool)] =
    &[("ErrorCode", true), ("CloseCode", true), ("GoodbyeReason", false)];

pub(crate) fn protocol_codes(tree: &Tree) -> Vec<String> {
    let Some(document) = tree.text(PROTOCOL) else {
        return vec![missing(PROTOCOL)];
    };
    let Some(proto) = tree.text(PROTO) else {
        return vec![missing(PROTO)];
    };
    let mut findings = Vec::new();
    for (code, by_number) in CODES {
        for (name, number) in enum_values(proto, code) {
            let short = short_name(code, name);
            let told = document.lines().any(|line| {
                let has = |wanted: &str| words(line).any(|word| word == wanted);
                (has(name) || has(short)) && (has(number) || !by_number)
            });
            if !told {
                findings.push(format!("{PROTOCOL}: no line tells {code} {short} ({number})"));
            }
        }
    }
    findings
}

/// Names and numbers of an enum in a .proto file; 0, which says nothing, is left out.
fn enum_values<'a>(proto: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let head = format!("enum {name} {{");
    let body = proto.split_once(&head).and_then(|(_, rest)| rest.split_once('}'));
    let lines = body.map(|(body, _)| body.lines()).into_iter().flatten();
    let values = lines.filter_map(|line| {
        let (value, number) = line.trim().strip_suffix(';')?.split_once(" = ")?;
        (number != "0" && !value.starts_with("//")).then_some((value, number))
    });
    values.collect()
}

/// ErrorCode and ERROR_CODE_TOO_FAST: TOO_FAST.
fn short_name<'a>(code: &str, value: &'a str) -> &'a str {
    let words = code.chars().filter(|char| char.is_uppercase()).count();
    value.splitn(words + 1, '_').last().unwrap_or(value)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|char: char| !(char.is_alphanumeric() || char == '_'))
}

/// A changed protocol needs a touched document: whoever changes the one writes its hash, and what
/// it means, into the other.
pub(crate) fn protocol_hash(tree: &Tree) -> Vec<String> {
    let Some(document) = tree.text(PROTOCOL) else {
        return vec![missing(PROTOCOL)];
    };
    let Some(proto) = tree.text(PROTO) else {
        return vec![missing(PROTO)];
    };
    let mut line = String::from("natter.proto sha256: ");
    for byte in Sha256::digest(proto) {
        write!(line, "{byte:02x}").expect("a String takes every write");
    }
    if document.contains(&line) {
        return Vec::new();
    }
    vec![format!("{PROTOCOL}: say what changed in natter.proto, then write: {line}")]
}

fn missing(path: &str) -> String {
    format!("{path} is missing")
}

pub(crate) fn links(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in documents(tree) {
        for (number, line) in prose(text) {
            for target in link_targets(line) {
                let file = target.split(['#', '?']).next().unwrap_or_default();
                if !file.is_empty() && !exists(tree, &join(directory(path), file)) {
                    findings.push(format!("{path}:{number}: the link {target} leads nowhere"));
                }
            }
        }
    }
    findings
}

fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let files = tree.files.iter().filter(|(path, _)| path.ends_with(".md"));
    files.map(|(path, text)| (path.as_str(), text.as_str()))
}

/// The lines outside of code fences, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.map(|(index, line)| (index + 1, line))
}

/// Relative targets of `[text](target)` and `[name]: target`.
fn link_targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let reference = line.starts_with('[').then(|| line.split_once("]: ")).flatten();
    let reference = reference.and_then(|(_, rest)| rest.split_whitespace().next());
    let absolute = |target: &&str| target.contains("://") || target.starts_with("mailto:");
    inline.chain(reference).filter(|target| !absolute(target)).collect()
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `docs/flows` and `../data.md`: `docs/data.md`. What leads out of the repository stays as it is.
fn join(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." if parts.pop().is_none() => return target.to_owned(),
            ".." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn exists(tree: &Tree, path: &str) -> bool {
    let below = format!("{path}/");
    path.is_empty() || tree.files.iter().any(|(file, _)| file == path || file.starts_with(&below))
}

/// What in backticks looks like a file of ours is one, and `file.rs:name` has that name in it.
pub(crate) fn mentions(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in documents(tree) {
        for (number, line) in prose(text) {
            for mention in line.split('`').skip(1).step_by(2) {
                if let Some(what) = wrong_mention(tree, directory(path), mention) {
                    findings.push(format!("{path}:{number}: `{mention}`: {what}"));
                }
            }
        }
    }
    findings
}

fn wrong_mention(tree: &Tree, directory: &str, mention: &str) -> Option<&'static str> {
    let (file, name) = mention.split_once(':').unwrap_or((mention, ""));
    let is_rust = file.ends_with(".rs");
    let is_document =
        file.contains('/') && [".md", ".proto", ".sql"].iter().any(|e| file.ends_with(e));
    let is_plain = file.chars().all(|char| char.is_alphanumeric() || "/._-".contains(char));
    if !(is_rust || is_document) || !is_plain || file.starts_with('.') && is_rust {
        return None;
    }
    let beside = join(directory, file);
    let tail = format!("/{file}");
    let mut meant = tree
        .files
        .iter()
        .filter(|(path, _)| *path == file || *path == beside || path.ends_with(&tail));
    let texts: Vec<&str> = meant.by_ref().map(|(_, text)| text.as_str()).collect();
    if texts.is_empty() {
        return Some("there is no such file");
    }
    let found = name.is_empty() || texts.iter().any(|text| words(text).any(|word| word == name));
    (!found).then_some("the file has no such name")
}

/// A module's `//!` links the document of its journey.
pub(crate) fn documents_in_code(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        for (index, line) in source.lines.iter().enumerate() {
            let is_path = |char: char| char.is_alphanumeric() || "/._-".contains(char);
            for word in line.comment.split(|char| !is_path(char)) {
                let is_document = word.starts_with("docs/") && word.ends_with(".md");
                if is_document && !exists(tree, word) {
                    let path = &source.path;
                    findings.push(format!("{path}:{}: {word} is missing", index + 1));
                }
            }
        }
    }
    findings
}

/// Paths that exist on one machine only. Cut in two, so that this file does not name them either.
const WORKPLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("../sha", "red"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/ho", "me/"),
];

pub(crate) fn workplaces(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        for (index, line) in text.lines().enumerate() {
            for place in WORKPLACES.iter().filter(|place| names_place(line, place)) {
                findings.push(format!("{path}:{}: names {place}", index + 1));
            }
        }
    }
    findings
}

/// `docs/work/a` is a path of ours; only at the start of a path it is a place on a machine.
fn names_place(line: &str, place: &str) -> bool {
    let inside_of_path = |char: char| char.is_alphanumeric() || "_-.~".contains(char);
    line.match_indices(place).any(|(at, _)| !line[..at].ends_with(inside_of_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO_TEXT: &str =
        "enum ErrorCode {\n  ERROR_CODE_NONE = 0;\n  // Slow down.\n  ERROR_CODE_TOO_FAST = 6;\n}";

    #[test]
    fn a_code_that_the_document_does_not_name_is_found() {
        let found = |text| protocol_codes(&Tree::of(&[(PROTO, PROTO_TEXT), (PROTOCOL, text)]));
        let finding = "docs/protocol.md: no line tells ErrorCode TOO_FAST (6)";
        assert_eq!(found("| 7 | TOO_FAST |"), [finding]);
        assert_eq!(found("6 is TOO_FAST_FOR_ME"), [finding]);
        assert_eq!(found("| 6 | TOO_FAST | wait |"), [""; 0]);
        assert_eq!(found("`ERROR_CODE_TOO_FAST` (6)"), [""; 0]);
    }

    #[test]
    fn a_protocol_that_changed_without_its_document_is_found() {
        let hash = |text| protocol_hash(&Tree::of(&[(PROTO, "abc"), (PROTOCOL, text)]));
        assert_eq!(hash("natter.proto sha256: 0123").len(), 1);
        let abc = "natter.proto sha256: \
                   ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(abc).len(), 0);
        assert_eq!(protocol_hash(&Tree::of(&[])).len(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let found = |text| links(&Tree::of(&[("docs/a/b.md", text), ("docs/c.md", "")]));
        assert_eq!(found("[c](../d.md#e)"), ["docs/a/b.md:1: the link ../d.md#e leads nowhere"]);
        assert_eq!(found("[c](../../../c.md)").len(), 1);
        assert_eq!(found("[c]: ../d.md").len(), 1);
        for good in
            ["[c](../c.md#x)", "[x](#y)", "[a](..) [w](https://a.b/c.md)", "`a`\n```\n[c](d)\n```"]
        {
            assert_eq!(found(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn a_file_or_name_that_does_not_exist_is_found() {
        let found = |text| {
            let send = ("crates/server/src/gateway/send.rs", "fn handle() {}");
            mentions(&Tree::of(&[("docs/send.md", text), send]))
        };
        assert_eq!(found("see `gone.rs`"), ["docs/send.md:1: `gone.rs`: there is no such file"]);
        assert_eq!(found("`send.rs:answer`").len(), 1);
        assert_eq!(found("`docs/gone.md`").len(), 1);
        for good in ["`gateway/send.rs:handle`", "`send.rs`", "`a.b()`", "`x/*.rs`", "send.md"] {
            assert_eq!(found(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn a_module_that_links_a_missing_document_is_found() {
        let found = |text| documents_in_code(&Tree::of(&[("a.rs", text), ("docs/a.md", "")]));
        assert_eq!(found("//! See `docs/b.md`."), ["a.rs:1: docs/b.md is missing"]);
        assert_eq!(found("//! See `docs/a.md`."), [""; 0]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for place in WORKPLACES {
            assert_eq!(workplaces(&Tree::of(&[("a.md", &format!("in {place}a"))])).len(), 1);
        }
        let ours = format!("docs{}a.md", WORKPLACES[0]);
        assert_eq!(workplaces(&Tree::of(&[("a.md", &ours)])).len(), 0);
    }
}
