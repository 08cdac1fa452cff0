//! Rules about crates: who may use whom, one version of each, licences that let anybody use natter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::tidy::Tree;

const REASONS: &str = "docs/decisions/dependencies.md";

/// Every crate that a room uses has a row with its reason, and every row is about a used crate.
pub(crate) fn reasons(tree: &Tree) -> Vec<String> {
    let mut used = BTreeSet::new();
    for dependency in rooms(&tree.metadata).flat_map(|room| list(&room["dependencies"])) {
        if dependency["path"].is_null() {
            used.insert(text(&dependency["name"]));
        }
    }
    let lines = tree.text(REASONS).unwrap_or_default().lines();
    let rows = lines.filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let told: BTreeSet<&str> = rows.map(|(name, _)| name).collect();
    let missing = used.difference(&told).map(|name| format!("{REASONS}: say what {name} is for"));
    let idle = told.difference(&used).map(|name| format!("{REASONS}: {name} is not used"));
    missing.chain(idle).collect()
}

/// Each room and the rooms it may use. Nothing points back. Dev-dependencies are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("natter-proto", &[]),
    ("natter-vim", &[]),
    ("natter-store", &["natter-proto"]),
    ("natter-server", &["natter-proto", "natter-store"]),
    ("natter-client", &["natter-proto"]),
    ("natter-tui", &["natter-client", "natter-proto", "natter-vim"]),
    ("natter-bench", &["natter-proto", "natter-store", "natter-tui"]),
    ("natter-chaos", &["natter-bench", "natter-client", "natter-proto", "natter-store"]),
    (
        "natter-sim",
        &["natter-bench", "natter-client", "natter-proto", "natter-server", "natter-store"],
    ),
    ("natter", ALL_ROOMS),
    ("xtask", &["natter-proto", "natter-vim"]),
];

const ALL_ROOMS: &[&str] = &[
    "natter-bench",
    "natter-client",
    "natter-proto",
    "natter-server",
    "natter-store",
    "natter-tui",
    "natter-vim",
];

pub(crate) fn arrows(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in rooms(&tree.metadata) {
        let name = text(&package["name"]);
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| *room == name) else {
            findings.push(format!("{name} is a new room: draw its arrows in crate_rules.rs"));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let used = text(&dependency["name"]);
            let internal = !dependency["path"].is_null();
            let dev = text(&dependency["kind"]) == "dev";
            if internal && !dev && !allowed.contains(&used) {
                findings.push(format!("{name} may not use {used}: see ARCHITECTURE.md"));
            }
        }
    }
    findings
}

/// Crates that make a room what it is, and the rooms that may use them outside of tests.
const HOMES: &[(&str, &[&str])] = &[
    ("argon2", &["natter-server"]),
    ("axum", &["natter-server"]),
    ("clap", &["natter"]),
    ("crossterm", &["natter-tui"]),
    ("lapin", &["natter-server"]),
    ("lettre", &["natter-server"]),
    ("protox", &["xtask"]),
    ("ratatui", &["natter-tui"]),
    ("rusqlite", &["natter-store"]),
    ("sqlx", &["natter-client", "natter-store"]),
    ("tokio-tungstenite", &["natter-bench", "natter-client", "natter-server"]),
    ("turmoil", &["natter-sim"]),
];

pub(crate) fn homes(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in rooms(&tree.metadata) {
        let room = text(&package["name"]);
        for dependency in list(&package["dependencies"]) {
            let used = text(&dependency["name"]);
            let home = HOMES.iter().find(|(name, _)| *name == used);
            let is_guest = home.is_some_and(|(_, rooms)| !rooms.contains(&room));
            if is_guest && text(&dependency["kind"]) != "dev" {
                findings.push(format!("{room} may not use {used}: it has other rooms"));
            }
        }
    }
    findings
}

