//! Bytes to frames and back, in both languages of the wire. The only place that knows either.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use crate::{ClientFrame, Error, ErrorCode, ServerFrame, client_frame, server_frame};

/// The WebSocket subprotocol that asks for canonical Protobuf JSON in text messages.
pub const JSON_SUBPROTOCOL: &str = "natter.v1.json";
/// The WebSocket subprotocol of the binary language, which is also the default.
pub const PROTOBUF_SUBPROTOCOL: &str = "natter.v1.protobuf";

/// How a connection writes its frames. Both carry the same types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Binary WebSocket messages.
    Protobuf,
    /// Text WebSocket messages with the canonical JSON of Protobuf: lowerCamelCase names, 64-bit
    /// numbers in quotes.
    Json,
}

/// These bytes are not a frame of ours. The sentence says what is wrong and repeats no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Codec {
    /// A client's frame from one WebSocket message. Unknown fields are ignored, and an unknown body
    /// is a frame without one.
    pub fn read_client(self, bytes: &[u8]) -> Result<ClientFrame, Malformed> {
        self.read(bytes, &TYPES.client)
    }

    /// A gateway's frame from one WebSocket message.
    pub fn read_server(self, bytes: &[u8]) -> Result<ServerFrame, Malformed> {
        self.read(bytes, &TYPES.server)
    }

    pub fn write_client(self, frame: &ClientFrame) -> Vec<u8> {
        self.write(frame, &TYPES.client)
    }

    pub fn write_server(self, frame: &ServerFrame) -> Vec<u8> {
        self.write(frame, &TYPES.server)
    }

    fn read<M: prost::Message + Default>(
        self,
        bytes: &[u8],
        kind: &MessageDescriptor,
    ) -> Result<M, Malformed> {
        match self {
            Self::Protobuf => M::decode(bytes).map_err(|e| Malformed(e.to_string())),
            Self::Json => read_json(bytes, kind),
        }
    }

    fn write<M: prost::Message>(self, frame: &M, kind: &MessageDescriptor) -> Vec<u8> {
        match self {
            Self::Protobuf => frame.encode_to_vec(),
            Self::Json => write_json(frame, kind),
        }
    }
}

/// JSON goes through a description of the types and not through generated code: it is for people
/// and browsers, and a second set of generated code would be larger than all of this room.
struct Types {
    client: MessageDescriptor,
    server: MessageDescriptor,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(&include_bytes!("natter.bin")[..])
        .expect("natter.bin is generated and a test reads it");
    let find = |name| pool.get_message_by_name(name).expect("natter.proto has this frame");
    Types { client: find("natter.v1.ClientFrame"), server: find("natter.v1.ServerFrame") }
});

fn read_json<M: prost::Message + Default>(
    bytes: &[u8],
    kind: &MessageDescriptor,
) -> Result<M, Malformed> {
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let dynamic = DynamicMessage::deserialize_with_options(kind.clone(), &mut json, &options)
        .and_then(|message| json.end().map(|()| message))
        // serde's own sentence may quote the content, so only the place is told
        .map_err(|e| {
            Malformed(format!("not our JSON at line {} column {}", e.line(), e.column()))
        })?;
    dynamic.transcode_to().map_err(|e| Malformed(e.to_string()))
}

fn write_json<M: prost::Message>(frame: &M, kind: &MessageDescriptor) -> Vec<u8> {
    let mut dynamic = DynamicMessage::new(kind.clone());
    dynamic.transcode_from(frame).expect("a frame fits its own description");
    let mut out = Vec::new();
    dynamic
        .serialize_with_options(
            &mut serde_json::Serializer::new(&mut out),
            &SerializeOptions::new(),
        )
        .expect("a frame fits JSON, and a Vec takes every byte");
    out
}

/// The JSON of any server body, for `--json` output: the same words as on the wire.
pub fn body_json(body: server_frame::Body) -> serde_json::Value {
    let bytes = Codec::Json.write_server(&ServerFrame { r#ref: 0, body: Some(body) });
    serde_json::from_slice(&bytes).expect("what we wrote is JSON")
}

/// A frame from a client, in one line.
pub fn from_client(r#ref: u32, body: client_frame::Body) -> ClientFrame {
    ClientFrame { r#ref, body: Some(body) }
}

/// A frame from a gateway that answers nothing.
pub fn push(body: server_frame::Body) -> ServerFrame {
    ServerFrame { r#ref: 0, body: Some(body) }
}

/// The answer to the frame `ref`.
pub fn answer(r#ref: u32, body: server_frame::Body) -> ServerFrame {
    ServerFrame { r#ref, body: Some(body) }
}

/// The refusal of the frame `ref`.
pub fn refuse(r#ref: u32, code: ErrorCode, text: &str, retry_after_ms: i64) -> ServerFrame {
    let error = Error { code: code.into(), text: text.to_owned(), retry_after_ms };
    answer(r#ref, server_frame::Body::Error(error))
}
