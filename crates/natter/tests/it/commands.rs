//! Two people on the command line.

use std::path::Path;

use serde_json::Value;
use store::{Batch, NewMessage, Store};

use crate::world::{PASSWORD, Run, Server, World, two};

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn the_printed_settings_are_those_without_a_file() {
    let world = World::new();
    let run = world.run(&["--print-config"], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (settings, mistakes) = tui::settings::parse(&run.out);
    assert_eq!((settings, mistakes), (tui::settings::Settings::default(), Vec::new()));
}

#[test]
fn a_message_is_kept_while_bob_is_away_then_delivered_then_read() {
    let (world, _server) = two();
    let said = world.natter("ann", &["send", "bob", "are you there?"]);
    assert!(said.starts_with("kept (bob is offline"), "{said}");

    let mut tail = world.start("bob", &["tail", "--json"]);
    let first: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!((&first["who"], &first["body"]), (&"ann".into(), &"are you there?".into()));

    let mut sender = world.start("ann", &["send", "bob", "now?", "--wait", "read"]);
    assert_eq!(sender.line(), "stored #2");
    let second: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!(second["seq"], 2);
    let members =
        json(&world.natter("ann", &["send", "bob", "x", "--wait", "delivered", "--json"]));
    assert_eq!(members[0]["type"], "sent");

    world.natter("bob", &["read", "ann"]);
    assert_eq!(sender.line(), "read");
    let chats = json(&world.natter("bob", &["chats", "--json"]));
    assert_eq!((&chats[0]["who"], &chats[0]["unread"]), (&"ann".into(), &0.into()));
}

#[test]
fn history_is_complete_and_in_order_on_a_new_device() {
    let (world, server) = two();
    for n in 1..=5 {
        world.natter("ann", &["send", "bob", &format!("line {n}")]);
    }
    let login = ["--profile", "bob2", "--server", &server.url, "login", "bob", "--password-stdin"];
    assert_eq!(world.run(&login, &format!("{PASSWORD}\n")).code, 0);
    let history = json(&world.natter("bob2", &["history", "ann", "--json"]));
    let bodies: Vec<_> = history.iter().map(|m| m["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["line 1", "line 2", "line 3", "line 4", "line 5"]);
    let two =
        json(&world.natter("bob2", &["history", "ann", "--json", "--limit", "2", "--before", "4"]));
    assert_eq!((two.len(), &two[0]["seq"]), (2, &2.into()));
}

#[test]
fn a_repeated_key_stores_nothing_twice_even_after_a_restart() {
    let (world, server) = two();
    let send = ["send", "bob", "deploy 7 is done", "--key", "4711", "--json"];
    let first = json(&world.natter("ann", &send));
    let (address, data) = (server.address().to_owned(), server.data.clone());
    assert!(server.stop(), "SIGTERM ends it well");
    let _server = Server::start_at(&world, &address, &data);
    let again = json(&world.natter("ann", &send));
    assert_eq!((&first[0]["seq"], &again[0]["seq"]), (&1.into(), &1.into()));
    assert_eq!(again[0]["repeated"], true);
    assert_eq!(json(&world.natter("bob", &["history", "ann", "--json"])).len(), 1);
}

#[test]
fn friends_find_each_other_and_a_block_closes_the_door() {
    let (world, _server) = two();
    let found = json(&world.natter("ann", &["find", "bo", "--json"]));
    assert_eq!(found[0]["handle"], "bob");
    world.natter("ann", &["friend", "add", "bob"]);
    let asks = json(&world.natter("bob", &["friends", "--json"]));
    assert_eq!((&asks[0]["handle"], &asks[0]["relation"]), (&"ann".into(), &"asks you".into()));
    let now = json(&world.natter("bob", &["friend", "accept", "ann", "--json"]));
    assert_eq!(now[0]["relation"], "friend");
    world.natter("ann", &["send", "bob", "hi"]);
    world.natter("bob", &["friend", "block", "ann"]);
    let refused = world.run(&["--profile", "ann", "send", "bob", "hello?"], "");
    assert_eq!(refused.code, 5, "{refused:?}");
    world.natter("bob", &["friend", "unblock", "ann"]);
    world.natter("ann", &["send", "bob", "hello again"]);
}

#[test]
fn a_group_lives_through_its_whole_life() {
    let (world, server) = two();
    world.signup("eve", &server.url);
    world.natter("ann", &["group", "create", "lunch", "bob"]);
    world.natter("bob", &["send", "+lunch", "pizza?"]);
    world.natter("ann", &["group", "invite", "lunch", "eve"]);
    world.natter("eve", &["send", "+lunch", "yes"]);
    world.natter("ann", &["react", "+lunch", "4", "👍"]);
    world.natter("bob", &["edit", "+lunch", "2", "pizza at 12?"]);
    let history = json(&world.natter("ann", &["history", "+lunch", "--json"]));
    let kinds: Vec<_> = history.iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "text", "joined", "text"]);
    assert_eq!(history[1]["body"], "pizza at 12?");
    assert_eq!(history[3]["reactions"][0]["by"][0], "ann");
    world.natter("ann", &["group", "rename", "lunch", "dinner"]);
    world.natter("ann", &["group", "kick", "dinner", "eve"]);
    let out = world.run(&["--profile", "eve", "send", "+dinner", "hey"], "");
    assert!(out.code == 5 || out.code == 6, "{out:?}");
    let members = json(&world.natter("bob", &["group", "members", "dinner", "--json"]));
    assert_eq!(members.len(), 2);
    world.natter("bob", &["group", "leave", "dinner"]);
}

#[test]
fn what_is_written_without_a_line_goes_out_once_when_it_is_back() {
    let (world, server) = two();
    world.natter("ann", &["send", "bob", "first"]);
    let (address, data) = (server.address().to_owned(), server.data.clone());
    server.stop();
    let queued = world.run(&["--profile", "ann", "--timeout", "1", "send", "bob", "second"], "");
    assert_eq!(queued.code, 4, "{queued:?}");
    let _server = Server::start_at(&world, &address, &data);
    world.natter("ann", &["send", "bob", "third"]);
    let history = json(&world.natter("bob", &["history", "ann", "--json"]));
    let bodies: Vec<_> = history.iter().map(|m| m["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["first", "second", "third"]);
}

#[test]
fn every_failure_has_its_exit_code_and_a_sentence() {
    let (world, server) = two();
    let code = |run: Run| (run.code, run.err.lines().count());
    assert_eq!(code(world.run(&["--profile", "nobody", "chats"], "")), (3, 1));
    assert_eq!(code(world.run(&["--profile", "ann", "send", "zoe", "hi"], "")), (6, 1));
    let nowhere = world.run(&["--profile", "ann", "send", "+lunch", "hi"], "");
    assert!(nowhere.err.contains("you are in no group called +lunch"), "{nowhere:?}");
    assert_eq!(code(nowhere), (6, 1));
    assert_eq!(code(world.run(&["--profile", "ann", "send", "bob", "a\u{7}"], "")).0, 0);
    assert_eq!(world.run(&["sing"], "").code, 2);
    let taken = ["--profile", "x", "--server", &server.url, "signup", "ann", "--password-stdin"];
    assert_eq!(code(world.run(&taken, &format!("{PASSWORD}\n"))), (5, 1));
    let weak = ["--profile", "x", "--server", &server.url, "signup", "carl", "--password-stdin"];
    assert_eq!(code(world.run(&weak, "12345678\n")), (5, 1));
    server.stop();
    let down = world.run(&["--profile", "ann", "--timeout", "1", "find", "bob"], "");
    assert_eq!(down.code, 4, "{down:?}");
}

/// More than the line hands over at once to a command that does something else meanwhile.
#[test]
fn a_command_after_a_long_absence_does_not_wait_for_itself() {
    const MISSED: i64 = 40_000;
    let (world, server) = two();
    let (address, data) = (server.address().to_owned(), server.data.clone());
    server.stop();
    tokio::runtime::Runtime::new().unwrap().block_on(write_to_bob(&data, MISSED));
    let _server = Server::start_at(&world, &address, &data);
    let newest = json(&world.natter("bob", &["history", "ann", "--limit", "1", "--json"]));
    assert_eq!(newest[0]["seq"], MISSED);
    let read = json(&world.natter("bob", &["read", "ann", "--json"]));
    assert_eq!(read[0]["seq"], MISSED);
}

async fn write_to_bob(data: &Path, count: i64) {
    let url = format!("sqlite:{}", data.join("natter.db").display());
    let store = Store::open(&[url], &store::Options::default()).await.unwrap();
    let users = store.user_ids(&["ann", "bob"]).await.unwrap();
    let now = 1_700_000_000_000;
    let (conv_id, _) = store.open_direct(users[0], users[1], now).await.unwrap();
    let message = |n: i64| NewMessage {
        conv_id,
        sender_id: users[0],
        client_key: n + 1,
        reply_seq: 0,
        body: format!("message {n}"),
        mentions: Vec::new(),
    };
    for first in (0..count).step_by(1_000) {
        let sends = (first..first + 1_000).map(message).collect();
        store.commit(0, &Batch { sends, moves: Vec::new() }, now).await.unwrap();
    }
    store.close().await;
}

#[test]
fn nobody_else_can_read_what_a_profile_keeps() {
    use std::os::unix::fs::PermissionsExt;
    let (world, server) = two();
    let profile = world.home.path().join("data/natter/ann");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&profile), mode(&profile.join("session.json"))), (0o700, 0o600));
    assert_eq!(mode(&server.data), 0o700);
}
