//! One shard moves: everything of it, once, whatever ends the mover.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc;

use proto::history::From;
use proto::id;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{Batch, CursorMove, Error, MoveStep, Store, Watch};

use crate::support::{Home, NOW, On, message, options, person, read_up_to, say};

pub(super) fn go_on() -> Watch<'static> {
    &|_| ControlFlow::Continue(())
}

pub(super) fn shard_of(conv_id: i64) -> u16 {
    id::shard_of(conv_id)
}

/// Every table that has conversations in it, as text, and how many rows.
async fn dump(url: &str, shard: u16) -> Vec<(String, i64, String)> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT table_name::text FROM information_schema.columns
          WHERE table_schema = 'public' AND column_name = 'conv_id' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut all = Vec::new();
    for (table,) in tables {
        let sql = AssertSqlSafe(format!(
            "SELECT count(*), COALESCE(string_agg(t::text, '|' ORDER BY t::text), '') FROM {table} t
              WHERE ((conv_id >> 12) & 1023) = {shard}"
        ));
        let (count, rows): (i64, String) =
            sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        all.push((table, count, rows));
    }
    connection.close().await.unwrap();
    all
}

/// A conversation with everything that one can have; more than one page of it.
async fn furnished(store: &Store) -> (i64, i64, i64) {
    let ann = person(store, "ann", "Ann").await;
    let bob = person(store, "bob", "Bob").await;
    let group = store.create_group(ann, "Furnished", &[bob], 77, NOW).await.unwrap().conv_id;
    for round in 0..3 {
        let mut sends: Vec<_> =
            (0..400).map(|n| message(group, bob, &format!("{round} {n} \\ \" ü 🦀"))).collect();
        sends[7].mentions = vec![ann];
        sends[8].reply_seq = 1;
        let batch = Batch { sends, moves: Vec::new() };
        store.commit_and_nudge(store.database_of(group), &batch, &|_| false, NOW).await.unwrap();
    }
    store.react(ann, group, 9, "👋", false).await.unwrap();
    store.edit(bob, group, 10, "changed", NOW).await.unwrap();
    store.delete(bob, group, 11, NOW).await.unwrap();
    store.mute(ann, group, NOW + 5).await.unwrap();
    store.mute(ann, group, 0).await.unwrap();
    read_up_to(store, group, ann, 5).await;
    (ann, bob, group)
}

#[tokio::test]
async fn a_shard_moves_with_everything_that_belongs_to_it_and_back() {
    let home = Home::new(On::TwoPostgres).await;
    let store = &home.store;
    let (ann, bob, group) = furnished(store).await;
    let shard = shard_of(group);
    let from = store.database_of(group);
    let to = 1 - from;
    let names = ["d1", "d2"];
    let before = dump(&home.urls[from], shard).await;
    assert!(
        before.iter().all(|(_, count, _)| *count > 0),
        "a table with conversations in it is not tried here: {before:?}"
    );
    let steps = Mutex::new(Vec::new());
    let watch = |step| {
        steps.lock().unwrap().push(step);
        ControlFlow::Continue(())
    };
    assert!(store.move_shard(shard, names[to], NOW, &watch).await.unwrap());
    assert_eq!(dump(&home.urls[to], shard).await, before);
    assert!(dump(&home.urls[from], shard).await.iter().all(|(_, count, _)| *count == 0));
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps[..2], [MoveStep::Noted, MoveStep::Arriving]);
    assert_eq!(steps.last(), Some(&MoveStep::Swept));

    let due = store.nudge_claim(i64::MAX, NOW, 10).await.unwrap();
    assert!(due.contains(&ann), "her nudge is known where the conversation is");
    assert_eq!(say(store, group, bob, "and on it goes").await, 1_202);
    let (page, _) = store.history(ann, group, From::AfterSeq(1_200), 0).await.unwrap();
    assert_eq!(page.len(), 2);
    assert!(store.move_shard(shard, names[from], NOW, go_on()).await.unwrap());
    assert_eq!(say(store, group, bob, "home again").await, 1_203);
    assert_eq!(store.digest(ann).await.unwrap().found.len(), 1);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}

