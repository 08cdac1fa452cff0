//! The story of people: accounts, finding each other, sessions, contacts.

use proto::{Person, Relation};
use store::{Error, NewUser, Session, Store};

use super::{DAY, HOUR};
use crate::support::{NOW, person};

pub(super) async fn people_sign_up(store: &Store) -> [i64; 3] {
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
    let same_handle = store.create_user(&taken(1, "ann", "new@example.org"), NOW).await;
    assert_eq!(same_handle, Err(Error::Taken("handle")));
    let same_email = store.create_user(&taken(1, "new", "ann@example.org"), NOW).await;
    assert_eq!(same_email, Err(Error::Taken("email")));
    let same_number = store.create_user(&taken(ann, "new", "new@example.org"), NOW).await;
    assert_eq!(same_number, Err(Error::Taken("number")));
    let two = [taken(2, "dora", "dora@example.org"), taken(3, "ann", "new@example.org")];
    assert_eq!(store.create_users(&two, NOW).await, Err(Error::Taken("handle")));
    assert!(store.credential("dora").await.unwrap().is_none(), "all of them or none");

    assert_eq!(store.credential("ann").await.unwrap().unwrap().user_id, ann);
    assert!(store.credential("nobody").await.unwrap().is_none());
    store.set_password(ann, "$new$").await.unwrap();
    assert_eq!(store.credential_of(ann).await.unwrap().unwrap().pass_hash, "$new$");
    assert!(store.credential_of(1).await.unwrap().is_none());
    assert_eq!(store.set_password(1, "x").await, Err(Error::NotFound));

    let ids = store.user_ids(&["bob", "nobody", "ann"]).await.unwrap();
    // Two ids of one millisecond may have either order.
    assert!(ids == [ann, bob] || ids == [bob, ann], "{ids:?}");
    assert!(store.user_ids(&[]).await.unwrap().is_empty());
    let found = store.people(ann, &[bob, 1, carl, bob]).await.unwrap();
    assert_eq!(names(&found), ["bob", "carl.j"]);
    [ann, bob, carl]
}

fn names(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.handle.as_str()).collect()
}

pub(super) async fn people_are_found(store: &Store, ann: i64, bob: i64) {
    for typed in ["carl.j", "@carl.j", "Carl", "car", "johnson", "jonson", "carl joh", "JOHNSON c"]
    {
        let found = store.find_people(ann, typed, 0).await.unwrap();
        assert_eq!(names(&found), ["carl.j"], "{typed}");
    }
    for typed in ["angstrom", "Ångst", "bob ang"] {
        assert_eq!(names(&store.find_people(ann, typed, 0).await.unwrap()), ["bob"], "{typed}");
    }
    for typed in ["zz", "--", "carl miller", "muller"] {
        assert!(store.find_people(ann, typed, 0).await.unwrap().is_empty(), "{typed}");
    }
    let mut crowd = Vec::new();
    for n in 0..30 {
        crowd.push(person(store, &format!("crowd{n:02}"), "One of Many").await);
    }
    assert_eq!(store.find_people(ann, "many", 0).await.unwrap().len(), 20);
    assert_eq!(store.find_people(ann, "crowd", 3).await.unwrap().len(), 3);
    assert_eq!(store.find_people(ann, "crowd07", 1).await.unwrap()[0].user_id, crowd[7]);
    // More than it pays to begin with.
    let named_alike = (0..501).map(|n| NewUser {
        user_id: 1_000 + n,
        handle: format!("zora.{n}"),
        name: "Zora Bell".into(),
        email: None,
        pass_hash: "x".into(),
    });
    store.create_users(&named_alike.collect::<Vec<_>>(), NOW).await.unwrap();
    let alike = store.find_people(ann, "bell zor", 20).await.unwrap();
    assert_eq!((alike.len(), alike[0].user_id), (20, 1_000));
    store.block(bob, ann, NOW).await.unwrap();
    assert!(store.find_people(ann, "bob", 0).await.unwrap().is_empty(), "he blocked her");
    assert_eq!(store.find_people(bob, "ann", 0).await.unwrap().len(), 1);
    assert_eq!(store.blocked_by(ann, &[bob, crowd[0]]).await.unwrap(), [bob]);
    store.unblock(bob, ann).await.unwrap();
}

pub(super) async fn sessions_come_and_go(store: &Store, ann: i64) {
    for n in 1..=3 {
        store.create_session(&session(ann, n, NOW), None).await.unwrap();
    }
    let soon = store.use_session(&[1; 32], NOW + HOUR - 1).await.unwrap().unwrap();
    assert_eq!((soon.used_at, soon.expires_at), (NOW, NOW + 30 * DAY), "not written every time");
    let later = NOW + 29 * DAY;
    let used = store.use_session(&[1; 32], later).await.unwrap().unwrap();
    assert_eq!((used.used_at, used.expires_at), (later, later + 30 * DAY), "used ones live on");
    let living = store.sessions(ann, NOW + 31 * DAY).await.unwrap();
    assert_eq!(living, [used], "unused ones end after 30 days");
    assert!(store.use_session(&[2; 32], NOW + 31 * DAY).await.unwrap().is_none());
    assert!(store.use_session(&[9; 32], NOW).await.unwrap().is_none());
}

