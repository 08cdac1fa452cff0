//! One story of using the store, from beginning to end, told to every kind of database.

use proto::history::From;
use proto::{MessageKind, Person, Relation, Role, limits};
use store::{Batch, CursorMove, Error, NewMessage, NewUser, SendOutcome, Session, Store};

use crate::support::{Home, NOW, On, message, person, read_up_to, say, send};

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

    let [ann, bob, carl] = people_sign_up(&store).await;
    people_are_found(&store, ann, bob).await;
    sessions_come_and_go(&store, ann).await;
    friends_and_blocks(&store, ann, bob, carl).await;
    let direct = two_people_talk(&store, ann, bob).await;
    old_messages_change(&store, ann, bob, direct).await;
    the_log_is_read(&store, ann, bob, direct).await;
    a_block_closes_the_conversation(&store, ann, bob, direct).await;
    let group = a_group_lives(&store, ann, bob, carl).await;
    a_group_dies(&store, ann, bob, carl, group).await;
    paint_and_digest(&store, ann, bob, direct).await;
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());

    let repeated = NewMessage {
        client_key: 4711,
        ..message(direct, ann, "once")
    };
    let first = send(&store, repeated.clone()).await;
    home.reopen().await;
    let SendOutcome::Stored { seq, sent_at } = first else {
        panic!("{first:?}")
    };
    let again = send(&home.store, repeated.clone()).await;
    assert_eq!(
        again,
        SendOutcome::Repeated { seq, sent_at },
        "a retry after a restart"
    );
    old_keys_are_forgotten(&home.store, repeated).await;
    home.store.close().await;
    assert!(matches!(
        home.store.ping().await,
        Err(Error::Unavailable(_))
    ));
    home.remove().await;
}

async fn people_sign_up(store: &Store) -> [i64; 3] {
    let ann = person(store, "ann", "Ann Müller").await;
    let bob = person(store, "bob", "Bob Ångström").await;
    let carl = person(store, "carl.j", "Carl Johnson").await;
    let taken = |user_id, handle: &str, email: &str| NewUser {
        user_id,
        handle: handle.into(),
        name: "x".into(),
        email: Some(email.into()),
        pass_hash: "x".into(),
    };
    let same_handle = store
        .create_user(&taken(1, "ann", "new@example.org"), NOW)
        .await;
    assert_eq!(same_handle, Err(Error::Taken("handle")));
    let same_email = store
        .create_user(&taken(1, "new", "ann@example.org"), NOW)
        .await;
    assert_eq!(same_email, Err(Error::Taken("email")));
    let same_number = store
        .create_user(&taken(ann, "new", "new@example.org"), NOW)
        .await;
    assert_eq!(same_number, Err(Error::Taken("number")));

    assert_eq!(store.credential("ann").await.unwrap().unwrap().user_id, ann);
    assert!(store.credential("nobody").await.unwrap().is_none());
    store.set_password(ann, "$new$").await.unwrap();
    assert_eq!(
        store.credential_of(ann).await.unwrap().unwrap().pass_hash,
        "$new$"
    );
    assert!(store.credential_of(1).await.unwrap().is_none());
    assert_eq!(store.set_password(1, "x").await, Err(Error::NotFound));

    let mut ids = store.user_ids(&["bob", "nobody", "ann"]).await.unwrap();
    ids.sort_unstable();
    assert_eq!(ids, [ann, bob]);
    assert!(store.user_ids(&[]).await.unwrap().is_empty());
    let found = store.people(ann, &[bob, 1, carl, bob]).await.unwrap();
    assert_eq!(names(&found), ["bob", "carl.j"]);
    [ann, bob, carl]
}

fn names(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.handle.as_str()).collect()
}

