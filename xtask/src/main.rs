//! Automation of this repository, in Rust: `cargo xtask help` lists it.

mod codegen;

use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies below the root");
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("codegen") => codegen::write(root),
        Some("codegen-check") => codegen::check(root),
        other => bail!("unknown task {other:?}: codegen"),
    }
}
