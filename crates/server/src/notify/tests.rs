//! The role at work: a real store, a real directory of mails, a real mail server that misbehaves on
//! demand, and a clock that is set by hand. With a RabbitMQ in between: `queue_tests.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use proto::id;
use proto::server_frame::Body;
use store::{Batch, CursorMove, NewMessage, NewUser, NoticeSettings, Options, Preview, Store};

use super::outside::MailServer;
use super::{Mailer, Notify, relay};
use crate::bus::{Bus, Subscriber};
use crate::config::Config;
use crate::counters::Counters;
use crate::limits;
use crate::outbound::{Item, Outbound};
use crate::outward::Outward;

/// Noon of some day, UTC.
pub(super) const NOON: i64 = 20_833 * 24 * HOUR + 12 * HOUR;
pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
/// `timers.mail_lease_ms`, as it is by default.
const LEASE: i64 = 5 * MINUTE;

pub(super) struct Stage {
    pub(super) notify: Notify,
    config: Config,
    directory: PathBuf,
    ann: i64,
    pub(super) bob: i64,
    chat: i64,
}

impl Stage {
    /// Ann and Bob, both with confirmed addresses, and their conversation.
    pub(super) async fn new(smtp: Option<String>) -> Self {
        Self::with(|config| config.smtp = smtp.map(Into::into)).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = std::env::temp_dir().join(format!("natter-notify-{}", id::random_key()));
        let url = format!("sqlite:{}", directory.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        let mut config = Config { data: directory.clone(), ..Config::default() };
        change(&mut config);
        let notify = Notify {
            store: store.clone(),
            bus: Arc::new(Bus::local()),
            counters: Arc::new(Counters::default()),
            mailer: Mailer::open(&config).unwrap(),
            outward: Outward::new(&config),
            queue: super::queue(&config).unwrap(),
            timers: config.timers,
            site: "http://chat.example.org".into(),
        };
        let (ann, bob) = (person(&store, "ann").await, person(&store, "bob").await);
        let (chat, _) = store.open_direct(ann, bob, NOON).await.unwrap();
        Self { notify, config, directory, ann, bob, chat }
    }

    /// Another process of the same role, on the same database and queue.
    pub(super) fn another(&self) -> Notify {
        Notify {
            store: self.notify.store.clone(),
            bus: Arc::clone(&self.notify.bus),
            counters: Arc::default(),
            mailer: Mailer::open(&self.config).unwrap(),
            outward: Outward::new(&self.config),
            queue: super::queue(&self.config).unwrap(),
            timers: self.notify.timers,
            site: self.notify.site.clone(),
        }
    }

    pub(super) async fn ann_writes(&self, text: &str, now: i64) {
        let message = NewMessage {
            conv_id: self.chat,
            sender_id: self.ann,
            client_key: id::random_key(),
            reply_seq: 0,
            body: text.into(),
            mentions: Vec::new(),
        };
        let batch = Batch { sends: vec![message], moves: Vec::new() };
        let store = &self.notify.store;
        store.commit_and_nudge(0, &batch, &|_| false, now).await.unwrap();
    }

    pub(super) async fn bob_reads(&self, seq: i64, now: i64) {
        let read =
            CursorMove { conv_id: self.chat, user_id: self.bob, delivered_seq: seq, read_seq: seq };
        let batch = Batch { sends: Vec::new(), moves: vec![read] };
        self.notify.store.commit(0, &batch, now).await.unwrap();
    }

    /// When Bob's nudge is due, if he has one.
    pub(super) async fn bobs_nudge(&self) -> Option<i64> {
        self.notify.store.nudge_due(self.bob, self.chat, i64::MAX).await.unwrap()
    }

    /// Every minute from one moment to another.
    pub(super) async fn minutes_pass(&self, from: i64, to: i64) {
        let mut now = from;
        while now <= to {
            while relay::round(&self.notify, now).await.unwrap() > 0 {}
            now += MINUTE;
        }
    }

    /// The mails in the directory, the oldest first.
    pub(super) fn mails(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.directory.join("mail")) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
        paths.sort();
        let read = |path| std::fs::read_to_string(path).unwrap();
        paths.into_iter().map(read).collect()
    }

