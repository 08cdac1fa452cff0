//! What a message costs where several processes are one system: two gateways, an auth server,
//! PostgreSQL and Redis. The same load once with both people on one gateway and once with each on
//! another, in one run; and beside it what PostgreSQL, Redis and sockets do without us.

use std::ffi::OsStr;
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::child::{self, Child, Server};
use crate::course::{Load, Pace};
use crate::databases::Databases;
use crate::pair::Pair;
use crate::pgbench::{Bench, Written};
use crate::raw::Person;
use crate::redis::Redis;
use crate::redis_alone::{self, Published};
use crate::report::{Figure, Section, higher, latency_chart, lower, plain};
use crate::rows::{self, Grouping, Rows};
use crate::send::{self, Measured};
use crate::usage::Usage;
use crate::{Error, Options, Outcome, Result, limits, people, say, text};

/// The load that the targets are for: from one gateway to the other, at window 16.
const TARGET_PAIRS: usize = 50;
const TARGET_WINDOW: usize = 16;
const TARGET_PER_SECOND: f64 = 8_000.0;
const TARGET_CPU_US: f64 = 150.0;
/// What the way to another gateway may add to the latency of a message, at window 1.
const TARGET_ADDED_MS: f64 = 1.0;

/// Which gateways the two people of a pair are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Both on one, every other pair on the other one.
    Within,
    /// Each on another one.
    Across,
}

/// Everything that runs.
struct System {
    redis: Redis,
    /// Where PostgreSQL listens.
    port: u16,
    auth: Child,
    gateways: [Child; 2],
}

/// What one window has brought.
struct Round {
    window: usize,
    within: Measured,
    across: Measured,
}

/// What the parts can do without each other.
struct Alone {
    sockets: Load,
    rows: Rows,
    one_by_one: Written,
    tables: Vec<Written>,
    redis: Published,
    grouping: Grouping,
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let directory = child::directory_on_disk()?;
    let postgres = options.postgres.as_deref().ok_or_else(|| {
        let how = "name one whose account may create databases: --postgres postgres://USER@HOST/DB";
        Error::Invalid(format!("a cluster needs a PostgreSQL; {how}"))
    })?;
    let mut databases = Databases::of(postgres)?;
    let system = System::start(directory.path(), &databases.create()?, databases.port()).await?;
    let server = system.server();
    say(&format!("{} people sign up", 4 * options.pairs));
    let people = people::sign_up(&system.auth.address, 4 * options.pairs).await?;
    let (first, second) = people.split_at(2 * options.pairs);
    let mut within = system.open(Where::Within, first).await?;
    let mut across = system.open(Where::Across, second).await?;
    let mut rounds = Vec::new();
    for &window in &options.windows {
        let pace = Pace::Closed { window };
        let load = async |pairs: Vec<Pair>, place: Where| {
            say(&format!("{} pairs, window {window}, {place:?}", pairs.len()));
            send::natter(&server, pairs, pace, options.seconds, directory.path()).await
        };
        let (back, on_one) = load(within, Where::Within).await?;
        within = back;
        let (back, on_two) = load(across, Where::Across).await?;
        across = back;
        rounds.push(Round { window, within: on_one, across: on_two });
    }
    for pair in within.into_iter().chain(across) {
        pair.sender.close().await;
        pair.recipient.close().await;
    }
    let System { redis, auth, gateways, .. } = system;
    auth.stop().await?;
    for gateway in gateways {
        gateway.stop().await?;
    }
    report(options, &rounds, &mut databases, &redis, directory.path()).await
}

async fn report(
    options: &Options,
    rounds: &[Round],
    databases: &mut Databases,
    redis: &Redis,
    directory: &Path,
) -> Result<Outcome> {
    let mut outcome = Outcome {
        sections: Vec::new(),
        charts: Vec::new(),
        notes: notes(),
        violations: Vec::new(),
    };
    let mut curves = Vec::new();
    for round in rounds {
        for (place, measured) in [("within", &round.within), ("across", &round.across)] {
            let name = format!("window {}, {place}", round.window);
            curves.push(measured.natter.tally.to_recipient.curve(&name));
            outcome.violations.extend(measured.natter.tally.violations.iter().cloned());
        }
        let alone = alone(options, round, databases, redis, directory).await?;
        outcome.sections.push(crossing(options.pairs, round));
        outcome.sections.push(beside(round, &alone));
    }
    outcome.charts.push(latency_chart("from the Send to the recipient", curves));
    Ok(outcome)
}

