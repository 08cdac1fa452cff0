//! What lies in `deploy/`: each file is taken as it is, by the program that it is for where that
//! can be had in a test. Of `compose.yaml` the commands and settings of natter's services are
//! taken, and what it says of containers is only read.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bench::redis::Redis;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::world::{PASSWORD, PATIENCE, Running, World};

fn shipped(name: &str) -> String {
    let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

// ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────

/// Runs SQL on the PostgreSQL of the tests.
fn sql(text: String) {
    let url = engine("NATTER_TEST_POSTGRES");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut admin = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut admin).await.unwrap();
    });
}

/// The nodes of the shipped `compose.yaml` behind the shipped configuration of HAProxy.
struct Site {
    world: World,
    url: String,
    auth: Vec<Running>,
    gateways: Vec<Running>,
    _notify: Running,
    proxy: Child,
    database: String,
    _redis: Redis,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.proxy.kill().ok();
        self.proxy.wait().ok();
        sql(format!("DROP DATABASE {} WITH (FORCE)", self.database));
    }
}

impl Site {
    fn start() -> Self {
        let (world, redis) = (World::new(), Redis::start().unwrap());
        let database = format!("natter_deploy_{}", rand::random_range(0..u64::MAX));
        sql(format!("CREATE DATABASE {database}"));
        let engines = engine("NATTER_TEST_POSTGRES");
        let front = free_address();
        let mut config =
            shipped("deploy/haproxy.cfg").replace("bind :7700", &format!("bind {front}"));
        let compose = compose();
        let subnet = &compose["networks"]["default"]["ipam"]["config"][0]["subnet"];
        // The engines of the tests are in the place of those that compose starts.
        let places = [
            (
                format!("postgres://natter:{PASSWORD}@postgres/natter"),
                format!("{}/{database}", engines.rsplit_once('/').unwrap().0),
            ),
            ("redis://redis:6379".into(), redis.url()),
            (format!("amqp://natter:{PASSWORD}@rabbitmq:5672/%2f"), engine("NATTER_TEST_RABBITMQ")),
            ("localhost:7700".into(), front.clone()),
            (subnet.as_str().unwrap().into(), "127.0.0.1".into()),
        ];
        let node = |name: &str| {
            let service = &compose["services"][name];
            let mut command = world.command(&[]);
            for word in service["command"].as_sequence().unwrap() {
                command.arg(word.as_str().unwrap());
            }
            for (variable, value) in service["environment"].as_mapping().unwrap() {
                let mut value = interpolated(value.as_str().unwrap());
                for (there, here) in &places {
                    value = value.replace(there, here);
                }
                command.env(variable.as_str().unwrap(), value);
            }
            // One RabbitMQ serves all tests.
            command.args(["--listen", "127.0.0.1:0", "--amqp-queue", &database]);
            command.arg("--data").arg(world.home.path().join(name)).stderr(Stdio::null());
            let mut running = Running::start(command);
            let line = running.line();
            let address = line.strip_prefix("listening on http://").expect("it is ready");
            (running, address.to_owned())
        };
        let mut behind = |name: &str| {
            let (running, address) = node(name);
            let place = format!("{name}.internal:7700");
            assert!(config.contains(&place), "{place} is in the configuration");
            config = config.replace(&place, &address);
            running
        };
        let auth = vec![behind("auth-1"), behind("auth-2")];
        let gateways = vec![behind("gateway-1"), behind("gateway-2")];
        let (notify, _) = node("notify");
        let path = world.home.path().join("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        let proxy = haproxy().arg("-db").arg("-f").arg(&path).spawn().unwrap();
        let url = format!("http://{front}");
        let begin = Instant::now();
        while TcpStream::connect(&front).is_err() {
            assert!(begin.elapsed() < PATIENCE, "HAProxy does not listen");
        }
        Self { world, url, auth, gateways, _notify: notify, proxy, database, _redis: redis }
    }

    fn login(&self, profile: &str, handle: &str) -> i32 {
        let args = ["--profile", profile, "--server", &self.url, "login", handle];
        let run = self.world.run(&[&args[..], &["--password-stdin"]].concat(), PASSWORD);
        run.code
    }
}

fn engine(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("`cargo xtask test` sets {variable}"))
}

