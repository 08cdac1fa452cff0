//! Many at the same moment.

use std::iter::repeat;
use std::sync::Arc;

use proto::Relation;
use proto::history::From;
use store::{Batch, CursorMove, SendOutcome, Store};
use tokio::task::JoinSet;

use crate::support::{Home, NOW, On, message, options, person, read_up_to, say};

/// Two nodes commit batches that cross: the same conversations in opposite orders, cursors of the
/// same members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_never_stop_each_other() {
    const ROUNDS: usize = 40;
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        let bob = person(&home.store, "bob", "Bob").await;
        let mut conversations = Vec::new();
        for n in 0..6 {
            let title = format!("group {n}");
            let made = home.store.create_group(ann, &title, &[bob], 0, NOW).await.unwrap();
            conversations.push(made.conv_id);
        }
        let mut gateways = JoinSet::new();
        for reversed in [false, true, false, true] {
            let store = match on {
                // SQLite belongs to one process; its connections are shared.
                On::Sqlite => home.store.clone(),
                _ => Store::open(&home.urls, &options()).await.unwrap(),
            };
            let mut conversations = conversations.clone();
            if reversed {
                conversations.reverse();
            }
            gateways.spawn(async move {
                for round in 0..ROUNDS {
                    let send = |&conv_id| message(conv_id, if reversed { ann } else { bob }, "x");
                    let cursor = |&conv_id| CursorMove {
                        conv_id,
                        user_id: if round % 2 == 0 { ann } else { bob },
                        delivered_seq: round as i64,
                        read_seq: round as i64,
                    };
                    let sends = if round % 3 == 0 {
                        Vec::new()
                    } else {
                        conversations.iter().map(send).collect()
                    };
                    let moves = conversations.iter().map(cursor).collect();
                    let done = store.commit(0, &Batch { sends, moves }, NOW).await.unwrap();
                    assert!(
                        done.sends.iter().all(|sent| matches!(sent, SendOutcome::Stored { .. }))
                    );
                }
            });
        }
        while let Some(done) = gateways.join_next().await {
            done.unwrap();
        }
        for standing in home.store.digest(ann).await.unwrap().found {
            let sends = 4 * (0..ROUNDS).filter(|round| round % 3 != 0).count() as i64;
            assert_eq!(standing.last_seq, 1 + sends);
        }
        assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
        home.remove().await;
    }
}

/// Everybody asks everybody at once: 300 pairs of requests that cross become 300 friendships.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cross_become_friendships() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let mut people = Vec::new();
        for n in 0..25 {
            people.push(person(&home.store, &format!("user{n:02}"), "User").await);
        }
        let mut asking = JoinSet::new();
        let pairs =
            people.iter().enumerate().flat_map(|(n, one)| people[..n].iter().zip(repeat(one)));
        // Next to each other, so that they are under way at the same moment.
        for (me, peer) in pairs.flat_map(|(&one, &other)| [(one, other), (other, one)]) {
            let store = home.store.clone();
            asking.spawn(async move { store.befriend(me, peer, NOW).await.unwrap() });
        }
        let mut asked = 0;
        while let Some(done) = asking.join_next().await {
            done.unwrap();
            asked += 1;
        }
        assert_eq!(asked, 600);
        for &me in &people {
            let contacts = home.store.contacts(me).await.unwrap();
            assert_eq!(contacts.len(), 24);
            assert!(contacts.iter().all(|person| person.relation() == Relation::Friend));
        }
        home.remove().await;
    }
}

/// Both open their conversation at the same moment, again and again: there is only ever one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_open_one_conversation() {
    for on in [On::Sqlite, On::TwoPostgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        for n in 0..10 {
            let peer = person(&home.store, &format!("peer{n}"), "Peer").await;
            let mut opening = JoinSet::new();
            for (me, other) in [(ann, peer), (peer, ann), (ann, peer), (peer, ann)] {
                let store = home.store.clone();
                opening.spawn(async move { store.open_direct(me, other, NOW).await.unwrap() });
            }
            let opened = opening.join_all().await;
            assert!(opened.iter().all(|(conv_id, _)| *conv_id == opened[0].0), "{opened:?}");
            assert_eq!(opened.iter().filter(|(_, made)| *made).count(), 1, "{opened:?}");
        }
        home.remove().await;
    }
}

