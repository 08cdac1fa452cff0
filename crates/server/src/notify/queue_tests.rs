//! The role with a real RabbitMQ between relay and workers: away, cut off, killed; workers that
//! die; jobs that nobody can do.
//!
//! The long form of a RabbitMQ that is away: `NATTER_QUEUE_AWAY_MS=60000 cargo xtask test --only
//! unit -- -p natter-server --no-capture a_rabbitmq_that_is_killed`.
#![expect(clippy::large_futures, reason = "each test has its stack for itself")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use proto::id;
use store::Job;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::outside::MailServer;
use super::tests::{HOUR, MINUTE, NOON, Stage, message_id, signs_up, signs_up_at};
use super::{Notify, relay, run_through};
use crate::limits;
use crate::queue::{Queue, Rabbit, Task};

/// Nothing takes so long, but the start of a RabbitMQ on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn rabbitmq() -> String {
    let url = std::env::var("NATTER_TEST_RABBITMQ");
    url.expect("run `cargo xtask test`, or set NATTER_TEST_RABBITMQ to an amqp:// URL")
}

/// A stage whose jobs go through this RabbitMQ, in queues of its own, with quick retries.
async fn stage(amqp: &str, smtp: Option<&MailServer>) -> Stage {
    stage_with_lease(amqp, smtp, 20_000).await
}

async fn stage_with_lease(amqp: &str, smtp: Option<&MailServer>, lease_ms: i64) -> Stage {
    let smtp = smtp.map(|server| server.url.clone());
    Stage::with(|config| {
        config.amqp = Some(amqp.to_owned().into());
        config.amqp_queue = format!("natter-test-{}", id::random_key());
        config.smtp = smtp.map(Into::into);
        config.timers.mail_retry_ms = 5;
        config.timers.mail_step_ms = 300;
        config.timers.mail_lease_ms = lease_ms;
    })
    .await
}

fn rabbit(notify: &Notify) -> &Rabbit {
    match &notify.queue {
        Queue::Rabbit(rabbit) => rabbit,
        Queue::Direct => panic!("the stage has a RabbitMQ"),
    }
}

/// The role runs while the script does; then it drains.
async fn run_while(notify: &Notify, now: impl Fn() -> i64, script: impl Future<Output = ()>) {
    let (stop, drain) = watch::channel(false);
    let script = async {
        tokio::time::timeout(PATIENCE, script).await.expect("it happens in time");
        stop.send_replace(true);
    };
    tokio::join!(run_through(notify, rabbit(notify), &now, drain), script);
}

/// A clock that goes on from noon as fast as any.
fn ticking() -> impl Fn() -> i64 {
    let began = Instant::now();
    move || NOON + i64::try_from(began.elapsed().as_millis()).unwrap()
}

/// Waits until something is so.
async fn until(so: impl AsyncFn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while !so().await {
        look.tick().await;
    }
}

async fn end(stage: Stage) {
    rabbit(&stage.notify).delete().await;
    stage.end().await;
}

#[tokio::test]
async fn what_is_due_goes_through_rabbitmq_once_and_what_was_read_in_time_does_not() {
    let stage = stage(&rabbitmq(), None).await;
    let (clock, tried) = (AtomicI64::new(NOON), &stage.notify.counters.jobs_tried);
    let script = async {
        signs_up(&stage.notify.store, "carl@example.org").await;
        until(async || stage.mails().len() == 1).await;
        for n in 0..20 {
            stage.ann_writes("hello", NOON + n).await;
        }
        clock.store(NOON + 10 * MINUTE, Ordering::Relaxed);
        until(async || stage.mails().len() == 2).await;
        assert!(stage.mails()[1].contains("Subject: 20 unread from ANN (@ann)"));
        until(async || stage.notify.counters.jobs_published.get() == 2).await;
        // The worker is done with it: else what it still does would meet what comes now.
        until(async || stage.bobs_nudge().await.is_none()).await;
        stage.bob_reads(20, NOON + 11 * MINUTE).await;
        stage.ann_writes("again", NOON + 2 * HOUR).await;
        stage.bob_reads(21, NOON + 2 * HOUR + MINUTE).await;
        clock.store(NOON + 3 * HOUR, Ordering::Relaxed);
        until(async || tried.get() == 3).await;
    };
    run_while(&stage.notify, || clock.load(Ordering::Relaxed), script).await;
    assert_eq!(stage.mails().len(), 2, "read in time");
    assert_eq!(stage.notify.store.outbox_oldest(i64::MAX).await.unwrap(), None);
    end(stage).await;
}

