//! A line that goes dead in one direction, without a word: only silence says it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Client, Event, Line, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Running, World};

/// A way to the server. What is on it can lose one direction; who comes later has both.
struct Road {
    address: SocketAddr,
    up: Arc<Dead>,
    down: Arc<Dead>,
}

/// One direction of every connection that stands.
#[derive(Default)]
struct Dead(std::sync::Mutex<Vec<Arc<AtomicBool>>>);

impl Dead {
    fn begin(&self) -> Arc<AtomicBool> {
        let is_dead = Arc::new(AtomicBool::new(false));
        self.0.lock().unwrap().push(Arc::clone(&is_dead));
        is_dead
    }

    fn die(&self) {
        self.0.lock().unwrap().iter().for_each(|one| one.store(true, Ordering::Relaxed));
    }
}

impl Road {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let road = Self { address, up: Arc::default(), down: Arc::default() };
        let (up, down) = (Arc::clone(&road.up), Arc::clone(&road.down));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(server).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let (up, down) = (up.begin(), down.begin());
                tokio::spawn(carry(near_in, far_out, up));
                tokio::spawn(carry(far_in, near_out, down));
            }
        });
        road
    }
}

/// Until the one side ends; then the other one is told. What comes when this direction is dead is
/// lost, and so is the end.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_dead: Arc<AtomicBool>) {
    let mut bytes = [0; 2_048];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if !is_dead.load(Ordering::Relaxed) && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    if is_dead.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

async fn why_it_broke(person: &mut Running) -> String {
    let why = |event: &Event| match event {
        Event::Line(Line::Waiting { why, .. }) => Some(why.clone()),
        _ => None,
    };
    person.until("a broken line", why).await
}

#[tokio::test]
async fn a_gateway_that_is_not_heard_any_more_is_left_for_another_line() {
    let world = World::start().await;
    let road = Road::to(world.address).await;
    let mut ann = world.person("ann").await;
    ann.login.server = format!("http://{}", road.address);
    let options = Options { silence_ms: 900, ..Options::default() };
    let mut ann = ann.open_with(options).await;
    let bob = world.person("bob").await.open_and_catch_up().await;
    ann.until_line("live", |line| *line == Line::Live).await;
    let conv_id = bob.client.find_conversation("ann").await.unwrap();

    road.down.die();
    bob.client.send(conv_id, "do you hear me?", 0, None).await.unwrap();
    assert_eq!(why_it_broke(&mut ann).await, "nothing was heard from the gateway");
    ann.until_text("do you hear me?").await;
    assert_eq!(ann.shown(conv_id), [1]);
}

#[tokio::test]
async fn a_client_that_is_not_heard_any_more_is_let_go_and_sends_again_on_another_line() {
    let world = World::start_with(|config| config.timers.silence_ms = 1_500).await;
    let road = Road::to(world.address).await;
    let mut ann = world.person("ann").await;
    ann.login.server = format!("http://{}", road.address);
    let options = Options { silence_ms: 1_500, ..Options::default() };
    let mut bob = world.person("bob").await.open_with(options.clone()).await;
    bob.until_line("live", |line| *line == Line::Live).await;
    let mut ann = ann.open_with(options).await;
    ann.until_line("live", |line| *line == Line::Live).await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    // She hears him all the time, so it is not she who finds the line dead.
    let talking = tokio::spawn(talk(bob.client.clone(), conv_id));

    road.up.die();
    let key = ann.client.send(conv_id, "do you hear me?", 0, None).await.unwrap();
    assert_eq!(why_it_broke(&mut ann).await, "nothing was heard");
    ann.until_sent(key).await;
    talking.abort();
    bob.until_text("do you hear me?").await;
    let here = bob.client.messages(conv_id, 0, 1_000).await.unwrap();
    assert_eq!(here.iter().filter(|message| message.body == "do you hear me?").count(), 1);
}

async fn talk(client: Client, conv_id: i64) {
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    loop {
        beat.tick().await;
        client.send(conv_id, "are you there?", 0, None).await.unwrap();
    }
}
