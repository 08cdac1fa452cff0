//! Finding people, friendship, and blocks that nobody sees.

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{
    Accept, Befriend, Block, ErrorCode, Find, Person, Presence, Relation, SentState, Typing,
    Unblock, Unfriend, Who,
};

use crate::harness::{Client, host, send};

async fn person(line: &mut Client, body: Say) -> Person {
    match line.ask(body).await {
        Hear::Person(person) => person,
        other => panic!("{other:?}"),
    }
}

async fn told(line: &mut Client, user: i64) -> Person {
    match line.until(|b| matches!(b, Hear::Person(p) if p.user_id == user)).await {
        Hear::Person(person) => person,
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn a_friendship_from_the_search_to_its_end() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bobby").await;
    let find = Find { text: "bob".into(), limit: 0 };
    let Hear::Found(found) = ann.line.ask(Say::Find(find)).await else { panic!() };
    assert_eq!(found.people[0].user_id, bob.id);
    let (to_ann, to_bob) = (ann.id, bob.id);

    let asked = person(&mut ann.line, Say::Befriend(Befriend { user_id: to_bob })).await;
    assert_eq!(asked.relation(), Relation::Asked);
    assert_eq!(told(&mut bob.line, to_ann).await.relation(), Relation::Asks);
    let accepted = person(&mut bob.line, Say::Accept(Accept { user_id: to_ann })).await;
    assert_eq!((accepted.relation(), accepted.online), (Relation::Friend, true));
    let friend = told(&mut ann.line, to_bob).await;
    assert_eq!((friend.relation(), friend.online), (Relation::Friend, true));
    let over = person(&mut ann.line, Say::Unfriend(Unfriend { user_id: to_bob })).await;
    assert_eq!((over.relation(), over.online), (Relation::None, false));
    assert_eq!(told(&mut bob.line, to_ann).await.relation(), Relation::None);

    let who = Who { user_ids: vec![to_bob, 12345] };
    let Hear::Found(found) = ann.line.ask(Say::Who(who)).await else { panic!() };
    assert_eq!(found.people.len(), 1);
    let myself = Say::Befriend(Befriend { user_id: to_ann });
    assert_eq!(ann.line.refused(myself).await, ErrorCode::Invalid);
}

#[tokio::test]
async fn requests_that_cross_make_a_friendship() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let (to_ann, to_bob) = (ann.id, bob.id);
    let (a, b) = tokio::join!(
        person(&mut ann.line, Say::Befriend(Befriend { user_id: to_bob })),
        person(&mut bob.line, Say::Befriend(Befriend { user_id: to_ann })),
    );
    assert!([a.relation(), b.relation()].contains(&Relation::Friend));
    let again = person(&mut ann.line, Say::Befriend(Befriend { user_id: to_bob })).await;
    assert_eq!(again.relation(), Relation::Friend);
}

#[tokio::test]
async fn a_block_is_not_seen_by_the_blocked() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    ann.befriend(&mut bob).await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "before").await;
    bob.line.message(chat).await;
    ann.line.settled().await;
    bob.line.settled().await;
    let (to_ann, to_bob) = (ann.id, bob.id);

    let blocked = person(&mut ann.line, Say::Block(Block { user_id: to_bob })).await;
    assert_eq!(blocked.relation(), Relation::Blocked);
    // To bob it looks as if ann had left.
    let seen = bob.line.settled().await;
    let seen: Vec<_> = seen.into_iter().filter_map(|frame| frame.body).collect();
    let [Hear::Presence(Presence { online: false, user_id, .. })] = seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(user_id, ann.id);
    let who = Who { user_ids: vec![to_ann] };
    let Hear::Found(found) = bob.line.ask(Say::Who(who)).await else { panic!() };
    assert_eq!((found.people[0].relation(), found.people[0].online), (Relation::Friend, false));

    let refused = bob.line.refused(Say::Send(send(chat, "hello?", 7))).await;
    assert_eq!(refused, ErrorCode::Forbidden);
    bob.line.say(Say::Typing(Typing { conv_id: chat, user_id: 0 })).await;
    ann.line.say(Say::Typing(Typing { conv_id: chat, user_id: 0 })).await;
    bob.line.settled().await;
    assert!(ann.line.settled().await.is_empty());
    assert!(bob.line.settled().await.is_empty());

    let back = host.connect(&bob.granted).await;
    let seen = back.paint.people.iter().find(|p| p.user_id == to_ann).unwrap();
    assert!(!seen.online);

    let free = person(&mut ann.line, Say::Unblock(Unblock { user_id: to_bob })).await;
    assert_ne!(free.relation(), Relation::Blocked);
    let sent = bob.line.send(chat, "again").await;
    assert_eq!(sent.state(), SentState::OnItsWay);
}
