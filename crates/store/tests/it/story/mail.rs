//! The story of mail: jobs, nudges, what people want of it, and the links in it.

use store::{
    Batch, CursorMove, Door, Error, Job, NewMessage, NoticeSettings, Preview, Purpose, Session,
    Store, Turn,
};

use super::{DAY, HOUR};
use crate::support::{NOW, message, person, read_up_to, say};

const MINUTE: i64 = 60_000;
/// Later than anything the other chapters did.
const LATER: i64 = NOW + 2 * DAY;

pub(super) async fn facts_leave_the_database(store: &Store) {
    let emma = person(store, "emma", "Emma").await;
    let confirm = Job::Confirm { user_id: emma };
    assert_eq!(store.outbox_oldest(NOW - 1).await.unwrap(), None);
    assert_eq!(store.outbox_oldest(LATER).await.unwrap(), Some(NOW));
    let lease = LATER + 30_000;
    let mut hers = None;
    loop {
        let claimed = store.outbox_claim(LATER, lease, 20).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        for job in claimed {
            match job.job == confirm {
                true => hers = Some(job),
                false => store.outbox_done(&[job.id]).await.unwrap(),
            }
        }
    }
    let first = hers.expect("signing up with an address writes a job");
    assert_eq!(first.attempts, 1);
    let again = store.outbox_claim(lease, lease + HOUR, 20).await.unwrap();
    assert_eq!((again[0].id, again[0].attempts), (first.id, 2), "a lease ends");
    store.outbox_release(&[first.id], lease + MINUTE).await.unwrap();
    let early = store.outbox_claim(lease + 1, lease + HOUR, 20).await;
    assert_eq!(early.unwrap(), []);
    store.outbox_dead(first.id, "550 no such user", LATER).await.unwrap();
    let dead = store.dead_jobs().await.unwrap();
    assert_eq!((dead[0].id, dead[0].job.as_ref()), (first.id, Some(&confirm)));
    assert_eq!(dead[0].topic, "confirm");
    assert_eq!((dead[0].why.as_str(), dead[0].died_at), ("550 no such user", LATER));
    assert_eq!(store.waiting_jobs().await.unwrap(), []);
    store.outbox_revive(first.id, LATER).await.unwrap();
    let waiting = &store.waiting_jobs().await.unwrap()[0];
    assert_eq!((waiting.id, waiting.topic.as_str(), waiting.due_at), (first.id, "confirm", LATER));
    assert_eq!(store.outbox_revive(first.id, LATER).await, Err(Error::NotFound));
    assert_eq!(store.outbox_drop(first.id).await, Err(Error::NotFound), "it is alive again");
    let revived = store.outbox_claim(LATER, lease, 20).await.unwrap();
    assert_eq!((revived[0].id, revived[0].attempts), (first.id, 1));
    store.outbox_dead(first.id, "enough", LATER).await.unwrap();
    store.outbox_drop(first.id).await.unwrap();
    assert_eq!(store.dead_jobs().await.unwrap(), []);
    assert_eq!(store.outbox_oldest(LATER + DAY).await.unwrap(), None);

    store.job_bury(8, "reset", br#"{"kind":"reset","user_id":1}"#, "no", LATER).await.unwrap();
    store.job_bury(8, "reset", b"told twice", "no", LATER).await.unwrap();
    store.job_bury(9, "fax", b"???", "unreadable", LATER).await.unwrap();
    let jobs = store.dead_jobs().await.unwrap().into_iter().map(|dead| dead.job);
    assert_eq!(jobs.collect::<Vec<_>>(), [Some(Job::Reset { user_id: 1 }), None]);
}

pub(super) async fn a_job_is_done_once(store: &Store) {
    let begin = |now: i64| store.job_begin("confirm", 7, now + MINUTE, now);
    assert_eq!(begin(LATER).await.unwrap(), Turn::Yours);
    assert_eq!(begin(LATER + 1).await.unwrap(), Turn::Busy);
    assert_eq!(begin(LATER + MINUTE).await.unwrap(), Turn::Yours, "the first one died");
    store.job_free("confirm", 7).await.unwrap();
    assert_eq!(begin(LATER + MINUTE + 1).await.unwrap(), Turn::Yours);
    store.job_done("confirm", 7, LATER).await.unwrap();
    assert_eq!(begin(LATER + 6 * DAY).await.unwrap(), Turn::Done);

    // Whoever begins this one is never heard of again; the fifth to come only clears it away.
    for death in 0..5 {
        let now = LATER + death * HOUR;
        store.forget(now).await.unwrap();
        let turn = store.job_begin("reset", 7, now + MINUTE, now).await.unwrap();
        assert_eq!(turn, Turn::Yours, "{death}");
    }
    let turn = store.job_begin("reset", 7, LATER + 6 * HOUR, LATER + 5 * HOUR).await.unwrap();
    assert_eq!(turn, Turn::Poison);
    store.job_free("reset", 7).await.unwrap();
}

/// One message in a transaction of its own, with nobody online.
async fn send_away(store: &Store, message: NewMessage, now: i64) {
    let database = store.database_of(message.conv_id);
    let batch = Batch { sends: vec![message], moves: Vec::new() };
    let nobody = |_: i64| false;
    store.commit_and_nudge(database, &batch, &nobody, now).await.unwrap();
}

async fn read_at(store: &Store, conv_id: i64, user_id: i64, seq: i64, now: i64) {
    let read = CursorMove { conv_id, user_id, delivered_seq: seq, read_seq: seq };
    let batch = Batch { sends: Vec::new(), moves: vec![read] };
    store.commit(store.database_of(conv_id), &batch, now).await.unwrap();
}

async fn due(store: &Store, now: i64) -> Vec<i64> {
    store.nudge_claim(now, now + MINUTE, 50).await.unwrap()
}

pub(super) async fn who_is_away_is_nudged_once(store: &Store) {
    let [finn, gus, hal] = [
        person(store, "finn", "Finn").await,
        person(store, "gus", "Gus").await,
        person(store, "hal", "Hal").await,
    ];
    let (direct, _) = store.open_direct(finn, gus, NOW).await.unwrap();
    say(store, direct, finn, "gus is online").await;
    assert!(due(store, LATER + DAY).await.is_empty(), "nothing for who is online");
    read_up_to(store, direct, gus, 1).await;

    for n in 0..20 {
        send_away(store, message(direct, finn, "are you there?"), LATER + n).await;
    }
    assert!(due(store, LATER + 10 * MINUTE - 1).await.is_empty());
    assert_eq!(due(store, LATER + 10 * MINUTE).await, [gus], "one row, from the first on");
    assert!(due(store, LATER + 10 * MINUTE).await.is_empty(), "it is leased");
    store.nudge_move(&[gus], LATER, LATER).await.unwrap();
    assert!(due(store, LATER + 10 * MINUTE).await.is_empty(), "moved by who has the lease only");
    store.nudge_move(&[gus], LATER + 11 * MINUTE, LATER + 10 * MINUTE).await.unwrap();
    assert_eq!(due(store, LATER + 10 * MINUTE).await, [gus], "given back");
    let unread = store.unread(gus, LATER).await.unwrap();
    assert_eq!((unread[0].peer_id, unread[0].read_seq, unread[0].last_seq), (finn, 1, 21));
    assert_eq!((unread[0].since, unread[0].last_at), (LATER, LATER + 19));
    store.nudge_drop(gus, 0, LATER).await.unwrap();
    assert_eq!(due(store, LATER + 11 * MINUTE).await, [gus], "he has something unread");
    store.mute(gus, direct, LATER + DAY).await.unwrap();
    assert!(store.unread(gus, LATER).await.unwrap().is_empty(), "muted");
    store.mute(gus, direct, 0).await.unwrap();
    read_up_to(store, direct, gus, 21).await;
    store.nudge_drop(gus, 0, LATER).await.unwrap();
    assert!(due(store, LATER + DAY).await.is_empty(), "read in time");

    a_group_nudges_who_is_mentioned(store, [finn, gus, hal]).await;
    say(store, direct, finn, "he was online when it came, and left").await;
    store.nudge_left(gus, LATER).await.unwrap();
    assert_eq!(due(store, LATER + DAY).await, [gus]);
    read_up_to(store, direct, gus, 22).await;
    store.nudge_drop(gus, 0, LATER).await.unwrap();
}

async fn a_group_nudges_who_is_mentioned(store: &Store, [finn, gus, hal]: [i64; 3]) {
    let group = store.create_group(finn, "Trip", &[gus, hal], 0, NOW).await.unwrap().conv_id;
    send_away(store, message(group, finn, "hello all"), LATER).await;
    assert!(due(store, LATER + DAY).await.is_empty(), "a group nudges who is mentioned");
    let named = NewMessage { mentions: vec![hal], ..message(group, finn, "@hal?") };
    send_away(store, named, LATER).await;
    assert_eq!(due(store, LATER + DAY).await, [hal]);
    assert_eq!(store.unread(hal, LATER).await.unwrap()[0].title, "Trip");
    store.nudge_left(gus, LATER).await.unwrap();
    assert!(!due(store, LATER + 2 * DAY).await.contains(&gus), "nothing is left for him");
    let end = store.unread(hal, LATER).await.unwrap()[0].last_seq;
    read_up_to(store, group, hal, end).await;
    store.nudge_drop(hal, 0, LATER).await.unwrap();
}

pub(super) async fn the_next_mail_waits_longer(store: &Store) {
    let [ines, jon] = [person(store, "ines", "Ines").await, person(store, "jon", "Jon").await];
    let (direct, _) = store.open_direct(ines, jon, NOW).await.unwrap();
    assert!(store.recipient(1).await.unwrap().is_none());
    let fresh = store.recipient(jon).await.unwrap().unwrap();
    assert_eq!(fresh.email.as_deref(), Some("jon@example.org"));
    assert_eq!((fresh.email_ok, fresh.mails, fresh.pause_ends_at()), (false, 0, 0));
    for (mails, pause) in [(1, HOUR), (2, 6 * HOUR), (3, DAY), (9, DAY)] {
        store.nudge_mailed(jon, mails, LATER).await.unwrap();
        let now = store.recipient(jon).await.unwrap().unwrap();
        assert_eq!((now.mailed_at, now.pause_ends_at()), (LATER, LATER + pause));
    }
    send_away(store, message(direct, ines, "hi"), LATER).await;
    store.nudge_postpone(jon, LATER + DAY).await.unwrap();
    assert!(due(store, LATER + DAY - 1).await.is_empty());
    store.nudge_drop(jon, LATER + 1, LATER).await.unwrap();
    assert!(due(store, LATER + 3 * DAY).await.is_empty(), "he was told of everything");

    send_away(store, message(direct, ines, "still there?"), LATER + 1).await;
    store.nudge_postpone(jon, LATER + 3 * DAY).await.unwrap();
    read_at(store, direct, jon, 1, LATER + HOUR).await;
    assert_eq!(due(store, LATER + HOUR + 10 * MINUTE).await, [jon], "a pause ends with reading");
    store.set_last_seen(jon, LATER + HOUR).await.unwrap();
    let back = store.recipient(jon).await.unwrap().unwrap();
    assert_eq!((back.mails, back.pause_ends_at()), (0, 0), "who comes starts over");
    store.nudge_postpone(jon, LATER + 30 * DAY).await.unwrap();
    everybody_says_what_he_wants(store, ines, jon).await;
}

async fn everybody_says_what_he_wants(store: &Store, ines: i64, jon: i64) {
    let wanted = NoticeSettings {
        unwanted: false,
        door: Door::Mail,
        preview: Preview::Names,
        quiet_from: 22 * 60,
        quiet_to: 6 * 60,
        hide: true,
    };
    store.set_notice_settings(jon, &wanted, LATER).await.unwrap();
    assert_eq!(store.recipient(jon).await.unwrap().unwrap().settings, wanted);
    let doors = async || {
        let claimed = store.outbox_claim(i64::MAX - 1, i64::MAX - 1, 50).await.unwrap();
        let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.id).collect();
        store.outbox_done(&ids).await.unwrap();
        claimed.iter().filter(|claimed| claimed.job == Job::Door { user_id: jon }).count()
    };
    assert_eq!(doors().await, 0, "a mail needs no first word");
    let webhook = Door::Webhook { url: "https://example.org/a".into(), key: "whsec_x".into() };
    for (door, first_words) in [
        (webhook.clone(), 1),
        (webhook, 0),
        (Door::Push { url: "https://example.org/a".into() }, 1),
        (Door::Push { url: "https://example.org/b".into() }, 1),
    ] {
        let settings = NoticeSettings { door, ..wanted.clone() };
        store.set_notice_settings(jon, &settings, LATER).await.unwrap();
        let kept = store.recipient(jon).await.unwrap().unwrap();
        let fault = if first_words == 1 { "" } else { "it answered 404" };
        assert_eq!((kept.settings, &*kept.door_fault), (settings, fault));
        assert_eq!(doors().await, first_words);
        store.set_door_fault(jon, "it answered 404").await.unwrap();
        assert_eq!(store.recipient(jon).await.unwrap().unwrap().door_fault, "it answered 404");
    }
    store.set_notice_settings(jon, &wanted, LATER).await.unwrap();
    assert_eq!(store.recipient(jon).await.unwrap().unwrap().door_fault, "");
    store.unsubscribe(jon).await.unwrap();
    let left = store.recipient(jon).await.unwrap().unwrap();
    assert_eq!(left.settings, NoticeSettings { unwanted: true, ..wanted });
    assert_eq!(left.mailed_at, LATER, "settings do not forget what was sent");
    store.unsubscribe(ines).await.unwrap();
    assert!(store.recipient(ines).await.unwrap().unwrap().settings.unwanted);
}

