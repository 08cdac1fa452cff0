//! The role at work: a real store, a real directory of mails, a mail server that misbehaves on
//! demand, and a clock that is set by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::id;
use store::{Batch, CursorMove, MailSettings, NewMessage, NewUser, Options, Preview, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Mailer, Notify, relay};
use crate::bus::{Bus, Subscriber};
use crate::config::Config;
use crate::counters::Counters;
use crate::limits;

/// Noon of some day, UTC.
const NOON: i64 = 20_833 * 24 * HOUR + 12 * HOUR;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

struct Stage {
    notify: Notify,
    directory: PathBuf,
    ann: i64,
    bob: i64,
    chat: i64,
}

impl Stage {
    /// Ann and Bob, both with confirmed addresses, and their conversation.
    async fn new(smtp: Option<String>) -> Self {
        let directory = std::env::temp_dir().join(format!("natter-notify-{}", id::random_key()));
        let url = format!("sqlite:{}", directory.join("natter.db").display());
        let store = Store::open(&[url], &Options::default()).await.unwrap();
        let config =
            Config { data: directory.clone(), smtp: smtp.map(Into::into), ..Config::default() };
        let notify = Notify {
            store: store.clone(),
            bus: Arc::new(Bus::local()),
            counters: Arc::new(Counters::default()),
            mailer: Mailer::open(&config).unwrap(),
            site: "http://chat.example.org".into(),
        };
        let (ann, bob) = (person(&store, "ann").await, person(&store, "bob").await);
        let (chat, _) = store.open_direct(ann, bob, NOON).await.unwrap();
        Self { notify, directory, ann, bob, chat }
    }

    async fn ann_writes(&self, text: &str, now: i64) {
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

    async fn bob_reads(&self, seq: i64, now: i64) {
        let read =
            CursorMove { conv_id: self.chat, user_id: self.bob, delivered_seq: seq, read_seq: seq };
        let batch = Batch { sends: Vec::new(), moves: vec![read] };
        self.notify.store.commit(0, &batch, now).await.unwrap();
    }

    /// Every minute from one moment to another.
    async fn minutes_pass(&self, from: i64, to: i64) {
        let mut now = from;
        while now <= to {
            while relay::round(&self.notify, now).await.unwrap() > 0 {}
            now += MINUTE;
        }
    }

    /// The mails in the directory, the oldest first.
    fn mails(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.directory.join("mail")) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read = |path| std::fs::read_to_string(path).unwrap();
        paths.into_iter().map(read).collect()
    }