pub(super) async fn sessions_end(store: &Store, ann: i64) {
    assert!(!store.end_session(ann, &[2; 4]).await.unwrap(), "too short a name for a session");
    assert!(!store.end_session(1, &[2; 8]).await.unwrap(), "somebody else's");
    assert!(store.end_session(ann, &[2; 8]).await.unwrap());
    assert!(!store.end_session(ann, &[2; 8]).await.unwrap());
    assert_eq!(store.end_other_sessions(ann, &[1; 32]).await.unwrap(), [vec![3; 32]]);
    for n in 100..170 {
        store.create_session(&session(ann, n, NOW + i64::from(n)), None).await.unwrap();
    }
    let kept = store.sessions(ann, NOW).await.unwrap();
    assert_eq!(kept.len(), 64);
    assert!(kept.iter().any(|kept| kept.token_hash == [1; 32]), "the last used one stays");
    assert!(!kept.iter().any(|kept| kept.token_hash == [100; 32]), "the oldest gives way");
    assert_eq!(store.forget(NOW + 31 * DAY).await.unwrap(), 63);
    assert_eq!(store.sessions(ann, NOW).await.unwrap().len(), 1);
}

fn session(user_id: i64, n: u8, used_at: i64) -> Session {
    Session {
        token_hash: vec![n; 32],
        user_id,
        device: format!("device {n}"),
        created_at: NOW,
        used_at,
        expires_at: used_at + 30 * DAY,
    }
}

pub(super) async fn people_become_friends(store: &Store, ann: i64, bob: i64, carl: i64) {
    use Relation::{Asked, Asks, Friend, None};
    assert_eq!(both(store.befriend(ann, bob, NOW).await.unwrap()), (Asked, Asks));
    assert_eq!(both(store.befriend(ann, bob, NOW).await.unwrap()), (Asked, Asks));
    assert_eq!(both(store.befriend(bob, ann, NOW).await.unwrap()), (Friend, Friend), "they cross");
    assert_eq!(store.friends_and_hides(carl).await.unwrap(), (vec![], false));
    assert_eq!(store.friends_and_hides(ann).await.unwrap(), (vec![bob], false));
    assert_eq!(store.friends_and_hides(i64::MAX).await, Err(Error::NotFound));
    store.set_last_seen(bob, NOW + 5).await.unwrap();
    store.set_last_seen(bob, NOW).await.unwrap();
    assert_eq!(store.people(ann, &[bob]).await.unwrap()[0].last_seen, NOW + 5, "friends see it");
    assert_eq!(store.people(carl, &[bob]).await.unwrap()[0].last_seen, 0, "others do not");

    assert_eq!(both(store.befriend(carl, ann, NOW).await.unwrap()), (Asked, Asks));
    assert_eq!(store.accept(carl, ann, NOW).await, Err(Error::NotFound), "he asked, not she");
    assert_eq!(both(store.accept(ann, carl, NOW).await.unwrap()), (Friend, Friend));
    assert_eq!(both(store.drop_contact(carl, ann).await.unwrap()), (None, None));
    assert_eq!(store.contacts(carl).await.unwrap(), []);

    assert_eq!(store.befriend(ann, 1, NOW).await, Err(Error::NotFound));
    assert!(matches!(store.block(ann, ann, NOW).await, Err(Error::Invalid(_))));
}

pub(super) async fn blocks_stay_private(store: &Store, ann: i64, bob: i64) {
    use Relation::{Asked, Asks, Blocked, Friend, None};
    assert_eq!(both(store.block(bob, ann, NOW).await.unwrap()), (Blocked, Friend));
    let seen = &store.contacts(ann).await.unwrap()[0];
    assert_eq!((seen.relation(), seen.last_seen), (Friend, 0), "she does not learn of it");
    assert_eq!(store.contacts(bob).await.unwrap()[0].relation(), Blocked);
    assert_eq!(store.befriend(bob, ann, NOW).await, Err(Error::Forbidden), "unblock first");
    assert_eq!(both(store.drop_contact(ann, bob).await.unwrap()), (None, Blocked));
    assert_eq!(both(store.befriend(ann, bob, NOW).await.unwrap()), (Asked, Blocked));
    assert_eq!(both(store.unblock(bob, ann).await.unwrap()), (Asks, Asked), "now he hears it");
    assert_eq!(both(store.accept(bob, ann, NOW).await.unwrap()), (Friend, Friend));
}

fn both(relations: store::Relations) -> (Relation, Relation) {
    (relations.mine, relations.theirs)
}
