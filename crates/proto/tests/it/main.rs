//! The codecs: what one side writes the other side reads, and garbage hurts nobody.

use proptest::prelude::*;
use proto::{ClientFrame, Codec, Message, ServerFrame, client_frame, frame, server_frame};

fn send(body: &str, client_key: i64) -> ClientFrame {
    let send = proto::Send { conv_id: i64::MAX, client_key, body: body.into(), reply_seq: -1 };
    frame::from_client(u32::MAX, client_frame::Body::Send(send))
}

#[test]
fn json_is_canonical_protobuf_json() {
    let text = String::from_utf8(Codec::Json.write_client(&send("hé\n", 7))).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"ref":4294967295,"send":{"convId":"9223372036854775807","#,
            r#""clientKey":"7","body":"hé\n","replySeq":"-1"}}"#
        )
    );
}

#[test]
fn a_person_with_websocat_may_write_numbers_bare_and_names_either_way() {
    let typed = r#"{"ref":1, "send":{"conv_id":5, "clientKey":"7", "body":"x", "color":"red"},
        "extra":[1]}"#;
    let read = Codec::Json.read_client(typed.as_bytes()).unwrap();
    let Some(client_frame::Body::Send(send)) = read.body else { panic!("{read:?}") };
    assert_eq!((send.conv_id, send.client_key, send.body.as_str()), (5, 7, "x"));
}

#[test]
fn a_body_from_the_future_is_a_frame_without_a_body() {
    // field 99, length-delimited, three bytes
    let unknown = [0x08, 0x05, 0x9A, 0x06, 3, 1, 2, 3];
    let read = Codec::Protobuf.read_client(&unknown).unwrap();
    assert_eq!(read, ClientFrame { r#ref: 5, body: None });
}

#[test]
fn a_malformed_frame_does_not_repeat_its_content() {
    for bad in [
        &b"{\"send\":{\"body\":\"secret"[..],
        b"[\"secret\"]",
        b"{\"send\":\"secret\"}",
        b"\xff\xfe",
    ] {
        let error = Codec::Json.read_client(bad).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(Codec::Json.read_client(b"{} {}").is_err(), "one frame in a message");
}

#[test]
fn deep_json_is_no_stack_overflow() {
    for deep in ["{\"x\":", "{\"send\":{\"body\":", "["] {
        let json = format!("{deep}{}", "[".repeat(60_000));
        assert!(Codec::Json.read_client(json.as_bytes()).is_err());
    }
    let ignored = format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(Codec::Json.read_client(ignored.as_bytes()).unwrap(), ClientFrame::default());
}

proptest! {
    #[test]
    fn what_is_written_is_read(body in "\\PC*", key in any::<i64>()) {
        for codec in [Codec::Protobuf, Codec::Json] {
            let frame = send(&body, key);
            prop_assert_eq!(codec.read_client(&codec.write_client(&frame)).unwrap(), frame);
            let mut message = Message { conv_id: key, kind: 9, ..Message::default() };
            message.body.clone_from(&body);
            let frame = ServerFrame { r#ref: 1, body: Some(server_frame::Body::Message(message)) };
            prop_assert_eq!(codec.read_server(&codec.write_server(&frame)).unwrap(), frame);
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for codec in [Codec::Protobuf, Codec::Json] {
            let _ = codec.read_client(&bytes);
            let _ = codec.read_server(&bytes);
        }
    }

    #[test]
    fn a_frame_with_flipped_bytes_is_never_a_panic(
        body in "[a-z]{0,40}",
        key in any::<i64>(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        for codec in [Codec::Protobuf, Codec::Json] {
            let mut bytes = codec.write_client(&send(&body, key));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let _ = codec.read_client(&bytes);
            bytes.truncate(at);
            let _ = codec.read_client(&bytes);
        }
    }
}