    async fn end(self) {
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
        store.outbox_done(job.id).await.unwrap();
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
        let wanted = MailSettings { preview, ..MailSettings::default() };
        stage.notify.store.set_mail_settings(stage.bob, &wanted).await.unwrap();
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
    let subscriber = Subscriber { connection: 1, session: [0; 8], queue: Arc::default() };
    stage.notify.bus.subscribe(stage.bob, subscriber).await;
    stage.ann_writes("you are online", NOON).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    assert!(stage.mails().is_empty(), "he is online");
    stage.notify.bus.unsubscribe(stage.bob, 1).await;
    let quiet = MailSettings { quiet_from: 13 * 60, quiet_to: 15 * 60, ..MailSettings::default() };
    store.set_mail_settings(stage.bob, &quiet).await.unwrap();
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

/// How the mail server behaves.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    /// Says this to MAIL.
    Says(&'static str),
    /// Closes the line after the greeting.
    HangsUp,
}

/// A mail server of RFC 5321's minimal dialogue; what it takes over comes out of the receiver.
async fn mail_server(manners: Vec<Manner>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (taken, mails) = mpsc::channel(100);
    tokio::spawn(async move {
        let count = AtomicUsize::new(0);
        while let Ok((stream, _)) = listener.accept().await {
            let turn = count.fetch_add(1, Ordering::Relaxed);
            let manner = manners[turn.min(manners.len() - 1)];
            tokio::spawn(dialogue(stream, manner, taken.clone()));
        }
    });
    (url, mails)
}

async fn dialogue(stream: TcpStream, manner: Manner, taken: mpsc::Sender<String>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut data: Option<String> = None;
    write.write_all(b"220 test\r\n").await.unwrap();
    if matches!(manner, Manner::HangsUp) {
        return;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(mail) = &mut data {
            if line != "." {
                mail.push_str(&line);
                mail.push('\n');
                continue;
            }
            taken.send(data.take().unwrap()).await.unwrap();
            write.write_all(b"250 kept\r\n").await.unwrap();
            continue;
        }
        let answer = match (line.split(' ').next().unwrap_or_default(), manner) {
            ("MAIL", Manner::Says(answer)) => answer,
            ("DATA", _) => {
                data = Some(String::new());
                "354 go on"
            }
            ("QUIT", _) => "221 bye",
            _ => "250 ok",
        };
        if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Carl signs up; his address is not confirmed.
async fn carl_signs_up(store: &Store) -> i64 {
    let user = NewUser {
        user_id: id::new(0, NOON),
        handle: "carl".into(),
        name: "Carl".into(),
        email: Some("carl@example.org".into()),
        pass_hash: String::new(),
    };
    store.create_user(&user, NOON).await.unwrap();
    user.user_id
}

#[tokio::test]
async fn signing_up_brings_a_mail_with_a_link_that_confirms_the_address() {
    let (url, mut mails) = mail_server(vec![Manner::Takes]).await;
    let stage = Stage::new(Some(url)).await;
    let carl = carl_signs_up(&stage.notify.store).await;
    stage.minutes_pass(NOON, NOON + MINUTE).await;
    let mail = mails.try_recv().unwrap();
    assert!(mail.contains("To: Carl <carl@example.org>"), "{mail}");
    let start = mail.find("/v1/confirm/").unwrap() + "/v1/confirm/".len();
    let link = mail[start..].replace("=\n", "");
    let hash = crate::token::token_hash(&link[..43]);
    let store = &stage.notify.store;
    assert_eq!(store.confirm_address(&hash, NOON + HOUR).await.unwrap(), Some(carl));
    assert!(mails.try_recv().is_err(), "one mail");
    assert_eq!(stage.notify.counters.mails_account.get(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_mail_server_that_cannot_now_is_asked_again_and_the_mail_comes_once() {
    let manners = vec![Manner::HangsUp, Manner::Says("451 later"), Manner::Takes];
    let (url, mut mails) = mail_server(manners).await;
    let stage = Stage::new(Some(url)).await;
    carl_signs_up(&stage.notify.store).await;
    stage.minutes_pass(NOON, NOON + 4 * MINUTE).await;
    assert!(mails.try_recv().is_err());
    assert_eq!(stage.notify.counters.mails_put_off.get(), 2);
    stage.minutes_pass(NOON + 5 * MINUTE, NOON + HOUR).await;
    assert!(mails.try_recv().unwrap().contains("carl@example.org"));
    assert!(mails.try_recv().is_err());
    stage.end().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_or_fails_five_times_waits_for_a_person() {
    for (manner, tries) in [(Manner::Says("550 unknown"), 0), (Manner::Says("451 no"), 5)] {
        let (url, mut mails) = mail_server(vec![manner]).await;
        let stage = Stage::new(Some(url)).await;
        carl_signs_up(&stage.notify.store).await;
        stage.minutes_pass(NOON, NOON + 3 * HOUR).await;
        let dead = stage.notify.store.dead_jobs().await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!(stage.notify.counters.mails_put_off.get(), tries, "{}", dead[0].why);
        assert!(mails.try_recv().is_err());
        stage.end().await;
    }
}

#[tokio::test]
async fn a_mail_about_messages_waits_out_a_server_that_is_away_for_a_day() {
    let stage = Stage::new(Some("smtp://127.0.0.1:1".into())).await;
    stage.ann_writes("hello", NOON).await;
    stage.minutes_pass(NOON, NOON + HOUR).await;
    assert!(stage.notify.counters.mails_put_off.get() > 5);
    let (url, mut mails) = mail_server(vec![Manner::Takes]).await;
    let config = Config { smtp: Some(url.into()), ..Config::default() };
    let mut stage = stage;
    stage.notify.mailer = Mailer::open(&config).unwrap();
    stage.minutes_pass(NOON + 24 * HOUR, NOON + 25 * HOUR).await;
    assert!(mails.try_recv().unwrap().contains("1 unread from ANN"));
    assert!(mails.try_recv().is_err(), "once");
    stage.end().await;
}

#[tokio::test]
async fn a_worker_that_died_gives_its_job_back_and_a_done_one_is_not_done_again() {
    let stage = Stage::new(None).await;
    let store = &stage.notify.store;
    carl_signs_up(store).await;
    // Claimed and begun by somebody who is gone.
    let lease = NOON + limits::JOB_LEASE_MS;
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
        let user = NewUser {
            user_id: id::new(0, NOON),
            handle: format!("user{n}"),
            name: format!("User {n}"),
            email: Some(format!("user{n}@example.org")),
            pass_hash: String::new(),
        };
        store.create_user(&user, NOON).await.unwrap();
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
        now += limits::JOB_LEASE_MS;
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

fn message_id(mail: &str) -> &str {
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
