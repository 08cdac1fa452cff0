//! Databases know who they are, and an answer says what it lacks.

use std::time::{Duration, Instant};

use proto::history::From;
use sqlx::{Connection, PgConnection};
use store::{Batch, Error, Options, SendOutcome, Store};

use super::moving::{go_on, shard_of};
use crate::support::{Home, NOW, On, message, options, person, say};

#[tokio::test]
async fn databases_that_are_swapped_missing_or_foreign_are_refused() {
    let home = Home::new(On::TwoPostgres).await;
    let other = Home::new(On::Postgres).await;
    let [first, second] = [&home.urls[0], &home.urls[1]];
    let foreign = &other.urls[0];
    for (urls, why) in [
        (vec![second, first], "the URLs are swapped"),
        (vec![second], "the first one is missing"),
        (vec![first], "shard 512 is in the database d2, and no configured URL leads to it"),
        (vec![first, first], "lead to the same database"),
        (vec![first, second, foreign], "belongs to another directory"),
    ] {
        let urls: Vec<String> = urls.into_iter().cloned().collect();
        let refused = Store::open(&urls, &options()).await.err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(!refused.contains("postgres://"), "an address may hold a password: {refused}");
    }
    other.remove().await;
    home.remove().await;
}

#[tokio::test]
async fn a_database_that_is_added_later_is_empty_until_shards_are_moved_to_it() {
    let mut home = Home::new(On::ThreePostgres).await;
    let all = home.urls.clone();
    home.wipe().await;
    home.urls.truncate(1);
    home.reopen().await;
    let ann = person(&home.store, "ann", "Ann").await;
    let group = home.store.create_group(ann, "Early", &[], 0, NOW).await.unwrap().conv_id;
    let (shard, process_of_old) = (shard_of(group), home.store.clone());
    home.urls = all;
    home.store = Store::open(&home.urls, &options()).await.unwrap();

    let held = |reports: &[store::DatabaseReport]| -> Vec<(String, usize)> {
        reports.iter().map(|report| (report.name.clone(), report.shards.len())).collect()
    };
    let owned = |n: [usize; 3]| ["d1", "d2", "d3"].map(str::to_owned).into_iter().zip(n);
    let before = held(&home.store.shards().await.unwrap());
    assert_eq!(before, owned([1_024, 0, 0]).collect::<Vec<_>>());
    assert!(matches!(
        home.store.move_shard(shard, "d9", NOW, go_on()).await,
        Err(Error::Invalid(_))
    ));

    let unreached = home.store.move_shard(shard, "d3", NOW, go_on()).await.unwrap_err();
    assert!(unreached.to_string().contains("not connected to d3"), "{unreached}");
    process_of_old.close().await;
    let url = format!("{}?application_name=natter", home.urls[0]);
    let old = PgConnection::connect(&url).await.unwrap();
    let old_one = home.store.move_shard(shard, "d3", NOW, go_on()).await.unwrap_err();
    assert!(old_one.to_string().contains("older natter"), "{old_one}");
    old.close().await.unwrap();

    assert!(home.store.move_shard(shard, "d3", NOW, go_on()).await.unwrap());
    assert!(!home.store.move_shard(shard, "d3", NOW, go_on()).await.unwrap(), "it is there");
    let reports = home.store.shards().await.unwrap();
    assert_eq!(held(&reports), owned([1_023, 0, 1]).collect::<Vec<_>>());
    let moved = reports[2].shards[0];
    assert_eq!((moved.shard, moved.conversations, moved.messages), (shard, 1, 1));
    assert!(moved.bytes > 0);
    assert_eq!(say(&home.store, group, ann, "from the new home").await, 2);
    home.reopen().await;
    assert_eq!(say(&home.store, group, ann, "and after a restart").await, 3);
    home.remove().await;
}

