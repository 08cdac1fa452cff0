//! The bodies of the HTTP calls (`docs/protocol.md`, "HTTP"). JSON; unknown fields are ignored.

use serde::{Deserialize, Serialize};

/// `POST /v1/signup`
#[derive(Serialize, Deserialize)]
pub struct Signup {
    pub handle: String,
    /// The display name; the handle where it is missing.
    #[serde(default)]
    pub name: Option<String>,
    pub password: String,
    #[serde(default)]
    pub email: Option<String>,
    /// The name of this device in the list of sessions.
    #[serde(default)]
    pub device: Option<String>,
}

/// `POST /v1/login`
#[derive(Serialize, Deserialize)]
pub struct Login {
    pub handle: String,
    pub password: String,
    #[serde(default)]
    pub device: Option<String>,
}

/// The answer to signup and login: who one is and the key to be kept (file mode 0600).
#[derive(Serialize, Deserialize)]
pub struct SessionGranted {
    pub user_id: i64,
    pub handle: String,
    /// 256 random bits in URL-safe base64; sent as `Authorization: Bearer …`.
    pub token: String,
    /// Unix milliseconds. Using the session moves it.
    pub expires_at: i64,
}

/// `POST /v1/password`: ends all other sessions.
#[derive(Serialize, Deserialize)]
pub struct PasswordChange {
    pub old: String,
    pub new: String,
}

/// `PUT /v1/address`: asks this address whether it belongs to the account.
#[derive(Serialize, Deserialize)]
pub struct AddressChange {
    pub email: String,
    pub password: String,
}

/// `GET /v1/sessions`: an array of these. `DELETE /v1/sessions/{id}` ends one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The first 8 bytes of the token's hash, in hex: enough to name it, useless to use it.
    pub id: String,
    pub device: String,
    pub created_at: i64,
    pub used_at: i64,
    /// This is the session that asks.
    pub current: bool,
}

/// `GET /v1/notices`, and the body of `PUT /v1/notices`: what somebody wants to be told while he is
/// away, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// Whether he wants to be told of messages at all.
    pub wanted: bool,
    pub door: DoorKind,
    /// With webhook and push: where to. It may hold a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub preview: Preview,
    /// `HH:MM` in UTC: from then nothing comes …
    pub quiet_from: String,
    /// … until then. The same: always.
    pub quiet_to: String,
    /// Others learn neither since when he is offline nor that a mail went out.
    pub hide: bool,
    /// In answers: the address that mails go to, if he has confirmed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// In answers: why the last notice did not get through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// In the answer that made a webhook, and never again: what signs its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How a notice reaches somebody who is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoorKind {
    Mail,
    Webhook,
    Push,
}

/// How much a notice tells of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preview {
    /// Who wrote, and the newest texts.
    #[default]
    Full,
    /// Who wrote, and how much.
    Names,
    /// That there is something.
    None,
}

/// An error of the HTTP calls: `application/problem+json`, RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `about:blank`: the status says it all.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    /// A sentence for a person.
    pub detail: String,
    /// With 409 and 422: the field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
