//! A database that is away when the store is opened keeps nobody from the others, and is taken in
//! when it is back, as carefully as at a start.

use proto::history::From;
use proto::id;
use store::{Batch, Error, Options, SendOutcome, Store};

use crate::support::{Home, NOW, On, message, options, person, say};

fn impatient() -> Options {
    Options { timeout_ms: 500, ..options() }
}

/// Whether anybody may connect to this database of the store.
async fn allow(home: &Home, database: usize, allowed: bool) {
    let (_, name) = home.urls[database].rsplit_once('/').unwrap();
    home.tamper(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")).await;
}

/// A group in each of three databases, with a message of its founder in it.
async fn groups(store: &Store, ann: i64) -> [i64; 3] {
    let mut groups = [None; 3];
    while groups.contains(&None) {
        let made = store.create_group(ann, "Somewhere", &[], 0, NOW).await.unwrap().conv_id;
        groups[usize::from(id::shard_of(made)) * 3 / usize::from(id::SHARDS)] = Some(made);
    }
    groups.map(Option::unwrap)
}

async fn send_to(store: &Store, ann: i64, conv_id: i64) -> store::Result<SendOutcome> {
    let batch = Batch { sends: vec![message(conv_id, ann, "there?")], moves: Vec::new() };
    Ok(store.commit(store.database_of(conv_id), &batch, NOW).await?.sends[0])
}

#[tokio::test]
async fn databases_that_are_away_at_the_start_are_taken_in_one_by_one() {
    let mut home = Home::new(On::ThreePostgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let [first, second, third] = groups(&home.store, ann).await;
    let all = home.store.digest(ann).await.unwrap().found.len();
    home.store.close().await;
    for database in [1, 2] {
        allow(&home, database, false).await;
    }
    home.store = Store::open(&home.urls, &impatient()).await.unwrap();
    let store = &home.store;
    assert_eq!(store.missing(), [1, 2]);
    assert_eq!(store.pools().iter().map(|pool| pool.away).collect::<Vec<_>>(), [false, true, true]);
    say(store, first, ann, "life goes on").await;
    for conv_id in [second, third] {
        let refused = send_to(store, ann, conv_id).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
        let page = store.history(ann, conv_id, From::BeforeSeq(0), 0).await.unwrap_err();
        assert!(matches!(page, Error::Unavailable(_)), "not \"there is no such thing\": {page}");
    }
    let paint = store.conversations(ann, 200).await.unwrap();
    assert!(paint.found.iter().all(|one| ![second, third].contains(&one.conv_id)));
    assert_eq!([first, second, third].map(|id| paint.away.has(id)), [false, true, true]);
    assert_eq!(store.take_in().await.len(), 2, "they are away still");

    // The third comes first, and nobody takes it for the second.
    allow(&home, 2, true).await;
    let away: Vec<_> = store.take_in().await.into_iter().map(|(at, _)| at).collect();
    assert_eq!((away, store.missing()), (vec![1], vec![1]));
    assert_eq!(say(store, third, ann, "here again").await, 2);
    assert!(send_to(store, ann, second).await.is_err());
    let digest = store.digest(ann).await.unwrap();
    assert_eq!([first, second, third].map(|id| digest.away.has(id)), [false, true, false]);

    allow(&home, 1, true).await;
    assert!(store.take_in().await.is_empty());
    assert_eq!(say(store, second, ann, "all are here").await, 2);
    let digest = store.digest(ann).await.unwrap();
    assert_eq!((digest.found.len(), digest.away.is_empty()), (all, true));
    home.remove().await;
}

#[tokio::test]
async fn what_comes_later_is_looked_at_as_at_a_start() {
    let mut home = Home::new(On::TwoPostgres).await;
    let other = Home::new(On::Postgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    home.store.close().await;
    // Its schema is of the version before: the last migration is undone.
    let undo = "ALTER TABLE mail_state DROP COLUMN door, DROP COLUMN door_url,
                  DROP COLUMN door_key, DROP COLUMN door_fault;
                DELETE FROM natter_schema WHERE version = 6";
    home.tamper_at(1, undo).await;
    home.tamper_at(1, "INSERT INTO natter_schema VALUES (901, 'later', 0)").await;
    allow(&home, 1, false).await;
    home.store = Store::open(&home.urls, &impatient()).await.unwrap();
    allow(&home, 1, true).await;
    let why = home.store.take_in().await.remove(0).1.to_string();
    assert!(why.contains("start a newer natter"), "{why}");
    assert_eq!(home.store.missing(), [1], "it is not used");
    home.tamper_at(1, "DELETE FROM natter_schema WHERE version = 901").await;
    assert!(home.store.take_in().await.is_empty());
    home.tamper_at(1, "SELECT door_fault FROM mail_state").await;
    let group = home.store.create_group(ann, "Later", &[], 0, NOW).await.unwrap().conv_id;
    say(&home.store, group, ann, "it takes messages").await;
    home.store.close().await;

    // Somebody else's database stands in its place when it comes.
    let urls = vec![home.urls[0].clone(), other.urls[0].clone()];
    let (_, name) = other.urls[0].rsplit_once('/').unwrap();
    other.store.close().await;
    home.tamper(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    home.store = Store::open(&urls, &impatient()).await.unwrap();
    home.tamper(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    let why = home.store.take_in().await.remove(0).1.to_string();
    assert!(why.contains("belongs to another directory"), "{why}");
    assert_eq!(home.store.missing(), [1]);
    other.remove().await;
    home.remove().await;
}

#[tokio::test]
async fn a_first_start_wants_all_databases() {
    let home = Home::new(On::TwoPostgres).await;
    home.wipe().await;
    allow(&home, 1, false).await;
    let refused = Store::open(&home.urls, &impatient()).await.err().unwrap();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    allow(&home, 1, true).await;
    let store = Store::open(&home.urls, &options()).await.unwrap();
    assert!(store.missing().is_empty());
    store.close().await;
    home.remove().await;
}
