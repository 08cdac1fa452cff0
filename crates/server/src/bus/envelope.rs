//! What travels between gateways on a user's channel: the very frame for the clients, and who says
//! it. Protobuf, as everywhere.

use bytes::Bytes;
use prost::Message as _;

use super::SessionId;
use crate::spans::Context;

#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    /// The process that publishes: it has served its own connections itself.
    #[prost(fixed64, tag = "1")]
    process: u64,
    #[prost(bytes = "bytes", tag = "2")]
    frame: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    revoked: Bytes,
    /// With a frame that is followed: the number of its trace, then that of the span it hangs on.
    #[prost(bytes = "bytes", tag = "4")]
    context: Bytes,
}

/// What is said on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// The Protobuf of a `ServerFrame` for every connection of the user.
    Frame { frame: Bytes, context: Option<Context> },
    /// This session has ended.
    Revoked(SessionId),
    /// Something could not be told: look into the store.
    LookAgain,
}

pub(super) fn seal(process: u64, word: &Word) -> Vec<u8> {
    let mut wire = Wire { process, ..Wire::default() };
    match word {
        Word::Frame { frame, context } => {
            wire.frame = frame.clone();
            wire.context = context.map(write_context).unwrap_or_default();
        }
        Word::Revoked(session) => wire.revoked = Bytes::copy_from_slice(session),
        Word::LookAgain => {}
    }
    wire.encode_to_vec()
}

/// Who says it, and what. `None`: not a word of ours.
pub(super) fn open(bytes: Bytes) -> Option<(u64, Word)> {
    let wire = Wire::decode(bytes).ok()?;
    let word = if !wire.frame.is_empty() {
        Word::Frame { frame: wire.frame, context: read_context(&wire.context) }
    } else if wire.revoked.is_empty() {
        Word::LookAgain
    } else {
        Word::Revoked(wire.revoked[..].try_into().ok()?)
    };
    Some((wire.process, word))
}

fn write_context(context: Context) -> Bytes {
    Bytes::from([&context.trace[..], &context.published_by[..]].concat())
}

/// What cannot be read is not followed.
fn read_context(bytes: &[u8]) -> Option<Context> {
    let (trace, span) = bytes.split_first_chunk()?;
    Some(Context { trace: *trace, published_by: span.try_into().ok()? })
}

/// The channel of a user.
pub(super) fn channel(user_id: i64) -> String {
    format!("natter:u:{user_id}")
}

/// The channel of a gateway. It only shows that somebody listens there.
pub(super) fn gateway_channel(process: u64) -> String {
    format!("natter:g:{process:016x}")
}

/// Whose channel it is.
pub(super) fn user_of(channel: &[u8]) -> Option<i64> {
    std::str::from_utf8(channel.strip_prefix(b"natter:u:")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_comes_out_as_it_went_in() {
        let frame = |context| Word::Frame { frame: Bytes::from_static(b"frame"), context };
        let followed = frame(Some(Context { trace: [8; 16], published_by: [9; 8] }));
        for word in [frame(None), followed, Word::Revoked([7; 8]), Word::LookAgain] {
            assert_eq!(open(seal(u64::MAX, &word).into()), Some((u64::MAX, word)));
        }
        assert_eq!(open(Bytes::from_static(&[0xff; 9])), None);
        assert_eq!(user_of(channel(-7).as_bytes()), Some(-7));
        assert_eq!(user_of(b"natter:g:7"), None);
    }
}