impl System {
    async fn start(directory: &Path, database: &str, port: u16) -> Result<Self> {
        let redis = Redis::start()?;
        let settings = directory.join("natter.toml");
        std::fs::write(&settings, child::settings())?;
        let start = async |name: &str, roles: &str| {
            let data = directory.join(name);
            let words = ["serve", "--listen", "127.0.0.1:0", "--role", roles, "--database"];
            let mut args: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
            let url = redis.url();
            args.extend([database, "--redis", &*url, "--config"].map(OsStr::new));
            args.extend([settings.as_os_str(), OsStr::new("--data"), data.as_os_str()]);
            Child::start(&args).await
        };
        let auth = start("auth", "auth").await?;
        let gateways = [start("one", "gateway").await?, start("two", "gateway").await?];
        Ok(Self { redis, port, auth, gateways })
    }

    /// As who is measured: the gateways, and what stands behind them.
    fn server(&self) -> Server {
        let addresses = self.gateways.iter().map(|gateway| gateway.address.clone()).collect();
        let port_of =
            |address: &str| address.rsplit_once(':').map_or("", |(_, port)| port).to_owned();
        let watched = vec![
            format!("auth={}", port_of(&self.auth.address)),
            format!("PostgreSQL={}", self.port),
            format!("Redis={}", self.redis.port()),
        ];
        Server::of(addresses, watched)
    }

    async fn open(&self, place: Where, people: &[Person]) -> Result<Vec<Pair>> {
        let gateway = |n: usize| self.gateways[n % 2].address.as_str();
        let opening = people.chunks_exact(2).enumerate().map(|(n, two)| {
            let other = if place == Where::Across { n + 1 } else { n };
            Pair::open_at(&self.auth.address, [gateway(n), gateway(other)], two)
        });
        stream::iter(opening).buffered(limits::OPENING_AT_ONCE).try_collect().await
    }
}

// ── the parts without each other ─────────────────────────────────────────────────────────────────

/// For the load of one window.
async fn alone(
    options: &Options,
    round: &Round,
    databases: &mut Databases,
    redis: &Redis,
    directory: &Path,
) -> Result<Alone> {
    let measured = &round.across;
    let sockets = send::echo(measured, options.pairs, options.seconds).await?;
    let default = Grouping { sends: limits::GROUP_DEFAULT, moves: limits::GROUP_DEFAULT / 4 };
    let grouping = measured.grouping.unwrap_or(default);
    let port = databases.port();
    let server = Usage::default().with(&[format!("PostgreSQL={port}")])?;
    let both = Usage::own().with(&[format!("PostgreSQL={port}")])?;
    say(&format!("the same rows without a network, {} in a transaction", grouping.sends));
    let text = text::line(0);
    let rows =
        rows::write_into(&databases.create()?, options.pairs, grouping, &text, &both).await?;
    let url = databases.create()?;
    let seconds = options.seconds.min(limits::ROWS_FOR.as_secs());
    let (pairs, width) = (options.pairs, text.len());
    let bench = Bench::prepare(&url, server, directory, pairs, width, seconds).await?;
    say("pgbench, one message in a transaction");
    let one_by_one = bench.alone()?;
    say(&format!("pgbench, {} in a transaction, table by table", grouping.sends));
    let tables = bench.grouped(grouping.sends)?;
    say("publishing by Redis alone");
    // A batch rings at both people of each message, and once more for what the other one has.
    let words = 2 * grouping.sends + 2 * grouping.moves;
    let word_bytes = usize::from(measured.shape.message_bytes) + limits::BUS_WORD_BYTES;
    let redis = redis_alone::publish(redis, word_bytes, words.min(limits::BUS_WORDS_AT_ONCE))?;
    Ok(Alone { sockets, rows, one_by_one, tables, redis, grouping })
}