/// Passes bytes on to RabbitMQ while it is open; closed, it cuts all lines.
struct Gate {
    url: String,
    open: watch::Sender<bool>,
}

impl Gate {
    async fn new(to: &str) -> Self {
        let (credentials, rest) = to.rsplit_once('@').unwrap();
        let (address, vhost) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{credentials}@{}/{vhost}", listener.local_addr().unwrap());
        let (open, opened) = watch::channel(false);
        let address = address.to_owned();
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let (mut opened, address) = (opened.clone(), address.clone());
                if !*opened.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut there = TcpStream::connect(&address).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                        _ = opened.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { url, open }
    }
}

#[tokio::test]
async fn jobs_wait_for_a_rabbitmq_that_is_away_and_come_once_each() {
    const PEOPLE: usize = 120;
    let gate = Gate::new(&rabbitmq()).await;
    let stage = stage(&gate.url, None).await;
    let other = stage.another();
    for n in 0..PEOPLE {
        signs_up(&stage.notify.store, &format!("user{n}@example.org")).await;
    }
    let sent = AtomicUsize::new(0);
    let count = async || {
        sent.store(stage.mails().len(), Ordering::Relaxed);
        sent.load(Ordering::Relaxed)
    };
    let script = async {
        assert_eq!(count().await, 0, "RabbitMQ is away");
        for cut in 1..=4 {
            gate.open.send_replace(true);
            until(async || count().await >= cut * PEOPLE / 6).await;
            gate.open.send_replace(false);
        }
        gate.open.send_replace(true);
        until(async || count().await >= PEOPLE).await;
        let store = &stage.notify.store;
        until(async || store.outbox_oldest(i64::MAX).await.unwrap().is_none()).await;
    };
    let (stop, drain) = watch::channel(false);
    let both = async {
        run_while(&stage.notify, ticking(), script).await;
        stop.send_replace(true);
    };
    let now = ticking();
    tokio::join!(both, run_through(&other, rabbit(&other), &now, drain));
    let mails = stage.mails();
    let ids: BTreeSet<&str> = mails.iter().map(|mail| message_id(mail)).collect();
    assert_eq!((mails.len(), ids.len()), (PEOPLE, PEOPLE), "none lost, none twice");
    assert!(other.counters.mails_account.get() > 0, "both have worked");
    end(stage).await;
}

#[tokio::test]
async fn what_rabbitmq_has_not_confirmed_stays_in_the_tables_and_is_due_at_once() {
    let gate = Gate::new(&rabbitmq()).await;
    gate.open.send_replace(true);
    let stage = stage(&gate.url, None).await;
    let store = &stage.notify.store;
    signs_up(store, "carl@example.org").await;
    stage.ann_writes("hello", NOON).await;
    let due = NOON + 10 * MINUTE;
    let (line, _jobs, _dead) = rabbit(&stage.notify).open().await.unwrap();
    gate.open.send_replace(false);
    until(async || !line.is_alive()).await;
    assert_eq!(relay::hand_over(&stage.notify, &line, due).await.unwrap(), (0, false));
    assert_eq!(store.outbox_oldest(due).await.unwrap(), Some(due), "it is due");
    assert_eq!(stage.bobs_nudge().await, Some(due), "so is the nudge");
    assert_eq!(stage.notify.counters.jobs_unconfirmed.get(), 2);
    gate.open.send_replace(true);
    let script = until(async || stage.mails().len() == 2);
    run_while(&stage.notify, || due, script).await;
    end(stage).await;
}

#[tokio::test]
async fn a_job_that_fails_five_times_is_given_up_and_the_others_do_not_wait_for_it() {
    let server = MailServer::start("take").await;
    let stage = stage(&rabbitmq(), Some(&server)).await;
    let store = &stage.notify.store;
    let script = async {
        signs_up(store, "451-carl@example.org").await;
        signs_up(store, "550-dora@example.org").await;
        for n in 0..10 {
            signs_up(store, &format!("user{n}@example.org")).await;
        }
        until(async || stage.notify.counters.mails_account.get() == 10).await;
        until(async || store.dead_jobs().await.unwrap().len() == 2).await;
    };
    run_while(&stage.notify, ticking(), script).await;
    let counters = &stage.notify.counters;
    assert_eq!((counters.mails_put_off.get(), counters.jobs_dead.get()), (5, 2));
    assert_eq!(counters.jobs_tried.get(), 10 + 5 + 1);
    assert_eq!(server.end().await.len(), 10);
    end(stage).await;
}

