//! What can go wrong with a database, and what the store says then.

use std::os::unix::fs::PermissionsExt;

use proto::history::From;
use sqlx::{Connection, PgConnection, SqliteConnection};
use store::{Batch, Error, Options, Store};

use crate::support::{Home, NOW, On, message, options, person, say, send};

#[tokio::test]
async fn a_full_disk_refuses_messages_and_still_reads_and_deletes() {
    let mut home = Home::new(On::Sqlite).await;
    let ann = person(&home.store, "ann", "Ann").await;
    let bob = person(&home.store, "bob", "Bob").await;
    let (direct, _) = home.store.open_direct(ann, bob, NOW).await.unwrap();
    let seq = say(&home.store, direct, ann, "before").await;
    home.store.close().await;

    // No disk has so much room: as if it were full.
    let full = Options { disk_reserve_bytes: u64::MAX, ..options() };
    home.store = Store::open(&home.urls, &full).await.unwrap();
    let store = &home.store;
    let batch = Batch { sends: vec![message(direct, ann, "no room")], moves: Vec::new() };
    assert_eq!(store.commit(0, &batch, NOW).await.unwrap_err(), Error::Full);
    assert_eq!(store.edit(ann, direct, seq, "no room", NOW).await, Err(Error::Full));
    assert_eq!(store.befriend(ann, bob, NOW).await, Err(Error::Full));
    let (page, _) = store.history(bob, direct, From::BeforeSeq(0), 0).await.unwrap();
    assert_eq!(page[0].body, "before");
    assert!(store.delete(ann, direct, seq, NOW).await.unwrap().moved, "deleting makes room");
    store.forget(NOW).await.unwrap();

    home.reopen().await;
    assert_eq!(say(&home.store, direct, ann, "there is room again").await, 2);
    home.remove().await;
}

