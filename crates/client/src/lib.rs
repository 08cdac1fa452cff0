//! THE LINE: everything a client of natter does that is not drawing. Logs in, follows the redirect, connects, resumes
//! from what it has, repairs gaps, keeps a copy and an outbox on disk. No terminal: the screen, the command line, the
//! guide, tests and benchmarks all stand on this room. Its journeys: `docs/flows/connect.md`, `send.md`, `offline.md`.

mod types;

pub use types::*;

use std::path::PathBuf;

use proto::{Conversation, Message, Person, client_frame, http, server_frame};
use tokio::sync::mpsc;

// ── who and where ───────────────────────────────────────────────────────────────────────────────

/// Where one account lives on this machine. `XDG_*` variables are honoured.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    /// `$XDG_DATA_HOME/natter/NAME`, mode 0700: `session.json` (0600), `cache.db`.
    pub dir: PathBuf,
}

impl Profile {
    /// The default profile is called "default". Makes the directory.
    pub fn open(name: &str) -> Result<Self> { todo!() }
    pub fn at(dir: PathBuf) -> Result<Self> { todo!() }
    pub fn login(&self) -> Result<Option<Login>> { todo!() }
    pub fn save_login(&self, login: &Login) -> Result<()> { todo!() }
    pub fn forget_login(&self) -> Result<()> { todo!() }
}

/// The HTTP calls before a connection. `server` is `http(s)://HOST[:PORT]`.
pub mod account {
    use super::*;
    pub async fn signup(server: &str, signup: &http::Signup) -> Result<Login> { todo!() }
    pub async fn login(server: &str, login: &http::Login) -> Result<Login> { todo!() }
    pub async fn logout(login: &Login) -> Result<()> { todo!() }
    pub async fn change_password(login: &Login, change: &http::PasswordChange) -> Result<()> { todo!() }
    pub async fn sessions(login: &Login) -> Result<Vec<http::SessionInfo>> { todo!() }
    pub async fn end_session(login: &Login, id: &str) -> Result<()> { todo!() }
}

// ── the client ──────────────────────────────────────────────────────────────────────────────────

/// A running client. Cheap to clone; the line behind it ends with `close`, or when the last clone is gone.
#[derive(Clone)]
pub struct Client {}

/// Opens the cache and starts the line in the background. Answers at once, also without a network:
/// what is on disk can be read immediately; the events tell the rest.
pub async fn start(profile: &Profile, login: Login, options: Options) -> Result<(Client, mpsc::Receiver<Event>)> { todo!() }

impl Client {
    pub fn me(&self) -> i64 { todo!() }
    /// The line as it is now.
    pub fn line(&self) -> Line { todo!() }
    /// Waits until everything that was missing is here. Err: signed out, or `timeout_ms` is over.
    pub async fn caught_up(&self, timeout_ms: u64) -> Result<()> { todo!() }
    pub fn figures(&self) -> Figures { todo!() }
    /// Do not wait for the back-off: try to connect now.
    pub fn reconnect(&self) { todo!() }
    /// Says goodbye to the gateway, flushes cursors, ends the line.
    pub async fn close(&self) { todo!() }

    // ── on disk: answers at once, offline too ───────────────────────────────────────────────────
    /// Newest first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>> { todo!() }
    pub async fn conversation(&self, conv_id: i64) -> Result<Option<Conversation>> { todo!() }
    /// Everybody this client has heard of.
    pub async fn people(&self) -> Result<Vec<Person>> { todo!() }
    pub async fn person(&self, user_id: i64) -> Result<Option<Person>> { todo!() }
    /// The newest messages before `before_seq` (0 = from the end), oldest first.
    pub async fn messages(&self, conv_id: i64, before_seq: i64, limit: u32) -> Result<Vec<Message>> { todo!() }
    /// What waits to be sent, oldest first.
    pub async fn queued(&self) -> Result<Vec<Queued>> { todo!() }
    pub async fn draft(&self, conv_id: i64) -> Result<String> { todo!() }
    /// An empty text forgets it.
    pub async fn set_draft(&self, conv_id: i64, text: &str) -> Result<()> { todo!() }

    // ── said once, kept until it is done ────────────────────────────────────────────────────────
    /// Writes the message to the outbox and returns its key; the line sends it as soon as it can, once. `Event::Sent`
    /// or `Event::SendRefused` tells the end. `key`: repeat an older send, else one is drawn.
    pub async fn send(&self, conv_id: i64, body: &str, reply_seq: i64, key: Option<i64>) -> Result<i64> { todo!() }
    /// Send a refused message again, or forget it.
    pub async fn retry(&self, client_key: i64) -> Result<()> { todo!() }
    pub async fn unqueue(&self, client_key: i64) -> Result<()> { todo!() }
    /// I have read up to here: kept on disk and told to the gateway when the line is there.
    pub async fn read(&self, conv_id: i64, seq: i64) -> Result<()> { todo!() }
    /// I am typing here. Lost when there is no line, sent at most once in 3 s.
    pub fn typing(&self, conv_id: i64) { todo!() }

    // ── needs the line ──────────────────────────────────────────────────────────────────────────
    /// One frame and its answer. What the answer says is also put into the cache and told as an event.
    /// `Error::Offline` at once when there is no line, `Error::Refused` when the gateway said no.
    pub async fn call(&self, body: client_frame::Body) -> Result<server_frame::Body> { todo!() }
    /// A page of history from the gateway into the cache; true: there is more before it.
    pub async fn fetch_history(&self, conv_id: i64, before_seq: i64) -> Result<bool> { todo!() }
    /// WHO of the command line: a handle, or `+title` of a group I am in. Opens the direct conversation if needed.
    pub async fn find_conversation(&self, who: &str) -> Result<i64> { todo!() }
    /// The person with exactly this handle, from the cache or from the gateway.
    pub async fn find_person(&self, handle: &str) -> Result<Person> { todo!() }
}
