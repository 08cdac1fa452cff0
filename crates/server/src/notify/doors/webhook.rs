//! A notice as a call of somebody's own program: JSON, signed as <https://www.standardwebhooks.com>
//! says, so that he need not write the check himself.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::judge;
use crate::notify::Fault;
use crate::notify::notice::Notice;
use crate::outward::Outward;
use crate::token::WEBHOOK_KEY_PREFIX;

pub(super) async fn tell(
    outward: &Outward,
    url: &str,
    key: &str,
    notice: &Notice,
    now: i64,
) -> Result<(), Fault> {
    let body = serde_json::to_vec(notice).expect("texts and numbers have a JSON form");
    // When this try is made: who checks it refuses what is minutes old, because it may be replayed.
    let seconds = now.div_euclid(1_000).to_string();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", notice.id.clone()),
        ("webhook-signature", signature(key, &notice.id, &seconds, &body)),
        ("webhook-timestamp", seconds),
    ];
    judge(outward.post(url, &headers, body).await)
}

/// `v1,` and the HMAC-SHA256 of `ID.SECONDS.BODY`.
fn signature(key: &str, id: &str, seconds: &str, body: &[u8]) -> String {
    let bytes = key.strip_prefix(WEBHOOK_KEY_PREFIX).unwrap_or(key);
    let bytes = BASE64_STANDARD.decode(bytes).expect("we have drawn the key ourselves");
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).expect("HMAC takes any key");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod unit {
    /// The example in the specification's own reference libraries.
    #[test]
    fn a_call_is_signed_as_the_specification_says() {
        let signed = super::signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