#[tokio::test]
async fn nobody_else_on_the_machine_can_read_the_file() {
    let home = Home::new(On::Sqlite).await;
    person(&home.store, "ann", "Ann").await;
    let mode = |path: &str| {
        std::fs::metadata(home.directory.join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/natter.db"), 0o600);
    assert_eq!(mode("data/natter.db-wal"), 0o600);
    home.remove().await;
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_with_everything_in_it() {
    let home = Home::new(On::Sqlite).await;
    let ann = person(&home.store, "ann", "Ann").await;
    home.store.close().await;
    let files: Vec<_> = std::fs::read_dir(home.directory.join("data"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, ["natter.db"]);
    let closed = home.store.credential("ann").await.err().unwrap();
    assert!(matches!(closed, Error::Unavailable(_)), "{closed}");
    let store = Store::open(&home.urls, &options()).await.unwrap();
    assert_eq!(store.credential("ann").await.unwrap().unwrap().user_id, ann);
    store.close().await;
    home.remove().await;
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    for on in [On::Sqlite, On::Postgres] {
        let mut home = Home::new(on).await;
        home.store.close().await;
        home.tamper("INSERT INTO natter_schema VALUES (900, 'later', 1)").await;
        home.reopen().await;
        home.store.close().await;
        home.tamper("INSERT INTO natter_schema VALUES (901, 'later', 0)").await;
        let refused = Store::open(&home.urls, &options()).await.err().unwrap().to_string();
        assert!(refused.contains("start a newer natter"), "{refused}");
        home.tamper("DELETE FROM natter_schema WHERE version > 800").await;
        home.tamper("UPDATE natter_schema SET checksum = 'other'").await;
        let refused = Store::open(&home.urls, &options()).await.err().unwrap().to_string();
        assert!(refused.contains("different build"), "{refused}");
        home.remove().await;
    }
}

#[tokio::test]
async fn addresses_that_make_no_sense_are_refused() {
    let impatient = Options { timeout_ms: 300, ..options() };
    let open = async |urls: &[&str]| {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        Store::open(&urls, &impatient).await.err().unwrap()
    };
    assert!(matches!(open(&[]).await, Error::Invalid(_)));
    assert!(matches!(open(&["sqlite:"]).await, Error::Invalid(_)));
    assert!(matches!(open(&["mysql://x"]).await, Error::Invalid(_)));
    assert!(matches!(open(&["sqlite:/tmp/a", "sqlite:/tmp/b"]).await, Error::Invalid(_)));
    let nobody = open(&["postgres://127.0.0.1:1/nothing?password=hidden"]).await;
    assert!(matches!(nobody, Error::Unavailable(_)), "{nobody}");
    assert!(!nobody.to_string().contains("hidden"));
}

#[tokio::test]
async fn damage_is_found_and_named() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        let group = home.store.create_group(ann, "Damaged", &[], 0, NOW).await.unwrap().conv_id;
        for _ in 0..3 {
            send(&home.store, message(group, ann, "x")).await;
        }
        assert!(home.store.integrity().await.unwrap().is_empty());
        home.tamper("DELETE FROM message WHERE seq = 3").await;
        home.tamper("UPDATE member SET read_seq = 99").await;
        home.tamper("UPDATE conversation SET member_count = 7").await;
        let faults = home.store.integrity().await.unwrap().join("\n");
        for expected in [
            "should have messages 1 to 4, but has 3",
            "out of bounds",
            "leads to message 3",
            "says it has 7",
        ] {
            assert!(faults.contains(expected), "{expected}: {faults}");
        }
        home.remove().await;
    }
}

/// A lock that is held for too long is an answer, not a wait without end; and the text of it says
/// nothing private.
#[tokio::test]
async fn a_database_that_does_not_answer_is_unavailable() {
    for on in [On::Sqlite, On::Postgres] {
        let patience = Options { timeout_ms: 300, ..options() };
        let mut home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        let group = home.store.create_group(ann, "Stuck", &[], 0, NOW).await.unwrap().conv_id;
        home.store.close().await;
        home.store = Store::open(&home.urls, &patience).await.unwrap();
        let batch = Batch { sends: vec![message(group, ann, "my secret")], moves: Vec::new() };
        let stuck = if on == On::Sqlite {
            let mut other = SqliteConnection::connect(&home.urls[0]).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
            let stuck = home.store.commit(0, &batch, NOW).await.unwrap_err();
            other.close().await.unwrap();
            stuck
        } else {
            let mut other = PgConnection::connect(&home.urls[0]).await.unwrap();
            sqlx::raw_sql("BEGIN; LOCK TABLE conversation").execute(&mut other).await.unwrap();
            let stuck = home.store.commit(0, &batch, NOW).await.unwrap_err();
            other.close().await.unwrap();
            stuck
        };
        assert!(matches!(stuck, Error::Unavailable(_)), "{stuck:?}");
        assert!(!stuck.to_string().contains("secret"));
        home.reopen().await;
        say(&home.store, group, ann, "it answers again").await;
        home.remove().await;
    }
}

/// Of four transactions that come by, three find somebody in their way.
const IN_THE_WAY: &str = "
CREATE SEQUENCE came_by;
CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('came_by') % 4 <> 0 THEN
        RAISE EXCEPTION 'in the way' USING ERRCODE = '40P01';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_the_way BEFORE UPDATE ON conversation
   FOR EACH ROW EXECUTE FUNCTION in_the_way();
CREATE TRIGGER in_the_way_of_new_ones BEFORE INSERT ON conversation
   FOR EACH ROW WHEN (NEW.dm_lo IS NOT NULL) EXECUTE FUNCTION in_the_way();
CREATE TRIGGER in_the_way BEFORE UPDATE OF muted_until ON member
   FOR EACH ROW EXECUTE FUNCTION in_the_way();
CREATE TRIGGER in_the_way BEFORE INSERT OR UPDATE ON contact
   FOR EACH ROW WHEN (NEW.owner_id < NEW.peer_id) EXECUTE FUNCTION in_the_way();";

#[tokio::test]
async fn nobody_notices_a_deadlock_whatever_he_does() {
    let home = Home::new(On::Postgres).await;
    let store = &home.store;
    let ann = person(store, "ann", "Ann").await;
    let bob = person(store, "bob", "Bob").await;
    assert!(ann < bob);
    home.tamper(IN_THE_WAY).await;
    let mut done: i64 = 0;
    let mut count = || done += 1;

    store.befriend(ann, bob, NOW).await.map(|_| count()).unwrap();
    store.accept(bob, ann, NOW).await.map(|_| count()).unwrap();
    let (direct, _) = store.open_direct(ann, bob, NOW).await.unwrap();
    count();
    let group = store.create_group(ann, "Group", &[], 7, NOW).await.unwrap().conv_id;
    count();
    let seq = say(store, group, ann, "text").await;
    count();
    let edited = store.edit(ann, group, seq, "a better one", NOW).await.unwrap();
    count();
    let reacted = store.react(ann, group, seq, "👍", false).await.unwrap();
    count();
    let deleted = store.delete(ann, group, seq, NOW).await.unwrap();
    count();
    let revs = [&edited, &reacted, &deleted].map(|changed| changed.message.rev);
    assert_eq!(revs, [1, 2, 3], "each was done once");
    store.invite(ann, group, &[bob], NOW).await.map(|_| count()).unwrap();
    store.rename(ann, group, "Another", NOW).await.map(|_| count()).unwrap();
    store.appoint(ann, group, bob, proto::Role::Admin, NOW).await.map(|_| count()).unwrap();
    store.kick(ann, group, bob, NOW).await.map(|_| count()).unwrap();
    store.mute(ann, group, NOW + 1).await.map(|()| count()).unwrap();
    store.leave(ann, group, NOW).await.map(|_| count()).unwrap();
    store.block(ann, bob, NOW).await.map(|_| count()).unwrap();
    // The contact, and then the conversation.
    count();
    assert!(matches!(store.edit(ann, direct, 1, "x", NOW).await, Err(Error::NotFound)));
    assert!(store.integrity().await.unwrap().is_empty());
    let mut look = PgConnection::connect(&home.urls[0]).await.unwrap();
    let sql = "SELECT last_value FROM came_by";
    let came_by: (i64,) = sqlx::query_as(sql).fetch_one(&mut look).await.unwrap();
    look.close().await.unwrap();
    assert_eq!(came_by.0, 4 * done, "each was tried four times");

    // There is an end to it.
    home.tamper("ALTER SEQUENCE came_by INCREMENT BY 4 RESTART WITH 1").await;
    let again = store.unblock(ann, bob).await;
    assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");
    home.remove().await;
}