/// A block and an opening at the same moment: whatever comes first, the conversation ends up
/// closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_wins_against_an_opening() {
    for on in [On::Sqlite, On::TwoPostgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        for n in 0..15 {
            let peer = person(&home.store, &format!("peer{n}"), "Peer").await;
            let (opener, blocker) = (home.store.clone(), home.store.clone());
            let opening = tokio::spawn(async move { opener.open_direct(ann, peer, NOW).await });
            let blocking = tokio::spawn(async move { blocker.block(peer, ann, NOW).await });
            blocking.await.unwrap().unwrap();
            let opened = opening.await.unwrap();
            if let Ok((conv_id, _)) = opened {
                let batch = Batch { sends: vec![message(conv_id, ann, "hi")], moves: Vec::new() };
                let database = home.store.database_of(conv_id);
                let sent = home.store.commit(database, &batch, NOW).await.unwrap().sends[0];
                assert_eq!(sent, SendOutcome::Forbidden, "round {n}");
            }
        }
        home.remove().await;
    }
}

/// While people come, go, write and read, the log stays dense and nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_changes_while_it_talks() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let store = Arc::new(home.store.clone());
        let ann = person(&store, "ann", "Ann").await;
        let mut others = Vec::new();
        for n in 0..4 {
            others.push(person(&store, &format!("other{n}"), "Other").await);
        }
        let group = store.create_group(ann, "Busy", &others, 0, NOW).await.unwrap().conv_id;
        let mut acting = JoinSet::new();
        for user in others.clone() {
            let store = Arc::clone(&store);
            acting.spawn(async move {
                for round in 0..10 {
                    store.leave(user, group, NOW).await.unwrap();
                    store.invite(ann, group, &[user], NOW).await.unwrap();
                    let seq = say(&store, group, user, "back").await;
                    store.react(ann, group, seq, "👋", false).await.unwrap();
                    store.edit(user, group, seq, &format!("back {round}"), NOW).await.unwrap();
                    read_up_to(&store, group, user, seq).await;
                }
            });
        }
        while let Some(done) = acting.join_next().await {
            done.unwrap();
        }
        assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
        let mut rev = 0;
        let mut changed = 0;
        loop {
            let (page, more) = store.history(ann, group, From::AfterRev(rev), 7).await.unwrap();
            changed += page.len();
            rev = page.last().map_or(rev, |message| message.rev);
            if !more {
                break;
            }
        }
        assert_eq!(changed, 40, "each changed message comes once");
        home.remove().await;
    }
}

/// Several nodes of a new installation start at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_agree_on_one_schema() {
    let home = Home::new(On::Postgres).await;
    home.wipe().await;
    let mut starting = JoinSet::new();
    for _ in 0..6 {
        let urls = home.urls.clone();
        starting.spawn(async move {
            let store = Store::open(&urls, &options()).await.unwrap();
            store.ping().await.unwrap();
            store.close().await;
        });
    }
    while let Some(done) = starting.join_next().await {
        done.unwrap();
    }
    home.remove().await;
}

/// Somebody is just deciding that there is nothing to mail, and a message comes.
#[tokio::test]
async fn a_nudge_is_not_lost_between_a_send_and_a_look() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let store = &home.store;
        let ann = person(store, "ann", "Ann").await;
        let bob = person(store, "bob", "Bob").await;
        let (direct, _) = store.open_direct(ann, bob, NOW).await.unwrap();
        for seq in 1..=100 {
            let batch = Batch { sends: vec![message(direct, ann, "hello")], moves: Vec::new() };
            let (sent, dropped) = tokio::join!(
                store.commit_and_nudge(store.database_of(direct), &batch, &|_| false, NOW),
                store.nudge_drop(bob, 0, NOW),
            );
            sent.unwrap();
            dropped.unwrap();
            let due = store.nudge_claim(i64::MAX, NOW, 1).await.unwrap();
            assert_eq!(due, [bob], "{on:?}, message {seq}");
            read_up_to(store, direct, bob, seq).await;
        }
        home.remove().await;
    }
}
