//! What an operator relies on: slow clients, draining, bounds, health.

use std::sync::Arc;

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{CloseCode, Codec, GoodbyeReason, Ping};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, config, host, host_with, send};

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_others_go_on() {
    let fast = server::Rate { burst: 1_000_000, per_minute: 1_000_000 };
    let host = host_with(|c| c.rates.sends = fast).await;
    let mut ann = host.user("ann").await;
    let mut slow = host.user("slow").await;
    let mut bob = host.user("bob").await;
    let create =
        proto::CreateGroup { title: "all".into(), user_ids: vec![slow.id, bob.id], client_key: 0 };
    let Hear::Conversation(group) = ann.line.ask(Say::CreateGroup(create)).await else { panic!() };
    let text = "x".repeat(proto::limits::BODY_BYTES_MAX);
    // Until the kernel's buffers on both sides and the queue are full.
    let mut sent = 0;
    while host.metric("natter_connections_ended_total{why=\"slow\"}").await == 0 {
        for _ in 0..50 {
            sent = ann.line.send(group.conv_id, &text).await.seq;
            while bob.line.message(group.conv_id).await.seq < sent {}
        }
        assert!(sent < 5_000, "80 MB and nobody was cut");
    }
    let (code, _) = slow.line.closed_or_gone().await;
    assert!(matches!(code, None | Some(CloseCode::TryAgain)), "{code:?}");
    ann.line.send(group.conv_id, "we go on").await;

    let mut back = host.socket(&slow.granted.token, Codec::Protobuf).await;
    let (_, missed, _) = back.hello(vec![]).await;
    assert_eq!(missed.last().unwrap().body, "we go on");
}

#[tokio::test]
async fn a_stop_says_goodbye_answers_what_was_sent_and_loses_nothing() {
    let mut host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    let refs: Vec<u32> = {
        let mut refs = Vec::new();
        for n in 1..=50 {
            refs.push(ann.line.say(Say::Send(send(chat, "last words", n))).await);
        }
        refs
    };
    ann.line.answer(refs[0]).await;
    let config = config(&host.dir);
    let (stopped, mut answered) = tokio::join!(host.server.stop(), async {
        let mut answered = 1;
        let mut line = ann.line;
        let (code, goodbye) = line.closed_counting(|b| answered += u32::from(is_sent(b))).await;
        let goodbye = goodbye.unwrap();
        assert_eq!((code, goodbye.reason()), (CloseCode::GoingAway, GoodbyeReason::Draining));
        assert!(goodbye.reconnect_within_ms > 0);
        answered
    });
    stopped.unwrap();
    host.server = server::start(config).await.unwrap();
    let mut back = host.connect(&ann.granted).await;
    let kept = back.paint.conversations[0].last_seq;
    assert!(kept >= i64::from(answered), "{answered} were answered, {kept} are there");
    // What was read off the socket was answered; the rest is repeated and stored once.
    for n in 1..=50 {
        let sent = back.line.send_keyed(chat, "last words", n).await;
        answered -= u32::from(sent.repeated && sent.seq <= i64::from(answered));
    }
    let again = host.connect(&bob.granted).await;
    assert_eq!(again.paint.conversations[0].last_seq, 50);
}

fn is_sent(body: &Hear) -> bool {
    matches!(body, Hear::Sent(_))
}

#[tokio::test]
async fn the_eleventh_connection_of_a_user_closes_the_oldest() {
    let host = host().await;
    let mut first = host.user("ann").await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(host.connect(&first.granted).await);
    }
    let (code, goodbye) = first.line.closed().await;
    assert_eq!((code, goodbye.unwrap().reason()), (CloseCode::TooMany, GoodbyeReason::TooMany));
    for other in &mut others {
        other.line.settled().await;
    }
}

#[tokio::test]
async fn one_socket_too_many_is_turned_away_and_there_is_room_again_when_one_goes() {
    let host = host_with(|c| c.connections_max = 1).await;
    let ann = host.signup("ann").await;
    let mut line = host.socket(&ann.token, Codec::Protobuf).await;
    line.hello(vec![]).await;
    let healthz = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(host.try_status(healthz).await, None, "closed without an answer");
    line.ask(Say::Ping(Ping { nonce: 1 })).await;
    drop(line);
    tokio::time::timeout(PATIENCE, async { while host.try_status(healthz).await != Some(200) {} })
        .await
        .unwrap();
}

