//! `cargo xtask sim`: builds the simulation and starts it. A development build: only that has the
//! seams by which a mechanism is taken out.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::test;

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    // With the tests, so that what is built is what `cargo xtask test` has built.
    test::cargo(root, &["build", "--locked", "-p", "natter-sim", "--bins", "--tests"])?;
    let mut sim = Command::new(test::target_directory(root)?.join("debug/natter-sim"));
    sim.args(args);
    test::finish(root, sim)
}
