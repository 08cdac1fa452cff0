//! `natter check`: what can be said to be wrong before anything starts, and while a server runs. It
//! only looks: nothing is migrated, and a running server is not disturbed.

use std::net::TcpListener;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use server::Config;
use store::{Options, Store};

use crate::cli::Settings;
use crate::output::Output;
use crate::serve;

/// Clocks that lie further apart are told, in milliseconds. Order never depends on them, but times
/// that people see do, and how long links and sessions live.
const CLOCK_APART_MS_MAX: i64 = 1_000;
/// File descriptors beside those of the connections: databases, files, logs.
const FILES_BESIDE: u64 = 100;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// A server would start, but somebody should look.
    Note,
    Wrong,
}

struct Finding {
    what: String,
    state: State,
    text: String,
}

impl Finding {
    fn new(what: impl Into<String>, state: State, text: impl Into<String>) -> Self {
        Self { what: what.into(), state, text: text.into() }
    }

    fn word(&self) -> &'static str {
        match self.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Wrong => "wrong",
        }
    }

    fn json(&self) -> Value {
        json!({ "what": self.what, "state": self.word(), "text": self.text })
    }
}

/// `natter check`. Fails if anything is wrong.
pub(crate) fn check(settings: &Settings, output: &Output) -> Result<()> {
    let config = serve::config(settings)?;
    let claimed = serve::try_claim(&config.data)?;
    let mut findings = vec![place(&config, claimed.is_none()), door(&config, claimed.is_none())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let alone = claimed.is_some() || !config.database.is_empty();
    findings.extend(runtime.block_on(databases(&config, alone)));
    findings.extend(runtime.block_on(redis(&config)));
    // A mailer keeps its lines in a pool, which wants a runtime around it.
    let inside = runtime.enter();
    let mut named = server::check_files(&config);
    drop(inside);
    named.extend(runtime.block_on(server::check_queue(&config)).map(|found| ("amqp", found)));
    for (setting, found) in named {
        findings.push(match found {
            Ok(()) => Finding::new(setting, State::Ok, "can be used"),
            Err(error) => Finding::new(setting, State::Wrong, error.to_string()),
        });
    }
    findings.push(files(&config));
    for finding in &findings {
        if !output.json {
            let text = format!("{:<6} {:<12} {}", finding.word(), finding.what, finding.text);
            output.line(&text, &())?;
        }
    }
    let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    let told: Vec<Value> = findings.iter().map(Finding::json).collect();
    let value = json!({ "type": "check", "ok": wrong == 0, "findings": told });
    output.line("", &value)?;
    match wrong {
        0 => Ok(()),
        1 => bail!("1 thing is wrong"),
        more => bail!("{more} things are wrong"),
    }
}

fn place(config: &Config, is_served: bool) -> Finding {
    let data = config.data.display();
    match is_served {
        true => Finding::new("data", State::Ok, format!("{data}, in use by a running natter")),
        false => Finding::new("data", State::Ok, format!("{data}, free")),
    }
}

fn door(config: &Config, is_served: bool) -> Finding {
    let address = config.listen;
    match TcpListener::bind(address) {
        Ok(_) => Finding::new("listen", State::Ok, format!("{address}, free")),
        Err(error) if is_served && error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::new("listen", State::Ok, format!("{address}, in use"))
        }
        Err(error) => Finding::new("listen", State::Wrong, format!("{address}: {error}")),
    }
}

async fn redis(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, url) in config.redis.iter().enumerate() {
        let what = format!("redis {}", number + 1);
        let mut say = |state, text| findings.push(Finding::new(&what, state, text));
        let seen = match server::inspect_redis(url).await {
            Ok(seen) => seen,
            Err(why) => {
                say(State::Wrong, format!("{url}: {why}"));
                continue;
            }
        };
        let state = if seen.is_old { State::Wrong } else { State::Ok };
        let old = if seen.is_old { ": it must be 7 or newer" } else { "" };
        say(state, format!("{url}: Redis {}{old}", seen.version));
        if seen.eviction != "noeviction" {
            let text = format!("when it is full it drops what it likes ({})", seen.eviction);
            say(State::Note, text);
        }
        if seen.clock_ahead_ms.abs() > CLOCK_APART_MS_MAX {
            let text = format!("its clock is {} ms ahead of this machine's", seen.clock_ahead_ms);
            say(State::Note, text);
        }
    }
    findings
}

/// `alone`: nobody holds the embedded database, so that it may be read from end to end.
async fn databases(config: &Config, alone: bool) -> Vec<Finding> {
    let (options, urls) = (Options::default(), config.databases());
    let mut findings = Vec::new();
    let mut ready = true;
    for (number, url) in urls.iter().enumerate() {
        let what = format!("database {}", number + 1);
        let seen = match Store::inspect(url, &options).await {
            Ok(seen) => seen,
            Err(error) => {
                ready = false;
                findings.push(Finding::new(what, State::Wrong, format!("{url}: {error}")));
                continue;
            }
        };
        ready &= seen.pending.is_empty() && seen.wrong.is_empty();
        let mut say = |state, text| findings.push(Finding::new(&what, state, text));
        say(State::Ok, format!("{url}: {}", seen.engine));
        match seen.pending.as_slice() {
            [] => {}
            versions => {
                let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                let text = format!("the next start brings its schema to {}", versions.join(", "));
                say(State::Note, text);
            }
        }
        if let Some(ahead_ms) = seen.clock_ahead_ms.filter(|ms| ms.abs() > CLOCK_APART_MS_MAX) {
            say(State::Note, format!("its clock is {ahead_ms} ms ahead of this machine's"));
        }
        seen.notes.into_iter().for_each(|note| say(State::Note, note));
        seen.wrong.into_iter().for_each(|why| say(State::Wrong, why));
    }
    if ready && alone {
        findings.push(integrity(&urls, &options).await);
    } else if ready {
        let text = "only its pages were checked: a running server holds it";
        findings.push(Finding::new("integrity", State::Note, text));
    }
    findings
}

async fn integrity(urls: &[server::Secret], options: &Options) -> Finding {
    let urls: Vec<String> = urls.iter().map(|url| (**url).to_owned()).collect();
    let wrong = async {
        let store = Store::open(&urls, options).await?;
        let wrong = store.integrity().await?;
        store.close().await;
        Ok::<_, store::Error>(wrong)
    };
    match wrong.await {
        Ok(wrong) if wrong.is_empty() => {
            Finding::new("integrity", State::Ok, "every conversation is whole")
        }
        Ok(wrong) => Finding::new("integrity", State::Wrong, wrong.join("; ")),
        Err(error) => Finding::new("integrity", State::Wrong, error.to_string()),
    }
}

fn files(config: &Config) -> Finding {
    let wanted = config.connections_max as u64 + FILES_BESIDE;
    match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(allowed) if allowed < wanted => {
            let text = format!(
                "{allowed} open files are allowed, {wanted} wanted: raise the limit (ulimit -n, \
                 LimitNOFILE) or lower connections_max"
            );
            Finding::new("files", State::Note, text)
        }
        Some(allowed) => Finding::new("files", State::Ok, format!("{allowed} may be open")),
        None => Finding::new("files", State::Ok, "any number may be open"),
    }
}