async fn people_are_found(store: &Store, ann: i64, bob: i64) {
    for typed in [
        "carl.j",
        "@carl.j",
        "Carl",
        "car",
        "johnson",
        "jonson",
        "carl joh",
        "JOHNSON c",
    ] {
        let found = store.find_people(ann, typed, 0).await.unwrap();
        assert_eq!(names(&found), ["carl.j"], "{typed}");
    }
    for typed in ["angstrom", "Ångst", "bob ang"] {
        assert_eq!(
            names(&store.find_people(ann, typed, 0).await.unwrap()),
            ["bob"],
            "{typed}"
        );
    }
    for typed in ["zz", "--", "carl miller", "muller"] {
        assert!(
            store.find_people(ann, typed, 0).await.unwrap().is_empty(),
            "{typed}"
        );
    }
    let mut crowd = Vec::new();
    for n in 0..30 {
        crowd.push(person(store, &format!("crowd{n:02}"), "One of Many").await);
    }
    assert_eq!(store.find_people(ann, "many", 0).await.unwrap().len(), 20);
    assert_eq!(store.find_people(ann, "crowd", 3).await.unwrap().len(), 3);
    assert_eq!(
        store.find_people(ann, "crowd07", 1).await.unwrap()[0].user_id,
        crowd[7]
    );
    store.block(bob, ann, NOW).await.unwrap();
    assert!(
        store.find_people(ann, "bob", 0).await.unwrap().is_empty(),
        "he blocked her"
    );
    assert_eq!(store.find_people(bob, "ann", 0).await.unwrap().len(), 1);
    assert_eq!(
        store.blocked_by(ann, &[bob, crowd[0]]).await.unwrap(),
        [bob]
    );
    store.unblock(bob, ann).await.unwrap();
}

async fn sessions_come_and_go(store: &Store, ann: i64) {
    let session = |n: u8, used_at| Session {
        token_hash: vec![n; 32],
        user_id: ann,
        device: format!("device {n}"),
        created_at: NOW,
        used_at,
        expires_at: used_at + 30 * DAY,
    };
    for n in 1..=3 {
        store.create_session(&session(n, NOW)).await.unwrap();
    }
    let soon = store
        .use_session(&[1; 32], NOW + HOUR - 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (soon.used_at, soon.expires_at),
        (NOW, NOW + 30 * DAY),
        "not written every time"
    );
    let later = NOW + 29 * DAY;
    let used = store.use_session(&[1; 32], later).await.unwrap().unwrap();
    assert_eq!(
        (used.used_at, used.expires_at),
        (later, later + 30 * DAY),
        "used ones live on"
    );
    let living = store.sessions(ann, NOW + 31 * DAY).await.unwrap();
    assert_eq!(living, [used], "unused ones end after 30 days");
    assert!(
        store
            .use_session(&[2; 32], NOW + 31 * DAY)
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.use_session(&[9; 32], NOW).await.unwrap().is_none());

    assert!(
        !store.end_session(ann, &[2; 4]).await.unwrap(),
        "too short a name for a session"
    );
    assert!(
        !store.end_session(1, &[2; 8]).await.unwrap(),
        "somebody else's"
    );
    assert!(store.end_session(ann, &[2; 8]).await.unwrap());
    assert!(!store.end_session(ann, &[2; 8]).await.unwrap());
    assert_eq!(
        store.end_other_sessions(ann, &[1; 32]).await.unwrap(),
        [vec![3; 32]]
    );
    for n in 100..170 {
        store
            .create_session(&session(n, NOW + i64::from(n)))
            .await
            .unwrap();
    }
    let kept = store.sessions(ann, NOW).await.unwrap();
    assert_eq!(kept.len(), 64);
    assert!(
        kept.iter().any(|kept| kept.token_hash == [1; 32]),
        "the last used one stays"
    );
    assert!(
        !kept.iter().any(|kept| kept.token_hash == [100; 32]),
        "the oldest gives way"
    );
    assert_eq!(store.forget(NOW + 31 * DAY).await.unwrap(), 63);
    assert_eq!(store.sessions(ann, NOW).await.unwrap().len(), 1);
}

