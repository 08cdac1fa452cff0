//! Mails that real processes send through a real RabbitMQ to a real mail server, while one process
//! after the other is killed (`kill -9`).
//!
//! The long form: `NATTER_MAIL_JOBS=20000 NATTER_MAIL_KILL_MS=2000 cargo xtask test --only unit --
//! -p natter --no-capture workers`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{NewUser, Options, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::outside::Outside;
use crate::world::{PATIENCE, Running, World};

/// As many mails as one process has under way.
const AT_ONCE: usize = 16;
/// A try that failed is soon followed by the next.
const RETRY_MS: i64 = 100;
/// From so many mails on everything has more time: the mail server has more to do, too.
const MANY: usize = 1_000;

struct Site {
    world: World,
    database: String,
    queue: String,
    smtp: String,
    /// A killed worker's jobs wait for its end. Longer than a whole mail, which has three steps.
    lease_ms: u64,
    started: u32,
}

impl Site {
    /// A process of the notify role and of nothing else.
    fn worker(&mut self) -> Running {
        self.started += 1;
        let data = self.world.home.path().join(format!("worker{}", self.started));
        let amqp = env("NATTER_TEST_RABBITMQ");
        let mut command = self.world.command(&["serve", "--role", "notify", "--log", "error"]);
        command.args(["--listen", "127.0.0.1:0", "--database", &self.database]);
        command.args(["--amqp", &amqp, "--amqp-queue", &self.queue, "--smtp", &self.smtp]);
        command.args(["--timers-mail-lease-ms", &self.lease_ms.to_string()]);
        command.args(["--timers-mail-step-ms", &(self.lease_ms / 4).to_string()]);
        command.args(["--timers-mail-retry-ms", &RETRY_MS.to_string()]).arg("--data").arg(data);
        let mut running = Running::start(command);
        assert!(running.line().starts_with("listening"), "a worker starts");
        running
    }
}

