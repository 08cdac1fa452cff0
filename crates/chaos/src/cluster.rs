//! What is broken: processes of the real binary on a PostgreSQL and a Redis of their own. Every
//! line of a gateway, to its clients, its databases and its bus, leads through a proxy.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bench::postgres::Postgres;
use bench::proxy::Proxy;
use bench::redis::Redis;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::limits;

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Two gateways and two auth servers on two databases and a Redis.
    Cluster,
    /// The same; the databases are on a disk that can be filled.
    SmallDisk,
    /// The same; the gateways believe the clock that they are told (libfaketime).
    Clocks,
    /// One process with everything in it, on SQLite.
    Embedded,
}

/// Enough for the databases of a minute, and little to fill.
const DISK: &str = "192m";
const DATABASES: [&str; 2] = ["natter_0", "natter_1"];
const GATEWAYS: usize = 2;
const AUTHS: usize = 2;

pub(crate) struct Cluster {
    pub(crate) setup: Setup,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) auths: Vec<Node>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) redis: Option<Redis>,
    binary: PathBuf,
    home: TempDir,
    /// Flags that every server gets.
    flags: Vec<String>,
}

/// One process of the system.
pub(crate) struct Node {
    pub(crate) name: String,
    /// `HOST:PORT` where it listens.
    pub(crate) address: String,
    child: Child,
}

/// A process that has clients.
pub(crate) struct Gateway {
    pub(crate) node: Node,
    pub(crate) clients: Proxy,
    pub(crate) databases: Proxy,
    pub(crate) bus: Proxy,
}

impl Cluster {
    /// `binary`: the program `natter`. `flags`: what every server is told beside where its things
    /// are.
    pub(crate) async fn start(setup: Setup, binary: &Path, flags: &[&str]) -> Result<Self> {
        let postgres = match setup {
            Setup::Embedded => None,
            Setup::SmallDisk => Some(block_in_place(|| Postgres::start_on_a_disk(DISK))?),
            Setup::Cluster | Setup::Clocks => Some(block_in_place(Postgres::start)?),
        };
        for database in DATABASES {
            if let Some(postgres) = &postgres {
                postgres.ask("postgres", &format!("CREATE DATABASE {database}"))?;
            }
        }
        let redis = match setup {
            Setup::Embedded => None,
            _ => Some(block_in_place(Redis::start)?),
        };
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let home = TempDir::with_prefix("natter-chaos-")?;
        let (gateways, auths) = (Vec::new(), Vec::new());
        let binary = binary.to_owned();
        let mut cluster = Self { setup, gateways, auths, postgres, redis, binary, home, flags };
        if setup != Setup::Embedded {
            for n in 0..AUTHS {
                let auth = cluster.auth(&format!("auth{n}")).await?;
                cluster.auths.push(auth);
            }
        }
        for n in 0..if setup == Setup::Embedded { 1 } else { GATEWAYS } {
            let gateway = cluster.gateway(&format!("gateway{n}")).await?;
            cluster.gateways.push(gateway);
        }
        Ok(cluster)
    }

    async fn auth(&self, name: &str) -> Result<Node> {
        let (postgres, redis) = self.engines();
        let mut command = self.serve(name, "auth");
        command.args(["--database", &database_urls(postgres, &postgres.address())]);
        command.args(["--redis", &redis.url()]);
        Node::start(name, command, &self.log(name)).await
    }

    async fn gateway(&self, name: &str) -> Result<Gateway> {
        let clients = Proxy::start("").await?;
        let (databases, bus) = match self.setup {
            Setup::Embedded => (Proxy::start("").await?, Proxy::start("").await?),
            _ => {
                let (postgres, redis) = self.engines();
                let bus = format!("127.0.0.1:{}", redis.port());
                (Proxy::start(&postgres.address()).await?, Proxy::start(&bus).await?)
            }
        };
        std::fs::write(self.clock(name), "+0s")?;
        let node = self.gateway_node(name, &clients, &databases, &bus, None).await?;
        Ok(Gateway { node, clients, databases, bus })
    }

    /// `seam`: where it is to break by itself.
    async fn gateway_node(
        &self,
        name: &str,
        clients: &Proxy,
        databases: &Proxy,
        bus: &Proxy,
        seam: Option<&str>,
    ) -> Result<Node> {
        let role = if self.setup == Setup::Embedded { "auth,gateway,notify" } else { "gateway" };
        let mut command = self.serve(name, role);
        if self.setup != Setup::Embedded {
            let urls = database_urls(self.engines().0, &databases.address.to_string());
            command.args(["--database", &urls, "--redis", &format!("redis://{}", bus.address)]);
        }
        command.args(["--public-url", &format!("ws://{}", clients.address)]);
        if let Some(seam) = seam {
            command.env("NATTER_SEAM", seam);
        }
        if self.setup == Setup::Clocks {
            command.env("LD_PRELOAD", faketime()?).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("FAKETIME_TIMESTAMP_FILE", self.clock(name)).env("FAKETIME_NO_CACHE", "1");
        }
        let node = Node::start(name, command, &self.log(name)).await?;
        clients.lead_to(&node.address);
        Ok(node)
    }

    fn serve(&self, name: &str, role: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--role", role]);
        command.arg("--data").arg(self.home.path().join(name)).args(&self.flags);
        command.env_clear().env("HOME", self.home.path());
        command
    }