    pub(super) async fn end(self) {
        self.notify.store.close().await;
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// Somebody with a confirmed address; the job to confirm it is done already.
async fn person(store: &Store, handle: &str) -> i64 {
    let user = NewUser {
        user_id: id::new(0, NOON),
        handle: handle.into(),
        name: handle.to_uppercase(),
        email: Some(format!("{handle}@example.org")),
        pass_hash: String::new(),
    };
    store.create_user(&user, NOON).await.unwrap();
    for job in store.outbox_claim(NOON, NOON, 10).await.unwrap() {
        store.outbox_done(&[job.id]).await.unwrap();
    }
    let hash = user.user_id.to_be_bytes();
    let purpose = store::Purpose::Confirm;
    store.mail_token_create(&hash, user.user_id, purpose, NOON + 1).await.unwrap();
    store.confirm_address(&hash, NOON).await.unwrap().unwrap();
    user.user_id
}

#[tokio::test]
async fn ten_thousand_messages_make_one_mail_in_the_first_hour() {
    let stage = Stage::new(None).await;
    let key = |n: i64| NewMessage {
        conv_id: stage.chat,
        sender_id: stage.ann,
        client_key: n + 1,
        reply_seq: 0,
        body: format!("message {n}"),
        mentions: Vec::new(),
    };
    for minute in 0..50 {
        let batch =
            Batch { sends: (0..200).map(|n| key(minute * 200 + n)).collect(), moves: Vec::new() };
        let now = NOON + minute * MINUTE;
        let store = &stage.notify.store;
        store.commit_and_nudge(0, &batch, &|_| false, now).await.unwrap();
        stage.minutes_pass(now, now).await;
    }
    stage.minutes_pass(NOON + 50 * MINUTE, NOON + HOUR).await;
    let mails = stage.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Subject: 2200 unread from ANN (@ann)"), "{}", mails[0]);
    stage.minutes_pass(NOON + HOUR, NOON + 30 * HOUR).await;
    assert_eq!(stage.mails().len(), 2, "what came after the first mail is told an hour later");
    stage.end().await;
}

#[tokio::test]
async fn a_message_that_is_read_in_time_makes_no_mail() {
    let stage = Stage::new(None).await;
    stage.ann_writes("hello", NOON).await;
    stage.minutes_pass(NOON, NOON + 9 * MINUTE).await;
    stage.bob_reads(1, NOON + 9 * MINUTE).await;
    stage.minutes_pass(NOON + 10 * MINUTE, NOON + 2 * HOUR).await;
    assert!(stage.mails().is_empty());
    // The next one has its own ten minutes.
    stage.ann_writes("again", NOON + 3 * HOUR).await;
    stage.minutes_pass(NOON + 3 * HOUR, NOON + 3 * HOUR + 9 * MINUTE).await;
    assert!(stage.mails().is_empty());
    stage.minutes_pass(NOON + 3 * HOUR + 10 * MINUTE, NOON + 4 * HOUR).await;
    assert_eq!(stage.mails().len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn mails_to_who_does_not_come_get_rarer_and_start_over_when_he_comes() {
    let stage = Stage::new(None).await;
    let mut written = Vec::new();
    for half_hour in 0..96 {
        let now = NOON + half_hour * HOUR / 2;
        let before = stage.mails().len();
        stage.ann_writes("still there?", now).await;
        stage.minutes_pass(now, now + HOUR / 2 - MINUTE).await;
        if stage.mails().len() > before {
            written.push(half_hour / 2);
        }
    }
    assert_eq!(written, [0, 1, 7, 31], "after 10 minutes, 1 hour, 6 hours, 24 hours");
    let back = NOON + 49 * HOUR;
    stage.bob_reads(96, back).await;
    stage.notify.store.set_last_seen(stage.bob, back).await.unwrap();
    stage.ann_writes("good to see you", back + HOUR).await;
    stage.minutes_pass(back + HOUR, back + HOUR + 10 * MINUTE).await;
    assert_eq!(stage.mails().len(), 5, "ten minutes again");
    stage.end().await;
}

#[tokio::test]
async fn everybody_gets_as_much_of_the_text_as_he_wants() {
    let stage = Stage::new(None).await;
    let evil = "<b>secret</b>\u{1b}[31m";
    let mut day = NOON;
    for (preview, name, text) in
        [(Preview::Full, true, true), (Preview::Names, true, false), (Preview::None, false, false)]
    {
        let wanted = NoticeSettings { preview, ..NoticeSettings::default() };
        stage.notify.store.set_notice_settings(stage.bob, &wanted, day).await.unwrap();
        stage.notify.store.set_last_seen(stage.bob, day).await.unwrap();
        stage.ann_writes(evil, day).await;
        stage.minutes_pass(day, day + 10 * MINUTE).await;
        let mail = stage.mails().pop().unwrap();
        assert_eq!(mail.contains("ANN"), name, "{preview:?}\n{mail}");
        assert_eq!(mail.contains("secret"), text, "{preview:?}\n{mail}");
        assert!(!mail.contains('\u{1b}') && !mail.contains("<p><b>"), "{mail}");
        assert!(mail.contains("List-Unsubscribe: <http://chat.example.org/v1/unsubscribe/"));
        day += 24 * HOUR;
    }
    assert_eq!(stage.mails().len(), 3);
    stage.notify.store.unsubscribe(stage.bob).await.unwrap();
    stage.ann_writes("are you gone?", day).await;
    stage.minutes_pass(day, day + HOUR).await;
    assert_eq!(stage.mails().len(), 3, "who has unsubscribed gets none");
    stage.end().await;
}

#[tokio::test]
async fn who_is_online_sleeps_or_has_muted_it_is_not_written_to() {
    let stage = Stage::new(None).await;
    let store = &stage.notify.store;
    let subscriber =
        Subscriber { connection: 1, session: [0; 8], brief: false, queue: Arc::default() };
    stage.notify.bus.subscribe(stage.bob, subscriber).await;
    stage.ann_writes("you are online", NOON).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    assert!(stage.mails().is_empty(), "he is online");
    stage.notify.bus.unsubscribe(stage.bob, 1).await;
    let quiet =
        NoticeSettings { quiet_from: 13 * 60, quiet_to: 15 * 60, ..NoticeSettings::default() };
    store.set_notice_settings(stage.bob, &quiet, NOON).await.unwrap();
    stage.minutes_pass(NOON + HOUR, NOON + 3 * HOUR - MINUTE).await;
    assert!(stage.mails().is_empty(), "his quiet hours");
    store.mute(stage.bob, stage.chat, NOON + 4 * HOUR).await.unwrap();
    stage.minutes_pass(NOON + 3 * HOUR, NOON + 4 * HOUR - MINUTE).await;
    assert!(stage.mails().is_empty(), "muted");
    stage.ann_writes("now", NOON + 4 * HOUR).await;
    stage.minutes_pass(NOON + 4 * HOUR, NOON + 4 * HOUR + 10 * MINUTE).await;
    assert_eq!(stage.mails().len(), 1);
    stage.end().await;
}

/// The receipts that came to somebody who listens.
fn receipts(queue: &Outbound) -> Vec<proto::Receipt> {
    let items = queue.take().items.into_iter();
    let receipt = |item| match item {
        Item::Event(event) => match event.body {
            Body::Receipt(receipt) => Some(receipt),
            _ => None,
        },
        Item::Settled(_) => None,
    };
    items.filter_map(receipt).collect()
}

#[tokio::test]
async fn a_friend_is_told_that_a_mail_went_out_and_up_to_which_message() {
    let stage = Stage::new(None).await;
    let (store, ann, bob) = (&stage.notify.store, stage.ann, stage.bob);
    let queue = Arc::new(Outbound::default());
    let listens = Arc::clone(&queue);
    let subscriber = Subscriber { connection: 1, session: [0; 8], brief: false, queue: listens };
    stage.notify.bus.subscribe(ann, subscriber).await;
    stage.ann_writes("one", NOON).await;
    stage.ann_writes("two", NOON + MINUTE).await;
    stage.minutes_pass(NOON, NOON + 10 * MINUTE).await;
    assert_eq!(stage.mails().len(), 1);
    assert!(receipts(&queue).is_empty(), "they are no friends");

    store.befriend(ann, bob, NOON).await.unwrap();
    store.accept(bob, ann, NOON).await.unwrap();
    let day = NOON + 24 * HOUR;
    stage.ann_writes("three", day).await;
    stage.minutes_pass(day, day + 10 * MINUTE).await;
    let [told] = receipts(&queue)[..] else { panic!("one receipt") };
    assert_eq!((told.conv_id, told.user_id), (stage.chat, bob));
    assert_eq!((told.delivered_seq, told.mailed_seq), (0, 3));
    assert_eq!(told.mailed_at, day + 10 * MINUTE);

    let hidden = NoticeSettings { hide: true, ..NoticeSettings::default() };
    store.set_notice_settings(bob, &hidden, NOON).await.unwrap();
    stage.ann_writes("four", day + 24 * HOUR).await;
    stage.minutes_pass(day + 24 * HOUR, day + 25 * HOUR).await;
    assert_eq!(stage.mails().len(), 3, "he was told");
    assert!(receipts(&queue).is_empty(), "she was not");
    let seen = store.conversation(ann, stage.chat, false).await.unwrap();
    assert_eq!(seen.friend_mailed_seq, 3);
    stage.end().await;
}

/// Somebody signs up; his address is not confirmed.
pub(super) async fn signs_up(store: &Store, address: &str) -> i64 {
    signs_up_at(store, address, NOON).await
}

/// Thousands of one moment would meet in a number.
pub(super) async fn signs_up_at(store: &Store, address: &str, now: i64) -> i64 {
    let handle = address.split('@').next().unwrap();
    let user = NewUser {
        user_id: id::new(0, now),
        handle: handle.into(),
        name: handle.to_uppercase(),
        email: Some(address.into()),
        pass_hash: String::new(),
    };
    store.create_user(&user, now).await.unwrap();
    user.user_id
}

#[tokio::test]
async fn signing_up_brings_a_mail_with_a_link_that_confirms_the_address() {
    let server = MailServer::start("take").await;
    let stage = Stage::new(Some(server.url.clone())).await;
    let carl = signs_up(&stage.notify.store, "carl@example.org").await;
    stage.minutes_pass(NOON, NOON + MINUTE).await;
    let mails = server.end().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["carl@example.org"]);
    let mail = &mails[0].data;
    assert!(mail.contains("To: CARL <carl@example.org>"), "{mail}");
    let start = mail.find("/v1/confirm/").unwrap() + "/v1/confirm/".len();
    let link = mail[start..].replace("=\r\n", "");
    let hash = crate::token::token_hash(&link[..43]);
    let store = &stage.notify.store;
    assert_eq!(store.confirm_address(&hash, NOON + HOUR).await.unwrap(), Some(carl));
    assert_eq!(stage.notify.counters.mails_account.get(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_mail_server_that_cannot_now_is_asked_again_and_the_mail_comes_once() {
    let server = MailServer::start("hangup,451,take").await;
    let stage = Stage::new(Some(server.url.clone())).await;
    signs_up(&stage.notify.store, "carl@example.org").await;
    stage.minutes_pass(NOON, NOON + 4 * MINUTE).await;
    assert_eq!(stage.notify.counters.mails_away.get(), 1);
    assert_eq!(stage.notify.counters.mails_put_off.get(), 1);
    stage.minutes_pass(NOON + 5 * MINUTE, NOON + HOUR).await;
    let mails = server.end().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["carl@example.org"]);
    stage.end().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_or_put_off_five_times_waits_for_a_person() {
    for (manner, tries) in [("550", 0), ("451", 5)] {
        let server = MailServer::start(manner).await;
        let stage = Stage::new(Some(server.url.clone())).await;
        signs_up(&stage.notify.store, "carl@example.org").await;
        stage.minutes_pass(NOON, NOON + 3 * HOUR).await;
        let dead = stage.notify.store.dead_jobs().await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!(stage.notify.counters.mails_put_off.get(), tries, "{}", dead[0].why);
        assert_eq!(stage.notify.counters.jobs_dead.get(), 1);
        assert!(server.end().await.is_empty());
        stage.end().await;
    }
}

#[tokio::test]
async fn a_mail_server_that_hangs_is_let_go_and_the_mail_comes_when_it_does_not() {
    let server = MailServer::start("hang,take").await;
    let quick = |config: &mut Config| {
        config.smtp = Some(server.url.clone().into());
        config.timers.mail_step_ms = 300;
    };
    let stage = Stage::with(quick).await;
    signs_up(&stage.notify.store, "carl@example.org").await;
    stage.minutes_pass(NOON, NOON).await;
    assert_eq!(stage.notify.counters.mails_away.get(), 1);
    stage.minutes_pass(NOON + MINUTE, NOON + 2 * MINUTE).await;
    assert_eq!(server.end().await.len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn mails_wait_out_a_server_that_is_away_for_a_day_and_come_once() {
    let mut stage = Stage::new(Some("smtp://127.0.0.1:1".into())).await;
    stage.ann_writes("hello", NOON).await;
    signs_up(&stage.notify.store, "carl@example.org").await;
    stage.minutes_pass(NOON, NOON + 24 * HOUR).await;
    assert!(stage.notify.counters.mails_away.get() > 24);
    assert_eq!(stage.notify.store.dead_jobs().await.unwrap(), []);
    let server = MailServer::start("take").await;
    let config = Config { smtp: Some(server.url.clone().into()), ..Config::default() };
    stage.notify.mailer = Mailer::open(&config).unwrap();
    stage.minutes_pass(NOON + 24 * HOUR, NOON + 26 * HOUR).await;
    let mails = server.end().await;
    let to = |name: &str| mails.iter().filter(|mail| mail.to == [name]).collect::<Vec<_>>();
    assert_eq!((mails.len(), to("carl@example.org").len()), (2, 1));
    assert!(to("bob@example.org")[0].data.contains("1 unread from ANN"));
    stage.end().await;
}

#[tokio::test]
async fn a_worker_that_died_gives_its_job_back_and_a_done_one_is_not_done_again() {
    let stage = Stage::new(None).await;
    let store = &stage.notify.store;
    signs_up(store, "carl@example.org").await;
    // Claimed and begun by somebody who is gone.
    let lease = NOON + LEASE;
    let claimed = store.outbox_claim(NOON, lease, 10).await.unwrap();
    store.job_begin("confirm", claimed[0].id, lease, NOON).await.unwrap();
    stage.minutes_pass(NOON, lease - MINUTE).await;
    assert!(stage.mails().is_empty());
    stage.minutes_pass(lease, lease + MINUTE).await;
    assert_eq!(stage.mails().len(), 1);
    // Done by somebody who died before he could let go of the row.
    carl_again(store).await;
    let claimed = store.outbox_claim(lease, lease, 10).await.unwrap();
    store.job_begin("reset", claimed[0].id, lease, NOON).await.unwrap();
    store.job_done("reset", claimed[0].id, lease).await.unwrap();
    stage.minutes_pass(lease + MINUTE, lease + HOUR).await;
    assert_eq!(stage.mails().len(), 1);
    assert_eq!(store.outbox_oldest(lease + HOUR).await.unwrap(), None);
    stage.end().await;
}

/// Ann forgets her password.
async fn carl_again(store: &Store) {
    store.ask_reset("ann@example.org", NOON).await.unwrap();
}

/// Many jobs, two workers that are cut off at any await, again and again, and time that passes.
#[tokio::test]
async fn workers_that_die_at_any_moment_lose_no_mail_and_repeat_only_what_was_on_its_way() {
    const PEOPLE: usize = 60;
    const DEATHS: usize = 24;
    let stage = Stage::new(None).await;
    let store = &stage.notify.store;
    for n in 0..PEOPLE {
        signs_up(store, &format!("user{n}@example.org")).await;
    }
    let mut now = NOON;
    for death in 0..DEATHS {
        // A round of each, side by side; both are dropped after so many steps, as a kill does.
        let polls = 5 + death * 97 % 600;
        let both = async {
            let (one, two) =
                tokio::join!(relay::round(&stage.notify, now), relay::round(&stage.notify, now));
            one.unwrap() + two.unwrap()
        };
        cut_after(polls, Box::pin(both)).await;
        now += LEASE;
    }
    stage.minutes_pass(now, now + HOUR).await;
    now += HOUR;
    // On a busy machine few polls get far, and five workers may die with the same job.
    for dead in store.dead_jobs().await.unwrap() {
        assert_eq!(dead.why, "five workers died with it");
        store.outbox_revive(dead.id, now).await.unwrap();
    }
    stage.minutes_pass(now, now + HOUR).await;
    let mails = stage.mails();
    let mut ids: Vec<&str> = mails.iter().map(|mail| message_id(mail)).collect();
    let sent = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PEOPLE, "one mail for each, and a repeated one is known as such");
    assert!(sent <= PEOPLE + DEATHS * 2 * limits::JOBS_AT_ONCE as usize, "{sent}");
    let again = sent - PEOPLE;
    println!("{PEOPLE} mails, {DEATHS} deaths, {again} sent again");
    assert_eq!(store.outbox_oldest(i64::MAX).await.unwrap(), None, "nothing is left");
    assert_eq!(store.dead_jobs().await.unwrap(), []);
    stage.end().await;
}

pub(super) fn message_id(mail: &str) -> &str {
    let line = mail.lines().find_map(|line| line.strip_prefix("Message-ID: "));
    line.expect("every mail has one")
}

/// Lets the work go on for so many polls, then drops it where it stands.
async fn cut_after(polls: usize, work: impl Future<Output = usize>) {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        work.as_mut().poll(cx).map(|_| ())
    })
    .await;
}