fn compose() -> serde_yaml_ng::Value {
    let mut compose: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&shipped("deploy/compose.yaml")).unwrap();
    compose.apply_merge().unwrap();
    compose
}

/// What compose makes of `${NAME}`, `${NAME:-DEFAULT}` and `${NAME:?WHY}` for somebody who has
/// chosen nothing but the password.
fn interpolated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inside, after) = rest.split_once('}').expect("a brace that closes");
    let (name, otherwise) = inside.split_once(':').unwrap_or((inside, ""));
    let value = match otherwise.strip_prefix('-') {
        Some(default) => default,
        None if name == "NATTER_PASSWORD" => PASSWORD,
        None => panic!("{name} has to be chosen"),
    };
    format!("{before}{value}{}", interpolated(after))
}

fn haproxy() -> Command {
    let mut command = Command::new("haproxy");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn behind_haproxy_logins_and_talk_go_on_when_an_auth_node_and_a_gateway_die() {
    let mut site = Site::start();
    let ann = ["--profile", "ann", "--server", &site.url, "signup", "ann", "--password-stdin"];
    let run = site.world.run(&[&ann[..], &["--email", "ann@example.org"]].concat(), PASSWORD);
    assert_eq!(run.code, 0, "{run:?}");
    site.world.signup("bob", &site.url);
    let begin = Instant::now();
    // Without a mail server they are written into a directory of the node that had the job.
    let mails = site.world.home.path().join("notify/mail");
    while !std::fs::read_dir(&mails).is_ok_and(|mut mails| mails.next().is_some()) {
        assert!(begin.elapsed() < PATIENCE, "no mail that confirms ann's address");
    }
    let mut tail = site.world.start("bob", &["tail"]);
    site.world.natter("ann", &["send", "bob", "one"]);
    assert!(tail.line().ends_with("ann: one"));

    drop(site.auth.remove(0));
    for number in 0..8 {
        assert_eq!(site.login(&format!("ann{number}"), "ann"), 0, "login {number} after the death");
    }
    drop(site.gateways.remove(0));
    site.world.natter("ann", &["--timeout", "60", "send", "bob", "two"]);
    assert!(tail.line().ends_with("ann: two"));
    for path in ["metrics", "readyz"] {
        let address = site.url.strip_prefix("http://").unwrap();
        assert_eq!(status(address, path), "404", "{path} is nobody's business out there");
    }
}

fn status(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

// ── systemd, Docker ─────────────────────────────────────────────────────────────────────────────

/// What the server needs of `@resources`.
const NICE: &str = "SystemCallFilter=setpriority";

#[test]
fn systemd_takes_the_unit_and_its_times_fit_the_drain() {
    let unit = shipped("deploy/natter@.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    let stop_ms = value("TimeoutStopSec").parse::<u64>().unwrap() * 1_000;
    assert!(stop_ms > server::limits::DRAIN_MS_MAX, "killed in the middle of a drain");
    let files: usize = value("LimitNOFILE").parse().unwrap();
    assert!(files > 2 * server::Config::default().connections_max);
    assert_eq!(value("Type"), "notify");
    let place = |line: &str| unit.lines().position(|found| found == line);
    let (denied, allowed) = (place("SystemCallFilter=~@privileged @resources"), place(NICE));
    assert!(denied.is_some() && denied < allowed, "who hashes passwords lowers his priority");
    // Where there is no systemd there is nobody to ask.
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else { return };
    assert!(version.status.success());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("natter@main.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/natter", env!("CARGO_BIN_EXE_natter")))
        .unwrap();
    let said = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&said.stderr);
    let about_us: Vec<&str> = told.lines().filter(|line| line.contains("natter@")).collect();
    assert!(said.status.success() && about_us.is_empty(), "{told}");
}

#[test]
fn a_service_manager_is_told_when_we_are_ready_and_when_we_end() {
    let world = World::new();
    let path = world.home.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut said = [0; 256];
        let len = manager.recv(&mut said).expect("a word to the service manager");
        String::from_utf8_lossy(&said[..len]).into_owned()
    };
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).arg("--data").arg(world.home.path().join("data"));
    let mut server = Running::start(command);
    assert!(server.line().starts_with("listening on "));
    assert!(hear().contains("READY=1"));
    server.signal(rustix::process::Signal::HUP);
    server.signal(rustix::process::Signal::TERM);
    assert!(hear().contains("STOPPING=1"));
    assert!(server.child.wait().unwrap().success(), "SIGHUP does not end a service");
}

