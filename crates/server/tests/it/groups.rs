//! Groups: who is in, who says so, and what each of them sees.

use proto::client_frame::Body as Say;
use proto::limits::PEOPLE_PER_FRAME_MAX;
use proto::server_frame::Body as Hear;
use proto::{
    Appoint, Conversation, CreateGroup, Delivered, Edit, ErrorCode, Invite, Kick, Leave, Members,
    MessageKind, Mute, React, Rename, Role,
};
use store::NewUser;

use crate::harness::{Client, host, send};

async fn conversation(line: &mut Client, body: Say) -> Conversation {
    match line.ask(body).await {
        Hear::Conversation(conversation) => conversation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_group_from_its_founding_to_the_last_who_leaves() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let mut eve = host.user("eve").await;
    let create = CreateGroup { title: "garden".into(), user_ids: vec![bob.id], client_key: 0 };
    let group = conversation(&mut ann.line, Say::CreateGroup(create)).await;
    assert_eq!((group.role(), group.member_count), (Role::Owner, 2));
    let garden = group.conv_id;
    let seen = bob.line.conversation(garden).await;
    assert_eq!((seen.title.as_str(), seen.role()), ("garden", Role::Member));

    let invite = Invite { conv_id: garden, user_ids: vec![eve.id] };
    conversation(&mut bob.line, Say::Invite(invite)).await;
    assert_eq!(eve.line.conversation(garden).await.member_count, 3);
    let sent = ann.line.send(garden, "welcome @eve").await;
    assert_eq!((sent.members_online, sent.members), (2, 2));
    for user in [&mut bob, &mut eve] {
        let is_it = |b: &Hear| matches!(b, Hear::Message(m) if m.kind() == MessageKind::Text);
        let Hear::Message(message) = user.line.until(is_it).await else { unreachable!() };
        assert_eq!(message.body, "welcome @eve");
    }
    let members = conversation(&mut eve.line, Say::Members(Members { conv_id: garden })).await;
    assert_eq!(members.members.len(), 3);
    assert_eq!(members.mention_seq, sent.seq);

    let rename = |title: &str| Say::Rename(Rename { conv_id: garden, title: title.into() });
    assert_eq!(bob.line.refused(rename("bobs")).await, ErrorCode::Forbidden);
    let admin = Appoint { conv_id: garden, user_id: bob.id, role: Role::Admin.into() };
    conversation(&mut ann.line, Say::Appoint(admin)).await;
    conversation(&mut bob.line, rename("orchard")).await;
    let renamed = |b: &Hear| matches!(b, Hear::Conversation(c) if c.title == "orchard");
    eve.line.until(renamed).await;

    let kick = Kick { conv_id: garden, user_id: eve.id };
    conversation(&mut bob.line, Say::Kick(kick)).await;
    let out = |b: &Hear| matches!(b, Hear::Conversation(c) if c.conv_id == garden && c.left);
    eve.line.until(out).await;
    let refused = eve.line.refused(Say::Send(send(garden, "why?", 5))).await;
    assert_eq!(refused, ErrorCode::Forbidden);
    eve.line.settled().await;
    ann.line.send(garden, "without eve").await;
    assert!(eve.line.settled().await.is_empty(), "eve hears nothing any more");

    let gone = conversation(&mut ann.line, Say::Leave(Leave { conv_id: garden })).await;
    assert!(gone.left);
    let heir = |b: &Hear| matches!(b, Hear::Conversation(c) if c.role() == Role::Owner);
    bob.line.until(heir).await;
}

/// Each of them puts a hundred messages into the queue of the one who invites, too.
#[tokio::test]
async fn who_invites_many_in_a_row_is_not_taken_for_slow() {
    const SLICES: i64 = 5;
    let host = host().await;
    let mut ann = host.user("ann").await;
    let people: Vec<NewUser> = (0..SLICES * PEOPLE_PER_FRAME_MAX as i64)
        .map(|n| NewUser {
            user_id: proto::id::new(0, 1_700_000_000_000 + n),
            handle: format!("guest-{n}"),
            name: String::new(),
            email: None,
            pass_hash: "nobody logs in here".to_owned(),
        })
        .collect();
    host.server.store.create_users(&people, 1_700_000_000_000).await.unwrap();
    let create = CreateGroup { title: "feast".into(), user_ids: Vec::new(), client_key: 0 };
    let conv_id = conversation(&mut ann.line, Say::CreateGroup(create)).await.conv_id;
    let mut asked = Vec::new();
    for guests in people.chunks(PEOPLE_PER_FRAME_MAX) {
        let user_ids = guests.iter().map(|guest| guest.user_id).collect();
        asked.push(ann.line.say(Say::Invite(Invite { conv_id, user_ids })).await);
    }
    for frame_ref in asked {
        let Hear::Conversation(_) = ann.line.answer(frame_ref).await else { panic!("refused") };
    }
    let whole = conversation(&mut ann.line, Say::Members(Members { conv_id })).await;
    assert_eq!(whole.member_count as usize, people.len() + 1);
    assert_eq!(whole.last_seq, 1 + people.len() as i64);
}

#[tokio::test]
async fn receipts_and_mutes_in_a_group() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let mut eve = host.user("eve").await;
    let create =
        CreateGroup { title: "garden".into(), user_ids: vec![bob.id, eve.id], client_key: 0 };
    let group = conversation(&mut ann.line, Say::CreateGroup(create)).await;
    let garden = group.conv_id;
    let sent = ann.line.send(garden, "who is there?").await;
    let (bob_id, eve_id) = (bob.id, eve.id);
    for user in [&mut bob, &mut eve] {
        user.line.say(Say::Delivered(Delivered { conv_id: garden, seq: sent.seq })).await;
    }
    ann.line.receipt(bob_id, sent.seq, 0).await;
    ann.line.receipt(eve_id, sent.seq, 0).await;

    let mut phone = host.connect(&bob.granted).await;
    let until = 2_000_000_000_000;
    let mute = Mute { conv_id: garden, until };
    let muted = conversation(&mut bob.line, Say::Mute(mute)).await;
    assert_eq!(muted.muted_until, until);
    assert_eq!(phone.line.conversation(garden).await.muted_until, until);
}