pub(super) async fn senders_learn_of_a_mail(store: &Store) {
    let [lena, max] = [person(store, "lena", "Lena").await, person(store, "max", "Max").await];
    let (direct, _) = store.open_direct(lena, max, NOW).await.unwrap();
    assert_eq!(store.nudge_due(max, direct, LATER).await.unwrap(), None);
    for n in 0..3 {
        send_away(store, message(direct, lena, "are you there?"), LATER + n).await;
    }
    let due_at = Some(LATER + 10 * MINUTE);
    assert_eq!(store.nudge_due(max, direct, LATER).await.unwrap(), due_at);
    store.mute(max, direct, LATER + 1).await.unwrap();
    assert_eq!(store.nudge_due(max, direct, LATER).await.unwrap(), None, "no mail from here");
    store.mute(max, direct, 0).await.unwrap();

    let receipts = store.mark_mailed(max, &[(direct, 2)], LATER).await.unwrap();
    let [told] = receipts[..] else { panic!("{receipts:?}") };
    assert_eq!((told.conv_id, told.user_id, told.at), (direct, max, LATER));
    assert_eq!((told.delivered_seq, told.mailed_seq, told.mailed_at), (0, 2, LATER));
    let again = store.mark_mailed(max, &[(direct, 2)], LATER + 1).await.unwrap();
    assert!(again.is_empty(), "it was told");
    let seen = store.conversation(lena, direct, false).await.unwrap();
    assert_eq!((seen.friend_mailed_seq, seen.friend_mailed_at), (2, LATER));
    let seen = store.conversation(max, direct, false).await.unwrap();
    assert_eq!((seen.friend_mailed_seq, seen.friend_mailed_at), (0, 0), "his own is not hers");
    let cursors = store.cursors(lena, direct).await.unwrap();
    let his = cursors.iter().find(|cursor| cursor.user_id == max).unwrap();
    assert_eq!((his.mailed_seq, his.mailed_at), (2, LATER));

    store.befriend(lena, max, NOW).await.unwrap();
    store.accept(max, lena, NOW).await.unwrap();
    store.set_last_seen(max, LATER).await.unwrap();
    assert_eq!(store.friends_and_hides(max).await.unwrap(), (vec![lena], false));
    assert_eq!(store.people(lena, &[max]).await.unwrap()[0].last_seen, LATER);
    let hidden = NoticeSettings { hide: true, ..NoticeSettings::default() };
    store.set_notice_settings(max, &hidden, LATER).await.unwrap();
    assert_eq!(store.friends_and_hides(max).await.unwrap(), (vec![lena], true));
    assert_eq!(store.people(lena, &[max]).await.unwrap()[0].last_seen, 0);
    assert_eq!(store.contacts(lena).await.unwrap()[0].last_seen, 0);
    store.nudge_drop(max, i64::MAX, LATER).await.unwrap();
}

