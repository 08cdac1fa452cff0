//! THE PROOF: how fast and how small natter is, beside what is physically there.
//! `docs/performance.md` tells what is measured, how, and what came out.
//!
//! Every figure stands beside its limit from the same run on the same machine: the same frames by a
//! server that only echoes, the same rows by the same engine without a network. Ratios are
//! comparable between machines; figures are not.

mod catch_up;
pub mod check;
mod child;
mod clock;
mod cluster;
mod connect;
mod course;
mod databases;
mod echo;
mod echo_pair;
mod fanout;
mod grow;
mod idle;
mod ledger;
mod limits;
pub mod log;
mod paint;
mod pair;
mod people;
mod pgbench;
mod plot;
mod population;
pub mod postgres;
mod procfs;
pub mod proxy;
mod raw;
pub mod redis;
mod redis_alone;
mod report;
mod rows;
mod screen;
mod search;
mod send;
pub mod storm;
mod terminal;
mod text;
mod usage;

pub use echo::echo_server;
pub use procfs::resident_bytes;
pub use raw::get;
pub use report::{Better, Chart, Figure, Line, Report, Section};
pub use terminal::become_in_terminal;

use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::tungstenite;

pub type Result<T> = std::result::Result<T, Error>;

/// What is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// All of the following but cluster, screen and growth, one after the other.
    All,
    /// Memory and processor time of connections that do nothing.
    Idle,
    /// Pairs of people who write in a closed loop.
    Send,
    /// Arrivals: ticket, WebSocket, Paint.
    Connect,
    /// Coming back after many messages.
    CatchUp,
    /// One message for all members of a group.
    Fanout,
    /// The list of conversations.
    Paint,
    /// Texts in a conversation, and people.
    Search,
    /// Pairs on one gateway and on two, of a system with PostgreSQL and Redis.
    Cluster,
    /// Frames, starts and keys of the screen.
    Screen,
    /// The same small loads on databases of different sizes.
    Grow,
}

/// A load. Out of its bounds: `Error::Invalid`.
#[derive(Debug, Clone)]
pub struct Options {
    pub scenario: Scenario,
    /// `http://HOST:PORT`, several separated by commas if they are one system. None: a server of
    /// our own on a fresh database, gone at the end.
    pub server: Option<String>,
    /// Processes behind the server whose processor time counts: `NAME=PORT` or `NAME=pid:PID`.
    pub watch: Vec<String>,
    /// Idle and Connect: 1 to 20,000; None: 1,000 and 200. Fanout: the members, 2 to 1,000; None:
    /// 100. Grow: the most idle ones.
    pub connections: Option<usize>,
    /// Send: 1 to 2,000.
    pub pairs: usize,
    /// Send: messages of one pair that may be under way, 1 to 64; one load after the other. Fanout:
    /// those of the one writer.
    pub windows: Vec<usize>,
    /// Send: messages a second of all pairs in an open loop, 1 to 1,000,000; one load after the
    /// other, behind the windows.
    pub rates: Vec<u32>,
    /// Cluster: a PostgreSQL whose account may create databases.
    pub postgres: Option<String>,
    /// Of each measurement, 1 to 3,600; warming up comes on top.
    pub seconds: u64,
    /// CatchUp: messages while away, 1 to 10,000.
    pub messages: u32,
    /// From small to large. Grow: messages, and people, 1,000 to 100,000,000; None: 1,000 and
    /// 100,000. Screen: messages in the copy on disk, 100 to 200,000; None: 100, 10,000, 100,000.
    pub sizes: Option<Vec<u64>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scenario: Scenario::Send,
            server: None,
            watch: Vec::new(),
            connections: None,
            pairs: 50,
            windows: vec![1, 16],
            rates: vec![1_000],
            postgres: None,
            seconds: 10,
            messages: proto::limits::CATCH_UP_MESSAGES_MAX,
            sizes: None,
        }
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    #[error("natter {what}: {why}")]
    Child { what: String, why: String },
    #[error(
        "no directory on a disk: a sync must be real, and ./target, the directory for temporary \
         files and the current one are in memory (set TMPDIR)"
    )]
    NoDisk,
    /// The server said no, or something that cannot be understood.
    #[error("{0}")]
    Refused(String),
    #[error("no answer from the server for 20 s: {0}")]
    Silent(&'static str),
    #[error("interrupted")]
    Interrupted,
    #[error("the database: {0}")]
    Store(#[from] store::Error),
    #[error("the WebSocket: {0}")]
    Socket(Box<tungstenite::Error>),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Io(error) => Self::Io(error),
            error => Self::Socket(Box::new(error)),
        }
    }
}

/// What a scenario brings home.
struct Outcome {
    sections: Vec<Section>,
    charts: Vec<Chart>,
    notes: Vec<String>,
    violations: Vec<String>,
}

/// Runs one scenario. Starts `natter serve` and `natter bench-echo` from the binary that this
/// process runs, and ends them and removes what they wrote, also on failure, SIGINT and SIGTERM.
///
/// Look at [`Report::violations`]: figures of a run that lost something mean nothing.
pub async fn run(options: Options) -> Result<Report> {
    check(&options)?;
    allow_many_files();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let outcome = tokio::select! {
        outcome = measure(&options) => outcome?,
        _ = terminate.recv() => return Err(Error::Interrupted),
        _ = interrupt.recv() => return Err(Error::Interrupted),
    };
    let Outcome { sections, charts, mut notes, violations } = outcome;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    notes.push(format!("server and generator shared {cores} processors"));
    Ok(Report { scenario: name(options.scenario), cores, sections, charts, notes, violations })
}