#[tokio::test]
async fn a_job_that_its_workers_die_of_is_given_up_and_so_is_one_that_nobody_can_read() {
    let server = MailServer::start("take").await;
    let stage = stage_with_lease(&rabbitmq(), Some(&server), 1_000).await;
    let (store, tried) = (&stage.notify.store, &stage.notify.counters.jobs_tried);
    signs_up(store, "hang-carl@example.org").await;
    let (now, mut deaths) = (ticking(), 0);
    let mut give_up = async || {
        while store.dead_jobs().await.unwrap().is_empty() {
            let before = tried.get();
            let (_held, drain) = watch::channel(false);
            // Dropped in the middle of its work, as a kill does.
            tokio::select! {
                () = run_through(&stage.notify, rabbit(&stage.notify), &now, drain) => {}
                () = until(async || tried.get() > before) => deaths += 1,
                () = until(async || !store.dead_jobs().await.unwrap().is_empty()) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, give_up()).await.expect("it is given up in time");
    let why = store.dead_jobs().await.unwrap()[0].why.clone();
    assert!(why.contains("five workers"), "{why}");
    assert!(deaths >= 5, "{deaths}");

    let script = async {
        let line = Connection::connect(&rabbitmq(), ConnectionProperties::default()).await.unwrap();
        let channel = line.create_channel().await.unwrap();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let queue = rabbit(&stage.notify).name();
        let published = channel.basic_publish("".into(), queue.into(), options, b"{]", properties);
        published.await.unwrap().await.unwrap();
        until(async || store.dead_jobs().await.unwrap().len() == 2).await;
    };
    run_while(&stage.notify, ticking(), script).await;
    let dead = store.dead_jobs().await.unwrap();
    assert!(dead.iter().any(|job| job.job.is_none() && job.why.contains("read")), "{dead:?}");
    assert!(server.end().await.is_empty());
    end(stage).await;
}

#[tokio::test]
async fn an_operator_sees_what_lies_in_rabbitmq_while_no_worker_runs() {
    let stage = stage(&rabbitmq(), None).await;
    let (store, rabbit) = (&stage.notify.store, rabbit(&stage.notify));
    let (line, jobs, dead) = rabbit.open().await.unwrap();
    drop((jobs, dead));
    line.close().await;
    let line = Connection::connect(&rabbitmq(), ConnectionProperties::default()).await.unwrap();
    let channel = line.create_channel().await.unwrap();
    channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
    let task = Task { id: 7, job: Job::Reset { user_id: 8 }, tries: 0, due_at: NOON };
    let (body, dead) = (task.body(), format!("{}.dead", rabbit.name()));
    for (queue, body) in
        [(rabbit.name(), &*body), (&dead, &*body), (&dead, b"{]"), (rabbit.name(), &*body)]
    {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let published = channel.basic_publish("".into(), queue.into(), options, body, properties);
        assert!(published.await.unwrap().await.unwrap().is_ack());
    }
    for _ in 0..2 {
        assert_eq!(super::look(rabbit, store, NOON).await.unwrap(), (2, 0), "nothing is taken");
        let seen = store.dead_jobs().await.unwrap().into_iter().map(|dead| dead.job);
        let seen: Vec<Option<Job>> = seen.collect();
        assert_eq!(seen.len(), 2, "once each");
        assert!(seen.contains(&Some(Job::Reset { user_id: 8 })) && seen.contains(&None));
    }
    let nowhere = Rabbit::new("amqp://127.0.0.1:1", "natter", Vec::new()).unwrap();
    let why = super::look(&nowhere, store, NOON).await.unwrap_err().to_string();
    assert!(why.contains("`amqp`"), "{why}");
    end(stage).await;
}

#[tokio::test]
async fn every_job_that_is_handed_over_is_confirmed() {
    const JOBS: usize = 4_096;
    let stage = stage(&rabbitmq(), None).await;
    let job = |n: usize| {
        let id = i64::try_from(n).unwrap();
        Task { id, job: Job::Reset { user_id: id }, tries: 0, due_at: NOON }
    };
    let tasks: Vec<Task> = (0..JOBS).map(job).collect();
    let (line, _jobs, _dead) = rabbit(&stage.notify).open().await.unwrap();
    let began = Instant::now();
    for some in tasks.chunks(limits::RELAY_AT_ONCE as usize) {
        assert!(line.publish(some).await.iter().all(|confirmed| *confirmed));
    }
    let together = began.elapsed();
    let mut alone = Vec::new();
    for task in &tasks[..200] {
        let began = Instant::now();
        assert_eq!(line.publish(std::slice::from_ref(task)).await, [true]);
        alone.push(began.elapsed());
    }
    alone.sort_unstable();
    let rate = JOBS as f64 / together.as_secs_f64();
    let (half, most) = (alone[alone.len() / 2], alone[alone.len() * 99 / 100]);
    println!("{rate:.0} jobs/s in batches; a confirm alone {half:?}, 99 % {most:?}");
    line.close().await;
    end(stage).await;
}

/// In the long form, so many people sign up in each second in which there is no RabbitMQ.
const AWAY_PER_S: usize = 20;

/// A RabbitMQ that this test may kill.
struct Node {
    data: std::path::PathBuf,
    ports: [u16; 3],
    minder: Child,
}

impl Node {
    async fn start(data: std::path::PathBuf, ports: [u16; 3]) -> Self {
        std::fs::create_dir_all(&data).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/src/rabbitmq.sh");
        let bin = std::env::var("NATTER_TEST_RABBITMQ_BIN");
        let bin = bin.expect("run `cargo xtask test`, or name the directory of rabbitmq-server");
        let mut command = Command::new("sh");
        command.arg(script).env("BIN", bin).env("DATA", &data).env("KEEP", "yes");
        for (name, port) in ["PORT", "NODE_PORT", "EPMD_PORT"].iter().zip(ports) {
            command.env(name, port.to_string());
        }
        let mut minder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = minder.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        assert_eq!(line.trim_end(), "ready", "its log is in {}", data.display());
        Self { data, ports, minder }
    }

    fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }

    /// `kill -9`; what it has on the disk is what it has.
    async fn kill(mut self) -> (std::path::PathBuf, [u16; 3]) {
        let pid = std::fs::read_to_string(self.data.join("pid")).unwrap();
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().await.unwrap();
        assert!(killed.success());
        drop(self.minder.stdin.take());
        self.minder.wait().await.unwrap();
        (self.data, self.ports)
    }
}

#[tokio::test]
async fn a_rabbitmq_that_is_killed_under_load_loses_no_job_and_repeats_none() {
    const PEOPLE: usize = 200;
    let away = std::env::var("NATTER_QUEUE_AWAY_MS");
    let away = Duration::from_millis(away.map_or(0, |ms| ms.parse().expect("milliseconds")));
    let people = PEOPLE + AWAY_PER_S * usize::try_from(away.as_secs()).unwrap();
    let held = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = held.map(|listener| listener.local_addr().unwrap().port());
    let data = std::env::temp_dir().join(format!("natter-test-mq-{}", id::random_key()));
    let node = Node::start(data, ports).await;
    let stage = stage(&node.url(), None).await;
    let store = &stage.notify.store;
    let now = ticking();
    let script = async {
        for n in 0..PEOPLE / 2 {
            signs_up(store, &format!("user{n}@example.org")).await;
        }
        until(async || stage.mails().len() > PEOPLE / 4).await;
        let (data, ports) = node.kill().await;
        let (began, mut worst) = (Instant::now(), Duration::ZERO);
        for n in PEOPLE / 2..people {
            let write = Instant::now();
            signs_up_at(store, &format!("user{n}@example.org"), now()).await;
            worst = worst.max(write.elapsed());
            let pace = away.mul_f64((n - PEOPLE / 2) as f64 / (people - PEOPLE / 2) as f64);
            tokio::time::sleep(pace.saturating_sub(began.elapsed())).await;
        }
        let (absent, due) = (began.elapsed(), store.waiting_jobs().await.unwrap().len());
        let node = Node::start(data, ports).await;
        let began = Instant::now();
        until(async || stage.notify.counters.mails_account.get() >= people as u64).await;
        println!(
            "away {absent:?}: {due} jobs wait or more, the slowest sign-up took {worst:?}; all \
             {people} mails out {:?} after RabbitMQ was back",
            began.elapsed()
        );
        until(async || store.outbox_oldest(i64::MAX).await.unwrap().is_none()).await;
        std::fs::remove_dir_all(node.kill().await.0).unwrap();
    };
    let (stop, drain) = watch::channel(false);
    let script = async {
        script.await;
        stop.send_replace(true);
    };
    tokio::join!(run_through(&stage.notify, rabbit(&stage.notify), &now, drain), script);
    let mails = stage.mails();
    let ids: BTreeSet<&str> = mails.iter().map(|mail| message_id(mail)).collect();
    let kept = people.min(limits::MAILS_KEPT_MAX);
    assert_eq!((mails.len(), ids.len()), (kept, kept), "none lost, none twice");
    assert_eq!(stage.notify.counters.mails_account.get(), people as u64, "each once");
    assert_eq!(store.dead_jobs().await.unwrap(), [], "none was given up");
    stage.end().await;
}
