//! What an operator does on the databases, beside a server that runs.

use serde_json::Value;

use crate::world::{PASSWORD, Server, World};

#[test]
fn an_operator_sees_what_was_given_up_and_tries_it_again_or_drops_it() {
    let world = World::new();
    let server = Server::start(&world);
    let data = server.data.display().to_string();
    let admin = |args: &[&str]| {
        let all = [&["--json", "admin", "notify", "--data", &data], args].concat();
        let run = world.run(&all, "");
        let lines = run.out.lines().map(|line| serde_json::from_str(line).expect(line));
        (run.code, lines.collect::<Vec<Value>>())
    };
    assert_eq!(admin(&["list"]), (0, vec![]));
    let signup = ["--profile", "ann", "--server", &server.url, "signup", "ann", "--password-stdin"];
    assert_eq!(world.run(&signup, &format!("{PASSWORD}\n")).code, 0);

    // Jobs for somebody who does not exist end at once when they are tried.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite:{}", server.data.join("natter.db").display());
    let store = runtime.block_on(store::Store::open(&[url], &store::Options::default())).unwrap();
    let ids = runtime.block_on(dead_jobs(&store));
    let (code, listed) = admin(&["list"]);
    assert_eq!((code, listed.len()), (0, ids.len()));
    assert_eq!((&listed[0]["type"], &listed[0]["topic"]), (&"dead".into(), &"confirm".into()));
    assert_eq!(listed[0]["why"], "550 no such user");
    assert_eq!(listed[0]["id"], ids[0].to_string());

    assert_eq!(admin(&["retry"]).0, 2, "which one?");
    assert_eq!(admin(&["retry", "4711"]).0, 6, "there is no such one");
    assert_eq!(admin(&["retry", &ids[0].to_string()]).0, 0);
    assert_eq!(admin(&["drop", &ids[1].to_string()]).0, 0);
    assert_eq!(admin(&["drop", &ids[1].to_string()]).0, 6);
    let (code, dropped) = admin(&["drop", "--all"]);
    assert_eq!((code, dropped.len()), (0, ids.len() - 2));
    assert!(runtime.block_on(store.dead_jobs()).unwrap().is_empty());
    for args in [&["list", "--data", "/nowhere"][..], &["list"]] {
        let nobody = world.run(&[&["admin", "notify"], args].concat(), "");
        assert_eq!(nobody.code, 6, "{nobody:?}");
        for flag in ["--config", "--data", "--database", "--amqp"] {
            assert!(nobody.err.contains(flag), "{nobody:?}");
        }
    }
    runtime.block_on(store.close());
}

/// Three people's mails that were given up.
async fn dead_jobs(store: &store::Store) -> Vec<i64> {
    const FAR: i64 = i64::MAX - 1;
    for n in 1..=3 {
        let user = store::NewUser {
            user_id: n,
            handle: format!("user{n}"),
            name: "User".into(),
            email: Some(format!("user{n}@example.org")),
            pass_hash: String::new(),
        };
        // Due long after this test: the server leaves them alone.
        store.create_user(&user, FAR).await.unwrap();
    }
    let waiting = store.waiting_jobs().await.unwrap();
    for job in &waiting {
        store.outbox_dead(job.id, "550 no such user", 1).await.unwrap();
    }
    store.dead_jobs().await.unwrap().iter().map(|job| job.id).collect()
}
