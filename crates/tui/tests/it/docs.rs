//! docs/keys.md is a view of the table.

use tui::commands::{Layer, TABLE, TYPED, document};
use tui::keys::{Meaning, meaning, parse};

#[test]
fn the_page_of_keys_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/keys.md");
    let fresh = document();
    if std::env::var_os("NATTER_WRITE_DOCS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == fresh,
        "docs/keys.md is stale: run `NATTER_WRITE_DOCS=1 cargo test -p natter-tui docs`"
    );
}

#[test]
fn every_way_in_the_table_leads_to_its_own_command() {
    for row in TABLE {
        for way in row.keys.split(' ') {
            let found = meaning(row.layer, &parse(way));
            assert_eq!(found, Meaning::Command(row.command, None), "{:?} {way}", row.layer);
        }
    }
}

#[test]
fn no_command_hides_behind_the_beginning_of_another() {
    for row in TABLE {
        for way in row.keys.split(' ') {
            let keys = parse(way);
            for cut in 1..keys.len() {
                let found = meaning(row.layer, &keys[..cut]);
                assert_eq!(found, Meaning::Unfinished, "{:?} {way}", row.layer);
            }
        }
    }
}

#[test]
fn every_typed_command_can_be_cut_short_until_it_is_ambiguous() {
    use tui::commands::find_typed;
    assert_eq!(find_typed("fr").unwrap().name, "friends");
    assert_eq!(find_typed("q").unwrap().name, "q");
    assert_eq!(find_typed("qui").unwrap().name, "quit");
    assert_eq!(find_typed("re").unwrap_err(), "re may be remove, rename, retry, reconnect, read");
    assert!(find_typed("xyz").unwrap_err().starts_with("no such command: xyz"));
    for row in TYPED {
        assert_eq!(find_typed(row.name).unwrap().command, row.command);
    }
}

#[test]
fn every_layer_has_a_way_out() {
    for layer in Layer::ALL {
        let found = meaning(layer, &parse("<Esc>"));
        assert!(layer == Layer::Messages || matches!(found, Meaning::Command(..)), "{layer:?}");
    }
}