async fn measure(options: &Options) -> Result<Outcome> {
    match options.scenario {
        Scenario::All => Box::pin(all(options)).await,
        Scenario::Idle => Box::pin(idle::run(options)).await,
        Scenario::Send => Box::pin(send::run(options)).await,
        Scenario::Connect => Box::pin(connect::run(options)).await,
        Scenario::CatchUp => Box::pin(catch_up::run(options)).await,
        Scenario::Fanout => Box::pin(fanout::run(options)).await,
        Scenario::Paint => Box::pin(paint::run(options)).await,
        Scenario::Search => Box::pin(search::run(options)).await,
        Scenario::Cluster => Box::pin(cluster::run(options)).await,
        Scenario::Screen => Box::pin(screen::run(options)).await,
        Scenario::Grow => Box::pin(grow::run(options)).await,
    }
}

/// Each on a server of its own, unless the user named one.
async fn all(options: &Options) -> Result<Outcome> {
    let parts = [
        Scenario::Connect,
        Scenario::Send,
        Scenario::Fanout,
        Scenario::Paint,
        Scenario::CatchUp,
        Scenario::Search,
        Scenario::Idle,
    ];
    let mut whole = Outcome {
        sections: Vec::new(),
        charts: Vec::new(),
        notes: Vec::new(),
        violations: Vec::new(),
    };
    for scenario in parts {
        say(name(scenario));
        let part = Box::pin(measure(&Options { scenario, ..options.clone() })).await?;
        whole.sections.extend(part.sections);
        whole.charts.extend(part.charts);
        whole.notes.extend(part.notes.iter().map(|note| format!("{}: {note}", name(scenario))));
        whole.violations.extend(part.violations);
    }
    Ok(whole)
}

fn name(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::All => "all",
        Scenario::Fanout => "fanout",
        Scenario::Paint => "paint",
        Scenario::Search => "search",
        Scenario::Cluster => "cluster",
        Scenario::Screen => "screen",
        Scenario::Grow => "grow",
        Scenario::Idle => "idle",
        Scenario::Send => "send",
        Scenario::Connect => "connect",
        Scenario::CatchUp => "catchup",
    }
}

fn check(options: &Options) -> Result<()> {
    let connections = options.connections.unwrap_or(1);
    let window_max = proto::limits::SENDS_IN_FLIGHT_MAX;
    let (size_min, size_max) = match options.scenario {
        Scenario::Screen => (limits::COPY_MIN, limits::COPY_MAX),
        _ => (limits::SIZE_MIN, limits::SIZE_MAX),
    };
    let rules = [
        (
            (1..=limits::CONNECTIONS_MAX).contains(&connections),
            "connections",
            limits::CONNECTIONS_MAX,
        ),
        ((1..=limits::PAIRS_MAX).contains(&options.pairs), "pairs", limits::PAIRS_MAX),
        (
            (1..=limits::SECONDS_MAX).contains(&options.seconds),
            "seconds",
            limits::SECONDS_MAX as usize,
        ),
        (!(options.windows.is_empty() && options.rates.is_empty()), "a window", window_max),
        (
            options.windows.iter().all(|window| (1..=window_max).contains(window)),
            "a window",
            window_max,
        ),
        (
            options.rates.iter().all(|rate| (1..=limits::RATE_MAX).contains(rate)),
            "a rate",
            limits::RATE_MAX as usize,
        ),
        (
            options.sizes.as_ref().is_none_or(|sizes| {
                let fits = |size: &u64| (size_min..=size_max).contains(size);
                sizes.is_sorted() && !sizes.is_empty() && sizes.iter().all(fits)
            }),
            "sizes that are not too small, in ascending order",
            size_max as usize,
        ),
        (options.messages > 0, "messages", proto::limits::CATCH_UP_MESSAGES_MAX as usize),
    ];
    match rules.iter().find(|(kept, _, _)| !kept) {
        Some((_, what, most)) => Err(Error::Invalid(format!("{what}: 1 to {most}"))),
        None => Ok(()),
    }
}

/// Each connection is an open file here and in the server, which inherits what is allowed.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    // Where it is refused, the first connection that finds no room says so.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// What is being done, for a person who waits.
#[expect(clippy::print_stderr, reason = "progress stands beside the output of the command")]
fn say(what: &str) {
    eprintln!("bench: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_out_of_bounds_are_refused() {
        assert!(check(&Options::default()).is_ok());
        let bad = [
            Options { connections: Some(0), ..Options::default() },
            Options { connections: Some(1_000_000), ..Options::default() },
            Options { pairs: 0, ..Options::default() },
            Options { seconds: 0, ..Options::default() },
            Options { windows: Vec::new(), rates: Vec::new(), ..Options::default() },
            Options { rates: vec![0], ..Options::default() },
            Options { windows: vec![16, 65], ..Options::default() },
            Options { messages: 0, ..Options::default() },
            Options { sizes: Some(vec![100_000, 1_000]), ..Options::default() },
            Options { sizes: Some(vec![500]), ..Options::default() },
            Options {
                scenario: Scenario::Screen,
                sizes: Some(vec![1_000_000]),
                ..Options::default()
            },
        ];
        for options in bad {
            assert!(matches!(check(&options), Err(Error::Invalid(_))), "{options:?}");
        }
    }
}
