//! `natter check`: looks and does not touch.

use serde_json::Value;

use crate::world::{Run, Server, World, two};

fn findings(run: &Run) -> Vec<(String, String, String)> {
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {run:?}"));
    assert_eq!(said["ok"], run.code == 0, "{run:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = said["findings"].as_array().unwrap().iter();
    all.map(|f| (text(&f["what"]), text(&f["state"]), text(&f["text"]))).collect()
}

fn found(run: &Run, what: &str, state: &str, part: &str) {
    let all = findings(run);
    let fits = |(w, s, t): &(String, String, String)| w == what && s == state && t.contains(part);
    assert!(all.iter().any(fits), "no {what} {state} {part:?} in {all:#?}");
}

#[test]
fn a_fresh_directory_is_good_and_stays_as_it_is() {
    let world = World::new();
    let data = world.home.path().join("data");
    let data_arg = data.display().to_string();
    let run = world.run(&["check", "--json", "--listen", "127.0.0.1:0", "--data", &data_arg], "");
    assert_eq!(run.code, 0, "{run:?}");
    found(&run, "data", "ok", "free");
    found(&run, "listen", "ok", "free");
    found(&run, "database 1", "note", "it will be made");
    assert!(!data.join("natter.db").exists(), "a look makes nothing");
}

#[test]
fn a_running_server_is_checked_without_a_stop_and_a_stopped_one_from_end_to_end() {
    let (world, server) = two();
    world.natter("ann", &["send", "bob", "one"]);
    let (address, path) = (server.address().to_owned(), server.data.clone());
    let data = path.display().to_string();
    let check = ["check", "--json", "--data", &data, "--listen", &address];
    let run = world.run(&check, "");
    assert_eq!(run.code, 0, "{run:?}");
    found(&run, "data", "ok", "in use by a running natter");
    found(&run, "listen", "ok", "in use");
    found(&run, "database 1", "ok", "SQLite 3.");
    found(&run, "integrity", "note", "a running server holds it");
    world.natter("ann", &["send", "bob", "two"]);

    assert!(server.stop());
    found(&world.run(&check, ""), "integrity", "ok", "every conversation is whole");
    let _again = Server::start_at(&world, &address, &path);
    let history = world.natter("bob", &["history", "ann"]);
    assert!(history.contains("one") && history.contains("two"));
}

#[test]
fn a_damaged_database_and_a_taken_address_are_told() {
    let (world, server) = two();
    let (path, data) = (server.data.join("natter.db"), server.data.display().to_string());
    assert!(server.stop());
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4_096..end].fill(0x5A);
    std::fs::write(&path, bytes).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = world.run(&["check", "--json", "--data", &data, "--listen", &address], "");
    assert_eq!(run.code, 1, "{run:?}");
    let wrong = findings(&run).into_iter().filter(|(_, state, _)| state == "wrong");
    let wrong: Vec<String> = wrong.map(|(what, ..)| what).collect();
    assert!(wrong.contains(&"listen".to_owned()) && wrong.contains(&"database 1".to_owned()));
}

#[test]
fn a_postgresql_is_asked_what_it_is_and_whether_it_has_that_database() {
    let world = World::new();
    let url = std::env::var("NATTER_TEST_POSTGRES").expect("cargo xtask test starts PostgreSQL");
    let data = world.home.path().join("data").display().to_string();
    let check = |url: &str| {
        let place = ["check", "--json", "--listen", "127.0.0.1:0", "--data", &data];
        world.run(&[&place[..], &["--database", url]].concat(), "")
    };
    let run = check(&url);
    assert_eq!(run.code, 0, "{run:?}");
    found(&run, "database 1", "ok", ": PostgreSQL 1");
    found(&run, "database 1", "note", "the next start brings its schema to 1");
    found(&check(&url), "database 1", "note", "the next start brings its schema to 1");
    let redis = bench::redis::Redis::start().unwrap();
    let place = ["check", "--json", "--listen", "127.0.0.1:0", "--data", &data, "--database", &url];
    let both = |redis: &str| world.run(&[&place[..], &["--redis", redis]].concat(), "");
    found(&both(&redis.url()), "redis 1", "ok", ": Redis 7");
    drop(redis);
    found(&both("redis://:hunter2@127.0.0.1:1"), "redis 1", "wrong", "redis://:…@127.0.0.1:1: ");
    let (server, _) = url.rsplit_once('/').unwrap();
    let nowhere = check(&format!("{server}/no_such_database"));
    found(&nowhere, "database 1", "wrong", "it has no database of that name");
}

#[test]
fn a_mail_server_and_a_rabbitmq_are_looked_at_and_nothing_panics() {
    let world = World::new();
    let data = world.home.path().join("data").display().to_string();
    let amqp = std::env::var("NATTER_TEST_RABBITMQ").expect("`cargo xtask test` sets it");
    let check = |smtp: &str, amqp: &str| {
        let args = ["check", "--json", "--listen", "127.0.0.1:0", "--data", &data];
        world.run(&[&args[..], &["--smtp", smtp, "--amqp", amqp]].concat(), "")
    };
    let good = check("smtp://127.0.0.1:1", &amqp);
    assert_eq!(good.code, 0, "{good:?}");
    found(&good, "smtp", "ok", "can be used");
    found(&good, "amqp", "ok", "can be used");
    let bad = check("mail.example.org", "amqp://guest:secret@127.0.0.1:1/%2f");
    assert_eq!(bad.code, 1, "{bad:?}");
    found(&bad, "smtp", "wrong", "smtps://");
    found(&bad, "amqp", "wrong", "refused");
    assert!(!bad.out.contains("secret"), "{bad:?}");
}
