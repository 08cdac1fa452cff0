//! Shards move again and again while two gateways write and people read. What a checker finds
//! afterwards: nothing lost, nothing doubled, nothing out of order, no hole; and no read ever saw
//! less than what had been acked before it began.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use proto::history::From;
use store::{Batch, CursorMove, Error, NewMessage, SendOutcome, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::moving::{go_on, shard_of};
use crate::support::{Home, NOW, On, message, options, person};

const GROUPS: usize = 9;
/// Every shard moves so often.
const ROUNDS: usize = 2;
/// Messages that must be acked before the first move, and while one move goes on (on average):
/// with less, the run says nothing.
const LOAD_BEFORE: u64 = 300;
const LOAD_PER_MOVE: u64 = 10;

struct World {
    groups: Vec<i64>,
    ann: i64,
    /// For each group the largest acked seq.
    acked: Vec<AtomicI64>,
    acks: AtomicU64,
    acked_one: Notify,
    reads: AtomicU64,
    put_off: AtomicU64,
    over: AtomicBool,
}

/// (group, gateway, number) by its seq: what a sender was told.
type Told = HashMap<(usize, i64), String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_move_under_load_and_nothing_is_lost_doubled_or_out_of_order() {
    let home = Home::new(On::ThreePostgres).await;
    let world = Arc::new(world(&home.store).await);
    let gateways = [home.store.clone(), Store::open(&home.urls, &options()).await.unwrap()];
    let mut writers = JoinSet::new();
    let mut readers = JoinSet::new();
    for (n, gateway) in gateways.iter().enumerate() {
        let sender = person(gateway, &format!("sender{n}"), "Sender").await;
        for &group in &world.groups {
            gateway.invite(world.ann, group, &[sender], NOW).await.unwrap();
        }
        for lane in 0..gateway.databases() {
            writers.spawn(write(gateway.clone(), Arc::clone(&world), lane, n, sender));
        }
        readers.spawn(read(gateway.clone(), Arc::clone(&world)));
    }
    let mover = Store::open(&home.urls, &options()).await.unwrap();
    until(&world, LOAD_BEFORE).await;
    let before = world.acks.load(Ordering::SeqCst);
    let mut moves = 0;
    for round in 0..ROUNDS {
        for (n, group) in world.groups.iter().enumerate() {
            let name = ["d1", "d2", "d3"][(n + round) % 3];
            moves +=
                u64::from(mover.move_shard(shard_of(*group), name, NOW, go_on()).await.unwrap());
        }
    }
    let during = world.acks.load(Ordering::SeqCst) - before;
    until(&world, before + during + 50).await;
    world.over.store(true, Ordering::SeqCst);
    let mut told = Told::new();
    for one in writers.join_all().await {
        told.extend(one);
    }
    readers.join_all().await;
    println!(
        "{moves} moves, {during} messages acked meanwhile, {} reads, {} put off",
        world.reads.load(Ordering::SeqCst),
        world.put_off.load(Ordering::SeqCst)
    );
    assert!(moves >= (GROUPS * (ROUNDS - 1)) as u64);
    assert!(during >= moves * LOAD_PER_MOVE, "void: {during} acks in {moves} moves");
    check(&home.store, &world, &told).await;
    assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
    mover.close().await;
    gateways[1].close().await;
    home.remove().await;
}

/// Groups, each in a shard of its own.
async fn world(store: &Store) -> World {
    let ann = person(store, "ann", "Ann").await;
    let mut groups: Vec<i64> = Vec::new();
    while groups.len() < GROUPS {
        let made = store.create_group(ann, "Moving", &[], 0, NOW).await.unwrap().conv_id;
        if groups.iter().all(|of| shard_of(*of) != shard_of(made)) {
            groups.push(made);
        }
    }
    World {
        ann,
        acked: groups.iter().map(|_| AtomicI64::new(0)).collect(),
        groups,
        acks: AtomicU64::new(0),
        acked_one: Notify::new(),
        reads: AtomicU64::new(0),
        put_off: AtomicU64::new(0),
        over: AtomicBool::new(false),
    }
}

/// Waits for so many acks; 60 s without one more is the end of the test.
async fn until(world: &World, acks: u64) {
    while world.acks.load(Ordering::SeqCst) < acks {
        let one_more = world.acked_one.notified();
        if tokio::time::timeout(Duration::from_secs(60), one_more).await.is_err() {
            panic!("nothing is acked any more");
        }
    }
}

/// One writer of one gateway: batch after batch; what was put off is repeated, with its key, before
/// anything newer.
async fn write(store: Store, world: Arc<World>, lane: usize, gateway: usize, sender: i64) -> Told {
    let mine: Vec<usize> =
        (0..GROUPS).filter(|n| store.database_of(world.groups[*n]) == lane).collect();
    let mut told = Told::new();
    let mut next: HashMap<usize, Vec<NewMessage>> = HashMap::new();
    let mut number = 0;
    while !mine.is_empty() && (!world.over.load(Ordering::SeqCst) || !next.is_empty()) {
        if !world.over.load(Ordering::SeqCst) {
            for &group in &mine {
                next.entry(group).or_insert_with(|| {
                    let two = [number, number + 1].map(|number| {
                        message(world.groups[group], sender, &format!("{gateway} {number:08}"))
                    });
                    number += 2;
                    two.to_vec()
                });
            }
        }
        let items: Vec<(usize, NewMessage)> = next
            .iter()
            .flat_map(|(group, messages)| messages.iter().map(|one| (*group, one.clone())))
            .collect();
        let moves = items.iter().map(|(group, one)| CursorMove {
            conv_id: one.conv_id,
            user_id: world.ann,
            delivered_seq: world.acked[*group].load(Ordering::SeqCst),
            read_seq: 0,
        });
        let batch =
            Batch { moves: moves.collect(), sends: items.iter().map(|(_, m)| m.clone()).collect() };
        match store.commit(lane, &batch, NOW).await {
            Ok(done) => {
                for ((group, one), outcome) in items.into_iter().zip(done.sends) {
                    match outcome {
                        SendOutcome::Stored { seq, .. } | SendOutcome::Repeated { seq, .. } => {
                            told.insert((group, seq), one.body);
                            world.acked[group].fetch_max(seq, Ordering::SeqCst);
                            world.acks.fetch_add(1, Ordering::SeqCst);
                            world.acked_one.notify_one();
                            next.remove(&group);
                        }
                        SendOutcome::Unavailable => {
                            world.put_off.fetch_add(1, Ordering::SeqCst);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            Err(Error::Unavailable(_)) => {
                world.put_off.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => panic!("{error}"),
        }
    }
    told
}

/// Paints, and catches up with every group, as connections do. Never less than what was acked
/// before the question.
async fn read(store: Store, world: Arc<World>) {
    let mut positions = [0; GROUPS];
    while !world.over.load(Ordering::SeqCst) {
        let floor: Vec<i64> = world.acked.iter().map(|seq| seq.load(Ordering::SeqCst)).collect();
        let digest = store.digest(world.ann).await.unwrap().found;
        for (group, conv_id) in world.groups.iter().enumerate() {
            let found: Vec<_> = digest.iter().filter(|of| of.conv_id == *conv_id).collect();
            assert_eq!(found.len(), 1, "group {group} is in the digest once");
            assert!(found[0].last_seq >= floor[group], "group {group} is old in the digest");
        }
        let floor: Vec<i64> = world.acked.iter().map(|seq| seq.load(Ordering::SeqCst)).collect();
        let paint = store.conversations(world.ann, 200).await.unwrap().found;
        for (group, conv_id) in world.groups.iter().enumerate() {
            let found: Vec<_> = paint.iter().filter(|of| of.conv_id == *conv_id).collect();
            assert_eq!(found.len(), 1, "group {group} is in the Paint once");
            assert!(found[0].last_seq >= floor[group], "group {group} is old in the Paint");
            let last = found[0].last.as_ref().map(|message| message.seq);
            assert_eq!(last, Some(found[0].last_seq), "and not half there");
        }
        for (group, conv_id) in world.groups.iter().enumerate() {
            let floor = world.acked[group].load(Ordering::SeqCst);
            loop {
                let from = From::AfterSeq(positions[group]);
                let (page, more) = store.history(world.ann, *conv_id, from, 100).await.unwrap();
                for message in page {
                    positions[group] += 1;
                    assert_eq!(message.seq, positions[group], "a hole in group {group}");
                }
                if !more {
                    break;
                }
            }
            assert!(positions[group] >= floor, "group {group} ends too early");
        }
        world.reads.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads every log from its beginning.
async fn check(store: &Store, world: &World, told: &Told) {
    let (mut lost, mut doubled, mut disordered) = (0, 0, 0);
    for (group, conv_id) in world.groups.iter().enumerate() {
        let mut log: Vec<String> = Vec::new();
        loop {
            let from = From::AfterSeq(log.len() as i64);
            let (page, more) = store.history(world.ann, *conv_id, from, 100).await.unwrap();
            for message in page {
                assert_eq!(message.seq, log.len() as i64 + 1, "a hole");
                log.push(message.body);
            }
            if !more {
                break;
            }
        }
        for ((of, seq), body) in told {
            lost += usize::from(*of == group && log.get(*seq as usize - 1) != Some(body));
        }
        for gateway in ["0 ", "1 "] {
            let numbers: Vec<&String> =
                log.iter().filter(|body| body.len() == 10 && body.starts_with(gateway)).collect();
            doubled += numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
            disordered += numbers.windows(2).filter(|pair| pair[0] > pair[1]).count();
        }
    }
    assert_eq!((lost, doubled, disordered), (0, 0, 0), "lost, doubled, out of order");
}
