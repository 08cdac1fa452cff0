//! `cargo xtask tidy`: the rules of this repository that a machine can keep. A rule is a function
//! from the tree to sentences that say what is wrong, where, and what to do instead.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::source::Source;
use crate::{code_rules, crate_rules, doc_rules};

/// All that rules look at.
pub(crate) struct Tree {
    /// Every text file that is committed or about to be, path first.
    pub(crate) files: Vec<(String, String)>,
    /// The Rust files among them, generated ones excepted.
    pub(crate) sources: Vec<Source>,
    /// `cargo metadata` with dependencies.
    pub(crate) metadata: Value,
}

type Rule = fn(&Tree) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("rooms use each other only along the arrows", crate_rules::arrows),
    ("crates stay in their rooms", crate_rules::homes),
    ("every crate has a reason", crate_rules::reasons),
    ("no crate is there in two versions", crate_rules::duplicates),
    ("crates come from crates.io, and none is unwanted", crate_rules::unwanted),
    ("licences are permissive", crate_rules::licences),
    ("modules do not name what they must not know", code_rules::borders),
    ("only run.rs names all roles", code_rules::roles_meet_in_run),
    ("banned words", code_rules::banned_words),
    ("lines and files are short", code_rules::lengths),
    ("SQL stands where the data is", code_rules::sql),
    ("tests do not sleep", code_rules::sleeping_tests),
    ("the story calls every method of Store", code_rules::story),
    ("docs/protocol.md names every code", doc_rules::protocol_codes),
    ("docs/protocol.md was read after the last change of natter.proto", doc_rules::protocol_hash),
    ("links lead somewhere", doc_rules::links),
    ("files and names in documents exist", doc_rules::mentions),
    ("documents named in the code exist", doc_rules::documents_in_code),
    ("nothing names the machine it was written on", doc_rules::workplaces),
];

/// `below`: only findings about files whose path begins so; empty = all.
pub(crate) fn run(root: &Path, below: &str) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut count = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&tree);
        findings.retain(|finding| finding.starts_with(below));
        count += findings.len();
        if !findings.is_empty() {
            println!("{name}: {}", findings.len());
        }
        for finding in findings {
            println!("  {finding}");
        }
    }
    ensure!(count == 0, "tidy: {count} findings");
    println!("{} files follow {} rules", tree.files.len(), RULES.len());
    Ok(())
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let output = git.current_dir(root).output().context("git")?;
        ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        let paths = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        let mut files = Vec::new();
        for path in paths.split_terminator('\0') {
            let content = match std::fs::read(root.join(path)) {
                Ok(content) => content,
                // Deleted but not yet committed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).context(path.to_owned()),
            };
            if let Ok(text) = String::from_utf8(content) {
                files.push((path.to_owned(), text));
            }
        }
        files.dedup();
        Ok(Self::new(files, metadata(root, &["--filter-platform", &host()?])?))
    }

    fn new(files: Vec<(String, String)>, metadata: Value) -> Self {
        let is_source = |path: &str| path.ends_with(".rs") && path != GENERATED;
        let sources = files.iter().filter(|(path, _)| is_source(path));
        let sources = sources.map(|(path, text)| Source::read(path, text)).collect();
        Self { files, sources, metadata }
    }

    /// A tree for the test of a rule.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Self::new(files, Value::Null)
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|(found, _)| found == path).map(|(_, text)| text.as_str())
    }

    /// A Rust code block in a doc comment of a library is a doc test.
    pub(crate) fn has_doc_tests(&self) -> bool {
        let mut libraries = self.sources.iter().filter(|source| source.path.contains("/src/"));
        libraries.any(|source| {
            let mut open = false;
            source.lines.iter().any(|line| {
                let doc = line.comment.strip_prefix("///").or(line.comment.strip_prefix("//!"));
                let Some(kind) = doc.and_then(|doc| doc.trim().strip_prefix("```")) else {
                    return false;
                };
                open = !open;
                open && !["text", "json", "sh", "sql", "toml", "ignore"].contains(&kind)
            })
        })
    }
}

const GENERATED: &str = "crates/proto/src/natter.rs";

/// What cargo knows about the workspace and its dependencies.
pub(crate) fn metadata(root: &Path, args: &[&str]) -> Result<Value> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version=1", "--locked"]).args(args);
    let output = cargo.current_dir(root).output()?;
    ensure!(output.status.success(), "cargo: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Licences are checked for the crates that are built here: the others need not be downloaded.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc")?;
    let version = String::from_utf8(output.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_block_in_a_doc_comment_is_a_doc_test_and_a_drawing_is_none() {
        let has = |text| Tree::of(&[("crates/a/src/lib.rs", text)]).has_doc_tests();
        assert!(has("/// ```\n/// a();\n/// ```") && has("//! ```rust\n//! a();\n//! ```"));
        assert!(!has("/// ```text\n/// a\n/// ```") && !has("// ```\n// a\n// ```"));
    }
}
