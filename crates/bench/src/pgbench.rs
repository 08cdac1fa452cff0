//! What PostgreSQL does without us: `pgbench` writes the same rows of the same width into the same
//! tables, one message in a transaction, or as many as the server groups; and with one table more
//! each time, so that it is seen what each of them costs.

use std::path::Path;
use std::process::Command;

use store::Store;

use crate::usage::Usage;
use crate::{Error, Result, limits};

/// One way to write, measured.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) what: &'static str,
    pub(crate) messages_per_second: f64,
    /// Microseconds of PostgreSQL, all of its processes, for a message.
    pub(crate) cpu_us: Option<f64>,
}

/// One message in a transaction, as a program without a grouping writer would do it: its number is
/// given and the row written in one statement.
const ALONE: &str = include_str!("../pgbench/alone.sql");

/// The statements of one transaction for `:each` messages in each of `:convs` conversations, in the
/// order of `store/src/commit.rs`. Before those for one more table stands `-- +` and what they are.
const GROUPED: &str = include_str!("../pgbench/grouped.sql");

/// The conversations.
const PEOPLE: &str = include_str!("../pgbench/people.sql");

/// Who writes how much at once.
#[derive(Debug, Clone, Copy)]
struct Load {
    connections: usize,
    convs: usize,
    /// Messages for each of the conversations in one transaction.
    each: usize,
}

/// A database of natter's schema for `pgbench` to write into.
pub(crate) struct Bench<'a> {
    url: &'a str,
    server: Usage,
    directory: &'a Path,
    convs: usize,
    width: usize,
    /// Of each measurement.
    seconds: u64,
}

impl<'a> Bench<'a> {
    /// `url`: an empty database; `server`: the PostgreSQL behind it.
    pub(crate) async fn prepare(
        url: &'a str,
        server: Usage,
        directory: &'a Path,
        convs: usize,
        width: usize,
        seconds: u64,
    ) -> Result<Self> {
        let store = Store::open(&[url.to_owned()], &store::Options::default()).await?;
        store.close().await;
        let bench = Self { url, server, directory, convs, width, seconds };
        let once = Load { connections: 1, convs, each: 1 };
        bench.run("people", PEOPLE, once, "--transactions=1")?;
        Ok(bench)
    }

    /// One message in a transaction, from as many connections at once as there are conversations.
    pub(crate) fn alone(&self) -> Result<Written> {
        let connections = self.convs.min(limits::PGBENCH_CONNECTIONS_MAX);
        let load = Load { connections, convs: self.convs, each: 1 };
        self.measure("one message in a transaction", ALONE, load, 1)
    }

    /// `group` messages in a transaction, with one table more each time.
    pub(crate) fn grouped(&self, group: usize) -> Result<Vec<Written>> {
        let convs = group.clamp(1, self.convs);
        let load = Load { connections: 1, convs, each: group.div_ceil(convs) };
        let mut statements = String::new();
        let mut written = Vec::new();
        for part in GROUPED.split("-- + ").skip(1) {
            let (what, more) = part.split_once('\n').unwrap_or((part, ""));
            statements.push_str(more);
            let script = format!("BEGIN;\n{statements}\nEND;");
            written.push(self.measure(what, &script, load, convs * load.each)?);
        }
        Ok(written)
    }

    fn measure(
        &self,
        what: &'static str,
        script: &str,
        load: Load,
        messages: usize,
    ) -> Result<Written> {
        let seconds = format!("--time={}", self.seconds);
        let before = self.server.cpu_us();
        let transactions = self.run(what, script, load, &seconds)?;
        let cpu_us = self.server.cpu_us().zip(before).map(|(after, before)| after - before);
        let messages = transactions * messages as f64;
        Ok(Written {
            what,
            messages_per_second: messages / self.seconds as f64,
            cpu_us: cpu_us.map(|us| us / messages.max(1.0)),
        })
    }

    /// How many transactions it made.
    fn run(&self, what: &str, script: &str, load: Load, until: &str) -> Result<f64> {
        let failed = |why: String| Error::Child { what: format!("pgbench ({what})"), why };
        let file = self.directory.join("pgbench.sql");
        std::fs::write(&file, script)?;
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", until]);
        let Load { connections, convs, each } = load;
        for (name, value) in [("convs", convs), ("each", each), ("width", self.width)] {
            command.arg(format!("--define={name}={value}"));
        }
        command.arg(format!("--client={connections}")).arg("--file").arg(&file).arg(self.url);
        let done = command.output().map_err(|e| failed(format!("{e}; install postgresql")))?;
        let text = String::from_utf8_lossy(&done.stdout);
        let count = text.lines().find_map(|line| {
            line.strip_prefix("number of transactions actually processed: ")?
                .split('/')
                .next()?
                .parse()
                .ok()
        });
        match count {
            Some(count) if done.status.success() => Ok(count),
            _ => Err(failed(String::from_utf8_lossy(&done.stderr).into_owned())),
        }
    }
}