/// The owner of a confirmed address is told of a login; nobody else could be.
async fn a_login_is_told(store: &Store, kim: i64, first: u8) {
    let session = |n: u8| Session {
        token_hash: vec![n; 32],
        user_id: kim,
        device: "phone".into(),
        created_at: LATER,
        used_at: LATER,
        expires_at: LATER + DAY,
    };
    let notice = Job::Login {
        user_id: kim,
        session: "0a".into(),
        device: "phone".into(),
        from: "a private network".into(),
        at: LATER,
    };
    assert_eq!(notice.user_id(), kim);
    store.create_session(&session(first), None).await.unwrap();
    store.create_session(&session(first + 1), Some(&notice)).await.unwrap();
    let waiting = store.outbox_claim(LATER, LATER + DAY, 50).await.unwrap();
    let told = waiting.iter().filter(|claimed| claimed.job == notice).count();
    let confirmed = store.recipient(kim).await.unwrap().unwrap().email_ok;
    assert_eq!(told, usize::from(confirmed));
}

pub(super) async fn links_work_once(store: &Store) {
    let kim = person(store, "kim", "Kim").await;
    let (confirm, reset, settings) = ([1; 32], [2; 32], [3; 32]);
    let end = LATER + 30 * DAY;
    for (hash, purpose) in
        [(confirm, Purpose::Confirm), (reset, Purpose::Reset), (settings, Purpose::Settings)]
    {
        store.mail_token_create(&hash, kim, purpose, end).await.unwrap();
    }
    let of = |hash: [u8; 32], purpose, now| async move {
        store.mail_token_of(&hash, purpose, now).await.unwrap()
    };
    assert_eq!(of(settings, Purpose::Settings, LATER).await, Some(kim));
    assert_eq!(of(settings, Purpose::Reset, LATER).await, None, "each for its purpose");
    assert_eq!(of(settings, Purpose::Settings, end).await, None, "over");

    an_address_is_changed(store).await;
    store.ask_reset("kim@example.org", LATER).await.unwrap();
    a_login_is_told(store, kim, 20).await;
    assert_eq!(store.confirm_address(&reset, LATER).await.unwrap(), None);
    assert_eq!(store.confirm_address(&confirm, end).await.unwrap(), None);
    assert_eq!(store.confirm_address(&confirm, LATER).await.unwrap(), Some(kim));
    assert_eq!(store.confirm_address(&confirm, LATER).await.unwrap(), None, "one use");
    assert!(store.recipient(kim).await.unwrap().unwrap().email_ok);
    store.ask_reset("kim@example.org", LATER).await.unwrap();
    store.ask_reset("nobody@example.org", LATER).await.unwrap();
    let claimed = store.outbox_claim(LATER, end, 50).await.unwrap();
    let resets = claimed.iter().filter(|job| job.job == Job::Reset { user_id: kim });
    assert_eq!(resets.count(), 1, "only for a confirmed address");
    store.ask_reset("kim@example.org", LATER + 5 * MINUTE - 1).await.unwrap();
    assert!(store.outbox_claim(LATER + 5 * MINUTE, end, 50).await.unwrap().is_empty(), "too soon");
    store.ask_reset("kim@example.org", LATER + 5 * MINUTE).await.unwrap();
    assert_eq!(store.outbox_claim(LATER + 5 * MINUTE, end, 50).await.unwrap().len(), 1);
    a_login_is_told(store, kim, 30).await;

    let session = Session {
        token_hash: vec![9; 32],
        user_id: kim,
        device: "lost".into(),
        created_at: LATER,
        used_at: LATER,
        expires_at: end,
    };
    store.end_other_sessions(kim, &[]).await.unwrap();
    store.create_session(&session, None).await.unwrap();
    let (who, ended) = store.reset_password(&reset, "$new$", LATER).await.unwrap().unwrap();
    assert_eq!((who, ended), (kim, vec![vec![9; 32]]));
    assert_eq!(store.reset_password(&reset, "x", LATER).await.unwrap(), None);
    assert_eq!(store.credential_of(kim).await.unwrap().unwrap().pass_hash, "$new$");
}

