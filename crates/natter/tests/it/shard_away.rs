//! A system on two PostgreSQL servers, one of which goes away: while the system runs, and before it
//! starts. What is on the other one goes on, and everything comes by itself when it is back.

use std::path::Path;
use std::time::Duration;

use bench::postgres::Postgres;
use client::{Client, Event};
use proto::{client_frame, server_frame};
use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{interval, timeout};

use crate::talk::person;
use crate::world::{PATIENCE, Running, World};

type Person = (Client, mpsc::Receiver<Event>);

struct Site {
    directory: Postgres,
    shard: Postgres,
    running: Running,
    address: String,
}

fn serve(world: &World, directory: &Postgres, shard: &Postgres, listen: &str) -> (Running, String) {
    let data = world.home.path().join("served").display().to_string();
    let url = |server: &Postgres| server.url(&server.address(), "natter");
    let databases = format!("{},{}", url(directory), url(shard));
    let mut command = world.command(&["serve", "--listen", listen, "--data", &data]);
    command.args(["--database", &databases, "--timers-position-check-ms", "500"]);
    let log = std::fs::File::options().create(true).append(true).open(log(world)).unwrap();
    command.stderr(log);
    let mut running = Running::start(command);
    let line = running.line();
    let address = line.strip_prefix("listening on http://");
    let address = address.unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
    (running, address)
}

fn log(world: &World) -> std::path::PathBuf {
    world.home.path().join("log")
}

impl Site {
    fn start(world: &World) -> Self {
        let [directory, shard] = [(); 2].map(|()| Postgres::start().expect("a PostgreSQL"));
        for server in [&directory, &shard] {
            server.ask("postgres", "CREATE DATABASE natter").unwrap();
        }
        let (running, address) = serve(world, &directory, &shard, "127.0.0.1:0");
        Self { directory, shard, running, address }
    }

    /// Ends it well, and starts it at the same address.
    fn restart(&mut self, world: &World) {
        self.running.signal(Signal::TERM);
        assert!(self.running.child.wait().unwrap().success(), "a graceful end");
        let address = self.address.clone();
        (self.running, self.address) = serve(world, &self.directory, &self.shard, &address);
    }

    /// What `/readyz` says as soon as it is that.
    async fn says(&self, text: &str) {
        self.tells("/readyz", text).await;
    }

    async fn tells(&self, path: &str, text: &str) {
        let mut look = interval(Duration::from_millis(50));
        let says = async {
            loop {
                let told = bench::get(&self.address, path).await.unwrap_or_default();
                if told.contains(text) {
                    return;
                }
                look.tick().await;
            }
        };
        let told = timeout(PATIENCE, says).await;
        assert!(told.is_ok(), "{path} does not say {text:?}");
    }
}

/// The first event that fits.
async fn until(person: &mut Person, what: &str, fits: impl Fn(&Event) -> bool) {
    let wait = async {
        while let Some(event) = person.1.recv().await {
            if fits(&event) {
                return;
            }
        }
        panic!("the client has ended");
    };
    timeout(2 * PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} does not come"));
}

async fn hears(person: &mut Person, conv_id: i64, body: &str) {
    let fits = |event: &Event| match event {
        Event::New { message, .. } => message.conv_id == conv_id && message.body == body,
        _ => false,
    };
    until(person, body, fits).await;
}

async fn is_incomplete(person: &mut Person, incomplete: bool) {
    let fits = |event: &Event| matches!(event, Event::Incomplete(is) if *is == incomplete);
    until(person, &format!("incomplete: {incomplete}"), fits).await;
}

async fn say(person: &Person, conv_id: i64, body: &str) {
    person.0.send(conv_id, body, 0, None).await.expect("the outbox takes it");
}

/// Whoever hears a message may hear it before its sender has his answer.
async fn waits(person: &Person, bodies: &[&str]) {
    let mut look = interval(Duration::from_millis(20));
    let settles = async {
        loop {
            let queued = person.0.queued().await.unwrap();
            assert!(queued.iter().all(|one| one.refused.is_empty()), "{queued:?}");
            if queued.iter().map(|one| &one.body).eq(bodies) {
                return;
            }
            look.tick().await;
        }
    };
    timeout(PATIENCE, settles).await.unwrap_or_else(|_| panic!("not only {bodies:?} waits"));
}

/// Groups of these two, one in each half of the shards.
async fn groups(ann: &Person, bob: &Person) -> [i64; 2] {
    let mut groups = [None; 2];
    while groups.contains(&None) {
        let (title, user_ids) = ("Somewhere".to_owned(), vec![bob.0.me()]);
        let create = proto::CreateGroup { title, user_ids, client_key: proto::id::random_key() };
        let made = ann.0.call(client_frame::Body::CreateGroup(create)).await.expect("a group");
        let server_frame::Body::Conversation(made) = made else { panic!("{made:?}") };
        groups[usize::from(proto::id::shard_of(made.conv_id) >= 512)] = Some(made.conv_id);
    }
    groups.map(Option::unwrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_goes_away_keeps_nobody_from_the_others() {
    let world = World::new();
    let mut site = block_in_place(|| Site::start(&world));
    let url = format!("http://{}", site.address);
    let (mut ann, mut bob) = (person(&world, &url, "ann").await, person(&world, &url, "bob").await);
    let [near, far] = groups(&ann, &bob).await;
    for conv_id in [near, far] {
        say(&ann, conv_id, "all is well").await;
        hears(&mut bob, conv_id, "all is well").await;
    }
    site.says("ready\n").await;

    // It goes away while everybody is there.
    block_in_place(|| site.shard.kill());
    is_incomplete(&mut bob, true).await;
    site.says("ready, but not every database answers").await;
    say(&ann, far, "this waits").await;
    say(&ann, near, "life goes on").await;
    hears(&mut bob, near, "life goes on").await;
    // It is kept, and nobody has to do anything.
    waits(&ann, &["this waits"]).await;
    // Who comes now is painted with what there is, and told that it is not all.
    bob.0.reconnect();
    is_incomplete(&mut bob, true).await;

    // The server is started again without it.
    block_in_place(|| site.restart(&world));
    site.says("ready, but not every database answers").await;
    site.tells("/metrics", "natter_database_away{database=\"1\"} 1").await;
    is_incomplete(&mut bob, true).await;
    say(&ann, near, "after the restart").await;
    hears(&mut bob, near, "after the restart").await;
    waits(&ann, &["this waits"]).await;
    assert!(told(&log(&world)).contains("a database is away at the start"));

    // It comes back, and everything by itself.
    block_in_place(|| site.shard.restart()).unwrap();
    hears(&mut bob, far, "this waits").await;
    let stored = |event: &Event| matches!(event, Event::Sent(sent) if sent.conv_id == far);
    until(&mut ann, "the answer", stored).await;
    site.says("ready\n").await;
    assert!(told(&log(&world)).contains("is taken in"), "{}", told(&log(&world)));
    say(&bob, far, "all is well again").await;
    hears(&mut ann, far, "all is well again").await;
    waits(&ann, &[]).await;
    for one in [&ann, &bob] {
        assert_eq!(one.0.figures().gaps_open, 0);
        one.0.close().await;
    }
}

fn told(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap()
}
