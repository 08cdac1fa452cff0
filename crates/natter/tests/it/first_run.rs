//! A person alone, with nothing configured.

use serde_json::Value;

use crate::world::{PASSWORD, World};

/// The background server of a test must not outlive it.
pub(crate) struct Stopped<'a>(pub(crate) &'a World);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.run(&["server", "stop"], "");
    }
}

#[test]
fn the_first_natter_starts_a_server_that_all_profiles_share() {
    let world = World::new();
    let stop = Stopped(&world);
    assert_eq!(world.run(&["server", "status"], "").code, 4, "nothing runs yet");
    for handle in ["ann", "bob"] {
        let args = ["--profile", handle, "signup", handle, "--password-stdin"];
        let run = world.run(&args, &format!("{PASSWORD}\n"));
        assert_eq!(run.code, 0, "{run:?}");
    }
    let status: Value =
        serde_json::from_str(&world.natter("ann", &["server", "status", "--json"])).unwrap();
    world.natter("ann", &["send", "bob", "same machine"]);
    assert!(world.natter("bob", &["history", "ann"]).contains("same machine"));
    drop(stop);
    assert_eq!(world.run(&["server", "status"], "").code, 4, "stopped");

    // The next command starts it again, at the same address, with everything still there.
    let _stop = Stopped(&world);
    assert!(world.natter("bob", &["history", "ann"]).contains("same machine"));
    let again: Value =
        serde_json::from_str(&world.natter("ann", &["server", "status", "--json"])).unwrap();
    assert_eq!(status["url"], again["url"]);
    assert_ne!(status["pid"], again["pid"]);
}

#[test]
fn ten_first_natters_at_once_start_one_server() {
    let world = World::new();
    let _stop = Stopped(&world);
    let runs: Vec<_> = std::thread::scope(|scope| {
        let world = &world;
        let sign = move |n: usize| {
            let handle = format!("user{n}");
            let args = ["--profile", &handle, "signup", &handle, "--password-stdin"];
            world.run(&args, &format!("{PASSWORD}\n"))
        };
        let threads: Vec<_> = (0..10).map(|n| scope.spawn(move || sign(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run.code == 0), "{runs:?}");
}

#[test]
fn the_guide_greets_a_newcomer_and_answers() {
    let world = World::new();
    let _stop = Stopped(&world);
    let args = ["--profile", "ann", "signup", "ann", "--password-stdin"];
    assert_eq!(world.run(&args, &format!("{PASSWORD}\n")).code, 0);
    let mut tail = world.start("ann", &["tail", "--json"]);
    let greeting: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!(greeting["who"], "guide");
    assert!(greeting["body"].as_str().unwrap().contains("Hello ann"), "{greeting}");

    let sent = world.natter("ann", &["send", "guide", "hello", "--wait", "read"]);
    assert_eq!(sent, "stored #2\nread\n");
    let answer: Value = serde_json::from_str(&tail.line()).unwrap();
    assert_eq!((&answer["seq"], &answer["reply_seq"]), (&3.into(), &2.into()));
    world.natter("ann", &["send", "guide", "groups?"]);
    let topic: Value = serde_json::from_str(&tail.line()).unwrap();
    assert!(topic["body"].as_str().unwrap().contains(":group"), "{topic}");
}
