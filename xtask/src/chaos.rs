//! `cargo xtask chaos`: builds what is broken and what breaks it, and starts the latter. A
//! development build: only that has the seams at which a process dies at the worst moment.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{services, test};

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    services::programs()?;
    let programs = services::postgres_programs()?;
    // With the tests, so that what is built is what `cargo xtask test` has built.
    let build = ["build", "--locked", "-p", "natter", "-p", "natter-chaos", "--bins", "--tests"];
    test::cargo(root, &build)?;
    let mut chaos = Command::new(test::target_directory(root)?.join("debug/natter-chaos"));
    chaos.args(args).env(services::POSTGRES_BIN, programs);
    test::finish(root, chaos)
}