#[tokio::test]
async fn health_and_numbers() {
    let host = host().await;
    for (path, body) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let answer = host.call("GET", path, "", "").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()));
    }
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "one").await;
    assert_eq!(host.metric("natter_connections").await, 2);
    assert_eq!(host.metric("natter_messages_total").await, 1);
}

#[tokio::test]
async fn a_server_tells_its_address_when_it_is_ready_and_ends_when_it_is_told_to() {
    let dir = crate::harness::Dir::new();
    let (ready, address) = tokio::sync::oneshot::channel();
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let running =
        tokio::spawn(server::run(config(&dir), ready, async move { stopped.notified().await }));
    let address = address.await.unwrap();
    assert!(TcpStream::connect(address).await.is_ok());
    stop.notify_one();
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// A connection that says hello as a command does.
async fn command(host: &crate::harness::Host, token: &str) -> (crate::harness::Client, Hear) {
    let mut line = host.socket(token, Codec::Protobuf).await;
    let hello = proto::Hello { have: vec![], client: "test".into(), brief: true };
    let heard = line.ask(Say::Hello(hello)).await;
    (line, heard)
}

#[tokio::test]
async fn many_commands_at_once_take_no_screens_place_and_wait_for_each_other() {
    let host = host().await;
    let mut screen = host.user("ann").await;
    let mut commands = Vec::new();
    for _ in 0..10 {
        let (line, heard) = command(&host, &screen.granted.token).await;
        assert!(matches!(heard, Hear::Paint(_)), "{heard:?}");
        commands.push(line);
    }
    let (_, Hear::Error(wait)) = command(&host, &screen.granted.token).await else { panic!() };
    assert_eq!(wait.code(), proto::ErrorCode::Busy);
    assert!(wait.retry_after_ms > 0);
    screen.line.settled().await;
    // Screens have their own ten places, and the commands go on.
    let mut others = Vec::new();
    for _ in 0..9 {
        others.push(host.connect(&screen.granted).await);
    }
    screen.line.settled().await;
    others.push(host.connect(&screen.granted).await);
    assert_eq!(screen.line.closed().await.0, CloseCode::TooMany, "the oldest screen, as always");
    for line in &mut commands {
        line.settled().await;
    }
    // A place that is given back is taken again.
    drop(commands.pop());
    tokio::time::timeout(PATIENCE, async {
        while matches!(command(&host, &screen.granted.token).await.1, Hear::Error(_)) {}
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_his_own_rate() {
    let rate = server::Rate { burst: 3, per_minute: 1 };
    let host = host_with(|c| {
        c.trusted_proxies = vec!["127.0.0.1".into()];
        (c.rates.auth_address, c.rates.auth_loopback) = (rate, rate);
    })
    .await;
    let body = r#"{"handle":"nobody","password":"a wrong passphrase"}"#;
    let login = async |forwarded: &str| {
        let (address, len) = (host.server.address, body.len());
        host.status(&format!(
            "POST /v1/login HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             x-forwarded-for: {forwarded}\r\ncontent-type: application/json\r\n\
             content-length: {len}\r\n\r\n{body}"
        ))
        .await
    };
    for _ in 0..3 {
        assert_eq!(login("198.51.100.7").await, 401);
    }
    assert_eq!(login("198.51.100.7").await, 429);
    // What he writes before it does not make him another one.
    for lie in ["1.1.1.1, 198.51.100.7", "127.0.0.1, 198.51.100.7", "evil, 198.51.100.7:80"] {
        assert_eq!(login(lie).await, 429, "{lie}");
    }
    assert_eq!(login("198.51.100.8").await, 401, "his neighbour");
}

#[tokio::test]
async fn without_a_trusted_proxy_a_forwarded_address_is_a_claim() {
    let rate = server::Rate { burst: 3, per_minute: 1 };
    let host = host_with(|c| c.rates.auth_loopback = rate).await;
    let body = r#"{"handle":"nobody","password":"a wrong passphrase"}"#;
    for n in 0..4 {
        let (address, len) = (host.server.address, body.len());
        let request = format!(
            "POST /v1/login HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             x-forwarded-for: 198.51.100.{n}\r\ncontent-type: application/json\r\n\
             content-length: {len}\r\n\r\n{body}"
        );
        assert_eq!(host.status(&request).await, if n < 3 { 401 } else { 429 });
    }
}
