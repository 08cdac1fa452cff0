//! A network that breaks at any byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Running, World, within};

/// A way to the server that ends after a random number of bytes, each time anew, while it is rough.
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
                let bytes = [rng.random_range(0..20_000), rng.random_range(0..20_000)];
                let lengths = if is_rough.load(Ordering::Relaxed) {
                    Some(bytes)
                } else {
                    None
                };
                cut.fetch_add(u64::from(lengths.is_some()), Ordering::Relaxed);
                tokio::spawn(carry(near, server, lengths));
            }
        });
        Self {
            address,
            rough,
            cuts,
        }
    }
}

/// Carries both ways; with lengths, until one of the ways has carried so many bytes.
async fn carry(near: TcpStream, server: SocketAddr, lengths: Option<[u64; 2]>) {
    let Ok(far) = TcpStream::connect(server).await else {
        return;
    };
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let [up, down] = lengths.unwrap_or([u64::MAX; 2]);
    let mut up_in = (&mut near_in).take(up);
    let mut down_in = (&mut far_in).take(down);
    tokio::select! {
        _ = tokio::io::copy(&mut up_in, &mut far_out) => {}
        _ = tokio::io::copy(&mut down_in, &mut near_out) => {}
    }
    let _ = near_out.shutdown().await;
    let _ = far_out.shutdown().await;
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
    // the first connections were smooth ones
    let (ann, bob) = tokio::join!(
        talk(ann, conv_id, "ann", &road, seed),
        talk(bob, conv_id, "bob", &road, seed),
    );
    eprintln!(
        "{} cuts; {:?}; {:?}",
        road.cuts.load(Ordering::Relaxed),
        ann,
        bob
    );
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
        let (mut theirs, mut mine) = (0, 0);
        while theirs < MESSAGES || mine < MESSAGES {
            let event = me.events.recv().await.expect("the line ended");
            match &event {
                client::Event::New { message, .. } if message.sender_id == client.me() => {}
                client::Event::New { .. } => theirs += 1,
                client::Event::Sent(_) => mine += 1,
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
    assert!(
        here.iter().map(|m| m.seq).eq(1..=all),
        "seed {seed}: {}",
        here.len()
    );
    let shown = me.shown(conv_id);
    assert!(
        shown.windows(2).all(|pair| pair[0] < pair[1]),
        "seed {seed}: out of order"
    );
    for writer in ["ann", "bob"] {
        let theirs = here.iter().filter(|m| m.body.starts_with(writer));
        let numbers = theirs.map(|m| m.body.split(' ').nth(1).unwrap().parse::<usize>().unwrap());
        assert!(numbers.eq(0..MESSAGES), "seed {seed}: {writer}'s messages");
    }
    client.figures()
}