/// Crates that are there more than once, and who has not moved on yet. An entry falls when it is
/// not needed any more.
const DUPLICATES_ALLOWED: &[(&str, &str)] = &[
    ("base64", "lettre 0.11 has 0.23, sqlx and prost-reflect 0.22"),
    ("bitflags", "portable-pty 0.9 (tests only) has 1"),
    ("block-buffer", "digest 0.10"),
    (
        "core-foundation",
        "system-configuration (hickory, an option of lapin) has 0.9; never built here",
    ),
    ("cpufeatures", "sha1 0.10 and sha2 0.10"),
    ("crypto-common", "digest 0.10"),
    ("digest", "sha1 0.10 and sha2 0.10"),
    ("foldhash", "hashbrown 0.15"),
    ("getrandom", "ring 0.17 has 0.2, rand_core 0.9 has 0.3"),
    ("hashbrown", "hashlink (sqlx) has 0.16, petgraph (prost-build, not in the product) 0.15"),
    ("itertools", "prost-derive has 0.15, ratatui 0.14; the first runs in the compiler only"),
    ("nom", "x509-parser, an option of rcgen (tests only) that is off, has 7"),
    ("r-efi", "getrandom 0.3; for UEFI, never built here"),
    ("rand", "tungstenite 0.29 has 0.9"),
    ("rand_core", "rand 0.9"),
    ("sha1", "tungstenite 0.29 has 0.10, sqlx 0.11"),
    ("sha2", "sqlx has 0.10, argon2 0.11"),
    ("syn", "half of the derive macros have moved to 3; they run in the compiler only"),
    ("synstructure", "asn1-rs, below the same option of rcgen, has 0.13"),
    ("thiserror", "portable-pty 0.9 (tests only) has 1"),
    ("thiserror-impl", "thiserror 1"),
    ("unicode-width", "miette (protox, not in the product) has 0.1"),
    ("windows-sys", "ring 0.17; for Windows, never built here"),
];

pub(crate) fn duplicates(tree: &Tree) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in tree.text("Cargo.lock").unwrap_or_default().lines() {
        match line.split_once(" = ") {
            Some(("name", quoted)) => name = quoted.trim_matches('"'),
            Some(("version", quoted)) => {
                versions.entry(name).or_default().push(quoted.trim_matches('"'));
            }
            _ => {}
        }
    }
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        let allowed = DUPLICATES_ALLOWED.iter().any(|(allowed, _)| allowed == name);
        if versions.len() > 1 && !allowed {
            findings.push(format!(
                "{name} {}: use one (cargo tree --invert {name}@{}), or give a reason in \
                 crate_rules.rs",
                versions.join(" and "),
                versions[0]
            ));
        }
    }
    for (allowed, _) in DUPLICATES_ALLOWED {
        if versions.get(allowed).is_none_or(|versions| versions.len() < 2) {
            findings.push(format!("{allowed} is there once: strike it from crate_rules.rs"));
        }
    }
    findings
}

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What must not come in, not even through somebody else, and what is there instead.
const UNWANTED: &[(&str, &str)] = &[
    ("aws-lc-sys", "rustls with ring, which needs no cmake"),
    ("chrono", "jiff"),
    ("native-tls", "rustls"),
    ("openssl-sys", "rustls, so that nobody installs OpenSSL"),
    ("protobuf-src", "protox"),
    ("reqwest", "hyper, which is here already"),
];

pub(crate) fn unwanted(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in list(&tree.metadata["packages"]) {
        let (name, source) = (text(&package["name"]), &package["source"]);
        if !source.is_null() && text(source) != CRATES_IO {
            findings.push(format!("{name} comes from {source}: use a release from crates.io"));
        }
        if let Some((_, instead)) = UNWANTED.iter().find(|(unwanted, _)| *unwanted == name) {
            findings.push(format!("{name} is unwanted; instead: {instead}"));
        }
    }
    findings
}

/// Everybody may use, change and sell natter: these licences ask for no more than being named.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates under another licence, and why that is right.
const LICENCES_ALLOWED: &[(&str, &str)] = &[];

pub(crate) fn licences(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in list(&tree.metadata["packages"]) {
        let name = text(&package["name"]);
        let licence = text(&package["license"]);
        let excepted = LICENCES_ALLOWED.iter().any(|(allowed, _)| *allowed == name);
        if !excepted && !is_permissive(licence) {
            findings.push(format!("{name} is under {licence:?}: do without it"));
        }
    }
    findings
}

