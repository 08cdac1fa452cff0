//! `cargo xtask sim` builds this and starts it.
#![expect(clippy::print_stdout, reason = "this is a command line tool")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sim::{Mechanism, Order};

const HELP: &str = "\
cargo xtask sim [--seed S] [--seeds N] [--seconds T] [--without MECHANISM]
N simulations from seed S on, each with T simulated seconds of faults; all of them are told, and how
to see a broken one again. --tell: everything that happens. MECHANISM: one that is switched off, and
missed by the first broken seed: dedupe, resend, gap-fill, subscription";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let order = read(&words)?;
    if order.is_one {
        let outcome = sim::one(&order)?;
        println!("{outcome}");
        return Ok(if outcome.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let broken = sim::many(&order, |line| println!("{line}"))?;
    // Without a mechanism the promises must break.
    let as_expected = (broken > 0) == order.without.is_some();
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(words: &[String]) -> Result<Order> {
    let mut order = Order::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).context(HELP);
        match word.as_str() {
            "--seed" => order.seed = number()?,
            "--seeds" => order.seeds = number()?,
            "--seconds" => order.seconds = number()?,
            "--tell" => order.tell = true,
            // One seed in this very process: what all others are started as.
            "--one" => order.is_one = true,
            "--without" => {
                let name = words.next().context(HELP)?;
                order.without = Some(Mechanism::called(name).context(HELP)?);
            }
            _ => bail!(HELP),
        }
    }
    Ok(order)
}