#[tokio::test]
async fn who_comes_later_hears_nothing_of_what_was_written_before_even_when_it_changes() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut eve = host.user("eve").await;
    let create = CreateGroup { title: "garden".into(), user_ids: vec![], client_key: 0 };
    let garden = conversation(&mut ann.line, Say::CreateGroup(create)).await.conv_id;
    let secret = ann.line.send(garden, "the secret from before").await.seq;
    let invite = Invite { conv_id: garden, user_ids: vec![eve.id] };
    conversation(&mut ann.line, Say::Invite(invite)).await;
    let welcome = ann.line.send(garden, "welcome").await.seq;
    // It comes by itself, or with what the first word of the group made her read.
    let is_welcome = |b: &Hear| match b {
        Hear::Message(message) => message.body == "welcome",
        Hear::Page(page) => page.messages.iter().any(|m| m.body == "welcome"),
        _ => false,
    };
    eve.line.until(is_welcome).await;
    eve.line.settled().await;

    let react =
        |seq| Say::React(React { conv_id: garden, seq, emoji: "👀".into(), remove: false });
    let edit = Edit { conv_id: garden, seq: secret, body: "the secret, said again".into() };
    ann.line.ask(react(secret)).await;
    ann.line.ask(Say::Edit(edit)).await;
    assert_eq!(eve.line.settled().await, [], "the secret reached her");
    ann.line.ask(react(welcome)).await;
    let changed = eve.line.message(garden).await;
    assert_eq!((changed.seq, changed.rev), (welcome, 3));
    assert_eq!(changed.reactions[0].emoji, "👀");
    assert_eq!(host.metric("natter_holes_filled_total").await, 1, "her first word of the group");
}

#[tokio::test]
async fn a_group_that_is_asked_for_twice_with_one_key_is_one_group() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let create = |client_key| {
        let (title, user_ids) = ("garden".into(), vec![bob.id]);
        Say::CreateGroup(CreateGroup { title, user_ids, client_key })
    };
    let Hear::Conversation(first) = ann.line.ask(create(7)).await else { panic!() };
    // The answer was lost with the line; on the next one the client asks again.
    let mut again = host.connect(&ann.granted).await;
    let Hear::Conversation(second) = again.line.ask(create(7)).await else { panic!() };
    assert_eq!((first.conv_id, first.last_seq), (second.conv_id, second.last_seq));
    assert_eq!(second.members.len(), 2);
    let Hear::Conversation(other) = again.line.ask(create(8)).await else { panic!() };
    assert_ne!(first.conv_id, other.conv_id);
    assert_eq!(again.line.refused(create(-1)).await, ErrorCode::Invalid);
    bob.line.conversation(first.conv_id).await;
    let bobs = host.connect(&bob.granted).await;
    assert_eq!(bobs.paint.conversations.len(), 2);
}