impl Site {
    /// A killed worker's jobs are repeated when its lease ends. So the others are ended, in order,
    /// when nothing waits any more, and looked after once more.
    fn end_all(&mut self, runtime: &Runtime, store: &Store, workers: [Running; 2]) {
        let config = server::Config {
            amqp: Some(env("NATTER_TEST_RABBITMQ").into()),
            amqp_queue: self.queue.clone(),
            timers: server::Timers {
                mail_lease_ms: self.lease_ms as i64,
                mail_retry_ms: RETRY_MS,
                ..server::Timers::default()
            },
            ..server::Config::default()
        };
        let waiting = || {
            let looked = runtime.block_on(server::look_into_queue(&config, store)).unwrap();
            looked.expect("the settings name a RabbitMQ") != (0, 0)
        };
        let mut workers = Vec::from(workers);
        loop {
            let begin = Instant::now();
            while waiting() {
                assert!(begin.elapsed() < 2 * PATIENCE, "jobs stay in RabbitMQ");
            }
            for worker in &mut workers {
                worker.signal(Signal::TERM);
                assert!(worker.child.wait().unwrap().success());
            }
            if !waiting() {
                return;
            }
            workers = vec![self.worker()];
        }
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`cargo xtask test` sets {name}"))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn workers_that_are_killed_lose_no_mail_and_repeat_only_what_was_just_taken() {
    let jobs = number("NATTER_MAIL_JOBS", 400) as usize;
    let every = Duration::from_millis(number("NATTER_MAIL_KILL_MS", 400));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let database = runtime.block_on(create_database());
    let store = runtime
        .block_on(Store::open(std::slice::from_ref(&database), &Options::default()))
        .unwrap();
    signs_up(&runtime, &store, jobs);
    let server = Outside::start("smtpd.py", &["take"]);
    let queue = format!("natter-test-{}", rand::random::<u64>());
    let smtp = format!("smtp://127.0.0.1:{}", server.port);
    let lease_ms = if jobs < MANY { 4_000 } else { 16_000 };
    let mut site = Site { world: World::new(), database, queue, smtp, lease_ms, started: 0 };

    let mut workers = [site.worker(), site.worker()];
    let (mut taken, mut kills) = (BTreeMap::<String, Vec<u64>>::new(), Vec::new());
    let (begin, mut next_kill) = (Instant::now(), Instant::now() + every);
    let longest = Duration::from_secs(60 + jobs as u64 / 20);
    while taken.len() < jobs {
        assert!(begin.elapsed() < longest, "{} of {jobs} mails", taken.len());
        let left = next_kill.saturating_duration_since(Instant::now());
        if let Some(mail) = server.next_within(left) {
            let data = mail["data"].as_str().unwrap();
            let id = data.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
            taken.entry(id.to_owned()).or_default().push(mail["at"].as_u64().unwrap());
        } else {
            let turn = kills.len() % 2;
            kills.push(now_ms());
            workers[turn].child.kill().unwrap();
            workers[turn].child.wait().unwrap();
            workers[turn] = site.worker();
            next_kill = Instant::now() + every;
        }
    }
    let took = begin.elapsed();
    site.end_all(&runtime, &store, workers);
    assert_eq!(runtime.block_on(store.outbox_oldest(i64::MAX)).unwrap(), None);
    assert_eq!(runtime.block_on(store.dead_jobs()).unwrap(), [], "none was given up");
    for mail in server.end() {
        let data = mail["data"].as_str().unwrap();
        let id = data.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
        taken.get_mut(id).expect("every mail is known").push(mail["at"].as_u64().unwrap());
    }
    let (again, widest) = repeated(&taken, &kills);
    println!(
        "{jobs} mails in {took:?}, {} workers killed: {again} mails came twice, each taken at most \
         {widest} ms from a kill",
        kills.len()
    );
    assert!(again <= kills.len() * AT_ONCE, "more than were under way");
    assert!(widest <= lease_ms, "a mail was repeated whose worker had time to write it down");
    runtime.block_on(drop_database(store, &site.database));
}

/// How many mails came more than once, and how far from a kill each had been taken at the most: the
/// mail server may get to what a worker has handed over when that one is dead already.
fn repeated(taken: &BTreeMap<String, Vec<u64>>, kills: &[u64]) -> (usize, u64) {
    let (mut again, mut widest) = (0, 0);
    for times in taken.values() {
        for at in &times[..times.len() - 1] {
            again += 1;
            let nearest = kills.iter().map(|kill| kill.abs_diff(*at)).min();
            widest = widest.max(nearest.expect("nothing is repeated where nobody was killed"));
        }
    }
    (again, widest)
}

/// So many people with addresses: for each a job, in the transaction that made him.
fn signs_up(runtime: &Runtime, store: &Store, people: usize) {
    let all = async {
        let mut under_way = JoinSet::new();
        for n in 0..people {
            let store = store.clone();
            under_way.spawn(async move {
                let user = NewUser {
                    user_id: n as i64 + 1,
                    handle: format!("user{n}"),
                    name: "User".into(),
                    email: Some(format!("user{n}@example.org")),
                    pass_hash: String::new(),
                };
                store.create_user(&user, now_ms() as i64).await.unwrap();
            });
            if under_way.len() >= 8 {
                under_way.join_next().await.unwrap().unwrap();
            }
        }
        under_way.join_all().await;
    };
    runtime.block_on(all);
}

async fn create_database() -> String {
    let url = env("NATTER_TEST_POSTGRES");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let name = format!("natter_workers_{}", rand::random::<u64>());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await
        .unwrap();
    format!("{}/{name}", url.rsplit_once('/').unwrap().0)
}

async fn drop_database(store: Store, url: &str) {
    store.close().await;
    let mut admin = PgConnection::connect(&env("NATTER_TEST_POSTGRES")).await.unwrap();
    let name = url.rsplit_once('/').unwrap().1;
    let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
}
