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

#[test]
fn who_signed_up_without_an_address_gives_one_later_and_who_forgot_a_password_is_told_where_to_go()
{
    let world = World::new();
    let _stop = Stopped(&world);
    let with = |args: &[&str], password: &str| {
        let args = [&["--profile", "ann"], args, &["--password-stdin"]].concat();
        world.run(&args, &format!("{password}\n"))
    };
    assert_eq!(with(&["signup", "ann"], PASSWORD).code, 0);
    assert!(world.natter("ann", &["notices"]).contains("natter address ADDRESS"));
    let refused = with(&["login", "ann"], "not the password");
    assert!(refused.code == 5 && refused.err.contains("/v1/forgot"), "{refused:?}");
    assert_eq!(with(&["address", "ann@example.org"], "not the password").code, 5);
    assert_eq!(with(&["address", "no address"], PASSWORD).code, 5);
    let asked = with(&["address", "ann@example.org"], PASSWORD);
    assert!(asked.code == 0 && asked.out.contains("ann@example.org gets a mail"), "{asked:?}");
    let begin = Instant::now();
    while !world.natter("ann", &["mail"]).contains("confirm ann <ann@example.org>") {
        assert!(begin.elapsed() < PATIENCE, "no mail");
    }
}
