//! The story of a group, from its first member to its last, and of what a person sees first.

use proto::history::From;
use proto::{MessageKind, Role, limits};
use store::{Error, NewMessage, SendOutcome, Store};

use super::DAY;
use crate::support::{NOW, message, person, read_up_to, say, send};

pub(super) async fn a_group_is_made(store: &Store, ann: i64, bob: i64) -> (i64, i64) {
    let dora = person(store, "dora", "Dora").await;
    let eve = person(store, "eve", "Eve").await;
    store.block(eve, ann, NOW).await.unwrap();
    let made = store.create_group(ann, "Tea", &[bob, bob, ann, eve, 1], 0, NOW).await.unwrap();
    let group = made.conv_id;
    assert_eq!(traces(&made), [(MessageKind::Created, "Tea")]);
    assert_eq!(sorted(&made.members), sorted(&[ann, bob]), "who blocked her was passed over");
    assert_eq!(sorted(&made.added), sorted(&[ann, bob]));
    assert_eq!(store.conversation(ann, group, false).await.unwrap().read_seq, 1);
    assert_eq!(store.conversation(bob, group, false).await.unwrap().read_seq, 0);
    assert_eq!(say(store, group, bob, "hello").await, 2);
    (group, dora)
}

pub(super) async fn a_repeated_group_is_one_group(store: &Store) {
    let [nina, otto] = [person(store, "nina", "Nina").await, person(store, "otto", "Otto").await];
    let invited = [otto];
    let make = |key, now| store.create_group(nina, "Once", &invited, key, now);
    let (first, second) = tokio::join!(make(7, NOW), make(7, NOW));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.conv_id, second.conv_id, "both tries made one");
    assert_eq!(first.messages.len() + second.messages.len(), 1);
    assert_eq!(sorted(&second.members), sorted(&[nina, otto]), "who are told again");
    let other = make(8, NOW).await.unwrap().conv_id;
    let none = [make(0, NOW).await.unwrap().conv_id, make(0, NOW).await.unwrap().conv_id];
    assert!(other != first.conv_id && none[0] != none[1]);
    assert_eq!(store.conversations(nina, 50).await.unwrap().found.len(), 4);
    store.leave(otto, first.conv_id, NOW).await.unwrap();
    let again = make(7, NOW + 6 * DAY).await.unwrap();
    assert_eq!((again.conv_id, again.members), (first.conv_id, vec![nina]), "as it is now");
    while store.forget(NOW + 8 * DAY).await.unwrap() > 0 {}
    assert_ne!(make(7, NOW + 8 * DAY).await.unwrap().conv_id, first.conv_id, "forgotten");
}

pub(super) async fn newcomers_see_what_comes(
    store: &Store,
    [ann, bob, carl, dora]: [i64; 4],
    group: i64,
) {
    // Any member invites; who comes sees the log from there on.
    let more = store.invite(bob, group, &[carl, dora, ann, 1], NOW).await.unwrap();
    assert_eq!(traces(&more), [(MessageKind::Joined, "carl.j"), (MessageKind::Joined, "dora")]);
    assert_eq!((more.added.as_slice(), more.members.len()), ([carl, dora].as_slice(), 4));
    let (page, more) = store.history(carl, group, From::AfterSeq(0), 0).await.unwrap();
    assert_eq!((page[0].seq, page.len(), more), (3, 2, false));
    assert_eq!(store.react(carl, group, 2, "👍", false).await, Err(Error::NotFound));
    let reply = NewMessage { reply_seq: 2, ..message(group, carl, "to what I cannot see") };
    assert_eq!(send(store, reply).await, SendOutcome::BadReply);
    assert!(store.invite(bob, group, &[carl], NOW).await.unwrap().messages.is_empty());
}

pub(super) async fn roles_decide(store: &Store, ann: i64, bob: i64, carl: i64, group: i64) {
    for (result, what) in [
        (store.rename(bob, group, "Mine", NOW).await, "a member renames"),
        (store.kick(bob, group, carl, NOW).await, "a member kicks"),
        (store.appoint(bob, group, carl, Role::Admin, NOW).await, "a member appoints"),
    ] {
        assert_eq!(result, Err(Error::Forbidden), "{what}");
    }
    let up = store.appoint(ann, group, bob, Role::Admin, NOW).await.unwrap();
    assert_eq!(traces(&up), [(MessageKind::Appointed, "bob")]);
    assert!(store.appoint(ann, group, bob, Role::Admin, NOW).await.unwrap().messages.is_empty());
    assert_eq!(store.appoint(ann, group, 1, Role::Admin, NOW).await, Err(Error::NotFound));
}

