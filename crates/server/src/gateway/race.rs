//! The connect race, every interleaving of it: two senders commit and ring while a third person
//! subscribes, reads the store and plays what arrived. The steps are the functions that connections
//! and writers really run; only the order in which they get their turn is the test's.

use std::sync::Arc;
use std::time::Instant;

use proto::Message;
use proto::server_frame::Body;
use store::{Batch, NewMessage, NewUser, Options, SendOutcome, Store};

use super::connect;
use super::cursor::Moves;
use super::sync::{Sync, Verdict};
use super::writer::{self, Asker};
use crate::bus::{Bus, Subscriber};
use crate::outbound::{Event, Item, Outbound};

const NOW: i64 = 1_800_000_000_000;
const RECEIVER: i64 = 3;

/// Whose turn it is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    FirstSender,
    SecondSender,
    Receiver,
}

/// The order in which a receiver does its first two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    SubscribeFirst,
    /// What every naive server does, to show that this test would see it.
    SnapshotFirst,
}

/// What a receiver saw that it should not have, summed over all schedules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    lost: u32,
    doubled: u32,
    disordered: u32,
}

#[tokio::test]
async fn in_no_interleaving_is_a_message_lost_doubled_or_out_of_order() {
    let (schedules, faults) = run_all(Order::SubscribeFirst).await;
    assert_eq!(
        schedules, 210,
        "2 + 2 steps of senders and 3 of the receiver: 7! / (2! 2! 3!)"
    );
    assert_eq!(faults, Faults::default());
}

#[tokio::test]
async fn reading_the_store_before_subscribing_would_lose_messages() {
    let (_, faults) = run_all(Order::SnapshotFirst).await;
    assert!(faults.lost > 0, "the checker sees nothing: {faults:?}");
    assert_eq!((faults.doubled, faults.disordered), (0, 0));
}

async fn run_all(order: Order) -> (usize, Faults) {
    let stage = Stage::build().await;
    let schedules = schedules();
    let mut faults = Faults::default();
    for schedule in &schedules {
        let got = stage.play(schedule, order).await;
        judge(&got, schedule, &mut faults, order);
    }
    stage.store.close().await;
    let _ = std::fs::remove_dir_all(&stage.dir);
    (schedules.len(), faults)
}

