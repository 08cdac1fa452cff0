//! natter: one binary that chats and serves. The subcommands, nothing else: what they do lives in
//! the other rooms.

mod account;
mod admin;
mod background;
mod bench;
mod chat;
mod check;
mod cli;
mod failure;
mod guide;
mod mail;
mod notices;
mod notify;
mod output;
mod serve;

use std::collections::VecDeque;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use client::Profile;
use etcetera::BaseStrategy;

use crate::chat::Talk;
use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// A command that only reads waits so long for the line before it answers from this machine's copy.
const LINE_WAIT_MS: u64 = 3_000;
/// Missed messages that `tail` tells. More: the newest of them; `natter history` has the others.
const TAIL_MISSED_MAX: usize = 10_000;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, cli.json);
            failure.code()
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a command says why it failed")]
fn report(failure: &Failure, json: bool) {
    let text = proto::clean::text(&failure.text);
    if json {
        eprintln!(
            "{}",
            serde_json::json!({ "type": "error", "exit": failure.exit as u8, "text": text })
        );
    } else {
        eprintln!("natter: {text}");
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    if cli.print_config {
        std::io::stdout().lock().write_all(tui::settings::document().as_bytes())?;
        return Ok(());
    }
    match &cli.command {
        Some(Command::Serve(args)) => return Ok(serve::serve(args)?),
        Some(Command::Bench(args)) => {
            return bench::run(args, cli.server.clone(), &Output { json: cli.json });
        }
        Some(Command::BenchEcho) => return bench::echo(),
        Some(Command::BenchTerminal { command }) => return bench::terminal(command),
        Some(Command::Admin(cli::Admin::Notify { settings, action })) => {
            return notify::notify(settings, action, &Output { json: cli.json });
        }
        Some(Command::Admin(action)) => {
            return Ok(admin::admin(action, &Output { json: cli.json })?);
        }
        Some(Command::Check(args)) => return Ok(check::check(args, &Output { json: cli.json })?),
        Some(Command::Server { action }) => return server(*action, cli.json),
        Some(Command::Mail { number, data }) => {
            return mail::mail(data.as_deref(), *number, &Output { json: cli.json });
        }
        _ => {}
    }
    // A client has one line and one screen; a second thread keeps drawing and the line apart.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(client_command(cli));
    // A read from standard input that nobody answers must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

fn server(action: cli::ServerAction, json: bool) -> Result<(), Failure> {
    let output = Output { json };
    match action {
        cli::ServerAction::Run => Ok(serve::background()?),
        cli::ServerAction::Status => {
            let places = background::places()?;
            let Some(running) = background::running(&places)? else {
                return Err(Failure::new(Exit::NoLine, "no server runs on this machine"));
            };
            let text = format!("{} · pid {} · {}", running.url, running.pid, places.data.display());
            Ok(output.line(&text, &running)?)
        }
        cli::ServerAction::Stop => {
            let stopped = background::stop(&background::places()?)?;
            let text = if stopped { "stopped" } else { "no server ran" };
            Ok(output.line(text, &serde_json::json!({ "type": "stop", "stopped": stopped }))?)
        }
        cli::ServerAction::Log => {
            let log = std::fs::read_to_string(background::places()?.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(200)..] {
                output.line(line, line)?;
            }
            Ok(())
        }
    }
}

async fn client_command(cli: &Cli) -> Result<(), Failure> {
    let profile = open_profile(&cli.profile)?;
    let output = Output { json: cli.json };
    let server = cli.server.as_deref();
    match &cli.command {
        None => screen(&profile, server).await,
        Some(Command::Signup(args)) => account::signup(&profile, server, args, &output).await,
        Some(Command::Login(args)) => account::login(&profile, server, args, &output).await,
        Some(Command::Logout) => account::logout(&profile, server, &output).await,
        Some(Command::Sessions { end }) => {
            account::sessions(&profile, server, end.as_deref(), &output).await
        }
        Some(Command::Address { address, password_stdin }) => {
            account::change_address(&profile, server, address, *password_stdin, &output).await
        }
        Some(Command::Password { password_stdin }) => {
            account::change_password(&profile, server, *password_stdin, &output).await
        }
        Some(Command::Notices(args)) => notices::notices(&profile, server, args, &output).await,
        Some(command) => {
            let login = account::required(&profile, server)?;
            let brief = !matches!(command, Command::Tail { .. });
            let mut talk = open(&profile, &login, output, cli.timeout, brief).await?;
            let done = talk_command(&mut talk, command, &login).await;
            talk.client.close().await;
            done
        }
    }
}

/// The screen, on the profile's login; the first start asks who you are.
async fn screen(profile: &Profile, server: Option<&str>) -> Result<(), Failure> {
    if profile.login()?.is_none() {
        account::welcome(profile, server).await?;
    }
    let login = account::required(profile, server)?;
    let (client, events) = client::start(profile, login, client::Options::default()).await?;
    let own = profile.login()?.is_some_and(|login| login.server == background::LOCAL);
    let keeper = own.then(|| tokio::spawn(keep_running(client.clone())));
    let exit = tui::run(client.clone(), events, screen_options(profile)).await;
    if let Some(keeper) = keeper {
        keeper.abort();
    }
    client.close().await;
    match exit.map_err(|e| Failure::new(Exit::Failed, e.to_string()))? {
        tui::Exit::Quit => Ok(()),
        tui::Exit::LogOut => account::logout(profile, server, &Output { json: false }).await,
        tui::Exit::SignedOut => {
            let why = "this login was ended: natter login HANDLE";
            Err(Failure::new(Exit::NotLoggedIn, why))
        }
    }
}

/// This machine's own server may end while a screen is open: whenever the line tries again, it is
/// started if it does not run. It comes back at its old address, so the line finds it.
async fn keep_running(client: client::Client) {
    let mut line = client.watch_line();
    while line.changed().await.is_ok() {
        if *line.borrow_and_update() != client::Line::Connecting {
            continue;
        }
        let looked = tokio::task::spawn_blocking(background::found_or_started).await;
        // why it does not start is told by the line, which does not get through, and by its log
        if let Ok(Ok((_, true))) = looked {
            client.reconnect();
        }
    }
}

/// What `config.toml` says. Whatever is wrong with it is told on the screen, and nothing more.
fn screen_options(profile: &Profile) -> tui::Options {
    let mut options = tui::Options::default();
    let Ok(base) = etcetera::choose_base_strategy() else {
        return options;
    };
    let state = base.state_dir().unwrap_or_else(|| base.data_dir()).join("natter");
    options.history = Some(state.join("history").join(&profile.name));
    let path = base.config_dir().join("natter").join("config.toml");
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let (settings, mistakes) = tui::settings::parse(&text);
            options.settings = settings;
            options.mistakes = tui::settings::told(&mistakes);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => options.mistakes = format!("config.toml: {error}"),
    }
    options
}

/// `server` is where this machine's own server keeps its data.
fn open_profile(name: &str) -> Result<Profile, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name == "server" || name.starts_with('.') || !name.chars().all(plain) {
        let text = "a profile's name has letters, digits, '.', '_' and '-', and is not \"server\"";
        return Err(Failure::new(Exit::Usage, text));
    }
    Ok(Profile::open(name)?)
}

