//! One story of using the store, from beginning to end, told to every kind of database.

mod groups;
mod mail;
mod people;
mod talk;

use proto::limits;
use store::{Error, NewMessage, SendOutcome, Store};

use crate::support::{self, Home, NOW, On, message, send};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn the_story_on_sqlite() {
    the_story(Home::new(On::Sqlite).await).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    the_story(Home::new(On::Postgres).await).await;
}

#[tokio::test]
async fn the_story_on_two_postgres_databases() {
    the_story(Home::new(On::TwoPostgres).await).await;
}

pub(crate) async fn the_story(mut home: Home) {
    let store = home.store.clone();
    assert_eq!(store.databases(), home.urls.len());
    store.ping().await.unwrap();

    for url in &home.urls {
        let seen = Store::inspect(url, &support::options()).await.unwrap();
        assert!(seen.wrong.is_empty() && seen.pending.is_empty(), "{seen:?}");
        assert!(seen.engine.contains(['1', '3']), "{seen:?}");
        assert!(seen.clock_ahead_ms.is_none_or(|ms| ms.abs() < 60_000), "{seen:?}");
    }

    let [ann, bob, carl] = people::people_sign_up(&store).await;
    people::people_are_found(&store, ann, bob).await;
    people::sessions_come_and_go(&store, ann).await;
    people::sessions_end(&store, ann).await;
    people::people_become_friends(&store, ann, bob, carl).await;
    people::blocks_stay_private(&store, ann, bob).await;
    let direct = talk::two_people_meet(&store, ann, bob).await;
    talk::messages_get_numbers(&store, ann, bob, direct).await;
    talk::cursors_move_forward(&store, ann, bob, direct).await;
    talk::a_text_is_edited(&store, ann, bob, direct).await;
    talk::a_message_is_reacted_to(&store, ann, bob, direct).await;
    talk::a_message_is_deleted(&store, ann, bob, direct).await;
    talk::the_log_is_read(&store, ann, bob, direct).await;
    talk::a_block_closes_the_conversation(&store, ann, bob, direct).await;
    let (group, dora) = groups::a_group_is_made(&store, ann, bob).await;
    groups::newcomers_see_what_comes(&store, [ann, bob, carl, dora], group).await;
    groups::roles_decide(&store, ann, bob, carl, group).await;
    groups::admins_keep_order(&store, [ann, bob, carl, dora], group).await;
    groups::members_are_listed(&store, ann, bob, carl, group).await;
    groups::a_group_dies(&store, ann, bob, carl, group).await;
    groups::paint_and_digest(&store, ann, bob, direct).await;
    mail::facts_leave_the_database(&store).await;
    mail::a_job_is_done_once(&store).await;
    mail::who_is_away_is_nudged_once(&store).await;
    mail::the_next_mail_waits_longer(&store).await;
    mail::senders_learn_of_a_mail(&store).await;
    mail::links_work_once(&store).await;
    groups::a_repeated_group_is_one_group(&store).await;
    shards_move_where_there_are_several_databases(&store, direct).await;
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());

    let repeated = NewMessage { client_key: 4711, ..message(direct, ann, "once") };
    let first = send(&store, repeated.clone()).await;
    home.reopen().await;
    let SendOutcome::Stored { seq, sent_at } = first else { panic!("{first:?}") };
    let again = send(&home.store, repeated.clone()).await;
    assert_eq!(again, SendOutcome::Repeated { seq, sent_at }, "a retry after a restart");
    old_keys_are_forgotten(&home.store, repeated).await;
    home.store.close().await;
    assert!(matches!(home.store.ping().await, Err(Error::Unavailable(_))));
    home.remove().await;
}

/// What follows in the story is told in the new home.
async fn shards_move_where_there_are_several_databases(store: &Store, direct: i64) {
    let shard = proto::id::shard_of(direct);
    let go_on = |_| std::ops::ControlFlow::Continue(());
    let Ok(reports) = store.shards().await else {
        let refused = store.move_shard(shard, "d1", NOW, &go_on).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "SQLite is one database");
        return;
    };
    assert_eq!(reports.iter().map(|report| report.shards.len()).sum::<usize>(), 1_024);
    assert!(store.take_in().await.is_empty(), "all of them have answered");
    let holds = |report: &store::DatabaseReport| report.shards.iter().any(|of| of.shard == shard);
    match reports.iter().find(|report| !holds(report)) {
        Some(other) => assert!(store.move_shard(shard, &other.name, NOW, &go_on).await.unwrap()),
        None => assert!(store.move_shard(shard, "d1", NOW, &go_on).await.is_err()),
    }
}

async fn old_keys_are_forgotten(store: &Store, repeated: NewMessage) {
    assert_eq!(store.forget(NOW + limits::CLIENT_KEY_MS).await.unwrap(), 0, "a week is not over");
    let gone = store.forget(NOW + limits::CLIENT_KEY_MS + 10).await.unwrap();
    assert!(gone > 0, "the others went when the group's key was forgotten");
    assert!(matches!(send(store, repeated).await, SendOutcome::Stored { .. }));
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
}

/// Whoever adds a method to the store tells it in the story.
#[test]
fn the_story_calls_every_method() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut methods = Vec::new();
    for file in std::fs::read_dir(root.join("src")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(path).unwrap();
            let declared = text.split("    pub async fn ").skip(1);
            methods.extend(declared.map(|rest| rest.split_once('(').unwrap().0.to_owned()));
        }
    }
    assert!(methods.len() > 40, "{methods:?}");
    let story = [
        include_str!("mod.rs"),
        include_str!("people.rs"),
        include_str!("talk.rs"),
        include_str!("groups.rs"),
        include_str!("mail.rs"),
        include_str!("../support.rs"),
    ]
    .concat();
    let missing = |name: &&String| {
        !story.contains(&format!(".{name}(")) && !story.contains(&format!("Store::{name}("))
    };
    let missing: Vec<_> = methods.iter().filter(missing).collect();
    assert!(missing.is_empty(), "not in the story: {missing:?}");
}
