//! Being a server: settings from file, environment and flags; logs; signals; one line when it is
//! ready.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sd_notify::NotifyState;
use server::{Config, LogFormat};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::background;
use crate::cli::{ServeArgs, Settings};
use crate::guide;

/// `natter serve`: in the foreground, until SIGTERM or Ctrl-C. A second signal ends it at once.
pub(crate) fn serve(args: &ServeArgs) -> Result<()> {
    let config = config(&args.settings)?;
    if args.print_config {
        return print(&config);
    }
    logs(&config)?;
    let _data = claim(&config.data)?;
    let with_guide = args.guide;
    run(config, with_guide, |_| Ok(()))
}

/// `natter server run`: the machine's own server, away from any terminal.
pub(crate) fn background() -> Result<()> {
    // A session of its own: closing the terminal that started it must not end it. It fails where
    // that is so already.
    let _ = rustix::process::setsid();
    let mut config = Config::default();
    if let Ok(log) = std::env::var("NATTER_LOG") {
        config.log = log;
    }
    logs(&config)?;
    let places = background::places()?;
    let Some(lock) = background::lock(&places)? else {
        return Ok(());
    };
    let _data = claim(&places.data)?;
    config.data.clone_from(&places.data);
    // The old port where it is still free, so that addresses stay good over a restart.
    config.listen.set_port(background::last_port(&places));
    if std::net::TcpListener::bind(config.listen).is_err() {
        config.listen.set_port(0);
    }
    run(config, true, |address| {
        background::remember_port(&places, address.port())?;
        background::announce(&lock, address)
    })
}

/// Starts the roles, says the one line, waits for a signal, drains.
fn run(
    mut config: Config,
    with_guide: bool,
    announce: impl FnOnce(std::net::SocketAddr) -> Result<()>,
) -> Result<()> {
    if with_guide {
        config.greeter = Some(guide::HANDLE.into());
    }
    let data = config.data.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // To a server in a terminal it means that the terminal has gone: then it goes, too.
        let in_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
        let mut hangup = if in_terminal { None } else { Some(signal(SignalKind::hangup())?) };
        let site = config.site_url.clone();
        let mut server = server::start(config).await?;
        if with_guide {
            // Before anybody else can sign up: the first user wants to be greeted too. A
            // certificate is for the name of the site and not for our address.
            let url = site.filter(|_| server.url.starts_with("https:"));
            guided(&url.unwrap_or_else(|| server.url.clone()), &data).await;
        }
        announce(server.address)?;
        say_ready(&server.url)?;
        loop {
            tokio::select! {
                // Nobody asked for that: something in it has died.
                ended = server.ended() => return Ok(ended?),
                () = hung_up(hangup.as_mut()) => reload(&server),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tell_manager(&[NotifyState::Stopping]);
        tokio::select! {
            ended = server.stop() => Ok(ended?),
            _ = terminate.recv() => bail!("ended at once by a second signal"),
            _ = interrupt.recv() => bail!("ended at once by a second signal"),
        }
    })
}

async fn hung_up(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// What may change while the server runs: the certificate.
fn reload(server: &server::Server) {
    match server.reload_certificate() {
        Ok(()) => tracing::info!("new connections get the certificate that is on the disk now"),
        Err(error) => tracing::error!(%error, "the certificate from before stays in use"),
    }
}

/// Tells systemd, if that is who started us.
fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
fn say_ready(url: &str) -> Result<()> {
    use std::io::Write;
    tell_manager(&[NotifyState::Ready]);
    println!("listening on {url}");
    Ok(std::io::stdout().flush()?)
}

#[expect(clippy::print_stdout, reason = "what the command was asked for")]
fn print(config: &Config) -> Result<()> {
    use std::io::Write;
    print!("{}", config.to_toml());
    Ok(std::io::stdout().flush()?)
}

/// Logs the guide in and lets it live in the background. What goes wrong with it is the log's
/// matter only: a server without a guide is a server.
async fn guided(server: &str, data: &Path) {
    match guide::login(server, data).await {
        Ok((profile, login)) => {
            tokio::spawn(async move {
                if let Err(error) = guide::run(&profile, login).await {
                    tracing::error!("the guide has gone: {error:#}");
                }
            });
        }
        Err(error) => tracing::error!("no guide: {error:#}"),
    }
}

/// Logs go to standard error, as much of them and in the form that the settings say.
fn logs(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("`log` is no filter of logs")?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Human => logs.with_ansi(ansi).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    debug_assert!(started.is_ok(), "logs are started once");
    Ok(())
}

/// File first, then what variables and flags say.
pub(crate) fn config(settings: &Settings) -> Result<Config> {
    let Some(path) = &settings.file else {
        return Ok(Config::layered("", &settings.set)?);
    };
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Config::layered(&text, &settings.set).with_context(|| path.display().to_string())
}

/// One server per data directory: two writers of one SQLite file would each believe to be the only
/// one.
fn claim(data: &Path) -> Result<File> {
    match try_claim(data)? {
        Some(claimed) => Ok(claimed),
        None => bail!("another natter serves {}", data.display()),
    }
}

/// `None`: another process holds it.
pub(crate) fn try_claim(data: &Path) -> Result<Option<File>> {
    let show = || data.display().to_string();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(show)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(data.join("lock")).with_context(show)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(e).with_context(show),
    }
}
