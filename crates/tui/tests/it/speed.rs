//! What a frame costs; printed, not judged: machines differ.

use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::stage::*;

#[test]
fn a_frame_of_ten_thousand_messages_costs_as_much_as_a_frame_of_a_hundred() {
    for count in [100, 10_000] {
        let mut stage = friends(120, 40);
        stage.keys("gt");
        let body = "a message of some words, as people write them, and now and then a longer one";
        let of = |seq| message(WITH_ANN, seq, ANN, NOW - (count - seq) * MINUTE, body);
        stage.page(WITH_ANN, 0, (1..=count).map(of).collect());
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        let frames = 100;
        let start = Instant::now();
        for _ in 0..frames {
            terminal.draw(|frame| tui::view::draw(&stage.model, frame)).unwrap();
        }
        let frame_us = start.elapsed().as_micros() / frames;
        let start = Instant::now();
        for _ in 0..frames {
            stage.keys("k");
        }
        let key_us = start.elapsed().as_micros() / frames;
        println!("{count} messages: a frame {frame_us} us, a key {key_us} us");
        assert_eq!(stage.model.item_count(), count as usize);
    }
}