async fn open(
    profile: &Profile,
    login: &client::Login,
    output: Output,
    timeout: u64,
    brief: bool,
) -> Result<Talk, Failure> {
    let options = client::Options { brief, ..client::Options::default() };
    let (client, events) = client::start(profile, login.clone(), options).await?;
    Ok(Talk {
        client,
        events,
        missed: VecDeque::new(),
        output,
        deadline: tokio::time::Instant::now() + Duration::from_secs(timeout),
    })
}

async fn talk_command(
    talk: &mut Talk,
    command: &Command,
    login: &client::Login,
) -> Result<(), Failure> {
    let left = talk.deadline.duration_since(tokio::time::Instant::now());
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let keep = match command {
        Command::Tail { .. } => TAIL_MISSED_MAX,
        _ => 0,
    };
    if answers_from_disk(command) {
        offline_note(talk.catch_up(left_ms.min(LINE_WAIT_MS), keep).await)?;
    } else {
        talk.catch_up(left_ms, keep).await?;
    }
    if !listens(command) {
        talk.events.close();
    }
    match command {
        Command::Send(args) => chat::send(talk, args).await,
        Command::Tail { who, count } => chat::tail(talk, who.as_deref(), *count).await,
        Command::History { who, limit, before } => chat::history(talk, who, *limit, *before).await,
        Command::Chats => chat::chats(talk).await,
        Command::Read { who } => chat::read(talk, who).await,
        Command::Find { text } => chat::find(talk, text).await,
        Command::Friends => chat::friends(talk).await,
        Command::Friend { action, who } => chat::friend(talk, *action, who).await,
        Command::Group(action) => chat::group(talk, action, now()).await,
        Command::Edit { who, seq, text } => chat::edit(talk, who, *seq, text).await,
        Command::Delete { who, seq } => chat::delete(talk, who, *seq).await,
        Command::React { who, seq, emoji, remove } => {
            chat::react(talk, who, *seq, emoji, *remove).await
        }
        Command::Journey { who, seq } => chat::journey(talk, who, *seq).await,
        Command::Status => chat::status(talk, login).await,
        Command::Signup(_)
        | Command::Login(_)
        | Command::Logout
        | Command::Sessions { .. }
        | Command::Address { .. }
        | Command::Password { .. }
        | Command::Notices(_)
        | Command::Check(_)
        | Command::Bench(_)
        | Command::BenchEcho
        | Command::BenchTerminal { .. }
        | Command::Mail { .. }
        | Command::Admin(_)
        | Command::Serve(_)
        | Command::Server { .. } => unreachable!("dispatched before a client was opened"),
    }
}

/// These wait for what happens. The line waits for nobody on behalf of the others.
fn listens(command: &Command) -> bool {
    matches!(command, Command::Send(_) | Command::Tail { .. } | Command::Read { .. })
}

/// These are useful without a line: they read the copy on this machine or write to the outbox.
fn answers_from_disk(command: &Command) -> bool {
    matches!(
        command,
        Command::Send(_)
            | Command::History { .. }
            | Command::Chats
            | Command::Friends
            | Command::Status
            | Command::Tail { .. }
    )
}

#[expect(clippy::print_stderr, reason = "a note beside the output of a command")]
fn offline_note(line: client::Result<()>) -> Result<(), Failure> {
    match line {
        Ok(()) => Ok(()),
        Err(client::Error::SignedOut(why)) => Err(client::Error::SignedOut(why).into()),
        Err(_) => {
            eprintln!("natter: not connected; this machine's own copy answers");
            Ok(())
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