/// What was sent to the old address opens nothing any more.
async fn an_address_is_changed(store: &Store) {
    let lea = person(store, "lea", "Lea").await;
    let made = |hash: [u8; 32], purpose: Purpose, at: i64| async move {
        store.mail_token_create(&hash, lea, purpose, at + purpose.lives_ms()).await.unwrap();
    };
    for (hash, purpose) in
        [([11; 32], Purpose::Confirm), ([12; 32], Purpose::Reset), ([13; 32], Purpose::Settings)]
    {
        made(hash, purpose, LATER).await;
    }
    let taken = store.set_address(lea, "kim@example.org", LATER).await;
    assert_eq!(taken, Err(Error::Taken("email")));
    assert!(store.set_address(lea, "lea@example.org", LATER).await.unwrap(), "asked once more");
    let now = LATER + MINUTE;
    let settings = store.mail_token_of(&[13; 32], Purpose::Settings, now).await.unwrap();
    assert_eq!(settings, Some(lea), "the same address: its links stay good");
    assert!(store.set_address(lea, "lea@example.net", now).await.unwrap());
    assert_eq!(store.confirm_address(&[11; 32], now).await.unwrap(), None);
    assert_eq!(store.reset_password(&[12; 32], "x", now).await.unwrap(), None);
    assert_eq!(store.mail_token_of(&[13; 32], Purpose::Settings, now).await.unwrap(), None);
    let hers = store.recipient(lea).await.unwrap().unwrap();
    assert_eq!((hers.email.as_deref(), hers.email_ok), (Some("lea@example.net"), false));
    made([14; 32], Purpose::Confirm, now).await;
    assert_eq!(store.confirm_address(&[14; 32], now).await.unwrap(), Some(lea));
    assert!(!store.set_address(lea, "lea@example.net", now).await.unwrap(), "confirmed already");
    let jobs = store.outbox_claim(now, now, 50).await.unwrap();
    assert_eq!(jobs.iter().filter(|job| job.job == Job::Confirm { user_id: lea }).count(), 3);
    for job in jobs {
        store.outbox_done(&[job.id]).await.unwrap();
    }
}
