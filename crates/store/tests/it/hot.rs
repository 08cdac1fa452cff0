//! What is large or struck often: a person with 5,000 conversations, a group in which everybody
//! writes, a database that ends transactions at random.

use std::time::Instant;

use proto::id;
use sqlx::{Connection, PgConnection};
use store::{Batch, SendOutcome, Store};
use tokio::task::JoinSet;

use crate::support::{Home, NOW, On, message, options, person};

/// The Paint of somebody with 5,000 conversations is whole, and its cost is shown.
#[tokio::test]
async fn a_person_with_5000_conversations_is_painted() {
    const MANY: i64 = 5_000;
    let home = Home::new(On::TwoPostgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    // Written behind the store's back, each in the database of its shard.
    for (database, from, to) in [(0, 0, 512), (1, 512, 1_024)] {
        home.tamper_at(
            database,
            &format!(
                "INSERT INTO conversation (conv_id, kind, title, member_count, last_at, created_at)
                 SELECT (n::bigint << 22) | ((n % 1024)::bigint << 12) | 7, 2, 'Group ' || n, 1,
                        {NOW} + n, {NOW}
                   FROM generate_series(1, {MANY}) n
                  WHERE n % 1024 >= {from} AND n % 1024 < {to};
                 INSERT INTO member (conv_id, user_id)
                 SELECT conv_id, {ann} FROM conversation; ANALYZE"
            ),
        )
        .await;
    }
    let since = Instant::now();
    let paint = home.store.conversations(ann, 200).await.unwrap().found;
    let (painted, since) = (since.elapsed(), Instant::now());
    let digest = home.store.digest(ann).await.unwrap().found;
    println!("5,000 conversations: Paint {painted:?}, digest {:?}", since.elapsed());
    assert_eq!(digest.len(), MANY as usize);
    assert_eq!(paint.len(), 200);
    let newest: Vec<i64> = paint.iter().map(|conversation| conversation.last_at - NOW).collect();
    assert_eq!(newest, (MANY - 199..=MANY).rev().collect::<Vec<_>>());
    home.remove().await;
}

/// 200 people write into one group of a thousand, through two gateways: the numbers are dense, and
/// everybody's own messages keep their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_group_of_a_thousand_stays_dense() {
    const SENDERS: usize = 200;
    const EACH: usize = 5;
    let home = Home::new(On::Postgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let group = home.store.create_group(ann, "Hot", &[], 0, NOW).await.unwrap().conv_id;
    let first = id::new(0, NOW);
    home.tamper(&format!(
        "INSERT INTO member (conv_id, user_id, joined_seq, delivered_seq, read_seq)
         SELECT {group}, {first} + n, 1, 1, 1 FROM generate_series(1, 999) n;
         UPDATE conversation SET member_count = 1000"
    ))
    .await;
    let other = Store::open(&home.urls, &options()).await.unwrap();
    let since = Instant::now();
    let mut gateways = JoinSet::new();
    for (n, store) in [home.store.clone(), other].into_iter().enumerate() {
        gateways.spawn(async move {
            let mut stored = Vec::new();
            for round in 0..EACH {
                let senders = (0..SENDERS as i64).filter(|of| *of as usize % 2 == n);
                let sends =
                    senders.map(|of| message(group, first + 1 + of, &format!("{of:03} {round}")));
                let batch = Batch { sends: sends.collect(), moves: Vec::new() };
                for outcome in store.commit(0, &batch, NOW).await.unwrap().sends {
                    let SendOutcome::Stored { seq, .. } = outcome else { panic!("{outcome:?}") };
                    stored.push(seq);
                }
            }
            assert!(stored.is_sorted(), "one gateway's numbers grow");
            stored
        });
    }
    let mut stored = gateways.join_all().await.concat();
    let rate = stored.len() as f64 / since.elapsed().as_secs_f64();
    println!("a group of 1,000, 200 senders, two gateways: {rate:.0} messages/s");
    stored.sort_unstable();
    let end = 1 + (SENDERS * EACH) as i64;
    assert_eq!(stored, (2..=end).collect::<Vec<_>>());
    assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}

/// PostgreSQL ends every fourth transaction with a serialization failure or a deadlock: no sender
/// ever learns of it, and nothing is stored twice.
#[tokio::test]
async fn transactions_that_postgresql_ends_are_run_again_unseen() {
    const BATCHES: i64 = 64;
    let home = Home::new(On::Postgres).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let group = home.store.create_group(ann, "Unlucky", &[], 0, NOW).await.unwrap().conv_id;
    home.tamper(
        "CREATE SEQUENCE struck;
         CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE n BIGINT := nextval('struck');
         BEGIN
           IF n % 8 = 0 THEN RAISE EXCEPTION 'struck' USING ERRCODE = '40001'; END IF;
           IF n % 8 = 4 THEN RAISE EXCEPTION 'struck' USING ERRCODE = '40P01'; END IF;
           RETURN NULL;
         END $$;
         CREATE TRIGGER strike AFTER INSERT ON message
           FOR EACH STATEMENT EXECUTE FUNCTION strike()",
    )
    .await;
    for seq in 2..BATCHES + 2 {
        let batch = Batch { sends: vec![message(group, ann, "unlucky")], moves: Vec::new() };
        let sent = home.store.commit(0, &batch, NOW).await.unwrap().sends[0];
        assert_eq!(sent, SendOutcome::Stored { seq, sent_at: NOW });
    }
    let mut connection = PgConnection::connect(&home.urls[0]).await.unwrap();
    let struck: (i64,) = sqlx::query_as("SELECT last_value / 4 FROM struck")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(struck.0 >= BATCHES / 4, "void: only {} transactions were ended", struck.0);
    connection.close().await.unwrap();
    assert_eq!(home.store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}

/// Two names among 110,000 people, of whom one in twenty has each of them. The quickest of 20
/// answers is shown: that depends least on what else the machine does.
#[tokio::test]
async fn two_names_are_found_among_100_000_people_who_have_one_of_them() {
    const NAMED: &str = "
        INSERT INTO app_user (user_id, handle, name, pass_hash, created_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 110000)
        SELECT i, 'p' || i, 'Somebody', '', 0 FROM n;
        INSERT INTO user_word SELECT handle, user_id FROM app_user;
        INSERT INTO user_word
        SELECT 'ann' || substr('abcdefghijklmnopqrst', 1 + CAST(user_id % 20 AS INT), 1), user_id
          FROM app_user;
        INSERT INTO user_word
        SELECT 'ber' || substr('abcdefghijklmnopqrst', 1 + CAST(user_id / 20 % 20 AS INT), 1),
               user_id
          FROM app_user;
        INSERT INTO user_word VALUES ('zadek', 109980), ('zadora', 109961);
        INSERT INTO contact (owner_id, peer_id, state, since)
        SELECT user_id, 7, 4, 0 FROM app_user WHERE user_id % 400 = 0 AND user_id <= 18000;
        ANALYZE";
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        home.tamper(NAMED).await;
        let mut told = format!("{on:?}:");
        for (viewer, typed, count, first) in [
            (1, "anna bera", 20, 400),
            (1, "bera anna", 20, 400),
            (2, "bera ann", 20, 1),
            // He has more people of her first name before him than are looked at.
            (1, "anna zadek", 1, 109_980),
            (1, "zadek anna", 1, 109_980),
            (1, "anna za", 1, 109_980),
            (1, "anna zzz", 0, 0),
            // The first 45 of them have blocked him.
            (7, "anna bera", 20, 18_400),
        ] {
            let mut spent = Vec::new();
            for _ in 0..20 {
                let since = Instant::now();
                let found = home.store.find_people(viewer, typed, 20).await.unwrap();
                spent.push(since.elapsed());
                let first_found = found.first().map_or(0, |person| person.user_id);
                assert_eq!((found.len(), first_found), (count, first), "{typed} on {on:?}");
            }
            told += &format!(" {typed} {:?};", spent.iter().min().unwrap());
        }
        println!("{told}");
        home.remove().await;
    }
}
