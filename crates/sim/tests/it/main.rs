//! A few seeds, each in a process of its own, as `cargo xtask sim` starts them.

use std::process::Command;

/// How it ended, and what it told.
fn sim(words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_natter-sim")).args(words).output();
    let output = output.expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), told + &String::from_utf8_lossy(&output.stderr))
}

/// The event that all is about: the number of the trace of the first seed in there.
fn trace(told: &str) -> &str {
    told.split_once("trace ").expect("each seed tells the number of its trace").1
}

#[test]
fn promises_hold_while_lines_break_and_processes_die() {
    let (ok, told) = sim(&["--seed", "1", "--seeds", "6", "--seconds", "15"]);
    assert!(ok, "{told}");
}

#[test]
fn a_seed_does_the_same_each_time() {
    let words = ["--seed", "5", "--seeds", "1", "--seconds", "10", "--tell"];
    let (first, second) = (sim(&words), sim(&words));
    assert!(first.0, "{}", first.1);
    let told = |told: &str| told.rsplit_once("\n1 seeds in").expect("the last line").0.to_owned();
    assert_eq!(told(&first.1), told(&second.1));
    let (_, other) = sim(&["--seed", "7", "--seeds", "1", "--seconds", "10", "--tell"]);
    assert_ne!(trace(&first.1), trace(&other));
}

/// The promises break without it, within so many seeds: most need one to three.
fn is_missed(mechanism: &str) {
    let words = ["--seeds", "80", "--seconds", "15", "--without", mechanism];
    let (ok, told) = sim(&words);
    assert!(ok && told.contains("BROKEN"), "nobody misses it: {told}");
}

#[test]
fn without_knowing_keys_messages_are_doubled() {
    is_missed("dedupe");
}

#[test]
fn without_sending_again_messages_are_lost() {
    is_missed("resend");
}

#[test]
fn without_asking_for_what_is_missing_there_are_gaps() {
    is_missed("gap-fill");
}

#[test]
fn who_reads_before_he_subscribes_misses_messages() {
    is_missed("subscription");
}
