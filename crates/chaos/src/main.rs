//! `cargo xtask chaos` builds this and starts it beside the program `natter`.
#![expect(clippy::print_stdout, reason = "this is a command line tool")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use chaos::faults::FAULTS;
use chaos::{Form, LONG, Played, SHORT};

const HELP: &str = "\
cargo xtask chaos --list                                 what can be broken
cargo xtask chaos [--short] [--record] N…                breaks these, one after the other
cargo xtask chaos [--short] --random [--seed S] [--minutes M]
--short: with few people, for seconds; --record: writes the figures into docs/faults.md";

/// What is asked for.
struct Args {
    list: bool,
    random: bool,
    record: bool,
    form: Form,
    seed: u64,
    minutes: u64,
    numbers: Vec<u32>,
}

fn main() -> Result<ExitCode> {
    let args = read(std::env::args().skip(1))?;
    if args.list {
        for fault in FAULTS {
            println!("{:>3} {}: {}", fault.number, fault.name, fault.done);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let binary = beside()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tell = |one: &Played| println!("{one}");
    let played = match args.random {
        true => {
            let (seed, minutes) = (args.seed, args.minutes);
            println!("cargo xtask chaos --random --seed {seed} --minutes {minutes}");
            runtime.block_on(chaos::at_random(seed, minutes, args.form, &binary, tell))?
        }
        false => runtime.block_on(chaos::play_all(&args.numbers, args.form, &binary, tell))?,
    };
    if args.record {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        chaos::record(&root, &played)?;
    }
    let broken = played.iter().filter(|one| !one.outcome.is_clean()).count();
    println!("{} played, {broken} broken or void", played.len());
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Args> {
    let mut args = Args {
        list: false,
        random: false,
        record: false,
        form: LONG,
        seed: rand::random(),
        minutes: 10,
        numbers: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).context(HELP);
        match word.as_str() {
            "--list" => args.list = true,
            "--random" => args.random = true,
            "--record" => args.record = true,
            "--short" => args.form = SHORT,
            "--seed" => args.seed = number()?,
            "--minutes" => args.minutes = number()?,
            word => args.numbers.push(word.parse().ok().context(HELP)?),
        }
    }
    if !(args.list || args.random || args.record) && args.numbers.is_empty() {
        bail!(HELP);
    }
    Ok(args)
}

fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let binary = own.parent().context("a program lies in a directory")?.join("natter");
    if !binary.is_file() {
        bail!("{} is not there: start this by `cargo xtask chaos`", binary.display());
    }
    Ok(binary)
}
