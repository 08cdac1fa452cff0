//! Secrets that are shown once and stored as their hash: of sessions, tickets and links in mails.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// 256 random bits as text that needs no escaping in a URL: 43 characters.
pub(crate) fn random_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is stored of a token.
pub(crate) fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// What the key of a webhook begins with, where it is written: standardwebhooks.com says so.
pub(crate) const WEBHOOK_KEY_PREFIX: &str = "whsec_";

/// What signs the calls of a webhook: 256 random bits. Both ends keep it as it is.
pub(crate) fn random_webhook_key() -> String {
    format!("{WEBHOOK_KEY_PREFIX}{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>()))
}
