//! `cargo xtask test`: the one command that checks and tests everything, on a fresh machine too.
//!
//! All steps run even if an earlier one fails, so that one run tells everything that is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{codegen, rabbitmq, services, tidy};

/// The steps in the order they run: cheap ones first, the test runner last, so that its summary
/// stands at the end of the output.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Fmt,
    Codegen,
    Tidy,
    Clippy,
    Doc,
    Unit,
}

type Named = (&'static str, Step);

const STEPS: &[Named] = &[
    ("fmt", Step::Fmt),
    ("codegen", Step::Codegen),
    ("tidy", Step::Tidy),
    ("clippy", Step::Clippy),
    ("doc", Step::Doc),
    ("unit", Step::Unit),
];

/// `[--only STEP]… [-- ARGS for the test runner]`
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let (steps, runner_args) = choose(args)?;
    services::c_compiler()?;
    let mut ended = Vec::new();
    for (name, step) in steps {
        println!("── {name}");
        let start = Instant::now();
        let result = run_step(root, step, runner_args);
        if let Err(error) = &result {
            eprintln!("{error:#}");
        }
        ended.push((name, result.is_ok(), start.elapsed()));
    }
    println!("──");
    for (name, ok, took) in &ended {
        let verdict = if *ok { "ok    " } else { "FAILED" };
        println!("{verdict} {name:8} {:7.1} s", took.as_secs_f64());
    }
    let failed: Vec<&str> = ended.iter().filter(|(_, ok, _)| !ok).map(|(name, ..)| *name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn choose(args: &[String]) -> Result<(Vec<Named>, &[String])> {
    let mut only = Vec::new();
    let mut rest = args;
    loop {
        match rest {
            [] => break,
            [dashes, runner_args @ ..] if dashes == "--" => {
                rest = runner_args;
                break;
            }
            [flag, name, more @ ..] if flag == "--only" => {
                let step = STEPS.iter().find(|(step, _)| step == name);
                only.push(*step.with_context(|| format!("no step is called {name}"))?);
                rest = more;
            }
            [unknown, ..] => bail!("unknown argument {unknown}"),
        }
    }
    let steps = if only.is_empty() { STEPS.to_vec() } else { only };
    Ok((steps, rest))
}

fn run_step(root: &Path, step: Step, runner_args: &[String]) -> Result<()> {
    match step {
        Step::Fmt => cargo(root, &["fmt", "--all", "--check"]),
        Step::Codegen => codegen::check(root),
        Step::Tidy => tidy::run(root, ""),
        Step::Clippy => {
            cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"])
        }
        Step::Doc => doc_tests(root),
        Step::Unit => unit_tests(root, runner_args),
    }
}

/// Doc tests cost a link each, so the compiler is only asked where a comment has one.
fn doc_tests(root: &Path) -> Result<()> {
    let tree = tidy::Tree::read(root)?;
    if !tree.has_doc_tests() {
        println!("no doc tests");
        return Ok(());
    }
    cargo(root, &["test", "--workspace", "--doc", "--locked"])
}

fn unit_tests(root: &Path, runner_args: &[String]) -> Result<()> {
    // RabbitMQ needs its time to start. It has it while the tests are built.
    let target = target_directory(root)?;
    let services = std::thread::spawn(move || start_services(&target));
    let built = finish(root, test_command(runner_args, &["--no-run"]));
    let services = services.join().expect("starting services does not panic")?;
    built?;
    let environment = services.environment();
    for (name, value) in &environment {
        println!("{name}={value}");
    }
    finish(root, with(&environment, test_command(runner_args, &[])))?;
    if runner_args.is_empty() {
        println!("on three servers that are one");
        finish(root, with(&environment, cluster_command()))?;
    }
    Ok(())
}

struct Services {
    postgres: services::Postgres,
    postgres_bin: PathBuf,
    rabbitmq: rabbitmq::RabbitMq,
    mail_python: String,
}

fn with(environment: &[(&'static str, String)], mut command: Command) -> Command {
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// One after the other: each may have to be installed.
fn start_services(target: &Path) -> Result<Services> {
    services::programs()?;
    let mail_python = services::mail_python()?;
    let rabbitmq = rabbitmq::rabbitmq(target)?;
    let postgres_bin = services::postgres_programs()?;
    Ok(Services { postgres: services::postgres(target)?, postgres_bin, rabbitmq, mail_python })
}

impl Services {
    /// What tells the tests where to find them.
    fn environment(&self) -> [(&'static str, String); 5] {
        [
            (services::POSTGRES, self.postgres.url().to_owned()),
            (services::POSTGRES_BIN, self.postgres_bin.display().to_string()),
            (rabbitmq::RABBITMQ, self.rabbitmq.url.clone()),
            (rabbitmq::RABBITMQ_BIN, self.rabbitmq.bin.display().to_string()),
            (services::MAIL_PYTHON, self.mail_python.clone()),
        ]
    }
}

fn test_command(runner_args: &[String], more: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    if has_nextest() {
        command.args(["nextest", "run", "--locked"]);
    } else {
        command.args(["test", "--tests", "--no-fail-fast", "--locked"]);
    }
    command.args(more);
    if runner_args.is_empty() {
        command.arg("--workspace");
    }
    command.args(runner_args);
    command
}

/// What users do with one server they do here with three, each line at the next one. Tests that
/// look at one server's own files or restarts are left out, and the one about the grace of a
/// reconnect: each gateway has its own, so friends may be told again that somebody is there.
const ON_A_CLUSTER: &[&str] =
    &["accounts", "changes", "groups", "lost_bells", "people", "presence", "story", "tickets"];

fn cluster_command() -> Command {
    let mut command = Command::new("cargo");
    if has_nextest() {
        let parts = ON_A_CLUSTER.join("|");
        let filter =
            format!("package(natter-server) & test(/^({parts})::/) - test(within_the_grace)");
        command.args(["nextest", "run", "--locked", "--workspace", "-E", &filter]);
    } else {
        command.args(["test", "--tests", "--locked", "--workspace", "--"]);
        command.args(["--skip", "within_the_grace"]);
        command.args(ON_A_CLUSTER.iter().map(|part| format!("{part}::")));
    }
    command.env("NATTER_TEST_CLUSTER", "1");
    command
}

fn has_nextest() -> bool {
    let mut command = Command::new("cargo");
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn target_directory(root: &Path) -> Result<PathBuf> {
    let metadata = tidy::metadata(root, &["--no-deps"])?;
    let directory = metadata["target_directory"].as_str().context("no target directory")?;
    Ok(directory.into())
}

pub(crate) fn cargo(root: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(args);
    finish(root, command)
}

pub(crate) fn finish(root: &Path, mut command: Command) -> Result<()> {
    let status = command.current_dir(root).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn without_arguments_every_step_runs() {
        let (steps, runner_args) = choose(&[]).unwrap();
        assert_eq!(steps.len(), STEPS.len());
        assert!(runner_args.is_empty());
    }

    #[test]
    fn one_step_can_be_picked_and_the_runner_told_more() {
        let args = words("--only unit -- -p natter-store story");
        let (steps, runner_args) = choose(&args).unwrap();
        assert!(matches!(steps[..], [("unit", Step::Unit)]));
        assert_eq!(runner_args, &words("-p natter-store story")[..]);
    }

    #[test]
    fn an_unknown_step_or_argument_is_refused() {
        assert!(choose(&words("--only units")).is_err());
        assert!(choose(&words("--fast")).is_err());
        assert!(choose(&words("--only")).is_err());
    }
}