/// A process that was started before there was a map knows its place by `placement`.
#[tokio::test]
async fn a_program_that_knows_no_map_is_locked_out_by_the_first_move() {
    let home = Home::new(On::TwoPostgres).await;
    let placed = async || {
        let mut connection = PgConnection::connect(&home.urls[1]).await.unwrap();
        let sql = "SELECT part, parts FROM placement";
        let placed: (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        placed
    };
    assert_eq!(placed().await, (1, 2), "it starts as before");
    home.store.move_shard(0, "d2", NOW, go_on()).await.unwrap();
    assert_eq!(placed().await, (1, 0), "it says that it is configured wrongly");
    home.remove().await;
}

/// One of three databases is slow, or away: what needs it says so in time, the rest goes on, and no
/// answer looks as if there were no conversations in it.
#[tokio::test]
async fn with_one_database_away_answers_say_what_they_lack() {
    let mut home = Home::new(On::ThreePostgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let mut groups: [Option<i64>; 3] = [None; 3];
    while groups.contains(&None) {
        let made = home.store.create_group(ann, "Somewhere", &[], 0, NOW).await.unwrap().conv_id;
        groups[home.store.database_of(made)] = Some(made);
    }
    let groups = groups.map(Option::unwrap);
    let all = home.store.digest(ann).await.unwrap().found.len();
    home.store.close().await;
    let impatient = Options { timeout_ms: 500, ..options() };
    home.store = Store::open(&home.urls, &impatient).await.unwrap();

    let (_, third) = home.urls[2].rsplit_once('/').unwrap();
    let mut slow = PgConnection::connect(&home.urls[2]).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE member").execute(&mut slow).await.unwrap();
    answers_of_two_thirds(&home.store, ann, groups).await;
    let since = Instant::now();
    for _ in 0..20 {
        assert!(!home.store.digest(ann).await.unwrap().away.is_empty());
    }
    assert!(since.elapsed().as_millis() < 20 * 500, "not everybody waits for it");
    slow.close().await.unwrap();
    answers_in_full(&home.store, ann, all).await;

    home.tamper(&format!("ALTER DATABASE {third} ALLOW_CONNECTIONS false")).await;
    home.tamper(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{third}'"
    ))
    .await;
    answers_of_two_thirds(&home.store, ann, groups).await;
    home.tamper(&format!("ALTER DATABASE {third} ALLOW_CONNECTIONS true")).await;
    answers_in_full(&home.store, ann, all).await;
    say(&home.store, groups[2], ann, "and takes messages").await;
    home.remove().await;
}

async fn answers_of_two_thirds(store: &Store, ann: i64, groups: [i64; 3]) {
    let unavailable = |error: Error| match error {
        Error::Unavailable(_) => true,
        other => panic!("{other:?}"),
    };
    let digest = store.digest(ann).await.unwrap();
    let mut found = digest.found.iter().map(|standing| store.database_of(standing.conv_id));
    assert!(found.all(|database| database < 2));
    let paint = store.conversations(ann, 200).await.unwrap();
    for (found, away) in [(digest.found.len(), digest.away), (paint.found.len(), paint.away)] {
        assert!(found >= 2, "the rest is there");
        assert_eq!(groups.map(|conv_id| away.has(conv_id)), [false, false, true]);
    }
    assert!(unavailable(store.unread(ann, NOW).await.unwrap_err()));
    for (database, conv_id) in groups.into_iter().enumerate() {
        let batch = Batch { sends: vec![message(conv_id, ann, "there?")], moves: Vec::new() };
        let sent = store.commit(database, &batch, NOW).await;
        let page = store.history(ann, conv_id, From::BeforeSeq(0), 0).await;
        if database == 2 {
            assert!(unavailable(sent.unwrap_err()));
            assert!(unavailable(page.unwrap_err()));
        } else {
            assert!(matches!(sent.unwrap().sends[0], SendOutcome::Stored { .. }));
            assert!(!page.unwrap().0.is_empty());
        }
    }
}

/// Soon after the database is back nothing is lacking.
async fn answers_in_full(store: &Store, ann: i64, all: usize) {
    let whole = async {
        loop {
            let digest = store.digest(ann).await.unwrap();
            if digest.away.is_empty() {
                return digest.found.len();
            }
            tokio::task::yield_now().await;
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(20), whole).await;
    assert_eq!(whole.expect("it is asked again"), all);
}

/// A writer has a batch for three databases, because shards were moved since the store was opened;
/// one of them is away. What it does not take is said, and the rest is stored.
#[tokio::test]
async fn a_batch_over_several_databases_is_stored_as_far_as_they_are_there() {
    let mut home = Home::new(On::ThreePostgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let mut groups = Vec::new();
    while groups.len() < 3 {
        let made = home.store.create_group(ann, "Mine", &[], 0, NOW).await.unwrap().conv_id;
        if home.store.database_of(made) == 0
            && !groups.iter().any(|of| shard_of(*of) == shard_of(made))
        {
            groups.push(made);
        }
    }
    home.store.close().await;
    home.store = Store::open(&home.urls, &Options { timeout_ms: 500, ..options() }).await.unwrap();
    let steps = go_on();
    for (conv_id, to) in [(groups[1], "d2"), (groups[2], "d3")] {
        assert!(home.store.move_shard(shard_of(conv_id), to, NOW, steps).await.unwrap());
    }
    assert!(groups.iter().all(|conv_id| home.store.database_of(*conv_id) == 0), "one writer still");
    let mut slow = PgConnection::connect(&home.urls[2]).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE conversation").execute(&mut slow).await.unwrap();
    let sends = groups.iter().map(|conv_id| message(*conv_id, ann, "all three")).collect();
    let batch = Batch { sends, moves: Vec::new() };
    let done = home.store.commit(0, &batch, NOW).await.unwrap();
    let stored = SendOutcome::Stored { seq: 2, sent_at: NOW };
    assert_eq!(done.sends, [stored, stored, SendOutcome::Unavailable]);
    slow.close().await.unwrap();
    let done = home.store.commit(0, &batch, NOW).await.unwrap();
    let repeated = SendOutcome::Repeated { seq: 2, sent_at: NOW };
    assert_eq!(done.sends, [repeated, repeated, stored]);
    assert_eq!(done.members.len(), 3);
    home.remove().await;
}