    fn engines(&self) -> (&Postgres, &Redis) {
        let engines = self.postgres.as_ref().zip(self.redis.as_ref());
        engines.expect("every setup with several processes has them")
    }

    /// The server that people log in at, in turn.
    pub(crate) fn urls(&self) -> Vec<String> {
        let auths = self.auths.iter().map(|auth| format!("http://{}", auth.address));
        let alone = self.gateways.iter().map(|one| format!("http://{}", one.clients.address));
        if self.auths.is_empty() { alone.collect() } else { auths.collect() }
    }

    /// The databases, as the judge opens them.
    pub(crate) fn databases(&self) -> Vec<String> {
        match &self.postgres {
            Some(postgres) => {
                DATABASES.map(|name| postgres.url(&postgres.address(), name)).to_vec()
            }
            None => {
                let data = self.home.path().join("gateway0/natter.db");
                vec![format!("sqlite:{}", data.display())]
            }
        }
    }

    /// Runs SQL in each database.
    pub(crate) fn sql(&self, text: &str) -> Result<()> {
        for database in DATABASES {
            self.engines().0.ask(database, text)?;
        }
        Ok(())
    }

    /// `kill -9`, and nobody starts it again.
    pub(crate) async fn kill(&mut self, gateway: usize) -> Result<()> {
        Ok(self.gateways[gateway].node.child.kill().await?)
    }

    /// A new process in place of one that has ended.
    pub(crate) async fn start_again(&mut self, gateway: usize, seam: Option<&str>) -> Result<()> {
        let Gateway { node, clients, databases, bus } = &self.gateways[gateway];
        let new = self.gateway_node(&node.name, clients, databases, bus, seam).await?;
        self.gateways[gateway].node = new;
        Ok(())
    }

    /// SIGTERM, waits for its end, and starts a new one.
    pub(crate) async fn replace(&mut self, gateway: usize, seam: Option<&str>) -> Result<()> {
        let node = &mut self.gateways[gateway].node;
        node.signal(Signal::TERM);
        ensure!(node.ended().await?, "{} does not end well", node.name);
        self.start_again(gateway, seam).await
    }

    /// What the clock of a gateway says from now on, as libfaketime wants it: `-1h`.
    pub(crate) fn set_clock(&self, gateway: usize, clock: &str) -> Result<()> {
        Ok(std::fs::write(self.clock(&self.gateways[gateway].node.name), clock)?)
    }

    fn clock(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.clock"))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.log"))
    }

    /// The last lines that each process has logged.
    pub(crate) fn logs(&self) -> String {
        let mut all = String::new();
        let nodes = self.auths.iter().chain(self.gateways.iter().map(|gateway| &gateway.node));
        for node in nodes {
            let log = std::fs::read_to_string(self.log(&node.name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(limits::LOG_LINES_SHOWN);
            for line in &lines[last..] {
                all += &format!("  {}: {line}\n", node.name);
            }
        }
        all
    }

    /// Ends everything.
    pub(crate) async fn end(mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            gateway.node.child.kill().await?;
        }
        for auth in &mut self.auths {
            auth.child.kill().await?;
        }
        Ok(())
    }
}

fn database_urls(postgres: &Postgres, address: &str) -> String {
    DATABASES.map(|name| postgres.url(address, name)).join(",")
}

/// Where Debian puts it, whatever the processor.
fn faketime() -> Result<PathBuf> {
    let places = std::fs::read_dir("/usr/lib")?.flatten();
    let mut libraries = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|path| path.exists()).context("`cargo xtask` installs faketime")
}

impl Node {
    async fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let line = timeout(limits::START_WAIT, lines.next_line()).await;
        let line = line.with_context(|| format!("{name} does not say that it listens"))??;
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening on http://"));
        let Some(address) = address else {
            bail!("{name} said {line:?}");
        };
        Ok(Self { name: name.to_owned(), address: address.to_owned(), child })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // One that has ended needs none.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end. `true`: a good one.
    pub(crate) async fn ended(&mut self) -> Result<bool> {
        let ended = timeout(limits::STOP_WAIT, self.child.wait()).await;
        let ended = ended.with_context(|| format!("{} does not end", self.name))??;
        Ok(ended.success())
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        let bytes = self.child.id().and_then(bench::resident_bytes);
        bytes.unwrap_or_default() / f64::from(1 << 20)
    }

    /// One number of `/metrics`: the sum of all rows that begin so.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let text = bench::get(&self.address, "/metrics").await?;
        let rows = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_row = rest.starts_with([' ', '{', ',']);
            is_row.then(|| rest.rsplit_once(' '))?.and_then(|(_, value)| value.parse::<f64>().ok())
        });
        Ok(rows.sum())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        bench::get(&self.address, "/readyz").await.is_ok()
    }

    /// Waits until `/readyz` says so; how long it took.
    pub(crate) async fn ready(&self) -> Result<Duration> {
        let since = Instant::now();
        while !self.is_ready().await {
            ensure!(since.elapsed() < limits::START_WAIT, "{} is not ready", self.name);
            tokio::time::sleep(limits::LOOK_EVERY).await;
        }
        Ok(since.elapsed())
    }
}
