//! A network that breaks at any byte.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Running, World, within};

/// A way to the server. While it is rough, every connection ends after a random number of bytes.
struct Road {
    address: SocketAddr,
    rough: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
}

impl Road {
    async fn to(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let rough = Arc::new(AtomicBool::new(false));
        let cuts = Arc::new(AtomicU64::new(0));
        let (is_rough, cut) = (Arc::clone(&rough), Arc::clone(&cuts));
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            while let Ok((near, _)) = listener.accept().await {
                let lengths = [rng.random_range(0..12_000), rng.random_range(0..12_000)];
                let (rough, cuts) = (Arc::clone(&is_rough), Arc::clone(&cut));
                tokio::spawn(async move {
                    carry(near, server, lengths, &rough).await;
                    cuts.fetch_add(u64::from(rough.load(Ordering::Relaxed)), Ordering::Relaxed);
                });
            }
        });
        Self { address, rough, cuts }
    }
}

/// Carries both ways until one of them ends.
async fn carry(near: TcpStream, server: SocketAddr, lengths: [usize; 2], rough: &AtomicBool) {
    let Ok(far) = TcpStream::connect(server).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = carry_one(near_in, far_out, lengths[0], rough) => {}
        () = carry_one(far_in, near_out, lengths[1], rough) => {}
    }
}

/// Carries one way; on a rough road only so many bytes.
async fn carry_one(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut length: usize,
    rough: &AtomicBool,
) {
    let mut bytes = [0; 2_048];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let carried = if rough.load(Ordering::Relaxed) { count.min(length) } else { count };
        if to.write_all(&bytes[..carried]).await.is_err() || carried < count {
            return;
        }
        length -= carried.min(length);
    }
}

const MESSAGES: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_at_any_byte_loses_doubles_and_swaps_nothing() {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let world = World::start().await;
    let road = Road::to(world.address, seed).await;
    let mut ann = world.person("ann").await;
    let mut bob = world.person("bob").await;
    ann.login.server = format!("http://{}", road.address);
    bob.login.server = format!("http://{}", road.address);
    let ann = ann.open_and_catch_up().await;
    let bob = bob.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    road.rough.store(true, Ordering::Relaxed);
    let (ann, bob) = tokio::join!(
        talk(ann, conv_id, "ann", &road, seed),
        talk(bob, conv_id, "bob", &road, seed),
    );
    eprintln!("{} cuts; {:?}; {:?}", road.cuts.load(Ordering::Relaxed), ann, bob);
}

/// Sends everything, while the other one does the same, and waits until everything has come.
async fn talk(
    mut me: Running,
    conv_id: i64,
    name: &str,
    road: &Road,
    seed: u64,
) -> client::Figures {
    let client = me.client.clone();
    let sending = async {
        for n in 0..MESSAGES {
            let body = format!("{name} {n} {}", "x".repeat(n % 60));
            client.send(conv_id, &body, 0, None).await.unwrap();
        }
    };
    let hearing = async {
        let (mut theirs, mut mine) = (0, HashSet::new());
        while theirs < MESSAGES || mine.len() < MESSAGES {
            let event = me.events.recv().await.expect("the line ended");
            match &event {
                client::Event::New { message, .. } if message.sender_id == client.me() => {}
                client::Event::New { .. } => theirs += 1,
                client::Event::Sent(sent) => {
                    assert!(mine.insert(sent.client_key), "seed {seed}: told twice: {sent:?}");
                }
                client::Event::Line(client::Line::Waiting { .. }) => client.reconnect(),
                _ => {}
            }
            if theirs > MESSAGES - 50 {
                road.rough.store(false, Ordering::Relaxed);
            }
            me.told.push(event);
        }
    };
    within("all messages", async { tokio::join!(sending, hearing) }).await;
    client.caught_up(crate::world::PATIENCE_MS).await.unwrap();
    let here = client.messages(conv_id, 0, 1_000).await.unwrap();
    let all = 2 * MESSAGES as i64;
    assert!(here.iter().map(|m| m.seq).eq(1..=all), "seed {seed}: {}", here.len());
    let shown = me.shown(conv_id);
    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: out of order");
    for writer in ["ann", "bob"] {
        let theirs = here.iter().filter(|m| m.body.starts_with(writer));
        let numbers = theirs.map(|m| m.body.split(' ').nth(1).unwrap().parse::<usize>().unwrap());
        assert!(numbers.eq(0..MESSAGES), "seed {seed}: {writer}'s messages");
    }
    client.figures()
}
