//! Mail on a machine without a mail server.

use std::time::Instant;

use serde_json::Value;

use crate::first_run::Stopped;
use crate::world::{PASSWORD, PATIENCE, World};

#[test]
fn who_signs_up_with_an_address_finds_the_mail_on_this_machine() {
    let world = World::new();
    let _stop = Stopped(&world);
    assert_eq!(world.natter("ann", &["mail"]), "");
    let args = ["--profile", "ann", "signup", "ann", "--email", "ann@example.org"];
    let run = world.run(&[&args[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(run.code, 0, "{run:?}");
    let begin = Instant::now();
    let listed = loop {
        let listed = world.natter("ann", &["mail", "--json"]);
        if !listed.is_empty() {
            break listed;
        }
        assert!(begin.elapsed() < PATIENCE, "no mail");
    };
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["kind"], &listed["number"]), (&"confirm".into(), &1.into()));
    assert!(listed["to"].as_str().unwrap().contains("ann@example.org"));
    let shown = world.natter("ann", &["mail", "1"]);
    let link = shown.lines().find(|line| line.contains("/v1/confirm/")).unwrap();
    assert_eq!(link.rsplit_once('/').unwrap().1.len(), 43, "a whole link on one line: {link}");
    assert_eq!(world.run(&["mail", "2"], "").code, 6);
}