async fn friends_and_blocks(store: &Store, ann: i64, bob: i64, carl: i64) {
    use Relation::{Asked, Asks, Blocked, Friend, None};
    let both = |relations: store::Relations| (relations.mine, relations.theirs);
    assert_eq!(
        both(store.befriend(ann, bob, NOW).await.unwrap()),
        (Asked, Asks)
    );
    assert_eq!(
        both(store.befriend(ann, bob, NOW).await.unwrap()),
        (Asked, Asks)
    );
    assert_eq!(
        both(store.befriend(bob, ann, NOW).await.unwrap()),
        (Friend, Friend),
        "they cross"
    );
    assert_eq!(store.friend_ids(ann).await.unwrap(), [bob]);
    store.set_last_seen(bob, NOW + 5).await.unwrap();
    store.set_last_seen(bob, NOW).await.unwrap();
    assert_eq!(
        store.people(ann, &[bob]).await.unwrap()[0].last_seen,
        NOW + 5,
        "friends see it"
    );
    assert_eq!(
        store.people(carl, &[bob]).await.unwrap()[0].last_seen,
        0,
        "others do not"
    );

    assert_eq!(
        both(store.befriend(carl, ann, NOW).await.unwrap()),
        (Asked, Asks)
    );
    assert_eq!(
        store.accept(carl, ann, NOW).await,
        Err(Error::NotFound),
        "he asked, not she"
    );
    assert_eq!(
        both(store.accept(ann, carl, NOW).await.unwrap()),
        (Friend, Friend)
    );
    assert_eq!(
        both(store.drop_contact(carl, ann).await.unwrap()),
        (None, None)
    );
    assert_eq!(store.contacts(carl).await.unwrap(), []);

    assert_eq!(
        both(store.block(bob, ann, NOW).await.unwrap()),
        (Blocked, Friend)
    );
    let seen = &store.contacts(ann).await.unwrap()[0];
    assert_eq!(
        (seen.relation(), seen.last_seen),
        (Friend, 0),
        "she does not learn of it"
    );
    assert_eq!(store.contacts(bob).await.unwrap()[0].relation(), Blocked);
    assert_eq!(
        store.befriend(bob, ann, NOW).await,
        Err(Error::Forbidden),
        "unblock first"
    );
    assert_eq!(
        both(store.drop_contact(ann, bob).await.unwrap()),
        (None, Blocked)
    );
    assert_eq!(
        both(store.befriend(ann, bob, NOW).await.unwrap()),
        (Asked, Blocked)
    );
    assert_eq!(
        both(store.unblock(bob, ann).await.unwrap()),
        (Asks, Asked),
        "now he hears it"
    );
    assert_eq!(
        both(store.accept(bob, ann, NOW).await.unwrap()),
        (Friend, Friend)
    );

    assert_eq!(store.befriend(ann, 1, NOW).await, Err(Error::NotFound));
    assert!(matches!(
        store.block(ann, ann, NOW).await,
        Err(Error::Invalid(_))
    ));
}

