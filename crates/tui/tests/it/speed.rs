//! What a frame costs does not grow with the conversation. `natter bench screen` tells the figures.

use std::time::Duration;

fn median(mut frames: Vec<Duration>) -> Duration {
    frames.sort_unstable();
    frames[frames.len() / 2]
}

#[test]
fn a_frame_of_a_hundred_thousand_messages_costs_about_as_much_as_one_of_a_hundred() {
    let of = |messages| {
        let cost = tui::frame_cost(messages, 60);
        (median(cost.at_end), median(cost.reading_up))
    };
    let (small, large) = (of(100), of(100_000));
    println!("at the end, reading up: of 100 {small:?}, of 100,000 {large:?}");
    // one that looked at every message would cost a thousand times as much
    assert!(large.0 < 10 * small.0 && large.1 < 10 * small.1, "{small:?} {large:?}");
}
