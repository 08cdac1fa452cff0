//! Away and back again.

use std::time::Instant;

use client::{Error, Event, Line};
use proto::{CreateGroup, Kick, client_frame, server_frame};
use server::Rate;
use store::{Batch, NewMessage};

use crate::world::{PATIENCE_MS, World, within};

#[tokio::test]
async fn what_was_written_offline_is_sent_once_when_the_line_is_back() {
    let mut world = World::start().await;
    let ann = world.person("ann").await;
    let mut bob = world.person("bob").await.open_and_catch_up().await;
    let running = ann.open_and_catch_up().await;
    let conv_id = running.client.find_conversation("bob").await.unwrap();
    running.client.close().await;
    world.stop().await;

    // the first process writes and ends, the second one writes and stays
    let offline = ann.open().await;
    offline.client.send(conv_id, "one", 0, None).await.unwrap();
    offline.client.send(conv_id, "two", 0, None).await.unwrap();
    offline.client.set_draft(conv_id, "half a thou").await.unwrap();
    let call = offline.client.find_person("cho").await;
    assert!(matches!(call, Err(Error::Offline)), "{call:?}");
    offline.client.close().await;
    let mut offline = ann.open().await;
    let last = offline.client.send(conv_id, "three", 0, None).await.unwrap();
    let bodies: Vec<String> =
        offline.client.queued().await.unwrap().into_iter().map(|q| q.body).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
    assert_eq!(offline.client.draft(conv_id).await.unwrap(), "half a thou");

    world.start_again().await;
    offline.client.reconnect();
    offline.until_sent(last).await;
    assert!(offline.client.queued().await.unwrap().is_empty());
    bob.until_text("three").await;
    assert_eq!(bob.shown(conv_id), [1, 2, 3]);
    let here = bob.client.messages(conv_id, 0, 10).await.unwrap();
    let bodies: Vec<&str> = here.iter().map(|m| m.body.as_str()).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_running_client_sends_what_another_process_has_queued() {
    let mut world = World::start().await;
    let ann = world.person("ann").await;
    let mut bob = world.person("bob").await.open_and_catch_up().await;
    let mut screen = ann.open_and_catch_up().await;
    let conv_id = screen.client.find_conversation("bob").await.unwrap();
    world.stop().await;
    // as `natter send` does it, and then gives up
    let other = ann.open().await;
    let key = other.client.send(conv_id, "from the shell", 0, None).await.unwrap();
    other.client.close().await;
    let outbox = |event: &Event| matches!(event, Event::Outbox).then_some(());
    screen.until("the outbox", outbox).await;
    let waiting = screen.client.queued().await.unwrap();
    assert_eq!(waiting.iter().map(|q| q.client_key).collect::<Vec<_>>(), [key]);
    world.start_again().await;
    screen.client.reconnect();
    screen.until_sent(key).await;
    bob.until_text("from the shell").await;
    assert_eq!(bob.shown(conv_id), [1]);
}

#[tokio::test]
async fn after_a_restart_of_the_server_both_go_on_where_they_were() {
    let mut world = World::start().await;
    let mut ann = world.person("ann").await.open_and_catch_up().await;
    let mut bob = world.person("bob").await.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    ann.client.send(conv_id, "before", 0, None).await.unwrap();
    bob.until_text("before").await;
    for round in 0..3 {
        world.stop().await;
        ann.client.send(conv_id, &format!("while away {round}"), 0, None).await.unwrap();
        world.start_again().await;
        bob.until_text(&format!("while away {round}")).await;
        let back = format!("back {round}");
        let key = bob.client.send(conv_id, &back, 0, None).await.unwrap();
        ann.until_text(&back).await;
        // She may have it before he knows that it is stored.
        bob.until_sent(key).await;
    }
    assert_eq!(bob.shown(conv_id), [1, 2, 4, 6]);
    assert_eq!(ann.shown(conv_id), [3, 5, 7]);
    for reader in [&ann, &bob] {
        let figures = reader.client.figures();
        assert_eq!((figures.gaps, figures.gaps_open), (0, 0), "{figures:?}");
        assert_eq!((figures.duplicates, figures.resumed), (0, 3), "{figures:?}");
        let here = reader.client.messages(conv_id, 0, 100).await.unwrap();
        assert_eq!(here.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    }
}

#[tokio::test]
async fn ten_thousand_missed_messages_come_complete_and_in_order() {
    const MISSED: i64 = 10_000;
    let world = World::start().await;
    let ann = world.person("ann").await.open_and_catch_up().await;
    let bob = world.person("bob").await;
    let running = bob.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    running.client.close().await;
    write(&world, conv_id, ann.client.me(), MISSED).await;

    let started = Instant::now();
    let mut back = bob.open().await;
    back.until_line("live", |line| *line == Line::Live).await;
    let took = started.elapsed();
    eprintln!("{MISSED} messages: {} ms", took.as_millis());
    assert!(back.shown(conv_id).into_iter().eq(1..=MISSED));
    let figures = back.client.figures();
    assert_eq!((figures.gaps, figures.duplicates), (0, 0), "{figures:?}");
    assert_eq!(figures.replayed, MISSED as u64);
    let end = back.client.messages(conv_id, 0, 100).await.unwrap();
    assert!(end.iter().map(|m| m.seq).eq(MISSED - 99..=MISSED));
    assert!(took.as_secs() < 20, "{took:?}");
}

#[tokio::test]
async fn more_than_one_catch_up_sends_is_fetched_to_the_end() {
    const MISSED: i64 = 10_450;
    let world = World::start().await;
    let ann = world.person("ann").await.open_and_catch_up().await;
    let bob = world.person("bob").await;
    let running = bob.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    running.client.close().await;
    write(&world, conv_id, ann.client.me(), MISSED).await;

    let mut back = bob.open().await;
    back.until_line("live", |line| *line == Line::Live).await;
    assert!(back.shown(conv_id).into_iter().eq(1..=MISSED), "{:?}", back.client.figures());
    let figures = back.client.figures();
    assert_eq!((figures.gaps, figures.replayed), (0, MISSED as u64), "{figures:?}");
}

/// Straight into the log, as fast as the disk takes it.
async fn write(world: &World, conv_id: i64, sender_id: i64, count: i64) {
    let store = &world.server.as_ref().unwrap().store;
    for slice in (1..=count).collect::<Vec<_>>().chunks(500) {
        let message = |&n: &i64| NewMessage {
            conv_id,
            sender_id,
            client_key: n,
            reply_seq: 0,
            body: format!("message number {n}, about as long as people write"),
            mentions: vec![],
        };
        let batch = Batch { sends: slice.iter().map(message).collect(), moves: vec![] };
        store.commit(store.database_of(conv_id), &batch, 1_800_000_000_000).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_device_begins_with_what_is_new_and_scrolls_back_for_the_rest() {
    let world = World::start().await;
    let mut ann = world.person("ann").await.open_and_catch_up().await;
    let bob = world.person("bob").await.open_and_catch_up().await;
    let conv_id = bob.client.find_conversation("ann").await.unwrap();
    write(&world, conv_id, bob.client.me(), 150).await;
    bob.client.send(conv_id, "the end", 0, None).await.unwrap();
    ann.until_text("the end").await;
    let me = ann.client.me();
    ann.until("delivered", |event| match event {
        Event::Receipt(r) if r.user_id == me && r.delivered_seq == 151 => Some(()),
        _ => None,
    })
    .await;

    let mut phone = world.second_device("ann").await.open_and_catch_up().await;
    assert!(phone.client.messages(conv_id, 0, 50).await.unwrap().is_empty());
    assert!(phone.client.fetch_history(conv_id, 0).await.unwrap(), "there is more");
    let here = phone.client.messages(conv_id, 0, 1_000).await.unwrap();
    let oldest = here[0].seq;
    assert!(here.iter().map(|m| m.seq).eq(oldest..=151));
    phone.client.fetch_history(conv_id, oldest).await.unwrap();
    let before = phone.client.messages(conv_id, oldest, 1_000).await.unwrap();
    assert_eq!(before.last().map(|m| m.seq), Some(oldest - 1));
    bob.client.send(conv_id, "still there?", 0, None).await.unwrap();
    phone.until_text("still there?").await;
    assert_eq!(phone.shown(conv_id), [152], "scrolling back is no news");
}

#[tokio::test]
async fn an_ended_session_is_told_and_not_tried_again() {
    let world = World::start().await;
    let ann = world.person("ann").await;
    let phone = world.second_device("ann").await;
    let mut running = ann.open_and_catch_up().await;
    let sessions = client::account::sessions(&phone.login).await.unwrap();
    let other = sessions.iter().find(|session| !session.current).unwrap();
    client::account::end_session(&phone.login, &other.id).await.unwrap();
    running.until_line("signed out", |line| matches!(line, Line::SignedOut { .. })).await;
    let waited = running.client.caught_up(PATIENCE_MS).await;
    assert!(matches!(waited, Err(Error::SignedOut(_))), "{waited:?}");

    let mut again = ann.open().await;
    again.until_line("signed out", |line| matches!(line, Line::SignedOut { .. })).await;
}

#[tokio::test]
async fn a_client_without_a_server_waits_and_says_why() {
    let mut world = World::start().await;
    let ann = world.person("ann").await;
    world.stop().await;
    let mut running = ann.open().await;
    running.until_line("waiting", |line| matches!(line, Line::Waiting { .. })).await;
    let waited = running.client.caught_up(50).await;
    assert!(matches!(waited, Err(Error::Silent(_))), "{waited:?}");
    within("the end", running.client.close()).await;
}

#[tokio::test]
async fn a_writer_who_is_too_fast_for_the_server_is_slowed_down_and_keeps_the_order() {
    const MESSAGES: usize = 120;
    let mut world = World::start_with(|config| {
        config.rates.sends = Rate { burst: 40, per_minute: 6_000 };
    })
    .await;
    let mut ann = world.person("ann").await.open_and_catch_up().await;
    let mut bob = world.person("bob").await.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    // all of it lies ready, so that the whole window is under way when the server says stop
    world.stop().await;
    let mut last = 0;
    for n in 0..MESSAGES {
        last = ann.client.send(conv_id, &format!("line {n}"), 0, None).await.unwrap();
    }
    world.start_again().await;
    ann.until_sent(last).await;
    bob.until_text(&format!("line {}", MESSAGES - 1)).await;
    let here = bob.client.messages(conv_id, 0, 1_000).await.unwrap();
    let bodies: Vec<&str> = here.iter().map(|m| m.body.as_str()).collect();
    let wanted: Vec<String> = (0..MESSAGES).map(|n| format!("line {n}")).collect();
    assert_eq!(bodies, wanted);
}

#[tokio::test]
async fn who_is_put_out_of_a_group_while_away_learns_it_when_he_comes_back() {
    let world = World::start().await;
    let ann = world.person("ann").await.open_and_catch_up().await;
    let eve = world.person("eve").await;
    let mut running = eve.open_and_catch_up().await;
    let create = CreateGroup {
        title: "Team".to_owned(),
        user_ids: vec![running.client.me()],
        client_key: 0,
    };
    let created = ann.call(client_frame::Body::CreateGroup(create)).await;
    let server_frame::Body::Conversation(group) = created else {
        panic!("{created:?}");
    };
    let team = group.conv_id;
    ann.client.send(team, "hello", 0, None).await.unwrap();
    running.until_text("hello").await;
    assert_eq!(running.client.find_conversation("+Team").await.unwrap(), team);
    let (conv_id, user_id) = (team, running.client.me());
    running.client.close().await;
    let kick = Kick { conv_id, user_id };
    ann.call(client_frame::Body::Kick(kick)).await;

    let back = eve.open_and_catch_up().await;
    let mine = back.client.conversations().await.unwrap();
    let left: Vec<i64> = mine.iter().filter(|c| c.left).map(|c| c.conv_id).collect();
    assert_eq!(left, [team]);
    let titles: Vec<&str> = mine.iter().filter(|c| c.left).map(|c| c.title.as_str()).collect();
    assert_eq!(titles, ["Team"], "he still knows what it was");
    let gone = back.client.find_conversation("+Team").await;
    assert!(matches!(gone, Err(Error::NoGroup(_))), "{gone:?}");
    let here = back.client.messages(team, 0, 10).await.unwrap();
    assert!(here.iter().any(|message| message.body == "hello"), "what he read stays his");
}

#[tokio::test]
async fn who_reconnects_on_a_live_line_gets_another_one_and_misses_nothing() {
    let mut world = World::start().await;
    let ann = world.person("ann").await.open_and_catch_up().await;
    let mut bob = world.person("bob").await.open_and_catch_up().await;
    let conv_id = ann.client.find_conversation("bob").await.unwrap();
    let before = bob.client.figures().resumed;
    for n in 1..=5 {
        ann.client.send(conv_id, &format!("before {n}"), 0, None).await.unwrap();
        bob.client.reconnect();
        ann.client.send(conv_id, &format!("after {n}"), 0, None).await.unwrap();
        bob.until_text(&format!("after {n}")).await;
    }
    let mut line = bob.client.watch_line();
    within("a line", line.wait_for(|line| *line == Line::Live)).await.unwrap();
    assert!(bob.client.figures().resumed > before);
    assert_eq!(bob.shown(conv_id), (1..=10).collect::<Vec<_>>());
    world.stop().await;
}
