//! The outbox: order within a conversation, patience, an end to patience.

use std::time::{Duration, Instant};

use proto::limits::CLIENT_KEY_MS;
use proto::{Error, ErrorCode};

use crate::limits;
use crate::outbox::{Due, Outbox, Refusal};
use crate::types::Queued;

const NOW_MS: i64 = 1_800_000_000_000;

fn queued(conv_id: i64, client_key: i64) -> Queued {
    Queued {
        conv_id,
        client_key,
        body: format!("message {client_key}"),
        reply_seq: 0,
        queued_at: NOW_MS,
        refused: String::new(),
    }
}

fn keys(due: &[Due]) -> Vec<i64> {
    let key = |due: &Due| match due {
        Due::Send { queued, .. } | Due::TooOld { queued } => queued.client_key,
    };
    due.iter().map(key).collect()
}

fn busy(retry_after_ms: i64) -> Error {
    Error { code: ErrorCode::Busy.into(), text: String::new(), retry_after_ms }
}

#[test]
fn messages_go_out_in_order_and_no_more_than_the_window_at_once() {
    let mut outbox = Outbox::new((1..=100).map(|key| queued(7, key)).collect());
    let now = Instant::now();
    let first = keys(&outbox.due(now, NOW_MS));
    assert_eq!(first, (1..=limits::SENDS_IN_FLIGHT_MAX as i64).collect::<Vec<_>>());
    assert!(outbox.due(now, NOW_MS).is_empty());
    outbox.remove(1);
    outbox.remove(2);
    let next = limits::SENDS_IN_FLIGHT_MAX as i64;
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [next + 1, next + 2]);
}

#[test]
fn after_a_break_the_unanswered_ones_go_again_in_the_same_order() {
    let mut outbox = Outbox::new((1..=3).map(|key| queued(7, key)).collect());
    let now = Instant::now();
    outbox.due(now, NOW_MS);
    outbox.remove(1);
    outbox.order(queued(7, 4));
    outbox.begin();
    let due = outbox.due(now, NOW_MS);
    assert_eq!(keys(&due), [2, 3, 4]);
    let again = |due: &Due| matches!(due, Due::Send { again: true, .. });
    assert_eq!(due.iter().map(again).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_message_that_was_put_off_is_not_overtaken_by_a_later_one() {
    let mut outbox = Outbox::new(vec![queued(7, 1)]);
    let now = Instant::now();
    outbox.due(now, NOW_MS);
    assert_eq!(outbox.refused(1, &busy(500), now), Refusal::Later);
    outbox.order(queued(7, 2));
    outbox.order(queued(8, 3));
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [3], "only the other conversation goes on");
    let later = now + Duration::from_millis(500);
    assert_eq!(outbox.next_due(), Some(later));
    assert_eq!(keys(&outbox.due(later, NOW_MS)), [1]);
    assert!(outbox.due(later, NOW_MS).is_empty(), "alone until it was taken");
    outbox.sent(1);
    assert_eq!(keys(&outbox.due(later, NOW_MS)), [2]);
}

#[test]
fn what_waited_behind_a_message_that_was_put_off_goes_together_once_that_one_is_taken() {
    let mut outbox = Outbox::new((1..=100).map(|key| queued(7, key)).collect());
    let mut now = Instant::now();
    let window = limits::SENDS_IN_FLIGHT_MAX as i64;
    outbox.due(now, NOW_MS);
    for key in 1..=window {
        outbox.refused(key, &busy(1_000), now);
    }
    for still_away in 0..3 {
        now += Duration::from_secs(1);
        assert_eq!(keys(&outbox.due(now, NOW_MS)), [1], "try {still_away}");
        outbox.refused(1, &busy(1_000), now);
    }
    now += Duration::from_secs(1);
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [1]);
    outbox.sent(1);
    assert_eq!(keys(&outbox.due(now, NOW_MS)), (2..=window + 1).collect::<Vec<_>>());
    // and if the database goes again meanwhile, the first one leads again
    for key in 2..=window + 1 {
        outbox.refused(key, &busy(1_000), now);
    }
    now += Duration::from_secs(1);
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [2]);
}

