//! Notices through the doors that are not mail, to real web servers.

use proto::http::Preview;
use store::{Door, NoticeSettings};

use super::outside::WebServer;
use super::tests::{HOUR, MINUTE, NOON, Stage};
use crate::token::random_webhook_key;

const DAY: i64 = 24 * HOUR;

/// A stage whose operator lets webhooks and pushes go to this machine.
async fn stage() -> Stage {
    Stage::with(|config| {
        config.doors_opened = vec!["127.0.0.1".into()];
        config.timers.mail_step_ms = 300;
    })
    .await
}

/// Bob chooses a door; what was said through it first is heard and forgotten.
async fn chooses(stage: &Stage, door: Door) {
    let settings = NoticeSettings { door, ..NoticeSettings::default() };
    stage.notify.store.set_notice_settings(stage.bob, &settings, NOON).await.unwrap();
    stage.minutes_pass(NOON, NOON).await;
}

async fn fault(stage: &Stage) -> String {
    stage.notify.store.recipient(stage.bob).await.unwrap().unwrap().door_fault
}

#[tokio::test]
async fn a_webhook_is_called_once_signed_and_says_what_he_wants_to_hear() {
    let (stage, mut server) = (stage().await, WebServer::start("take").await);
    let key = random_webhook_key();
    server.learn(&key).await;
    let url = format!("{}/hook?a=b", server.url);
    chooses(&stage, Door::Webhook { url: url.clone(), key: key.clone() }).await;
    let hello = server.next().await;
    assert!(hello.signed, "{hello:?}");
    assert_eq!(hello.path, "/hook?a=b");
    assert!(hello.body.contains(r#""type":"hello""#), "{}", hello.body);

    stage.ann_writes("hello\u{1b}[31m", NOON).await;
    stage.ann_writes("again", NOON + 1).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    let call = server.next().await;
    assert!(call.signed, "{call:?}");
    let now = NOON + 10 * MINUTE;
    assert_eq!(call.headers["webhook-timestamp"], (now / 1_000).to_string());
    assert_eq!(call.headers["content-type"], "application/json");
    let said: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    let place = serde_json::json!({
        "name": "ANN (@ann)", "unread": 2, "texts": ["hello␛[31m", "again"],
    });
    let wanted = serde_json::json!({
        "type": "unread", "id": call.headers["webhook-id"], "at": now, "handle": "bob",
        "title": "2 unread from ANN (@ann)", "conversations": [place],
    });
    assert_eq!(said, wanted);

    let none = NoticeSettings {
        door: Door::Webhook { url, key },
        preview: Preview::None,
        ..NoticeSettings::default()
    };
    stage.notify.store.set_notice_settings(stage.bob, &none, NOON).await.unwrap();
    stage.ann_writes("secret", NOON + DAY).await;
    stage.minutes_pass(NOON + DAY, NOON + DAY + HOUR).await;
    let call = server.next().await;
    assert!(!call.body.contains("ANN") && !call.body.contains("secret"), "{}", call.body);
    assert!(server.end().await.is_empty(), "once");
    assert!(stage.mails().is_empty(), "another door is not mail as well");
    assert_eq!(stage.notify.counters.notices_webhook.get(), 3);
    stage.end().await;
}

#[tokio::test]
async fn a_push_has_a_title_and_a_text() {
    let (stage, mut server) = (stage().await, WebServer::start("take").await);
    chooses(&stage, Door::Push { url: format!("{}/bobs-topic", server.url) }).await;
    assert!(server.next().await.headers["title"].starts_with("natter tells you here"));
    stage.ann_writes("ça va?", NOON).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    let push = server.next().await;
    assert_eq!((&*push.path, push.signed), ("/bobs-topic", false));
    assert_eq!(push.headers["title"], "1 unread from ANN (@ann)");
    assert_eq!(push.body, "ANN (@ann): 1 unread\nça va?");
    assert!(server.end().await.is_empty(), "once");
    stage.end().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_now_is_called_again_with_the_same_number() {
    let manners = "take,503,hangup,hang,flood,429,take";
    let (stage, mut server) = (stage().await, WebServer::start(manners).await);
    let key = random_webhook_key();
    server.learn(&key).await;
    chooses(&stage, Door::Webhook { url: format!("{}/", server.url), key }).await;
    server.next().await;
    stage.ann_writes("hello", NOON).await;
    stage.minutes_pass(NOON, NOON + 10 * MINUTE).await;
    assert!(fault(&stage).await.contains("503"));
    stage.minutes_pass(NOON + 11 * MINUTE, NOON + 2 * HOUR).await;
    assert_eq!(fault(&stage).await, "", "it got through");
    let calls = server.end().await;
    assert_eq!(calls.len(), 6);
    let id = |n: usize| &calls[n].headers["webhook-id"];
    assert!((0..calls.len()).all(|n| calls[n].signed && id(n) == id(0)));
    let counters = &stage.notify.counters;
    assert_eq!((counters.mails_away.get(), counters.mails_put_off.get()), (3, 2));
    stage.end().await;
}

#[tokio::test]
async fn a_door_that_is_shut_is_told_to_its_owner_and_the_next_message_knocks_again() {
    for (manner, why) in [("404", "404"), ("away", "leads elsewhere")] {
        let server = WebServer::start(&format!("take,{manner}")).await;
        let stage = stage().await;
        chooses(&stage, Door::Push { url: server.url.clone() }).await;
        stage.ann_writes("hello", NOON).await;
        stage.minutes_pass(NOON, NOON + DAY).await;
        assert!(fault(&stage).await.contains(why));
        stage.ann_writes("again", NOON + DAY).await;
        stage.minutes_pass(NOON + DAY, NOON + 2 * DAY).await;
        let calls = server.end().await;
        assert_eq!(calls.len(), 3, "the first word, and one knock for each");
        assert!(calls.iter().all(|call| call.path == "/"), "a redirect is not followed");
        assert_eq!(stage.notify.store.dead_jobs().await.unwrap(), [], "no operator can help");
        assert_eq!(stage.notify.counters.doors_shut.get(), 2);
        stage.end().await;
    }
}

#[tokio::test]
async fn a_door_that_nobody_answers_is_knocked_at_ever_more_rarely_and_not_for_ever() {
    let stage = stage().await;
    chooses(&stage, Door::Push { url: "http://127.0.0.1:1/topic".into() }).await;
    let store = &stage.notify.store;
    for job in store.waiting_jobs().await.unwrap() {
        store.outbox_done(&[job.id]).await.unwrap();
    }
    let away = &stage.notify.counters.mails_away;
    let before = away.get();
    stage.ann_writes("hello", NOON).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    let first_hour = away.get() - before;
    assert!((4..=8).contains(&first_hour), "{first_hour}");
    let mut now = NOON + HOUR;
    while now < NOON + 10 * DAY {
        stage.minutes_pass(now, now).await;
        now += HOUR / 4;
    }
    let all = away.get() - before;
    assert!((60..=100).contains(&all), "three days: {all}");
    assert!(!fault(&stage).await.is_empty());
    stage.end().await;
}

#[tokio::test]
async fn nothing_goes_to_this_machine_unless_the_operator_has_opened_it() {
    let server = WebServer::start("take").await;
    let stage = Stage::new(None).await;
    for url in [server.url.clone(), server.url.replace("http", "https")] {
        chooses(&stage, Door::Push { url }).await;
        assert!(fault(&stage).await.contains("this server"), "{}", fault(&stage).await);
    }
    assert!(server.end().await.is_empty());
    stage.end().await;
}