/// What is written while the copying goes on is copied too, old messages that change included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_during_the_copy_is_not_missed() {
    let home = Home::new(On::TwoPostgres).await;
    let store = &home.store;
    let (ann, bob, group) = furnished(store).await;
    let from = store.database_of(group);
    let (in_copy, writing) = mpsc::channel();
    let (written, go) = mpsc::channel::<()>();
    let go = Mutex::new(go);
    let first = std::sync::atomic::AtomicBool::new(true);
    let watch = move |step| {
        if matches!(step, MoveStep::Copied { .. })
            && first.swap(false, std::sync::atomic::Ordering::SeqCst)
        {
            in_copy.send(()).unwrap();
            tokio::task::block_in_place(|| go.lock().unwrap().recv().unwrap());
        }
        ControlFlow::Continue(())
    };
    let mover = store.clone();
    let name = ["d2", "d1"][from];
    let moving =
        tokio::spawn(async move { mover.move_shard(shard_of(group), name, NOW, &watch).await });
    tokio::task::spawn_blocking(move || writing.recv().unwrap()).await.unwrap();
    store.react(bob, group, 9, "🎉", false).await.unwrap();
    store.react(ann, group, 9, "👋", true).await.unwrap();
    store.edit(bob, group, 10, "changed again", NOW).await.unwrap();
    store.delete(bob, group, 500, NOW).await.unwrap();
    say(store, group, ann, "during the copy").await;
    read_up_to(store, group, ann, 900).await;
    let before = dump(&home.urls[from], shard_of(group)).await;
    written.send(()).unwrap();
    assert!(moving.await.unwrap().unwrap());
    assert_eq!(dump(&home.urls[1 - from], shard_of(group)).await, before);
    home.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_movers_one_is_refused() {
    let home = Home::new(On::TwoPostgres).await;
    let other = Store::open(&home.urls, &options()).await.unwrap();
    let refused = Mutex::new(None);
    let handle = tokio::runtime::Handle::current();
    let watch = |step| {
        if step == MoveStep::Arriving {
            let second = other.move_shard(7, "d2", NOW, go_on());
            let second = tokio::task::block_in_place(|| handle.block_on(second));
            *refused.lock().unwrap() = Some(second);
        }
        ControlFlow::Continue(())
    };
    assert!(home.store.move_shard(5, "d2", NOW, &watch).await.unwrap());
    assert_eq!(refused.into_inner().unwrap(), Some(Err(Error::Taken("right to move shards"))));
    assert!(other.move_shard(7, "d2", NOW, go_on()).await.unwrap(), "afterwards he may");
    other.close().await;
    home.remove().await;
}

/// Where a mover can die.
const STEPS: [fn(MoveStep) -> bool; 9] = [
    |step| step == MoveStep::Noted,
    |step| step == MoveStep::Arriving,
    |step| matches!(step, MoveStep::Copied { .. }),
    |step| step == MoveStep::Fenced,
    |step| matches!(step, MoveStep::Whole { .. }),
    |step| step == MoveStep::Gone,
    |step| step == MoveStep::Open,
    |step| step == MoveStep::Mapped,
    |step| step == MoveStep::Swept,
];

/// The mover dies after each of its steps, and is run again.
#[tokio::test]
async fn a_mover_that_died_is_repaired_by_running_it_again() {
    let home = Home::new(On::TwoPostgres).await;
    let (ann, bob, group) = furnished(&home.store).await;
    let shard = shard_of(group);
    let mut at = home.store.database_of(group);
    for (n, dies_after) in STEPS.into_iter().enumerate() {
        let before = dump(&home.urls[at], shard).await;
        let (to, name) = (1 - at, ["d2", "d1"][at]);
        let mover = Store::open(&home.urls, &options()).await.unwrap();
        let watch = |step| match dies_after(step) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let died = mover.move_shard(shard, name, NOW, &watch).await.unwrap_err();
        assert!(died.to_string().contains("stopped"), "{died}");
        mover.close().await;
        let mover = Store::open(&home.urls, &options()).await.unwrap();
        mover.move_shard(shard, name, NOW, go_on()).await.unwrap();
        mover.close().await;
        assert_eq!(dump(&home.urls[to], shard).await, before, "step {n}");
        assert!(dump(&home.urls[at], shard).await.iter().all(|(_, count, _)| *count == 0));
        at = to;
        let end = home.store.digest(ann).await.unwrap().found[0].last_seq;
        assert_eq!(say(&home.store, group, bob, "it takes messages").await, end + 1);
    }
    assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}

/// Nobody runs the mover again. Whoever needs the shard waits a moment and does what is left.
#[tokio::test]
async fn a_mover_that_died_holds_nobody_for_long() {
    let home = Home::new(On::TwoPostgres).await;
    let (ann, bob, group) = furnished(&home.store).await;
    let shard = shard_of(group);
    for (n, dies_after) in STEPS.into_iter().enumerate() {
        let reports = home.store.shards().await.unwrap();
        let at_first = reports[0].shards.iter().any(|of| of.shard == shard);
        let mover = Store::open(&home.urls, &options()).await.unwrap();
        let watch = |step| match dies_after(step) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let name = if at_first { "d2" } else { "d1" };
        mover.move_shard(shard, name, NOW, &watch).await.unwrap_err();
        mover.close().await;
        let end = home.store.digest(ann).await.unwrap().found[0].last_seq;
        assert_eq!(say(&home.store, group, bob, "who holds me?").await, end + 1, "step {n}");
        let cursor = CursorMove { conv_id: group, user_id: ann, delivered_seq: end, read_seq: 0 };
        let batch = Batch { sends: Vec::new(), moves: vec![cursor] };
        let database = home.store.database_of(group);
        let moved = home.store.commit(database, &batch, NOW).await.unwrap();
        assert_eq!(moved.receipts.len(), 1, "step {n}");
    }
    // The last of them left its note; the next mover strikes it.
    home.store.move_shard(shard, "d1", NOW, go_on()).await.unwrap();
    assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}
