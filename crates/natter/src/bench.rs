//! `natter bench`: the room `bench` measures, this prints.

use crate::cli::{BenchArgs, Scenario};
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(
    args: &BenchArgs,
    server: Option<String>,
    output: &Output,
) -> Result<(), Failure> {
    let options = bench::Options {
        scenario: match args.scenario {
            Scenario::Send => bench::Scenario::Send,
            Scenario::Idle => bench::Scenario::Idle,
            Scenario::Connect => bench::Scenario::Connect,
            Scenario::Catchup => bench::Scenario::CatchUp,
            Scenario::Fanout => bench::Scenario::Fanout,
            Scenario::Paint => bench::Scenario::Paint,
            Scenario::Search => bench::Scenario::Search,
            Scenario::Screen => bench::Scenario::Screen,
            Scenario::All => bench::Scenario::All,
            Scenario::Cluster => bench::Scenario::Cluster,
            Scenario::Grow => bench::Scenario::Grow,
        },
        server,
        connections: args.connections,
        pairs: args.pairs,
        windows: args.window.clone(),
        rates: args.rate.clone(),
        watch: args.watch.clone(),
        postgres: args.postgres.clone(),
        sizes: args.sizes.clone(),
        seconds: args.seconds,
        messages: args.messages,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(bench::run(options));
    let report = report.map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    if let Some(file) = &args.report {
        std::fs::write(file, serde_json::to_vec_pretty(&report).map_err(std::io::Error::from)?)?;
    }
    if let Some(file) = &args.plot {
        std::fs::write(file, report.svg())?;
    }
    output.line(&report.to_string(), &report)?;
    match report.violations.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(Exit::Failed, "a message was lost, doubled or out of order")),
    }
}

pub(crate) fn echo() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(bench::echo_server());
    served.map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

/// Becomes another program; comes back only when that fails.
pub(crate) fn terminal(command: &[String]) -> Result<(), Failure> {
    let error = bench::become_in_terminal(command);
    Err(Failure::new(Exit::Failed, error.to_string()))
}
