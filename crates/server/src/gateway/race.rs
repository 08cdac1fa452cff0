//! The connect race, every interleaving of it: two senders commit and ring while a third person
//! comes. The steps are those that connections and writers really take, one after the other as
//! `connect::take` says; only whose turn it is between them is the test's. What counts is what
//! comes out of the socket.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use proto::server_frame::Body;
use proto::{Codec, Hello, Position};
use store::{Batch, NewMessage, NewUser, Options, SendOutcome, Session, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::connect::{self, Step};
use super::connection::{self, Connection};
use super::fragments::Watched;
use super::wire::Wire;
use super::writer::{self, Asker};
use super::{Footing, Gateway, Running, start};
use crate::bus::Bus;
use crate::cache::Grant;
use crate::listen::{Socket, Stream};
use crate::tasks::Tasks;

const NOW: i64 = 1_800_000_000_000;
const HELLO_REF: u32 = 1;
const RECEIVER_STEPS: usize = 4;

/// What every naive server does, to show that this test would see it.
const SNAPSHOT_FIRST: [Step; RECEIVER_STEPS] =
    [Step::Read { round: 0 }, Step::Subscribe, Step::Fill { round: 0 }, Step::Play { round: 0 }];

/// Whose turn it is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    FirstSender,
    SecondSender,
    Receiver,
}

/// What a receiver got that it should not have, summed over all schedules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    lost: u32,
    doubled: u32,
    disordered: u32,
}

#[tokio::test]
async fn in_no_interleaving_is_a_message_lost_doubled_or_out_of_order() {
    let stage = Stage::build().await;
    let schedules = schedules();
    assert_eq!(
        schedules.len(),
        420,
        "2 + 2 steps of senders and 4 of the receiver: 8! / (2! 2! 4!)"
    );
    let mut faults = Faults::default();
    for (n, schedule) in schedules.iter().enumerate() {
        let got = stage.play(n, schedule, None).await;
        if judge(&got, &mut faults) {
            println!("{schedule:?} gave {got:?}");
        }
    }
    assert_eq!(faults, Faults::default());
}

#[tokio::test]
async fn reading_the_store_before_subscribing_would_lose_messages() {
    let stage = Stage::build().await;
    let between = [Actor::Receiver, Actor::FirstSender, Actor::FirstSender];
    let mut faults = Faults::default();
    for (n, schedule) in schedules().iter().enumerate() {
        if schedule.starts_with(&between) {
            let got = stage.play(n, schedule, Some(SNAPSHOT_FIRST)).await;
            judge(&got, &mut faults);
        }
    }
    assert!(faults.lost > 0, "the checker sees nothing: {faults:?}");
    assert_eq!((faults.doubled, faults.disordered), (0, 0));
}

/// All orders of two senders with two steps each and a receiver with four.
fn schedules() -> Vec<Vec<Actor>> {
    fn go(left: [usize; 3], so_far: &mut Vec<Actor>, all: &mut Vec<Vec<Actor>>) {
        if left == [0, 0, 0] {
            all.push(so_far.clone());
        }
        for (n, actor) in
            [Actor::FirstSender, Actor::SecondSender, Actor::Receiver].into_iter().enumerate()
        {
            if left[n] > 0 {
                let mut less = left;
                less[n] -= 1;
                so_far.push(actor);
                go(less, so_far, all);
                so_far.pop();
            }
        }
    }
    let mut all = Vec::new();
    go([2, 2, RECEIVER_STEPS], &mut Vec::new(), &mut all);
    all
}

/// What the receiver got, held against what was committed: seq 1 and 2. `true`: there is a fault.
fn judge(got: &[i64], faults: &mut Faults) -> bool {
    for seq in [1, 2] {
        match got.iter().filter(|s| **s == seq).count() {
            0 => faults.lost += 1,
            1 => {}
            _ => faults.doubled += 1,
        }
    }
    faults.disordered += u32::from(!got.is_sorted());
    got != [1, 2]
}