pub(super) async fn admins_keep_order(store: &Store, [ann, bob, carl, dora]: [i64; 4], group: i64) {
    let renamed = store.rename(bob, group, "Coffee", NOW).await.unwrap();
    assert_eq!(traces(&renamed), [(MessageKind::Renamed, "Coffee")]);
    assert!(store.rename(bob, group, "Coffee", NOW).await.unwrap().messages.is_empty());
    assert_eq!(store.kick(bob, group, ann, NOW).await, Err(Error::Forbidden));
    let out = store.kick(bob, group, dora, NOW).await.unwrap();
    assert_eq!(
        (traces(&out), out.removed.as_slice()),
        (vec![(MessageKind::Kicked, "dora")], [dora].as_slice())
    );
    assert_eq!(send(store, message(group, dora, "still here?")).await, SendOutcome::Forbidden);
    assert_eq!(store.history(dora, group, From::BeforeSeq(0), 0).await, Err(Error::NotFound));
    assert_eq!(store.kick(bob, group, dora, NOW).await, Err(Error::NotFound));
    let seq = say(store, group, carl, "rude").await;
    assert!(store.delete(bob, group, seq, NOW).await.unwrap().moved, "an admin deletes any");
    assert_eq!(store.delete(ann, group, 1, NOW).await, Err(Error::Forbidden), "not the traces");
}

fn traces(change: &store::GroupChange) -> Vec<(MessageKind, &str)> {
    change.messages.iter().map(|message| (message.kind(), message.body.as_str())).collect()
}

fn sorted(ids: &[i64]) -> Vec<i64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

pub(super) async fn members_are_listed(store: &Store, ann: i64, bob: i64, carl: i64, group: i64) {
    let seen = store.conversation(carl, group, true).await.unwrap();
    assert_eq!((seen.title.as_str(), seen.member_count, seen.members.len()), ("Coffee", 3, 3));
    let owner = seen.members.iter().find(|member| member.user_id == ann).unwrap();
    assert_eq!((owner.role(), owner.handle.as_str()), (Role::Owner, "ann"));
    assert_eq!(store.member_ids(group).await.unwrap(), [sorted(&[ann, bob]), vec![carl]].concat());
    store.mute(carl, group, NOW + DAY).await.unwrap();
    assert_eq!(store.conversation(carl, group, false).await.unwrap().muted_until, NOW + DAY);
    assert_eq!(store.mute(1, group, 0).await, Err(Error::NotFound));
}

pub(super) async fn a_group_dies(store: &Store, ann: i64, bob: i64, carl: i64, group: i64) {
    let left = store.leave(ann, group, NOW).await.unwrap();
    assert_eq!(traces(&left), [(MessageKind::Appointed, "bob"), (MessageKind::Left, "")]);
    assert_eq!(
        (left.members.as_slice(), left.removed.as_slice()),
        ([bob, carl].as_slice(), [ann].as_slice())
    );
    assert_eq!(store.leave(ann, group, NOW).await, Err(Error::NotFound));
    assert_eq!(store.conversation(ann, group, false).await, Err(Error::NotFound));
    // She comes back and sees nothing of what was said meanwhile.
    let missed = say(store, group, bob, "she is gone").await;
    store.invite(carl, group, &[ann], NOW).await.unwrap();
    let back = store.conversation(ann, group, false).await.unwrap();
    assert_eq!((back.joined_seq, back.read_seq, back.role()), (missed, missed, Role::Member));
    assert_eq!(back.last.unwrap().kind(), MessageKind::Joined);

    let handed = store.appoint(bob, group, carl, Role::Owner, NOW).await.unwrap();
    assert_eq!(traces(&handed), [(MessageKind::Appointed, "carl.j")]);
    assert_eq!(store.conversation(bob, group, false).await.unwrap().role(), Role::Admin);
    for (who, remain) in [(carl, 2), (ann, 1), (bob, 0)] {
        assert_eq!(store.leave(who, group, NOW).await.unwrap().members.len(), remain);
    }
    assert!(store.member_ids(group).await.unwrap().is_empty());
    assert_eq!(send(store, message(group, bob, "echo?")).await, SendOutcome::Forbidden);

    let (direct, _) = store.open_direct(ann, carl, NOW).await.unwrap();
    assert_eq!(store.leave(ann, direct, NOW).await, Err(Error::Forbidden), "no group");
}

pub(super) async fn paint_and_digest(store: &Store, ann: i64, bob: i64, direct: i64) {
    let long = "long ".repeat(100);
    let seq = say(store, direct, bob, &long).await;
    store.react(ann, direct, seq, "👍", false).await.unwrap();
    read_up_to(store, direct, bob, seq).await;
    let painted = store.conversations(ann, 200).await.unwrap().found;
    assert!(painted.is_sorted_by_key(|conversation| std::cmp::Reverse(conversation.last_at)));
    let seen = painted.iter().find(|conversation| conversation.conv_id == direct).unwrap();
    assert_eq!((seen.friend_id, seen.friend_read_seq, seen.last_seq), (bob, seq, seq));
    let last = seen.last.as_ref().unwrap();
    assert_eq!(last.body.chars().count(), limits::PREVIEW_CHARS_MAX as usize);
    assert_eq!(last.reactions[0].user_ids, [ann]);
    assert_eq!(&store.conversation(ann, direct, false).await.unwrap(), seen);
    assert_eq!(store.conversations(ann, 1).await.unwrap().found.len(), 1);

    let digest = store.digest(ann).await.unwrap().found;
    assert_eq!(digest.len(), painted.len());
    let standing = digest.iter().find(|standing| standing.conv_id == direct).unwrap();
    assert_eq!((standing.last_seq, standing.last_rev), (seq, seen.last_rev));
    assert_eq!((standing.read_seq, standing.joined_seq), (seen.read_seq, 0));
    assert!(store.digest(1).await.unwrap().found.is_empty());
}