#[test]
fn while_an_earlier_message_is_under_way_the_line_does_not_spin_for_a_later_one() {
    let mut outbox = Outbox::new(vec![queued(7, 1), queued(7, 2)]);
    let now = Instant::now();
    outbox.due(now, NOW_MS);
    outbox.refused(2, &busy(10), now);
    let later = now + Duration::from_secs(1);
    assert!(outbox.due(later, NOW_MS).is_empty());
    assert!(outbox.next_due().is_some_and(|due| due > later), "only the first one's answer helps");
}

#[test]
fn a_message_that_nobody_may_take_leaves_the_queue_and_the_next_one_goes() {
    let mut outbox = Outbox::new(vec![queued(7, 1), queued(7, 2)]);
    let now = Instant::now();
    outbox.due(now, NOW_MS);
    let forbidden = Error { code: ErrorCode::Forbidden.into(), ..Error::default() };
    assert_eq!(outbox.refused(1, &forbidden, now), Refusal::Final);
    outbox.begin();
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [2]);
}

#[test]
fn after_a_fault_of_the_server_a_message_does_not_go_out_behind_later_ones() {
    let mut outbox = Outbox::new(vec![queued(7, 1), queued(7, 2)]);
    let now = Instant::now();
    let fault = Error { code: ErrorCode::Internal.into(), ..Error::default() };
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [1, 2]);
    assert_eq!(outbox.refused(1, &fault, now), Refusal::Final);
    outbox.remove(2);
    assert!(outbox.due(now + Duration::from_secs(60), NOW_MS).is_empty());
}

#[test]
fn what_waited_for_a_week_is_not_sent_without_asking() {
    let mut outbox = Outbox::new(vec![queued(7, 1), queued(7, 2)]);
    let due = outbox.due(Instant::now(), NOW_MS + CLIENT_KEY_MS + 1);
    assert!(due.iter().all(|due| matches!(due, Due::TooOld { .. })), "{due:?}");
    assert_eq!(keys(&due), [1, 2]);
}

#[test]
fn a_message_without_an_answer_breaks_the_line_in_the_end() {
    let mut outbox = Outbox::new(vec![queued(7, 1)]);
    let now = Instant::now();
    outbox.due(now, NOW_MS);
    let end = now + Duration::from_millis(limits::SENT_MS);
    assert!(!outbox.is_stuck(now));
    assert_eq!(outbox.next_due(), Some(end));
    assert!(outbox.is_stuck(end));
}

#[test]
fn what_was_refused_before_stays_where_it_is() {
    let refused = Queued { refused: "not a member".into(), ..queued(7, 1) };
    let mut outbox = Outbox::new(vec![refused, queued(7, 2)]);
    assert_eq!(keys(&outbox.due(Instant::now(), NOW_MS)), [2]);
}

#[test]
fn what_another_process_queues_is_sent_and_what_it_took_out_is_not() {
    let mut outbox = Outbox::new(vec![queued(7, 1), queued(7, 2), queued(8, 3)]);
    assert!(!outbox.follow(vec![queued(7, 1), queued(7, 2), queued(8, 3)]));
    let refused = Queued { refused: "blocked".into(), ..queued(7, 5) };
    assert!(outbox.follow(vec![queued(7, 2), queued(8, 3), queued(7, 4), refused]));
    let now = Instant::now();
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [2, 4, 3]);
    // what is under way is waited for, whoever took it from the disk
    assert!(!outbox.follow(Vec::new()));
    assert!(outbox.remove(4).is_some());
}

#[test]
fn a_message_that_is_found_on_the_disk_before_its_order_comes_is_told_as_sent_once() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    // it is on the disk, its order waits in the queue to the line
    assert!(outbox.follow(vec![queued(7, 1)]));
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [1]);
    assert!(outbox.remove(1).is_some(), "the answer");
    outbox.order(queued(7, 1));
    assert!(outbox.due(now, NOW_MS).is_empty(), "it would be answered and told again");
    // so is one that is too old, or that was refused
    let later = NOW_MS + CLIENT_KEY_MS + 1;
    assert!(outbox.follow(vec![queued(7, 2)]));
    assert!(matches!(outbox.due(now, later)[..], [Due::TooOld { .. }]));
    outbox.order(queued(7, 2));
    assert!(outbox.due(now, later).is_empty());
    // who sends with a key again, or tries one again, wants an answer again
    outbox.order(Queued { queued_at: NOW_MS + 1, ..queued(7, 1) });
    assert_eq!(keys(&outbox.due(now, NOW_MS)), [1]);
}
