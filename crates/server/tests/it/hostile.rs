//! Whatever a client throws at the server: it gets the documented answer, and nobody else notices.

use proto::client_frame::Body as Say;
use proto::history::From;
use proto::server_frame::Body as Hear;
use proto::{CloseCode, Codec, ErrorCode, GoodbyeReason, Position};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Host, PATIENCE, User, host, host_with, send};

/// A WebSocket frame as a client writes it, masked with zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let mut frame = vec![first];
    match len {
        0..126 => frame.push(0x80 | len as u8),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Two people who go on chatting while others misbehave.
struct Bystanders {
    ann: User,
    bob: User,
    chat: i64,
}

impl Bystanders {
    async fn new(host: &Host) -> Self {
        let mut ann = host.user("ann").await;
        let bob = host.user("bob").await;
        let chat = ann.open(bob.id).await;
        Self { ann, bob, chat }
    }

    async fn chat(&mut self) {
        let sent = self.ann.line.send(self.chat, "still here?").await;
        assert_eq!(self.bob.line.message(self.chat).await.seq, sent.seq);
    }
}

/// What is thrown, at a connection of which language, and the code it ends with.
fn broken_frames() -> Vec<(&'static str, Codec, Vec<u8>, CloseCode)> {
    use CloseCode::{BadData, Protocol, TooBig, Unsupported};
    use Codec::{Json, Protobuf};
    let fragments: Vec<u8> = (0..10_000).flat_map(|_| masked(0x00, b"")).collect();
    let piece = vec![0; 40_000];
    let two_halves = [masked(0x02, &piece), masked(0x80, &piece)].concat();
    vec![
        ("no Protobuf", Protobuf, masked(0x82, b"\xff\xff\xff\xff"), BadData),
        ("cut Protobuf", Protobuf, masked(0x82, b"\x12\x7f\x01"), BadData),
        ("no JSON", Json, masked(0x81, b"{\"send\":"), BadData),
        ("wrong JSON", Json, masked(0x81, b"{\"send\":[1]}"), BadData),
        ("no UTF-8", Json, masked(0x81, b"{\"ref\":\"\xff\xfe\"}"), BadData),
        ("text on Protobuf", Protobuf, masked(0x81, b"{}"), Unsupported),
        ("bytes on JSON", Json, masked(0x82, b""), Unsupported),
        ("a large frame", Protobuf, masked(0x82, &vec![0; 65_537]), TooBig),
        ("only its header", Protobuf, masked(0x82, &vec![0; 65_537])[..14].to_vec(), TooBig),
        ("a frame of exabytes", Protobuf, [&[0x82, 0xFF, 0x7F][..], &[0xFF; 11]].concat(), TooBig),
        ("two halves too large", Protobuf, two_halves, TooBig),
        ("ten thousand fragments", Protobuf, [masked(0x02, b""), fragments].concat(), TooBig),
        ("unmasked", Protobuf, vec![0x82, 0x01, 0x00], Protocol),
        ("reserved bits", Protobuf, masked(0xF2, b""), Protocol),
        ("an unknown opcode", Protobuf, masked(0x83, b""), Protocol),
        ("a fragmented ping", Protobuf, masked(0x09, b""), Protocol),
        ("a ping too long", Protobuf, masked(0x89, &[0; 126]), Protocol),
        ("a piece of nothing", Protobuf, masked(0x80, b""), Protocol),
    ]
}

#[tokio::test]
async fn broken_frames_end_their_connection_with_the_documented_code() {
    let host = host().await;
    let mut bystanders = Bystanders::new(&host).await;
    let eve = host.signup("eve").await;
    for (what, codec, bytes, expected) in broken_frames() {
        for after_hello in [false, true] {
            let mut line = host.socket(&eve.token, codec).await;
            if after_hello {
                line.hello(vec![]).await;
            }
            line.socket.get_mut().write_all(&bytes).await.unwrap();
            let (code, goodbye) = line.closed().await;
            assert_eq!(code, expected, "{what}");
            assert_eq!(goodbye.unwrap().reason(), GoodbyeReason::Broken, "{what}");
        }
        bystanders.chat().await;
    }
}

/// What is never unpacked cannot grow: a frame that says it is compressed is broken (above, as one
/// with reserved bits), whatever was offered.
#[tokio::test]
async fn compression_is_offered_in_vain() {
    let host = host().await;
    let eve = host.signup("eve").await;
    let ticket = host.ticket(&eve.token).await;
    let mut stream = TcpStream::connect(host.server.address).await.unwrap();
    let request = format!(
        "GET /v1/ws?ticket={ticket} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(!head.to_lowercase().contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn a_frame_that_never_ends_is_only_a_connection_that_ends() {
    let host = host().await;
    let mut bystanders = Bystanders::new(&host).await;
    let eve = host.signup("eve").await;
    let mut line = host.socket(&eve.token, Codec::Protobuf).await;
    line.socket.get_mut().write_all(&masked(0x82, &[0; 100])[..50]).await.unwrap();
    line.socket.get_mut().shutdown().await.unwrap();
    let mut rest = Vec::new();
    line.socket.get_mut().read_to_end(&mut rest).await.unwrap();
    bystanders.chat().await;
}

#[tokio::test]
async fn who_says_nothing_is_asked_to_leave() {
    let host = host_with(|c| {
        c.timers.hello_ms = 50;
        c.timers.silence_ms = 100;
    })
    .await;
    let eve = host.signup("eve").await;
    let mut silent = host.socket(&eve.token, Codec::Protobuf).await;
    let (code, goodbye) = silent.closed().await;
    assert_eq!((code, goodbye.unwrap().reason()), (CloseCode::Policy, GoodbyeReason::Silent));
    let mut once = host.connect(&eve).await;
    assert_eq!(once.line.closed().await.0, CloseCode::Policy);
}

#[tokio::test]
async fn frames_out_of_order_are_refused_and_the_line_goes_on() {
    let host = host().await;
    let eve = host.signup("eve").await;
    let mut line = host.socket(&eve.token, Codec::Protobuf).await;
    let early = line.refused(Say::Ping(proto::Ping { nonce: 1 })).await;
    assert_eq!(early, ErrorCode::OutOfOrder);
    line.hello(vec![]).await;
    let late = line.refused(Say::Hello(proto::Hello::default())).await;
    assert_eq!(late, ErrorCode::OutOfOrder);
    let unknown = proto::ClientFrame { r#ref: 77, body: None };
    line.say_frame(&unknown).await;
    let Hear::Error(error) = line.answer(77).await else { panic!() };
    assert_eq!(error.code(), ErrorCode::Unsupported);
    line.settled().await;
}

#[tokio::test]
async fn numbers_out_of_bounds_and_foreign_conversations_change_nothing() {
    let host = host().await;
    let mut bystanders = Bystanders::new(&host).await;
    bystanders.chat().await;
    let mut eve = host.user("eve").await;
    let (foreign, line) = (bystanders.chat, &mut eve.line);
    let invalid = [-1, 0, i64::MIN];
    for conv_id in invalid {
        let refused = line.refused(Say::Send(send(conv_id, "x", 1))).await;
        assert_eq!(refused, ErrorCode::Invalid, "{conv_id}");
        let read = proto::Read { conv_id, seq: 1 };
        assert_eq!(line.refused(Say::Read(read)).await, ErrorCode::Invalid, "{conv_id}");
    }
    for conv_id in [foreign, 1, i64::MAX] {
        let refused = line.refused(Say::Send(send(conv_id, "x", 1))).await;
        assert_eq!(refused, ErrorCode::Forbidden, "{conv_id}");
        let page = proto::History { conv_id, from: Some(From::BeforeSeq(0)), limit: 10 };
        assert_eq!(line.refused(Say::History(page)).await, ErrorCode::NotFound);
        let typing = proto::Typing { conv_id, user_id: 0 };
        assert_eq!(line.refused(Say::Typing(typing)).await, ErrorCode::NotFound);
        let edit = proto::Edit { conv_id, seq: 1, body: "mine now".into() };
        assert!(matches!(
            line.refused(Say::Edit(edit)).await,
            ErrorCode::NotFound | ErrorCode::Forbidden
        ));
        let members = proto::Members { conv_id };
        assert_eq!(line.refused(Say::Members(members)).await, ErrorCode::NotFound);
        line.say(Say::Read(proto::Read { conv_id, seq: 1 })).await;
    }
    bystanders.chat().await;
}

#[tokio::test]
async fn cursors_from_the_future_and_backwards_move_nothing() {
    let host = host().await;
    let mut bystanders = Bystanders::new(&host).await;
    bystanders.chat().await;
    let chat = bystanders.chat;
    let reply = proto::Send { reply_seq: 9, ..send(chat, "x", 2) };
    let refused = bystanders.ann.line.refused(Say::Send(reply)).await;
    assert_eq!(refused, ErrorCode::Invalid);
    for seq in [1_000, i64::MAX] {
        let future = proto::Read { conv_id: chat, seq };
        bystanders.bob.line.say(Say::Read(future)).await;
    }
    for seq in [0, -1, i64::MIN] {
        let backwards = proto::Delivered { conv_id: chat, seq };
        let refused = bystanders.bob.line.refused(Say::Delivered(backwards)).await;
        assert_eq!(refused, ErrorCode::Invalid);
    }
    // The next batch takes along what waits; what was moved would be told before the receipt of
    // this one.
    bystanders.chat().await;
    bystanders.bob.line.say(Say::Read(proto::Read { conv_id: chat, seq: 1 })).await;
    let receipt = bystanders.ann.line.receipt(bystanders.bob.id, 0, 0).await;
    assert_eq!((receipt.delivered_seq, receipt.read_seq), (1, 1));
    bystanders.chat().await;
}

#[tokio::test]
async fn positions_from_the_future_and_of_foreign_conversations_are_harmless() {
    let host = host().await;
    let mut bystanders = Bystanders::new(&host).await;
    bystanders.chat().await;
    let chat = bystanders.chat;
    let have = |conv_id, seq| Position { conv_id, seq, rev: i64::MAX };
    let mut again = host.socket(&bystanders.bob.granted.token, Codec::Protobuf).await;
    let (_, missed, _) = again.hello(vec![have(chat, i64::MAX), have(i64::MAX, 5)]).await;
    assert_eq!(missed, vec![]);
    bystanders.chat().await;
    assert_eq!(again.message(chat).await.seq, 2, "and what comes next does come");
    let eve = host.signup("eve").await;
    let mut line = host.socket(&eve.token, Codec::Protobuf).await;
    let (paint, missed, _) = line.hello(vec![have(chat, 0)]).await;
    assert_eq!((paint.conversations.len(), missed.len()), (0, 0));
    let negative = Say::Hello(proto::Hello { have: vec![have(-5, 0)], ..proto::Hello::default() });
    let mut line = host.socket(&eve.token, Codec::Protobuf).await;
    assert_eq!(line.refused(negative).await, ErrorCode::Invalid);
}

#[tokio::test]
async fn who_writes_too_fast_is_read_more_slowly_and_keeps_his_order() {
    let few = server::Rate { burst: 3, per_minute: 600 };
    let host = host_with(|c| c.rates.sends = few).await;
    let mut bystanders = Bystanders::new(&host).await;
    let (chat, line) = (bystanders.chat, &mut bystanders.ann.line);
    let begin = std::time::Instant::now();
    for n in 1..=8 {
        let Hear::Sent(sent) = line.ask(Say::Send(send(chat, &n.to_string(), n))).await else {
            panic!("a message is not refused for being one of many")
        };
        assert_eq!(sent.seq, n);
    }
    // Three at once, and of the other five all but the last are waited for.
    assert!(begin.elapsed() >= std::time::Duration::from_millis(400));
}

#[tokio::test]
async fn a_request_with_endless_headers_is_refused() {
    let host = host().await;
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(9_000));
    assert_eq!(host.status(&long).await, 431);
}

#[tokio::test]
async fn reactions_and_unknown_frames_are_counted_too() {
    let few = server::Rate { burst: 2, per_minute: 1 };
    let host = host_with(|c| (c.rates.pages, c.rates.light) = (few, few)).await;
    let mut bystanders = Bystanders::new(&host).await;
    let (chat, line) = (bystanders.chat, &mut bystanders.ann.line);
    let seq = line.send(chat, "like this").await.seq;
    let react =
        |remove| Say::React(proto::React { conv_id: chat, seq, emoji: "👍".into(), remove });
    // Opening the conversation took the first of the two.
    line.ask(react(false)).await;
    assert_eq!(line.refused(react(true)).await, ErrorCode::TooFast);
    let mut codes = Vec::new();
    for frame_ref in 1_000..1_003 {
        let unknown = proto::ClientFrame { r#ref: frame_ref, body: None };
        line.say_frame(&unknown).await;
        let Hear::Error(error) = line.answer(frame_ref).await else {
            panic!("an unknown frame was obeyed")
        };
        codes.push(error.code());
    }
    let unknown = ErrorCode::Unsupported;
    assert_eq!(codes, [unknown, unknown, ErrorCode::TooFast]);
}
