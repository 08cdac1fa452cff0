//! What a gateway does with the bytes of a stranger: `cargo +nightly fuzz run client_frame`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::Codec;

fuzz_target!(|bytes: &[u8]| {
    for codec in [Codec::Protobuf, Codec::Json] {
        if let Ok(frame) = codec.read_client(bytes) {
            let again = codec.read_client(&codec.write_client(&frame));
            assert_eq!(again.as_ref(), Ok(&frame), "what is read can be written and read again");
        }
    }
});