#[test]
fn compose_names_only_settings_files_and_services_that_exist() {
    let (text, compose) = (shipped("deploy/compose.yaml"), compose());
    let services = compose["services"].as_mapping().unwrap();
    assert!(services.len() >= 7, "{services:?}");
    let variables: BTreeSet<String> = server::keys().iter().map(server::Key::variable).collect();
    let shared = compose["x-natter"]["environment"].as_mapping().unwrap();
    for name in shared.keys().map(|name| name.as_str().unwrap()) {
        assert!(variables.contains(name), "{name} is no setting");
    }
    for (name, service) in services {
        let others = match &service["depends_on"] {
            serde_yaml_ng::Value::Mapping(others) => others.keys().collect(),
            others => others.as_sequence().into_iter().flatten().collect::<Vec<_>>(),
        };
        for other in others {
            assert!(services.contains_key(other), "{name:?} waits for {other:?}");
        }
    }
    let proxy = shipped("deploy/haproxy.cfg");
    for word in proxy.split_whitespace().filter_map(|word| word.strip_suffix(".internal:7700")) {
        assert!(
            services.contains_key(word),
            "HAProxy sends to {word}, which compose does not start"
        );
        assert!(text.contains(&format!("{word}.internal")), "{word} has no such name");
    }
    let dockerfile = shipped("deploy/Dockerfile");
    let set = dockerfile.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    for name in set.split_whitespace().filter_map(|word| word.split_once('=')).map(|(name, _)| name)
    {
        assert!(variables.contains(name), "{name} is no setting");
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert!(root.join(compose["x-natter"]["build"]["dockerfile"].as_str().unwrap()).is_file());
}

// ── figures ─────────────────────────────────────────────────────────────────────────────────────

/// The names of figures in a text, without the ends that a histogram's rows have.
fn figures(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let names = text.split(word).filter(|w| w.starts_with("natter_") || w.starts_with("process_"));
    let ends = ["_bucket", "_sum", "_count"];
    let base =
        |name: &str| ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned();
    names.map(base).collect()
}

/// The book's table of figures is held against `/metrics` by a test of the server.
fn told() -> BTreeSet<String> {
    let book = shipped("docs/operate.md");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_figure_of_dashboard_and_alarms_exists() {
    let told = told();
    assert!(told.contains("natter_connections"));
    let dashboard: Value = serde_json::from_str(&shipped("deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        for expr in targets.iter().map(|target| target["expr"].as_str().unwrap()) {
            let named = figures(expr);
            let unknown: Vec<_> = named.difference(&told).collect();
            assert!(!named.is_empty() && unknown.is_empty(), "{}: {unknown:?}", panel["title"]);
        }
    }
    let alarms: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&shipped("deploy/alerts.yaml")).unwrap();
    let book = shipped("docs/operate.md");
    let rules = alarms["groups"][0]["rules"].as_sequence().unwrap();
    assert!(rules.len() > 10);
    for rule in rules {
        let (name, expr) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        let named = figures(expr);
        let unknown: Vec<_> = named.difference(&told).collect();
        assert!(
            unknown.is_empty() && (!named.is_empty() || name == "NatterDown"),
            "{name}: {unknown:?}"
        );
        assert!(
            book.contains(&format!("| `{name}` |")),
            "the book does not tell what {name} means"
        );
    }
}
