//! The short form of every fault of `docs/faults.md`: a few seconds each, those that need the same
//! system one after the other on it.

use std::path::Path;

use chaos::SHORT;

#[test]
fn the_page_of_faults_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (fresh, written) = chaos::page(&root).unwrap();
    assert!(fresh == written, "docs/faults.md is stale: run `cargo xtask chaos --record`");
}

fn play(numbers: &[u32]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_natter"));
    let played = runtime.block_on(chaos::play_all(numbers, SHORT, binary, |_| ())).unwrap();
    let broken: Vec<String> =
        played.iter().filter(|one| !one.outcome.is_clean()).map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{}", broken.concat());
}

#[test]
fn gateways_that_die_end_and_hang_lose_nothing() {
    play(&[1, 2, 3, 4]);
}

#[test]
fn an_embedded_server_that_is_killed_loses_nothing() {
    play(&[5]);
}

#[test]
fn a_postgresql_that_crashes_hangs_and_stays_away_loses_nothing() {
    play(&[7, 8, 9, 11]);
}

#[test]
fn a_postgresql_without_room_refuses_and_lets_people_read() {
    play(&[10]);
}

#[test]
fn a_redis_that_dies_forgets_and_loses_words_loses_no_message() {
    play(&[12, 13, 14, 15, 16]);
}

#[test]
fn lines_that_are_dead_bad_and_long_lose_nothing() {
    play(&[22, 23, 26, 27]);
}

#[test]
fn who_is_slow_is_cut_off_and_floods_are_put_off() {
    play(&[24, 25, 28, 33, 34]);
}

#[test]
fn clocks_that_jump_and_differ_change_no_order() {
    play(&[35, 36]);
}
