//! A day begins where its reader lives. No server knows of days.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::stage::{ANN, WITH_ANN, friends, message};

/// The days and the times at which somebody in this zone sees ann's messages, from the top.
fn seen_in(zone: &str, sent: &[&str]) -> Vec<String> {
    let mut stage = friends(60, 40);
    stage.model.zone = TimeZone::posix(zone).expect("a zone");
    let messages = (1..).zip(sent).map(|(seq, sent)| {
        let at: Timestamp = sent.parse().expect("a moment");
        message(WITH_ANN, seq, ANN, at.as_millisecond(), "hello")
    });
    let messages = messages.collect();
    stage.keys("gt").page(WITH_ANN, 0, messages);
    let picture = stage.picture();
    let rows = picture.lines().map(|row| row.trim_matches(['"', ' ']));
    let seen = rows.filter_map(|row| match row.strip_prefix("─── ") {
        Some(day) => Some(day.trim_end_matches(['─', ' '])),
        None => row.strip_suffix(" ann"),
    });
    seen.map(str::to_owned).collect()
}

#[test]
fn who_live_far_apart_see_the_same_messages_under_different_days() {
    let sent = ["2025-11-20T22:30Z", "2025-11-20T23:30Z", "2025-11-21T05:30Z"];
    let berlin = ["Thursday 20 November", "23:30", "Friday 21 November", "00:30", "06:30"];
    assert_eq!(seen_in("CET-1CEST,M3.5.0,M10.5.0/3", &sent), berlin);
    let new_york = ["Thursday 20 November", "17:30", "18:30", "Friday 21 November", "00:30"];
    assert_eq!(seen_in("EST5EDT,M3.2.0,M11.1.0", &sent), new_york);
    let auckland = ["Friday 21 November", "11:30", "12:30", "18:30"];
    assert_eq!(seen_in("NZST-12NZDT,M9.5.0,M4.1.0/3", &sent), auckland);
}

#[test]
fn a_day_on_which_the_clocks_are_put_back_or_forward_is_one_day() {
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
    // 25 hours, and 02:30 twice: both are said, in the order in which they were written
    let sent = [
        "2025-10-25T21:30Z",
        "2025-10-25T22:30Z",
        "2025-10-26T00:30Z",
        "2025-10-26T01:30Z",
        "2025-10-26T22:30Z",
        "2025-10-26T23:30Z",
    ];
    let autumn = [
        ["Saturday 25 October", "23:30"].as_slice(),
        &["Sunday 26 October", "00:30", "02:30", "02:30", "23:30"],
        &["Monday 27 October", "00:30"],
    ];
    assert_eq!(seen_in(berlin, &sent), autumn.concat());
    // 23 hours
    let sent = ["2025-03-29T22:30Z", "2025-03-29T23:30Z", "2025-03-30T21:30Z", "2025-03-30T22:30Z"];
    let spring = [
        ["Saturday 29 March", "23:30"].as_slice(),
        &["Sunday 30 March", "00:30", "23:30"],
        &["Monday 31 March", "00:30"],
    ];
    assert_eq!(seen_in(berlin, &sent), spring.concat());
}