// ── the report ───────────────────────────────────────────────────────────────────────────────────

/// Across two gateways, and as its limit the same within one.
fn crossing(pairs: usize, round: &Round) -> Section {
    let (within, across) = (&round.within.natter, &round.across.natter);
    let at = |window: usize, target: f64| {
        (pairs == TARGET_PAIRS && round.window == window).then_some(target)
    };
    let mut figures = vec![
        Figure {
            limit: Some(within.arrived_per_second()),
            target: at(TARGET_WINDOW, TARGET_PER_SECOND),
            ..higher("delivered", "msg/s", Some(across.arrived_per_second()))
        },
        Figure {
            limit: within.cpu_per_message_us(),
            target: at(TARGET_WINDOW, TARGET_CPU_US),
            ..lower("CPU of a message, all processes", "µs", across.cpu_per_message_us())
        },
    ];
    let each = send::per_process(across).into_iter().zip(send::per_process(within));
    figures.extend(each.map(|(across, within)| Figure { limit: within.natter, ..across }));
    let latencies = |load: &Load| load.tally.to_recipient.figures("to the recipient");
    let both = latencies(across).into_iter().zip(latencies(within));
    figures.extend(both.map(|(across, within)| Figure { limit: within.natter, ..across }));
    let half = |load: &Load| load.tally.to_recipient.at(0.5);
    let added = half(across).zip(half(within)).map(|(across, within)| across - within);
    let target = at(1, TARGET_ADDED_MS);
    figures.push(Figure { target, ..lower("added to the p50 by crossing", "ms", added) });
    let title = format!(
        "cluster: {pairs} pairs, window {}, {:.0} s each; from one of two gateways to the other, \
         and as its limit within one",
        round.window, across.seconds
    );
    Section { title, figures }
}

/// What the parts of the system spent on a message, and what they do without us.
fn beside(round: &Round, alone: &Alone) -> Section {
    let across = &round.across.natter;
    let rate = Some(across.arrived_per_second());
    let beside = |limit: f64| Figure { limit: Some(limit), ..higher("", "msg/s", rate) };
    let named = |name: &str, figure: Figure| Figure { name: name.to_owned(), ..figure };
    let cpu = |name: &str, limit: Option<f64>| Figure { limit, ..plain(name, "µs", None) };
    let mut figures = vec![
        named("sockets alone", beside(alone.sockets.arrived_per_second())),
        cpu("… of it CPU of a message", alone.sockets.cpu_per_message_us()),
        named("our rows alone, grouped", beside(alone.rows.messages_per_second)),
        cpu("… CPU of a message, with PostgreSQL", alone.rows.cpu_per_message_us),
        named("pgbench, one in a transaction", beside(alone.one_by_one.messages_per_second)),
        cpu("… CPU of PostgreSQL", alone.one_by_one.cpu_us),
    ];
    let mut before = 0.0;
    for table in &alone.tables {
        figures.push(named(&format!("pgbench: {}", table.what), beside(table.messages_per_second)));
        figures.push(cpu("… CPU of PostgreSQL", table.cpu_us));
        let now = table.cpu_us.unwrap_or_default();
        figures.push(cpu("… of it for what came last", table.cpu_us.map(|us| us - before)));
        before = now;
    }
    figures.push(Figure {
        limit: Some(alone.redis.per_second),
        ..plain("Redis alone, words to one listener a second", "words", None)
    });
    figures.push(cpu("… CPU of Redis for a word", alone.redis.cpu_us));
    let title = format!(
        "beside it: {} messages and {} cursors in a transaction",
        alone.grouping.sends, alone.grouping.moves
    );
    Section { title, figures }
}

fn notes() -> Vec<String> {
    vec![
        "two gateways, an auth server, one PostgreSQL and one Redis shared this machine with the \
         generator; CPU is of all of them"
            .to_owned(),
        "pgbench and redis-benchmark are the makers' own; pgbench writes rows of the same width, \
         each line with one table more than the line before"
            .to_owned(),
    ]
}