async fn two_people_talk(store: &Store, ann: i64, bob: i64) -> i64 {
    let (direct, made) = store.open_direct(ann, bob, NOW).await.unwrap();
    assert!(made);
    assert_eq!(
        store.open_direct(bob, ann, NOW).await.unwrap(),
        (direct, false)
    );
    assert!(matches!(
        store.open_direct(ann, ann, NOW).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(store.open_direct(ann, 1, NOW).await, Err(Error::NotFound));

    let hi = NewMessage {
        mentions: vec![bob, 1],
        ..message(direct, ann, "hi @bob")
    };
    let batch = Batch {
        sends: vec![
            hi.clone(),
            hi.clone(),
            NewMessage {
                reply_seq: 1,
                ..message(direct, bob, "hello")
            },
            NewMessage {
                reply_seq: 3,
                ..message(direct, bob, "to nothing")
            },
            message(direct, 1, "a stranger"),
            message(1, ann, "to nowhere"),
        ],
        moves: Vec::new(),
    };
    let done = store
        .commit(store.database_of(direct), &batch, NOW + 1)
        .await
        .unwrap();
    let sent_at = NOW + 1;
    assert_eq!(
        done.sends,
        [
            SendOutcome::Stored { seq: 1, sent_at },
            SendOutcome::Repeated { seq: 1, sent_at },
            SendOutcome::Stored { seq: 2, sent_at },
            SendOutcome::BadReply,
            SendOutcome::Forbidden,
            SendOutcome::Forbidden,
        ]
    );
    assert_eq!(done.members.len(), 1);
    assert_eq!(done.members[&direct].len(), 2);
    // Ann has read what she wrote; Bob answered without having read it.
    let receipts: Vec<_> = done
        .receipts
        .iter()
        .map(|r| (r.user_id, r.read_seq))
        .collect();
    assert_eq!(receipts, [(ann, 1)]);

    let cursor = |user_id, delivered_seq, read_seq| CursorMove {
        conv_id: direct,
        user_id,
        delivered_seq,
        read_seq,
    };
    let moves = vec![
        cursor(bob, 1, 0),
        cursor(bob, 0, 2),
        cursor(bob, 1, 1),
        cursor(ann, 3, 0),
        cursor(ann, i64::MAX, i64::MAX),
        cursor(ann, -5, -5),
        cursor(1, 1, 1),
    ];
    let batch = Batch {
        sends: Vec::new(),
        moves,
    };
    let done = store
        .commit(store.database_of(direct), &batch, NOW + 2)
        .await
        .unwrap();
    let receipts: Vec<_> = done
        .receipts
        .iter()
        .map(|r| (r.user_id, r.delivered_seq, r.read_seq, r.at))
        .collect();
    assert_eq!(
        receipts,
        [(bob, 2, 2, NOW + 2)],
        "one for each who really moved"
    );
    let nothing = store.commit(0, &Batch::default(), NOW).await.unwrap();
    assert!(nothing.sends.is_empty() && nothing.receipts.is_empty());
    let cursors = store.cursors(ann, direct).await.unwrap();
    let at = |user_id| {
        cursors
            .iter()
            .find(|cursor| cursor.user_id == user_id)
            .unwrap()
    };
    assert_eq!(
        (at(ann).delivered_seq, at(ann).read_seq, at(ann).read_at),
        (1, 1, NOW + 1)
    );
    assert_eq!(
        (at(bob).delivered_seq, at(bob).read_seq, at(bob).read_at),
        (2, 2, NOW + 2)
    );
    assert_eq!(store.cursors(1, direct).await, Err(Error::NotFound));
    assert_eq!(
        store
            .conversation(bob, direct, false)
            .await
            .unwrap()
            .mention_seq,
        1
    );
    direct
}

async fn old_messages_change(store: &Store, ann: i64, bob: i64, direct: i64) {
    let edited = store
        .edit(ann, direct, 1, "hi, Bob!", NOW + 3)
        .await
        .unwrap();
    assert!(edited.moved);
    let message = &edited.message;
    assert_eq!(
        (message.rev, message.edited_at, message.body.as_str()),
        (1, NOW + 3, "hi, Bob!")
    );
    assert_eq!(edited.members.len(), 2);
    assert!(
        !store
            .edit(ann, direct, 1, "hi, Bob!", NOW + 4)
            .await
            .unwrap()
            .moved
    );
    assert_eq!(
        store.edit(bob, direct, 1, "mine", NOW).await,
        Err(Error::Forbidden)
    );
    assert_eq!(
        store.edit(ann, direct, 99, "none", NOW).await,
        Err(Error::NotFound)
    );
    assert_eq!(
        store.edit(1, direct, 1, "stranger", NOW).await,
        Err(Error::NotFound)
    );
    assert_eq!(
        store.edit(ann, 1, 1, "nowhere", NOW).await,
        Err(Error::NotFound)
    );

    let liked = store.react(bob, direct, 1, "👍", false).await.unwrap();
    assert!(liked.moved);
    assert_eq!(liked.message.reactions[0].user_ids, [bob]);
    assert!(
        !store
            .react(bob, direct, 1, "👍", false)
            .await
            .unwrap()
            .moved
    );
    store.react(ann, direct, 1, "👍", false).await.unwrap();
    let taken = store.react(bob, direct, 1, "👍", true).await.unwrap();
    assert_eq!((taken.moved, taken.message.rev), (true, 4));
    assert_eq!(taken.message.reactions[0].user_ids, [ann]);
    assert!(!store.react(bob, direct, 1, "👍", true).await.unwrap().moved);
    for n in 0..8 {
        store
            .react(bob, direct, 1, &format!("+{n}"), false)
            .await
            .unwrap();
    }
    assert!(matches!(
        store.react(bob, direct, 1, "👎", false).await,
        Err(Error::Limit(_))
    ));

    let gone = say(store, direct, bob, "delete me").await;
    store.react(ann, direct, gone, "👀", false).await.unwrap();
    assert_eq!(
        store.delete(ann, direct, gone, NOW).await,
        Err(Error::Forbidden)
    );
    let deleted = store.delete(bob, direct, gone, NOW).await.unwrap();
    assert_eq!(deleted.message.kind(), MessageKind::Deleted);
    assert!(deleted.moved && deleted.message.body.is_empty());
    assert!(deleted.message.reactions.is_empty());
    assert!(!store.delete(bob, direct, gone, NOW).await.unwrap().moved);
    assert_eq!(
        store.edit(bob, direct, gone, "back", NOW).await,
        Err(Error::Forbidden)
    );
    assert!(matches!(
        store.react(bob, direct, gone, "👍", false).await,
        Err(Error::Invalid(_))
    ));
}

async fn the_log_is_read(store: &Store, ann: i64, bob: i64, direct: i64) {
    for n in 4..=120 {
        assert_eq!(say(store, direct, bob, &format!("message {n}")).await, n);
    }
    let page = async |from, limit| {
        let (messages, more) = store.history(ann, direct, from, limit).await.unwrap();
        let seqs: Vec<i64> = messages.iter().map(|message| message.seq).collect();
        (seqs, more, messages)
    };
    let (seqs, more, _) = page(From::BeforeSeq(0), 0).await;
    assert_eq!((seqs, more), ((71..=120).collect(), true));
    let (seqs, more, _) = page(From::BeforeSeq(11), 1_000).await;
    assert_eq!((seqs, more), ((1..=10).collect(), false));
    let (seqs, more, _) = page(From::AfterSeq(118), 2).await;
    assert_eq!((seqs, more), (vec![119, 120], false));
    let (seqs, more, _) = page(From::AfterSeq(100), 2).await;
    assert_eq!((seqs, more), (vec![101, 102], true));
    let (seqs, more, messages) = page(From::AfterRev(0), 0).await;
    assert_eq!(
        (seqs, more),
        (vec![1, 3], false),
        "in the order of their last change"
    );
    assert_eq!(messages[0].reactions.len(), 9);
    assert!(page(From::AfterRev(messages[1].rev), 0).await.0.is_empty());
    let nobody = store.history(1, direct, From::BeforeSeq(0), 0).await;
    assert_eq!(nobody, Err(Error::NotFound));

    // A page stays below 48 KiB, but always has one message.
    for _ in 0..5 {
        say(store, direct, bob, &"ö".repeat(8_192)).await;
    }
    let (seqs, more, _) = page(From::BeforeSeq(0), 10).await;
    assert_eq!((seqs, more), (vec![124, 125], true));
    let (seqs, more, _) = page(From::AfterSeq(120), 10).await;
    assert_eq!((seqs, more), (vec![121, 122], true));

    let found = store
        .search(ann, direct, "MESSAGE 1", 0, 100)
        .await
        .unwrap();
    let seqs: Vec<i64> = found.0.iter().map(|message| message.seq).collect();
    assert_eq!(
        seqs,
        (100..=120).rev().chain((10..=19).rev()).collect::<Vec<_>>()
    );
    assert_eq!(found.1, 0, "down to the beginning");
    let found = store.search(ann, direct, "message", 50, 5).await.unwrap();
    assert_eq!((found.0.len(), found.0[0].seq, found.1), (5, 49, 45));
    assert_eq!(
        store.search(1, direct, "message", 0, 0).await,
        Err(Error::NotFound)
    );
}

async fn a_block_closes_the_conversation(store: &Store, ann: i64, bob: i64, direct: i64) {
    let before = NewMessage {
        client_key: 815,
        ..message(direct, ann, "before")
    };
    let stored = send(store, before.clone()).await;
    store.block(bob, ann, NOW).await.unwrap();
    for sender in [ann, bob] {
        assert_eq!(
            send(store, message(direct, sender, "no")).await,
            SendOutcome::Forbidden
        );
    }
    let SendOutcome::Stored { seq, sent_at } = stored else {
        panic!("{stored:?}")
    };
    assert_eq!(
        send(store, before).await,
        SendOutcome::Repeated { seq, sent_at },
        "it was stored"
    );
    assert_eq!(
        store.edit(ann, direct, seq, "other", NOW).await,
        Err(Error::Forbidden)
    );
    assert_eq!(
        store.react(ann, direct, seq, "👍", false).await,
        Err(Error::Forbidden)
    );
    assert_eq!(
        store.open_direct(ann, bob, NOW).await,
        Err(Error::Forbidden)
    );
    assert_eq!(
        store.open_direct(bob, ann, NOW).await,
        Err(Error::Forbidden)
    );
    store.block(ann, bob, NOW).await.unwrap();
    store.unblock(bob, ann).await.unwrap();
    assert_eq!(
        send(store, message(direct, ann, "no")).await,
        SendOutcome::Forbidden,
        "she did too"
    );
    store.unblock(ann, bob).await.unwrap();
    say(store, direct, ann, "open again").await;
}

async fn a_group_lives(store: &Store, ann: i64, bob: i64, carl: i64) -> i64 {
    let dora = person(store, "dora", "Dora").await;
    let eve = person(store, "eve", "Eve").await;
    store.block(eve, ann, NOW).await.unwrap();
    let made = store
        .create_group(ann, "Tea", &[bob, bob, ann, eve, 1], NOW)
        .await
        .unwrap();
    let group = made.conv_id;
    assert_eq!(
        traces(&made),
        [(MessageKind::Created, "Tea"), (MessageKind::Joined, "bob")]
    );
    assert_eq!(
        sorted(&made.members),
        sorted(&[ann, bob]),
        "who blocked her was passed over"
    );
    assert_eq!(sorted(&made.added), sorted(&[ann, bob]));
    assert_eq!(
        store
            .conversation(ann, group, false)
            .await
            .unwrap()
            .read_seq,
        2
    );
    assert_eq!(
        store
            .conversation(bob, group, false)
            .await
            .unwrap()
            .read_seq,
        0
    );
    assert_eq!(say(store, group, bob, "hello").await, 3);

    // Any member invites; who comes sees the log from there on.
    let more = store
        .invite(bob, group, &[carl, dora, ann, 1], NOW)
        .await
        .unwrap();
    assert_eq!(
        traces(&more),
        [
            (MessageKind::Joined, "carl.j"),
            (MessageKind::Joined, "dora")
        ]
    );
    assert_eq!(
        (more.added.as_slice(), more.members.len()),
        ([carl, dora].as_slice(), 4)
    );
    let (page, more) = store
        .history(carl, group, From::AfterSeq(0), 0)
        .await
        .unwrap();
    assert_eq!((page[0].seq, page.len(), more), (4, 2, false));
    assert_eq!(
        store.react(carl, group, 3, "👍", false).await,
        Err(Error::NotFound)
    );
    let reply = NewMessage {
        reply_seq: 3,
        ..message(group, carl, "to what I cannot see")
    };
    assert_eq!(send(store, reply).await, SendOutcome::BadReply);
    assert!(
        store
            .invite(bob, group, &[carl], NOW)
            .await
            .unwrap()
            .messages
            .is_empty()
    );

    for (result, what) in [
        (
            store.rename(bob, group, "Mine", NOW).await,
            "a member renames",
        ),
        (store.kick(bob, group, carl, NOW).await, "a member kicks"),
        (
            store.appoint(bob, group, carl, Role::Admin, NOW).await,
            "a member appoints",
        ),
    ] {
        assert_eq!(result, Err(Error::Forbidden), "{what}");
    }
    let up = store
        .appoint(ann, group, bob, Role::Admin, NOW)
        .await
        .unwrap();
    assert_eq!(traces(&up), [(MessageKind::Appointed, "bob")]);
    assert!(
        store
            .appoint(ann, group, bob, Role::Admin, NOW)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert_eq!(
        store.appoint(ann, group, 1, Role::Admin, NOW).await,
        Err(Error::NotFound)
    );
    let renamed = store.rename(bob, group, "Coffee", NOW).await.unwrap();
    assert_eq!(traces(&renamed), [(MessageKind::Renamed, "Coffee")]);
    assert!(
        store
            .rename(bob, group, "Coffee", NOW)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert_eq!(
        store.kick(bob, group, ann, NOW).await,
        Err(Error::Forbidden)
    );
    let out = store.kick(bob, group, dora, NOW).await.unwrap();
    assert_eq!(
        (traces(&out), out.removed.as_slice()),
        (vec![(MessageKind::Kicked, "dora")], [dora].as_slice())
    );
    assert_eq!(
        send(store, message(group, dora, "still here?")).await,
        SendOutcome::Forbidden
    );
    assert_eq!(
        store.history(dora, group, From::BeforeSeq(0), 0).await,
        Err(Error::NotFound)
    );
    assert_eq!(
        store.kick(bob, group, dora, NOW).await,
        Err(Error::NotFound)
    );
    let seq = say(store, group, carl, "rude").await;
    assert!(
        store.delete(bob, group, seq, NOW).await.unwrap().moved,
        "an admin deletes any"
    );
    assert_eq!(
        store.delete(ann, group, 1, NOW).await,
        Err(Error::Forbidden),
        "not the traces"
    );
    group
}

fn traces(change: &store::GroupChange) -> Vec<(MessageKind, &str)> {
    change
        .messages
        .iter()
        .map(|message| (message.kind(), message.body.as_str()))
        .collect()
}

fn sorted(ids: &[i64]) -> Vec<i64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

async fn a_group_dies(store: &Store, ann: i64, bob: i64, carl: i64, group: i64) {
    let seen = store.conversation(carl, group, true).await.unwrap();
    assert_eq!(
        (seen.title.as_str(), seen.member_count, seen.members.len()),
        ("Coffee", 3, 3)
    );
    let owner = seen
        .members
        .iter()
        .find(|member| member.user_id == ann)
        .unwrap();
    assert_eq!((owner.role(), owner.handle.as_str()), (Role::Owner, "ann"));
    assert_eq!(
        store.member_ids(group).await.unwrap(),
        [sorted(&[ann, bob]), vec![carl]].concat()
    );
    store.mute(carl, group, NOW + DAY).await.unwrap();
    assert_eq!(
        store
            .conversation(carl, group, false)
            .await
            .unwrap()
            .muted_until,
        NOW + DAY
    );
    assert_eq!(store.mute(1, group, 0).await, Err(Error::NotFound));

    let left = store.leave(ann, group, NOW).await.unwrap();
    assert_eq!(
        traces(&left),
        [(MessageKind::Appointed, "bob"), (MessageKind::Left, "")]
    );
    assert_eq!(
        (left.members.as_slice(), left.removed.as_slice()),
        ([bob, carl].as_slice(), [ann].as_slice())
    );
    assert_eq!(store.leave(ann, group, NOW).await, Err(Error::NotFound));
    assert_eq!(
        store.conversation(ann, group, false).await,
        Err(Error::NotFound)
    );
    // She comes back and sees nothing of what was said meanwhile.
    let missed = say(store, group, bob, "she is gone").await;
    store.invite(carl, group, &[ann], NOW).await.unwrap();
    let back = store.conversation(ann, group, false).await.unwrap();
    assert_eq!(
        (back.joined_seq, back.read_seq, back.role()),
        (missed, missed, Role::Member)
    );
    assert_eq!(back.last.unwrap().kind(), MessageKind::Joined);

    let handed = store
        .appoint(bob, group, carl, Role::Owner, NOW)
        .await
        .unwrap();
    assert_eq!(traces(&handed), [(MessageKind::Appointed, "carl.j")]);
    assert_eq!(
        store.conversation(bob, group, false).await.unwrap().role(),
        Role::Admin
    );
    for (who, remain) in [(carl, 2), (ann, 1), (bob, 0)] {
        assert_eq!(
            store.leave(who, group, NOW).await.unwrap().members.len(),
            remain
        );
    }
    assert!(store.member_ids(group).await.unwrap().is_empty());
    assert_eq!(
        send(store, message(group, bob, "echo?")).await,
        SendOutcome::Forbidden
    );

    let (direct, _) = store.open_direct(ann, carl, NOW).await.unwrap();
    assert_eq!(
        store.leave(ann, direct, NOW).await,
        Err(Error::Forbidden),
        "no group"
    );
}

async fn paint_and_digest(store: &Store, ann: i64, bob: i64, direct: i64) {
    let long = "long ".repeat(100);
    let seq = say(store, direct, bob, &long).await;
    store.react(ann, direct, seq, "👍", false).await.unwrap();
    read_up_to(store, direct, bob, seq).await;
    let painted = store.conversations(ann, 200).await.unwrap();
    assert!(painted.is_sorted_by_key(|conversation| std::cmp::Reverse(conversation.last_at)));
    let seen = painted
        .iter()
        .find(|conversation| conversation.conv_id == direct)
        .unwrap();
    assert_eq!(
        (seen.friend_id, seen.friend_read_seq, seen.last_seq),
        (bob, seq, seq)
    );
    let last = seen.last.as_ref().unwrap();
    assert_eq!(
        last.body.chars().count(),
        limits::PREVIEW_CHARS_MAX as usize
    );
    assert_eq!(last.reactions[0].user_ids, [ann]);
    assert_eq!(&store.conversation(ann, direct, false).await.unwrap(), seen);
    assert_eq!(store.conversations(ann, 1).await.unwrap().len(), 1);

    let digest = store.digest(ann).await.unwrap();
    assert_eq!(digest.len(), painted.len());
    let standing = digest
        .iter()
        .find(|standing| standing.conv_id == direct)
        .unwrap();
    assert_eq!((standing.last_seq, standing.last_rev), (seq, seen.last_rev));
    assert_eq!((standing.read_seq, standing.joined_seq), (seen.read_seq, 0));
    assert!(store.digest(1).await.unwrap().is_empty());
}

async fn old_keys_are_forgotten(store: &Store, repeated: NewMessage) {
    assert_eq!(
        store.forget(NOW + limits::CLIENT_KEY_MS).await.unwrap(),
        0,
        "a week is not over"
    );
    assert!(
        store
            .forget(NOW + limits::CLIENT_KEY_MS + 10)
            .await
            .unwrap()
            > 100
    );
    assert!(matches!(
        send(store, repeated).await,
        SendOutcome::Stored { .. }
    ));
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
    let story = include_str!("story.rs").to_owned() + include_str!("support.rs");
    let missing = |name: &&String| {
        !story.contains(&format!(".{name}(")) && !story.contains(&format!("Store::{name}("))
    };
    let missing: Vec<_> = methods.iter().filter(missing).collect();
    assert!(missing.is_empty(), "not in the story: {missing:?}");
}
