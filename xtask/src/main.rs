//! Automation of this repository, in Rust: `cargo xtask help` lists it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command line tool")]

mod chaos;
mod code_rules;
mod codegen;
mod crate_rules;
mod doc_rules;
mod rabbitmq;
mod services;
mod sim;
mod source;
mod test;
mod tidy;
mod vim_oracle;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask test [--only STEP] [-- ARGS]   all checks and tests; ARGS go to the test runner
cargo xtask ci                             the same
cargo xtask chaos --list                   breaks a running system on purpose (docs/faults.md)
cargo xtask sim --seeds N                  client and server by seed (docs/simulation.md)
cargo xtask tidy [PATH]                    the rules of this repository, for files below PATH
cargo xtask vim-oracle [--help]            the composer's editor against the real Vim
cargo xtask codegen                        natter.proto -> crates/proto/src/natter.rs
cargo xtask codegen-check                  fails if that file is stale
steps: fmt clippy codegen tidy unit doc";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies below the root");
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", args),
    };
    match task {
        "test" | "ci" => test::run(root, rest),
        "chaos" => chaos::run(root, rest),
        "sim" => sim::run(root, rest),
        "tidy" => tidy::run(root, rest.first().map_or("", String::as_str)),
        "vim-oracle" => vim_oracle::run(rest),
        "codegen" => codegen::write(root),
        "codegen-check" => codegen::check(root),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        unknown => bail!("unknown task {unknown}\n{HELP}"),
    }
}
