//! Accounts and sessions over HTTP.

use std::io;
use std::sync::{Arc, Mutex};

use proto::client_frame::Body as Say;
use proto::{CloseCode, Codec, GoodbyeReason, http};
use server::Rate;

use crate::harness::{Host, PASSWORD, host, host_with};

async fn signup_status(host: &Host, handle: &str, password: &str) -> (u16, Option<String>) {
    let signup = http::Signup {
        handle: handle.into(),
        name: None,
        password: password.into(),
        email: None,
        device: None,
    };
    let answer = host.post("/v1/signup", "", &signup).await;
    let problem = (answer.status != 201).then(|| answer.json::<http::Problem>());
    (answer.status, problem.and_then(|p| p.field))
}

#[tokio::test]
async fn a_signup_names_the_field_that_is_wrong() {
    let host = host().await;
    let field = |name: &str| Some(name.to_owned());
    assert_eq!(signup_status(&host, "ann", PASSWORD).await, (201, None));
    assert_eq!(signup_status(&host, "ann", PASSWORD).await, (409, field("handle")));
    assert_eq!(signup_status(&host, "Ann!", PASSWORD).await, (422, field("handle")));
    assert_eq!(signup_status(&host, "bob", "12345678").await, (422, field("password")));
    let nonsense = host.call("POST", "/v1/signup", "", "{\"handle\":").await;
    assert_eq!(nonsense.status, 400);
    assert_eq!(nonsense.header("content-type"), Some("application/problem+json"));
    let huge = format!("{{\"handle\":\"{}\"}}", "x".repeat(9_000));
    assert_eq!(host.call("POST", "/v1/signup", "", &huge).await.status, 413);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_bytes() {
    let host = host().await;
    host.signup("ann").await;
    let wrong = host.login("ann", "not her password").await;
    let nobody = host.login("nobody", "not her password").await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.body, nobody.body);
    let without_date = |head: &str| -> Vec<String> {
        head.lines().filter(|l| !l.starts_with("date:")).map(str::to_owned).collect()
    };
    assert_eq!(without_date(&wrong.head), without_date(&nobody.head));
    assert_eq!(host.login("ann", PASSWORD).await.status, 200);
}

/// What takes longer or shorter is the run of argon2 alone: to whoever measures, a name that nobody
/// has must cost one, too.
#[tokio::test]
async fn an_unknown_name_costs_as_much_as_a_wrong_password() {
    const RUNS: &str = "natter_passwords_hashed_total";
    let host = host().await;
    host.signup("ann").await;
    let before = host.metric(RUNS).await;
    assert_eq!(host.login("ann", "not her password").await.status, 401);
    assert_eq!(host.metric(RUNS).await, before + 1);
    assert_eq!(host.login("nobody", "not her password").await.status, 401);
    assert_eq!(host.metric(RUNS).await, before + 2);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_says_for_how_long() {
    let host = host_with(|c| c.rates.auth_account = Rate { burst: 2, per_minute: 1 }).await;
    host.signup("ann").await;
    for _ in 0..2 {
        assert_eq!(host.login("ann", "wrong password").await.status, 401);
    }
    let refused = host.login("ann", PASSWORD).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(host.login("bob", PASSWORD).await.status, 401, "others are not hindered");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_their_sockets_with_them() {
    let host = host().await;
    let first = host.signup("ann").await;
    let second: http::SessionGranted = host.login("ann", PASSWORD).await.json();
    let mut on_second = host.connect(&second).await;

    let listed: Vec<http::SessionInfo> =
        host.call("GET", "/v1/sessions", &first.token, "").await.json();
    assert_eq!(listed.len(), 2);
    let other = listed.iter().find(|session| !session.current).unwrap();
    let path = format!("/v1/sessions/{}", other.id);
    assert_eq!(host.call("DELETE", &path, &first.token, "").await.status, 204);
    assert_eq!(host.call("DELETE", &path, &first.token, "").await.status, 404);

    let (code, goodbye) = on_second.line.closed().await;
    assert_eq!(code, CloseCode::Revoked);
    assert_eq!(goodbye.unwrap().reason(), GoodbyeReason::Revoked);
    assert_eq!(host.call("GET", "/v1/connect", &second.token, "").await.status, 401);
    assert_eq!(host.call("GET", "/v1/connect", &first.token, "").await.status, 307);
}

#[tokio::test]
async fn logging_out_ends_this_session_only() {
    let host = host().await;
    let first = host.signup("ann").await;
    let second: http::SessionGranted = host.login("ann", PASSWORD).await.json();
    let mut on_first = host.connect(&first).await;
    let mut on_second = host.connect(&second).await;
    assert_eq!(host.call("POST", "/v1/logout", &first.token, "").await.status, 204);
    assert_eq!(on_first.line.closed().await.0, CloseCode::Revoked);
    on_second.line.settled().await;
    assert_eq!(host.call("POST", "/v1/logout", &first.token, "").await.status, 401);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let host = host().await;
    let here = host.signup("ann").await;
    let there: http::SessionGranted = host.login("ann", PASSWORD).await.json();
    let mut on_there = host.connect(&there).await;
    let new = "another long password";
    let change = |old: &str| http::PasswordChange { old: old.into(), new: new.into() };
    let wrong = host.post("/v1/password", &here.token, &change("wrong password")).await;
    assert_eq!(wrong.status, 403, "the session is good");
    let changed = host.post("/v1/password", &here.token, &change(PASSWORD)).await;
    assert_eq!(changed.status, 204);
    assert_eq!(on_there.line.closed().await.0, CloseCode::Revoked);
    assert_eq!(host.login("ann", PASSWORD).await.status, 401);
    assert_eq!(host.login("ann", new).await.status, 200);
    assert_eq!(host.call("GET", "/v1/sessions", &here.token, "").await.status, 200);
}

#[tokio::test]
async fn a_newcomer_and_the_greeter_are_friends_from_the_start() {
    let host = host_with(|c| c.greeter = Some("guide".into())).await;
    let mut guide = host.user("guide").await;
    let mut ann = host.user("ann").await;
    let told = guide.line.until(|b| matches!(b, proto::server_frame::Body::Person(_))).await;
    let proto::server_frame::Body::Person(person) = told else { unreachable!() };
    assert_eq!((person.user_id, person.relation()), (ann.id, proto::Relation::Friend));
    let friend = &ann.paint.people[0];
    assert_eq!((friend.handle.as_str(), friend.online), ("guide", true));
    let chat = ann.open(guide.id).await;
    ann.line.send(chat, "hello").await;
    assert_eq!(guide.line.message(chat).await.body, "hello");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_and_no_text_is_ever_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.signup("bob").await;
    host.login("ann", "a wrong passphrase").await;
    let ticket = host.ticket(&bob.token).await;
    let url =
        format!("GET /v1/ws?ticket={ticket} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(host.raw(&url).await.status, 426);
    let chat = ann.open(bob.user_id).await;
    ann.line.send(chat, "nobody else may read this").await;
    ann.line.refused(Say::Hello(proto::Hello::default())).await;
    let mut line = host.open(&ticket, Codec::Protobuf).await.unwrap();
    line.hello(vec![]).await;
    host.server.stop().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("connected"), "the log is empty: {log}");
    let (token, bobs) = (ann.granted.token.as_str(), bob.token.as_str());
    for secret in [token, bobs, &ticket, PASSWORD, "a wrong passphrase", "nobody else may read"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