/// An SPDX expression: of `OR` one side must be allowed, of `AND` both.
fn is_permissive(licence: &str) -> bool {
    let licence = licence.replace('/', " OR ");
    let plain = |part: &str| LICENCES.contains(&part.trim_matches(['(', ')', ' ']));
    if licence.contains('(') {
        // AND outside of brackets that hold the ORs.
        return licence.split(" AND ").all(|all| all.split(" OR ").any(plain));
    }
    licence.split(" OR ").any(|any| any.split(" AND ").all(plain))
}

/// The packages of this workspace.
fn rooms(metadata: &Value) -> impl Iterator<Item = &Value> {
    list(&metadata["packages"]).iter().filter(|package| package["source"].is_null())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packages(packages: &Value) -> Tree {
        let mut tree = Tree::of(&[]);
        tree.metadata = json!({ "packages": packages });
        tree
    }

    #[test]
    fn an_arrow_that_points_back_is_found() {
        let uses = |kind| {
            let used = json!([{ "name": "natter-server", "path": "/x", "kind": kind }]);
            arrows(&packages(&json!([{ "name": "natter-store", "dependencies": used }])))
        };
        assert_eq!(
            uses(Value::Null),
            ["natter-store may not use natter-server: see ARCHITECTURE.md"]
        );
        assert_eq!(uses(json!("dev")), [""; 0]);
    }

    #[test]
    fn a_database_driver_in_the_wrong_room_is_found() {
        let uses = |kind: Value| {
            let used = json!([{ "name": "sqlx", "kind": kind }]);
            homes(&packages(&json!([{ "name": "natter-tui", "dependencies": used }])))
        };
        assert_eq!(uses(Value::Null), ["natter-tui may not use sqlx: it has other rooms"]);
        assert_eq!(uses(json!("dev")), [""; 0]);
    }

    #[test]
    fn a_room_without_arrows_is_found() {
        let tree = packages(&json!([{ "name": "natter-new", "dependencies": [] }]));
        assert!(arrows(&tree)[0].starts_with("natter-new is a new room"));
    }

    #[test]
    fn a_crate_without_a_reason_and_a_reason_without_a_crate_are_found() {
        let mut tree = Tree::of(&[(REASONS, "| crate | for |\n| `b` | 1 |\n| `c` | 1 |")]);
        let used = json!([{ "name": "a" }, { "name": "b" }, { "name": "room", "path": "/x" }]);
        tree.metadata = json!({ "packages": [{ "name": "room", "dependencies": used }] });
        let missing = "docs/decisions/dependencies.md: say what a is for";
        assert_eq!(reasons(&tree), [missing, "docs/decisions/dependencies.md: c is not used"]);
    }

    #[test]
    fn two_versions_of_one_crate_are_found() {
        let lock = "name = \"a\"\nversion = \"1.0.0\"\nname = \"a\"\nversion = \"2.0.0\"\n\
                    name = \"b\"\nversion = \"1.0.0\"\n";
        let findings = duplicates(&Tree::of(&[("Cargo.lock", lock)]));
        assert!(findings.iter().any(|finding| finding.starts_with("a 1.0.0 and 2.0.0: ")));
        assert!(!findings.iter().any(|finding| finding.starts_with("b ")));
    }

    #[test]
    fn a_crate_from_elsewhere_or_an_unwanted_one_is_found() {
        let fork = json!({ "name": "a", "source": "git+https://example.org/a" });
        let chrono = json!({ "name": "chrono", "source": CRATES_IO });
        let fine = json!({ "name": "b", "source": CRATES_IO });
        let findings = unwanted(&packages(&json!([fork, chrono, fine])));
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[1], "chrono is unwanted; instead: jiff");
    }

    #[test]
    fn a_licence_that_asks_for_more_is_found() {
        let tree = packages(&json!([{ "name": "a", "license": "GPL-3.0" }, { "name": "b" }]));
        assert_eq!(licences(&tree).len(), 2);
    }

    #[test]
    fn licence_expressions_are_understood() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-2.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"]
        {
            assert!(is_permissive(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-2.0", "(MIT OR Apache-2.0) AND GPL-2.0"] {
            assert!(!is_permissive(bad), "{bad}");
        }
    }
}
