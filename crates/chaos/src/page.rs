//! `docs/faults.md`, made of the table and of what the last long runs have measured.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use crate::faults::FAULTS;
use crate::found::FOUND;
use crate::run::Played;

/// The document, below the root of the repository …
const PAGE: &str = "docs/faults.md";
/// … and a line for each fault: its number, a tab, what its last long run said.
const FIGURES: &str = "crates/chaos/src/figures.tsv";

const HEAD: &str = "\
# Faults

What is broken on purpose, what must hold, and where it is tested. This page is made of the
table in [`faults.rs`](../crates/chaos/src/faults.rs); a test holds it fresh.

```console
$ cargo xtask chaos --list              # this table
$ cargo xtask chaos 2 7 24              # these, in their long form
$ cargo xtask chaos --random --minutes 10 [--seed S]
```

A run starts what it breaks: two gateways and two auth servers as processes, PostgreSQL, Redis,
each line of a gateway through a proxy. 200 people with the real client write 200 messages a
second, a fifth of them to groups of 20, and keep journals. The
[judge](../crates/bench/src/check.rs) holds the journals against the databases: **nothing acked
is lost, nothing is shown twice or out of order, no hole stays open, no receipt lies, nobody is
seen who is not there.** A run in which fewer than 150 messages a second were acked before the
fault is void. The last column but one names the test of each: where that is `chaos`, it is the
same scene with 12 people and a few seconds; elsewhere it is a test of the part that the fault
hits. *Seen red by* says what was taken out of natter to see that test fail.

A seed decides the faults, places and lengths of a random run. Given again it plays the same
faults; who is scheduled when stays with the machine.

";

/// What `docs/faults.md` has to be, and what it is. `root` is that of the repository.
pub fn page(root: &Path) -> Result<(String, String)> {
    let figures = std::fs::read_to_string(root.join(FIGURES))?;
    Ok((fresh(&figures), std::fs::read_to_string(root.join(PAGE)).unwrap_or_default()))
}

fn fresh(figures: &str) -> String {
    let mut page = HEAD.to_owned();
    page += "| | fault | what is done | what must hold | short form | seen red by |\n";
    page += "|---|---|---|---|---|---|\n";
    for fault in FAULTS {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            fault.number, fault.name, fault.done, fault.must, fault.short, fault.red
        );
    }
    page += "\n## What was found\n\nWhat these runs, the [simulation](simulation.md), the fuzzers \
             and the benchmarks have shown to be wrong, and the test that has held it since.\n\n";
    page += "| by | what | held by |\n|---|---|---|\n";
    for found in FOUND {
        let (file, test) = found.held_by;
        let _ = writeln!(page, "| {} | {} | [`{test}`](../{file}) |", found.by.name(), found.what);
    }
    page += "\n## The last long runs\n\nA development build on two shared cores; \
             `cargo xtask chaos --record N…` writes these lines.\n\n";
    if figures.is_empty() {
        page += "None was recorded yet.\n";
    }
    for line in figures.lines() {
        if let Some((number, said)) = line.split_once('\t') {
            let _ = writeln!(page, "* **{number}** {said}");
        }
    }
    page
}

/// Puts what these runs have said in place of what was said of the same faults before, and writes
/// the document.
pub fn record(root: &Path, played: &[Played]) -> Result<()> {
    let path = root.join(FIGURES);
    let mut lines: Vec<(u32, String)> = std::fs::read_to_string(&path)?
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(number, said)| Some((number.parse().ok()?, said.to_owned())))
        .collect();
    for one in played.iter().filter(|one| one.number > 0 && one.outcome.is_clean()) {
        lines.retain(|(number, _)| *number != one.number);
        lines.push((one.number, one.outcome.figures.join("; ")));
    }
    lines.sort();
    let mut text = String::new();
    for (number, said) in lines {
        let _ = writeln!(text, "{number}\t{said}");
    }
    std::fs::write(path, &text)?;
    Ok(std::fs::write(root.join(PAGE), fresh(&text))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_was_seen_red() {
        let unseen = FAULTS.iter().filter(|fault| fault.red.is_empty());
        let unseen: Vec<u32> = unseen.map(|fault| fault.number).collect();
        assert!(unseen.is_empty(), "{unseen:?}");
    }

    #[test]
    fn every_fault_is_there_once_and_in_order() {
        assert!(FAULTS.windows(2).all(|two| two[0].number < two[1].number));
    }

    #[test]
    fn what_was_found_is_held_by_tests_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (file, test) in FOUND.iter().map(|found| found.held_by) {
            let text = std::fs::read_to_string(root.join(file)).expect(file);
            assert!(text.contains(&format!("fn {test}(")), "{test} is not in {file}");
        }
    }
}
