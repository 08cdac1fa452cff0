//! THE LINE: everything a client of natter does that is not drawing. Logs in, follows the redirect,
//! connects, resumes from what it has, repairs gaps, keeps a copy and an outbox on disk. No
//! terminal: the screen, the command line, the guide, tests and benchmarks all stand on this room.
//! Its journeys: `docs/flows/connect.md`, `send.md`, `offline.md`.

pub mod account;
mod cache;
mod cleaned;
mod dial;
mod due;
mod hear;
pub mod limits;
mod line;
pub mod notices;
mod outbox;
mod pen;
mod place;
mod profile;
mod seam;
pub mod search;
mod sync;
mod talk;
#[cfg(test)]
mod tests;
mod types;

pub use dial::{Dialer, Dialing, Way, Wire};
pub use profile::Profile;
pub use types::*;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proto::http::Notices;
use proto::{
    Conversation, ConversationKind, Find, History, Message, OpenDirect, Person, check,
    client_frame, history, id, limits as wire, server_frame,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use cache::Cache;
use line::{LineTask, Order, now_ms};
use notices::Change;
use outbox::Outbox;
use pen::Write;
use search::Sought;
use sync::Mirror;

/// A running client. Cheap to clone; the line behind it ends with `close`, or when the last clone
/// is gone.
#[derive(Clone)]
pub struct Client {
    login: Arc<Login>,
    cache: Cache,
    orders: mpsc::Sender<Order>,
    line: watch::Receiver<Line>,
    figures: watch::Receiver<Figures>,
}

/// Opens the cache and starts the line in the background. Answers at once, also without a network:
/// what is on disk can be read immediately; the events tell the rest.
///
/// Take the events as they come: while [`limits::EVENTS_MAX`] of them wait, nothing is read from
/// the gateway, answers to `call` included. Who does not want them drops the receiver. `Invalid`:
/// the profile still holds unsent messages of another account.
pub async fn start(
    profile: &Profile,
    login: Login,
    options: Options,
) -> Result<(Client, mpsc::Receiver<Event>)> {
    if options.program.len() > wire::CLIENT_NAME_BYTES_MAX {
        let max = wire::CLIENT_NAME_BYTES_MAX;
        return Err(Error::Invalid(format!("the program's name has at most {max} bytes")));
    }
    let cache = Cache::open(&profile.dir, login.user_id).await?;
    let mut loaded = cache.load().await?;
    let (events, told) = mpsc::channel(limits::EVENTS_MAX);
    let (orders, ordered) = mpsc::channel(limits::ORDERS_MAX);
    let (line, line_seen) = watch::channel(Line::Connecting);
    let (figures, figures_seen) = watch::channel(Figures::default());
    let outbox = Outbox::new(std::mem::take(&mut loaded.queued));
    let login = Arc::new(login);
    let client = Client {
        login: Arc::clone(&login),
        cache: cache.clone(),
        orders,
        line: line_seen,
        figures: figures_seen,
    };
    let mirror = Mirror::new(login.user_id, &login.handle, options.mark_delivered, loaded);
    let task = LineTask {
        login,
        options,
        cache,
        mirror,
        outbox,
        orders: ordered,
        events,
        waiting: VecDeque::new(),
        line,
        figures,
        look: looking(),
        typed: HashMap::new(),
        connections: 0,
        failures: 0,
    };
    tokio::spawn(line::run(task));
    Ok((client, told))
}

fn looking() -> Interval {
    let mut look = interval(Duration::from_millis(limits::OUTBOX_LOOK_MS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

impl Client {
    /// My own id.
    pub fn me(&self) -> i64 {
        self.login.user_id
    }

    /// The line as it is now.
    pub fn line(&self) -> Line {
        self.line.borrow().clone()
    }

    /// The line as it changes.
    pub fn watch_line(&self) -> watch::Receiver<Line> {
        self.line.clone()
    }

    /// Waits until everything that was missing is here. Err: signed out, stopped, or `timeout_ms`
    /// is over.
    pub async fn caught_up(&self, timeout_ms: u64) -> Result<()> {
        let mut line = self.line.clone();
        let settled = line.wait_for(|line| {
            matches!(line, Line::Live | Line::SignedOut { .. } | Line::Stopped { .. })
        });
        let waited = tokio::time::timeout(Duration::from_millis(timeout_ms), settled).await;
        let settled = match waited {
            Ok(Ok(line)) => line.clone(),
            Ok(Err(_)) => return Err(Error::Offline),
            Err(_) => {
                return Err(match self.line() {
                    Line::Waiting { why, .. } => Error::Silent(format!("the server ({why})")),
                    _ => Error::Silent("the server".into()),
                });
            }
        };
        match settled {
            Line::SignedOut { why } => Err(Error::SignedOut(why)),
            Line::Stopped { why } => Err(Error::Stopped(why)),
            Line::Live | Line::Connecting | Line::CatchingUp | Line::Waiting { .. } => Ok(()),
        }
    }

    /// The proof that nothing was lost, since this client was started.
    pub fn figures(&self) -> Figures {
        *self.figures.borrow()
    }

    /// Do not wait for the back-off: try to connect now. Also after `Line::Stopped` and
    /// `Line::SignedOut`; a line that is live is hung up and made anew. One that is being made goes
    /// on.
    pub fn reconnect(&self) {
        // with a full queue the line is busy, and can be asked again
        let _ = self.orders.try_send(Order::Reconnect);
    }

    /// Says goodbye to the gateway, flushes cursors, ends the line. Nothing works after it.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::Close { done }).await.is_ok() {
            let _ = ended.await;
        }
        self.cache.close().await;
    }

    // ── on disk: answers at once, offline too ───────────────────────────────────────────────────

    /// Newest first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>> {
        self.cache.conversations().await
    }

    pub async fn conversation(&self, conv_id: i64) -> Result<Option<Conversation>> {
        self.cache.conversation(conv_id).await
    }

    /// Everybody this client has heard of, by handle.
    pub async fn people(&self) -> Result<Vec<Person>> {
        self.cache.people().await
    }

    pub async fn person(&self, user_id: i64) -> Result<Option<Person>> {
        self.cache.person(user_id).await
    }

    /// The newest messages before `before_seq` (0 = from the end), oldest first, at most `limit` (1
    /// to [`limits::MESSAGES_PER_READ_MAX`]). Fewer, or none: the copy ends here, `fetch_history`
    /// has what comes before.
    pub async fn messages(
        &self,
        conv_id: i64,
        before_seq: i64,
        limit: u32,
    ) -> Result<Vec<Message>> {
        self.cache.messages(conv_id, before_seq, limit).await
    }

    /// The oldest messages after `after_seq`, oldest first, at most `limit`, up to the first hole.
    /// true: they reach to the end of the copy.
    pub async fn messages_after(
        &self,
        conv_id: i64,
        after_seq: i64,
        limit: u32,
    ) -> Result<(Vec<Message>, bool)> {
        self.cache.messages_after(conv_id, after_seq, limit).await
    }

    /// A message and what stands around it without a hole, half of `limit` before and half after
    /// it; none where it is not here. true: they reach to the end of the copy.
    pub async fn messages_around(
        &self,
        conv_id: i64,
        seq: i64,
        limit: u32,
    ) -> Result<(Vec<Message>, bool)> {
        let half = (limit / 2).max(1);
        let mut around = self.cache.messages(conv_id, seq.saturating_add(1), half).await?;
        if around.last().is_none_or(|message| message.seq != seq) {
            return Ok((Vec::new(), false));
        }
        let (after, end) = self.cache.messages_after(conv_id, seq, half).await?;
        around.extend(after);
        Ok((around, end))
    }

    /// Messages of all conversations, newest first, at most `limit`. `below`: where an earlier
    /// search stopped; None: from the newest.
    pub async fn search(
        &self,
        sought: &Sought,
        below: Option<Below>,
        limit: usize,
    ) -> Result<Found> {
        self.cache.search(sought, below, limit).await
    }

    /// The nearest such message of one conversation before `seq` (`up`) or after it.
    pub async fn search_in(
        &self,
        conv_id: i64,
        sought: &Sought,
        seq: i64,
        up: bool,
    ) -> Result<Option<i64>> {
        self.cache.search_in(conv_id, sought, seq, up).await
    }

    /// One message, if it is here.
    pub async fn message(&self, conv_id: i64, seq: i64) -> Result<Option<Message>> {
        self.cache.message(conv_id, seq).await
    }

    /// What waits to be sent, oldest first.
    pub async fn queued(&self) -> Result<Vec<Queued>> {
        self.cache.queued().await
    }

    pub async fn draft(&self, conv_id: i64) -> Result<String> {
        self.cache.draft(conv_id).await
    }

    /// An empty text forgets it. At most [`limits::DRAFT_BYTES_MAX`] bytes.
    pub async fn set_draft(&self, conv_id: i64, text: &str) -> Result<()> {
        if text.len() > limits::DRAFT_BYTES_MAX {
            let max = limits::DRAFT_BYTES_MAX;
            return Err(Error::Invalid(format!("a draft has at most {max} bytes")));
        }
        self.cache.write(Write::Draft { conv_id, body: text.to_owned() }).await.map(drop)
    }

    // ── said once, kept until it is done ────────────────────────────────────────────────────────

    /// Writes the message to the outbox and returns its key; the line sends it as soon as it can,
    /// once. `Event::Sent` or `Event::SendRefused` tells the end. `key`: repeat an older send, else
    /// one is drawn.
    ///
    /// When this returns, the message is synced to the disk. `Invalid`: the text cannot be sent, or
    /// the outbox is full.
    pub async fn send(
        &self,
        conv_id: i64,
        body: &str,
        reply_seq: i64,
        key: Option<i64>,
    ) -> Result<i64> {
        let body = cleaned::own_text(body);
        let client_key = key.unwrap_or_else(id::random_key);
        let checked = check::body(&body)
            .and_then(|()| check::positive("a conversation", conv_id))
            .and_then(|()| check::positive("a key", client_key));
        checked.map_err(|refused| Error::Invalid(refused.0))?;
        if reply_seq < 0 {
            return Err(Error::Invalid("there is no such message to reply to".into()));
        }
        let queued = Queued {
            conv_id,
            client_key,
            body,
            reply_seq,
            queued_at: now_ms(),
            refused: String::new(),
        };
        if !self.cache.write(Write::Queue(queued.clone())).await? {
            let max = limits::OUTBOX_MAX;
            return Err(Error::Invalid(format!("{max} messages wait to be sent: no more fit")));
        }
        self.order(Order::Queue(queued)).await;
        Ok(client_key)
    }

    /// Sends a refused message again, behind what waits. Nothing happens if it was not refused.
    pub async fn retry(&self, client_key: i64) -> Result<()> {
        if self.cache.write(Write::Retry { client_key, now: now_ms() }).await? {
            let queued = self.cache.queued().await?;
            if let Some(queued) = queued.into_iter().find(|q| q.client_key == client_key) {
                self.order(Order::Queue(queued)).await;
            }
        }
        Ok(())
    }

    /// Forgets a message of the outbox. One that is under way may still arrive.
    pub async fn unqueue(&self, client_key: i64) -> Result<()> {
        self.cache.write(Write::Unqueue { client_key }).await?;
        self.order(Order::Unqueue { client_key }).await;
        Ok(())
    }

    /// I have read up to here: kept on disk and told to the gateway when the line is there.
    pub async fn read(&self, conv_id: i64, seq: i64) -> Result<()> {
        let (done, written) = oneshot::channel();
        let ended = || Error::Disk("the line has ended".into());
        self.orders.send(Order::Read { conv_id, seq, done }).await.map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }

    /// I am typing here. Lost when there is no line, sent at most once in 3 s.
    pub fn typing(&self, conv_id: i64) {
        let _ = self.orders.try_send(Order::Typing { conv_id });
    }

    // ── needs the line ──────────────────────────────────────────────────────────────────────────

    /// One frame and its answer. What the answer says is also put into the cache and told as an
    /// event. `Error::Offline` at once when there is no line, `Error::Refused` when the gateway
    /// said no, `Error::Silent` after [`limits::ANSWER_MS`]. What the line says by itself (Hello,
    /// Send, Read …) is `Invalid`.
    pub async fn call(&self, body: client_frame::Body) -> Result<server_frame::Body> {
        let mut body = cleaned::question(body)?;
        if let client_frame::Body::CreateGroup(group) = &mut body
            && group.client_key == 0
        {
            group.client_key = id::random_key();
        }
        for _ in 1..limits::CALL_TRIES {
            match self.call_once(body.clone()).await {
                Err(Error::Refused {
                    code: proto::ErrorCode::Unavailable, retry_after_ms, ..
                }) => {
                    let wait_ms = retry_after_ms.unsigned_abs().min(limits::CALL_RETRY_MS_MAX);
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                }
                answered => return answered,
            }
        }
        self.call_once(body).await
    }

    async fn call_once(&self, body: client_frame::Body) -> Result<server_frame::Body> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Call { body, answer }).await;
        answered.await.map_err(|_| Error::Offline)?
    }

    /// A page of history from the gateway into the cache; true: there is more before it.
    /// `before_seq` 0 = from the end.
    pub async fn fetch_history(&self, conv_id: i64, before_seq: i64) -> Result<bool> {
        self.fetch(conv_id, history::From::BeforeSeq(before_seq)).await
    }

    /// The same forwards: what comes after `after_seq`.
    pub async fn fetch_after(&self, conv_id: i64, after_seq: i64) -> Result<bool> {
        self.fetch(conv_id, history::From::AfterSeq(after_seq)).await
    }

    async fn fetch(&self, conv_id: i64, from: history::From) -> Result<bool> {
        let (from, limit) = (Some(from), wire::PAGE_MESSAGES_MAX);
        let history = client_frame::Body::History(History { conv_id, from, limit });
        match self.call(history).await? {
            server_frame::Body::Page(page) => Ok(page.more),
            _ => Err(unfit()),
        }
    }

    /// WHO of the command line: a handle, or `+title` of a group I am in. Opens the direct
    /// conversation if needed. A title that several groups have is `Invalid` and says so.
    pub async fn find_conversation(&self, who: &str) -> Result<i64> {
        if let Some(title) = who.strip_prefix('+') {
            return self.find_group(title).await;
        }
        let person = self.find_person(who).await?;
        let direct = |c: &Conversation| {
            c.kind == i32::from(ConversationKind::Direct) && c.friend_id == person.user_id
        };
        if let Some(conversation) = self.conversations().await?.into_iter().find(direct) {
            return Ok(conversation.conv_id);
        }
        let open = client_frame::Body::OpenDirect(OpenDirect { user_id: person.user_id });
        match self.call(open).await? {
            server_frame::Body::Conversation(conversation) => Ok(conversation.conv_id),
            _ => Err(unfit()),
        }
    }

    async fn find_group(&self, title: &str) -> Result<i64> {
        let wanted = title.trim().to_lowercase();
        let mut groups = self.conversations().await?;
        groups.retain(|c| {
            let group = c.kind == i32::from(ConversationKind::Group) && !c.left;
            group && c.title.to_lowercase() == wanted
        });
        match &groups[..] {
            [] => Err(Error::NoGroup(title.trim().to_owned())),
            [group] => Ok(group.conv_id),
            several => {
                let ids: Vec<String> = several
                    .iter()
                    .map(|c| format!("+{} ({} members)", c.title, c.member_count))
                    .collect();
                Err(Error::Invalid(format!("several groups have this title: {}", ids.join(", "))))
            }
        }
    }

    /// The person with exactly this handle (a leading `@` is allowed), from the cache or from the
    /// gateway.
    pub async fn find_person(&self, handle: &str) -> Result<Person> {
        let wanted = handle.trim().trim_start_matches('@').to_lowercase();
        let nobody = || Error::NobodyCalled(handle.to_owned());
        check::handle(&wanted).map_err(|_| nobody())?;
        if let Some(person) = self.cache.person_called(&wanted).await? {
            return Ok(person);
        }
        let find = Find { text: wanted.clone(), limit: wire::FOUND_MAX };
        match self.call(client_frame::Body::Find(find)).await? {
            server_frame::Body::Found(found) => {
                found.people.into_iter().find(|p| p.handle == wanted).ok_or_else(nobody)
            }
            _ => Err(unfit()),
        }
    }

    /// How this account is told of what stays unread while nobody is there, as it is after this
    /// change. An HTTP call of its own: it needs no line.
    pub async fn notices(&self, change: Option<Change>) -> Result<Notices> {
        let mut notices = account::notices(&self.login).await?;
        match change {
            None => Ok(notices),
            Some(change) => {
                change.apply(&mut notices);
                account::set_notices(&self.login, &notices).await
            }
        }
    }

    async fn order(&self, order: Order) {
        // without a line there is nobody to obey; what lies on the disk is done by the next one
        let _ = self.orders.send(order).await;
    }
}

fn unfit() -> Error {
    Error::Refused {
        code: proto::ErrorCode::Internal,
        text: "the gateway gave an answer that does not fit".into(),
        retry_after_ms: 0,
    }
}
