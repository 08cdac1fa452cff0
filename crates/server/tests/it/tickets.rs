//! The ticket: one use, not for long, for one user.

use proto::client_frame::Body as Say;
use proto::{CloseCode, Codec, GoodbyeReason, Hello};

use crate::harness::{host, host_with};

#[tokio::test]
async fn a_ticket_opens_one_socket_once() {
    let host = host().await;
    let ann = host.signup("ann").await;
    let ticket = host.ticket(&ann.token).await;
    let mut line = host.open(&ticket, Codec::Protobuf).await.unwrap();
    assert_eq!(line.hello(vec![]).await.0.me.unwrap().user_id, ann.user_id);
    assert_eq!(host.open(&ticket, Codec::Protobuf).await.err(), Some(401));
    assert_eq!(host.open("", Codec::Protobuf).await.err(), Some(401));
    assert_eq!(host.open(&ann.token, Codec::Protobuf).await.err(), Some(401));
}

#[tokio::test]
async fn an_old_ticket_is_refused() {
    let host = host_with(|c| c.timers.ticket_ms = 0).await;
    let ann = host.signup("ann").await;
    let ticket = host.ticket(&ann.token).await;
    assert_eq!(host.open(&ticket, Codec::Protobuf).await.err(), Some(401));
}

#[tokio::test]
async fn a_ticket_is_its_users_and_nobody_elses() {
    let host = host().await;
    let (ann, bob) = (host.signup("ann").await, host.signup("bob").await);
    let (anns, bobs) = (host.ticket(&ann.token).await, host.ticket(&bob.token).await);
    let mut line = host.open(&bobs, Codec::Json).await.unwrap();
    assert_eq!(line.hello(vec![]).await.0.me.unwrap().user_id, bob.user_id);
    let mut line = host.open(&anns, Codec::Json).await.unwrap();
    assert_eq!(line.hello(vec![]).await.0.me.unwrap().user_id, ann.user_id);
}

#[tokio::test]
async fn of_two_hundred_who_try_one_ticket_at_once_exactly_one_wins() {
    let host = host().await;
    let ann = host.signup("ann").await;
    let ticket = host.ticket(&ann.token).await;
    let tries = (0..200).map(|_| host.open(&ticket, Codec::Protobuf));
    let opened = futures_util::future::join_all(tries).await;
    assert_eq!(opened.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(opened.iter().filter_map(|o| o.as_ref().err()).all(|status| *status == 401));
}

#[tokio::test]
async fn a_foreign_web_page_may_not_connect_and_does_not_use_the_ticket_up() {
    let host = host_with(|c| c.origins = vec!["https://chat.example.org".into()]).await;
    let ann = host.signup("ann").await;
    let ticket = host.ticket(&ann.token).await;
    let request = |origin: &str| {
        format!(
            "GET /v1/ws?ticket={ticket} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: {origin}\r\n\r\n"
        )
    };
    let foreign = [
        "null",
        "https://evil.example.org",
        "https://chat.example.org.evil.org",
        "https://chat.example.org:443",
        "http://chat.example.org",
        "https://CHAT.example.org",
    ];
    for origin in foreign {
        assert_eq!(host.status(&request(origin)).await, 403, "{origin}");
    }
    assert_eq!(host.status(&request("https://chat.example.org")).await, 101);
}

#[tokio::test]
async fn a_ticket_from_before_the_logout_opens_nothing_after_it() {
    let host = host().await;
    let ann = host.signup("ann").await;
    let ticket = host.ticket(&ann.token).await;
    let answer = host.call("POST", "/v1/logout", &ann.token, "").await;
    assert_eq!(answer.status, 204);
    let mut line = host.open(&ticket, Codec::Protobuf).await.unwrap();
    line.say(Say::Hello(Hello::default())).await;
    let told = |body: &_| panic!("told after the logout: {body:?}");
    let (code, goodbye) = line.closed_counting(told).await;
    assert_eq!(code, CloseCode::Revoked);
    assert_eq!(goodbye.unwrap().reason(), GoodbyeReason::Revoked);
}

#[tokio::test]
async fn who_draws_too_many_tickets_has_to_wait_and_nobody_else() {
    let few = server::Rate { burst: 2, per_minute: 1 };
    let host = host_with(|c| c.rates.tickets = few).await;
    let (ann, bob) = (host.signup("ann").await, host.signup("bob").await);
    host.ticket(&ann.token).await;
    host.ticket(&ann.token).await;
    let answer = host.call("GET", "/v1/connect", &ann.token, "").await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    host.ticket(&bob.token).await;
}
