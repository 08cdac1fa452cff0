//! The editor against what the real Vim answered, and what must hold for any keys.

mod properties;
mod surface;

use vim::case::Case;

/// Press every case of a file of `text⏐row,col⏐keys⏐row,col⏐text`; the answer lists the differing.
fn differences(file: &str) -> String {
    let mut differing = String::new();
    for line in file.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (case, expected) = split(line);
        let ours = Case::parse(case).expect("a case").run().written();
        if ours != expected {
            differing.push_str(&format!("{case}\n   vim  {expected}\n   ours {ours}\n"));
        }
    }
    differing
}

/// A case and Vim's answer to it.
fn split(line: &str) -> (&str, &str) {
    let (case_end, mark) = line.match_indices('⏐').nth(2).expect("an answer");
    (&line[..case_end], &line[case_end + mark.len()..])
}

/// All agreed when they were measured, so all have to.
macro_rules! agrees_with_vim {
    ($($topic:ident)*) => {$(
        #[test]
        fn $topic() {
            let differing = differences(include_str!(concat!(stringify!($topic), ".cases")));
            assert!(differing.is_empty(), "differs from Vim:\n{differing}");
        }
    )*};
}

agrees_with_vim!(motions operators objects insert visual registers undo unicode random);
