//! What happens where a number of things has reached its maximum.

use proto::limits;
use store::{Error, SendOutcome};

use crate::support::{Home, NOW, On, message, person, say, send};

/// People 1 to `count`, written in one go.
async fn crowd(home: &Home, count: u32) {
    home.tamper(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO app_user (user_id, handle, name, pass_hash, created_at)
         SELECT i, 'many' || i, 'Many', '', 0 FROM n"
    ))
    .await;
}

#[tokio::test]
async fn a_group_takes_a_thousand_members() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        crowd(&home, limits::GROUP_MEMBERS_MAX).await;
        let most: Vec<i64> = (1..i64::from(limits::GROUP_MEMBERS_MAX)).collect();
        let group = home.store.create_group(ann, "Full", &most, 0, NOW).await.unwrap();
        assert_eq!(group.members.len(), limits::GROUP_MEMBERS_MAX as usize);
        let last = [i64::from(limits::GROUP_MEMBERS_MAX)];
        let one_more = home.store.invite(ann, group.conv_id, &last, NOW).await;
        assert!(matches!(one_more, Err(Error::Limit(_))), "{one_more:?}");
        say(&home.store, group.conv_id, ann, "hello, all of you").await;
        home.store.kick(ann, group.conv_id, 7, NOW).await.unwrap();
        home.store.invite(ann, group.conv_id, &last, NOW).await.unwrap();
        home.remove().await;
    }
}

#[tokio::test]
async fn a_message_takes_256_reactions() {
    let home = Home::new(On::Sqlite).await;
    let ann = person(&home.store, "ann", "Ann").await;
    crowd(&home, 40).await;
    let people: Vec<i64> = (1..=40).collect();
    let group = home.store.create_group(ann, "Loud", &people, 0, NOW).await.unwrap().conv_id;
    let seq = say(&home.store, group, ann, "what do you think?").await;
    let mut put = 0;
    for user in people {
        for n in 0..limits::REACTIONS_PER_PERSON_MAX {
            match home.store.react(user, group, seq, &format!("+{n}"), false).await {
                Ok(_) => put += 1,
                refused => assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}"),
            }
        }
    }
    assert_eq!(put, limits::REACTIONS_PER_MESSAGE_MAX);
    home.remove().await;
}

#[tokio::test]
async fn a_person_has_5000_contacts() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        crowd(&home, limits::CONTACTS_MAX + 1).await;
        home.tamper(&format!(
            "INSERT INTO contact (owner_id, peer_id, state, since)
             SELECT {ann}, user_id, 3, 0 FROM app_user WHERE user_id <= {}",
            limits::CONTACTS_MAX
        ))
        .await;
        let last = i64::from(limits::CONTACTS_MAX) + 1;
        for refused in
            [home.store.befriend(ann, last, NOW).await, home.store.befriend(last, ann, NOW).await]
        {
            assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
        }
        home.store.block(ann, last, NOW).await.expect("blocking always works");
        home.store.unblock(ann, last).await.unwrap();
        home.store.drop_contact(ann, 1).await.unwrap();
        home.store.befriend(last, ann, NOW).await.unwrap();
        assert_eq!(home.store.contacts(ann).await.unwrap().len(), limits::CONTACTS_MAX as usize);
        home.remove().await;
    }
}

#[tokio::test]
async fn the_largest_message_survives_the_way() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let ann = person(&home.store, "ann", "Ann").await;
        let group = home.store.create_group(ann, "Long", &[], 0, NOW).await.unwrap().conv_id;
        let bodies = [
            "\u{10FFFF}\"\\\u{7f}\n\t'; DROP TABLE message; --".to_owned(),
            "ß".repeat(limits::BODY_BYTES_MAX / 2),
        ];
        for body in &bodies {
            let sent = send(&home.store, message(group, ann, body)).await;
            assert!(matches!(sent, SendOutcome::Stored { .. }));
        }
        let from = proto::history::From::AfterSeq(1);
        let (page, _) = home.store.history(ann, group, from, 0).await.unwrap();
        let stored: Vec<&str> = page.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(stored, bodies);
        home.remove().await;
    }
}