/// All orders of two senders with two steps each and a receiver with three.
fn schedules() -> Vec<Vec<Actor>> {
    fn go(left: [usize; 3], so_far: &mut Vec<Actor>, all: &mut Vec<Vec<Actor>>) {
        if left == [0, 0, 0] {
            all.push(so_far.clone());
        }
        for (n, actor) in [Actor::FirstSender, Actor::SecondSender, Actor::Receiver]
            .into_iter()
            .enumerate()
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
    go([2, 2, 3], &mut Vec::new(), &mut all);
    all
}

/// What the receiver holds at the end, held against what was committed: seq 1 and 2.
fn judge(got: &[i64], schedule: &[Actor], faults: &mut Faults, order: Order) {
    let before = (faults.lost, faults.doubled, faults.disordered);
    for seq in [1, 2] {
        match got.iter().filter(|s| **s == seq).count() {
            0 => faults.lost += 1,
            1 => {}
            _ => faults.doubled += 1,
        }
    }
    faults.disordered += u32::from(!got.is_sorted());
    let now = (faults.lost, faults.doubled, faults.disordered);
    if order == Order::SubscribeFirst && before != now {
        println!("{schedule:?} gave {got:?}");
    }
}

/// A real store and three people in one group; each schedule takes place in a group of its own.
struct Stage {
    store: Store,
    dir: std::path::PathBuf,
}

/// A send between its two steps.
struct Sender {
    user_id: i64,
    committed: Option<(Batch, Asker, writer::Done)>,
}

/// A connection between its steps.
struct Receiver {
    order: Order,
    steps: usize,
    queue: Arc<Outbound>,
    sync: Sync,
    /// The seqs that went down the socket, in order.
    got: Vec<i64>,
}

impl Stage {
    async fn build() -> Self {
        let dir = std::env::temp_dir().join(format!("natter-race-{}", proto::id::random_key()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = format!("sqlite:{}", dir.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        for (user_id, handle) in [(1, "ann"), (2, "bob"), (RECEIVER, "eve")] {
            let (handle, name) = (handle.to_owned(), handle.to_owned());
            let pass_hash = "no password".to_owned();
            let user = NewUser {
                user_id,
                handle,
                name,
                email: None,
                pass_hash,
            };
            store.create_user(&user, NOW).await.unwrap();
        }
        Self { store, dir }
    }

    async fn play(&self, schedule: &[Actor], order: Order) -> Vec<i64> {
        let bus = Bus::local();
        let group = self
            .store
            .create_group(1, "race", &[2, RECEIVER], NOW)
            .await
            .unwrap();
        // The traces of the founding come before the race; count from behind them.
        let base = group.messages.last().map_or(0, |m| m.seq);
        let conv_id = group.conv_id;
        let mut first = Sender {
            user_id: 1,
            committed: None,
        };
        let mut second = Sender {
            user_id: 2,
            committed: None,
        };
        let mut receiver = Receiver {
            order,
            steps: 0,
            queue: Arc::default(),
            sync: Sync::default(),
            got: Vec::new(),
        };
        for actor in schedule {
            match actor {
                Actor::FirstSender => first.step(&self.store, &bus, conv_id).await,
                Actor::SecondSender => second.step(&self.store, &bus, conv_id).await,
                Actor::Receiver => receiver.step(&self.store, &bus, conv_id, base).await,
            }
        }
        // The connection is live now: what is still in its queue arrives.
        receiver.play(&self.store).await;
        bus.unsubscribe(RECEIVER, 1).await;
        receiver.got.iter().map(|seq| seq - base).collect()
    }
}

impl Sender {
    async fn step(&mut self, store: &Store, bus: &Bus, conv_id: i64) {
        match self.committed.take() {
            None => self.committed = Some(self.commit(store, bus, conv_id).await),
            Some((batch, asker, done)) => {
                let message = batch.sends.into_iter().next().unwrap();
                let outcome = &done.sends[0];
                writer::publish(store, bus, message, &asker, outcome, &done.members).await;
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
            origin: 100,
            queue: Arc::default(),
            received: Instant::now(),
            received_at: NOW,
        };
        let batch = Batch {
            sends: vec![message],
            moves: Vec::new(),
        };
        let done = writer::commit(store, bus, 0, &batch, &Moves::default()).await;
        assert!(
            matches!(done.sends[..], [Ok(SendOutcome::Stored { .. })]),
            "{:?}",
            done.sends
        );
        (batch, asker, done)
    }
}

impl Receiver {
    async fn step(&mut self, store: &Store, bus: &Bus, conv_id: i64, base: i64) {
        self.steps += 1;
        match (self.steps, self.order) {
            (1, Order::SubscribeFirst) | (2, Order::SnapshotFirst) => self.subscribe(bus).await,
            (2, Order::SubscribeFirst) | (1, Order::SnapshotFirst) => {
                self.snapshot(store, bus, conv_id, base).await;
            }
            _ => self.play(store).await,
        }
    }

    async fn subscribe(&self, bus: &Bus) {
        let queue = Arc::clone(&self.queue);
        bus.subscribe(
            RECEIVER,
            Subscriber {
                connection: 1,
                session: [0; 8],
                queue,
            },
        )
        .await;
    }

    async fn snapshot(&mut self, store: &Store, bus: &Bus, conv_id: i64, base: i64) {
        let snapshot = connect::snapshot(store, bus, RECEIVER).await.unwrap();
        // Only this schedule's group; the client has it up to its founding.
        let mut standings = snapshot.standings;
        standings.retain(|standing| standing.conv_id == conv_id);
        let have = [proto::Position {
            conv_id,
            seq: base,
            rev: 0,
        }];
        self.sync = Sync::start(RECEIVER, &have, &standings);
        self.fill(store).await;
    }

    async fn play(&mut self, store: &Store) {
        for item in self.queue.take().items {
            let Item::Event(event) = item else { continue };
            self.event(store, &event).await;
        }
    }

    async fn event(&mut self, store: &Store, event: &Event) {
        let Body::Message(message) = &event.body else {
            return;
        };
        match self.sync.judge(message) {
            Verdict::Push => self.give(message),
            Verdict::Drop => {}
            Verdict::Fill => self.fill(store).await,
        }
    }

    async fn fill(&mut self, store: &Store) {
        while let Some(body) = self.sync.next(store).await.unwrap() {
            if let Body::Page(page) = body {
                page.messages.iter().for_each(|message| self.give(message));
            }
        }
    }

    fn give(&mut self, message: &Message) {
        self.got.push(message.seq);
    }
}
