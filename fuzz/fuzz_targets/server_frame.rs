//! What a client does with the bytes of a hostile server: `cargo +nightly fuzz run server_frame`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::Codec;

fuzz_target!(|bytes: &[u8]| {
    for codec in [Codec::Protobuf, Codec::Json] {
        if let Ok(frame) = codec.read_server(bytes) {
            let again = codec.read_server(&codec.write_server(&frame));
            assert_eq!(again.as_ref(), Ok(&frame), "what is read can be written and read again");
        }
    }
});