/// A real gateway with a real store and two people; each schedule takes place in a group of its
/// own, with a receiver of its own.
struct Stage {
    running: Running,
    _tasks: Tasks,
    dir: std::path::PathBuf,
    _drain: watch::Sender<bool>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A send between its two steps.
struct Sender {
    user_id: i64,
    committed: Option<(Batch, Asker, writer::Done)>,
}

/// A connection between its steps, and the client's end of its socket.
struct Receiver {
    c: Connection,
    wire: Wire,
    client: TcpStream,
    hello: Hello,
    step: Step,
}

impl Stage {
    async fn build() -> Self {
        let dir = std::env::temp_dir().join(format!("natter-race-{}", proto::id::random_key()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = format!("sqlite:{}", dir.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        let (footing, drain) = Footing::alone(store);
        let mut tasks = Tasks::default();
        let running = start(&mut tasks, footing);
        let stage = Self { running, _tasks: tasks, dir, _drain: drain };
        stage.sign_up(1).await;
        stage.sign_up(2).await;
        stage
    }

    fn gateway(&self) -> &Arc<Gateway> {
        &self.running.gateway
    }

    async fn sign_up(&self, user_id: i64) -> Grant {
        let store = &self.gateway().store;
        let handle = format!("user{user_id}");
        let user = NewUser {
            user_id,
            name: handle.clone(),
            handle,
            email: None,
            pass_hash: "no password".to_owned(),
        };
        store.create_user(&user, NOW).await.unwrap();
        let mut session_hash = vec![0; 24];
        session_hash.extend(user_id.to_be_bytes());
        let session = Session {
            token_hash: session_hash.clone(),
            user_id,
            device: "test".to_owned(),
            created_at: NOW,
            used_at: NOW,
            expires_at: i64::MAX,
        };
        store.create_session(&session, None).await.unwrap();
        Grant { user_id, session_hash }
    }

    /// The seqs that came out of the receiver's socket. `order`: not that of the gateway.
    async fn play(
        &self,
        n: usize,
        schedule: &[Actor],
        order: Option<[Step; RECEIVER_STEPS]>,
    ) -> Vec<i64> {
        let gateway = self.gateway();
        let grant = self.sign_up(10 + n as i64).await;
        let eve = grant.user_id;
        let others = [2, eve];
        let founded = gateway.store.create_group(1, "race", &others, 0, NOW);
        let group = founded.await.unwrap();
        // The traces of the founding come before the race; count from behind them.
        let base = group.messages.last().map_or(0, |m| m.seq);
        let conv_id = group.conv_id;
        let [mut first, mut second] = [1, 2].map(|user_id| Sender { user_id, committed: None });
        let mut receiver = Receiver::connect(gateway, grant, conv_id, base).await;
        let mut order = order.into_iter().flatten();
        for actor in schedule {
            match actor {
                Actor::FirstSender => first.step(gateway, conv_id).await,
                Actor::SecondSender => second.step(gateway, conv_id).await,
                Actor::Receiver => receiver.step(order.next()).await,
            }
        }
        assert_eq!(receiver.step, Step::Live, "it has more steps than turns");
        receiver.end().await.iter().map(|seq| seq - base).collect()
    }
}

impl Sender {
    async fn step(&mut self, gateway: &Gateway, conv_id: i64) {
        let (store, bus) = (&gateway.store, &gateway.bus);
        match self.committed.take() {
            None => self.committed = Some(self.commit(store, bus, conv_id).await),
            Some((batch, asker, done)) => {
                let message = batch.sends.into_iter().next().unwrap();
                writer::publish(store, bus, vec![(message, asker)], &done, &[]).await;
            }
        }
    }

    async fn commit(&self, store: &Store, bus: &Bus, conv_id: i64) -> (Batch, Asker, writer::Done) {
        let message = NewMessage {
            conv_id,
            sender_id: self.user_id,
            client_key: proto::id::random_key(),
            reply_seq: 0,
            body: "hello".to_owned(),
            mentions: Vec::new(),
        };
        let asker = Asker {
            frame_ref: 1,
            origin: 0,
            queue: Arc::default(),
            received: Instant::now(),
            received_at: NOW,
            context: None,
        };
        let batch = Batch { sends: vec![message], moves: Vec::new() };
        let done = writer::commit(store, bus, 0, &batch).await;
        assert!(matches!(done.sends[..], [Ok(SendOutcome::Stored { .. })]), "{:?}", done.sends);
        (batch, asker, done)
    }
}

impl Receiver {
    /// The client has the conversation up to `base`.
    async fn connect(gateway: &Arc<Gateway>, grant: Grant, conv_id: i64, base: i64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let stream = Stream::Plain(accepted.unwrap().0);
        let socket = Watched::new(Socket::new(stream, place), bytes::Bytes::new(), None);
        let c = Connection::new(gateway, grant);
        let timers = &gateway.config.timers;
        let wire = Wire::new(socket, Codec::Protobuf, Arc::clone(&c.queue), timers).await;
        let position = Position { conv_id, seq: base, rev: 0 };
        let hello = Hello { have: vec![position], client: "test".to_owned(), brief: false };
        Self { c, wire, client: client.unwrap(), hello, step: Step::FIRST }
    }

    /// The step that is next, or another one in its place.
    async fn step(&mut self, instead: Option<Step>) {
        assert_ne!(self.step, Step::Live, "it has more turns than steps");
        let step = instead.unwrap_or(self.step);
        let next = connect::take(&mut self.c, &mut self.wire, HELLO_REF, &self.hello, step);
        self.step = next.await.unwrap();
        // Nobody gets a turn in the midst of a step, so there it must not be either.
        let subscribed = self.c.subscribed || instead.is_some();
        assert!(subscribed, "subscribed behind its first step");
    }

    /// The connection is live now: what is still in its queue is delivered. Then the client reads
    /// everything to the end.
    async fn end(mut self) -> Vec<i64> {
        let waiting = self.c.queue.take().items;
        connection::deliver(&mut self.c, &mut self.wire, waiting).await.unwrap();
        self.wire.flush().await.unwrap();
        drop(self.wire);
        let bus = &self.c.gateway.bus;
        bus.unsubscribe(self.c.user_id, self.c.id).await;
        let mut client = WebSocketStream::from_raw_socket(self.client, Role::Client, None).await;
        let mut got = Vec::new();
        while let Some(Ok(message)) = client.next().await {
            let frame = Codec::Protobuf.read_server(&message.into_data()).unwrap();
            match frame.body.unwrap() {
                Body::Message(message) => got.push(message.seq),
                Body::Page(page) => got.extend(page.messages.iter().map(|message| message.seq)),
                _ => {}
            }
        }
        got
    }
}
