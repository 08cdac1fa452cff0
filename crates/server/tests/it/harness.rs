//! A server of one's own for each test, and users who talk to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Request;
use bench::redis::Redis;
use futures_util::{SinkExt, StreamExt};
use proto::client_frame::Body as Say;
use proto::server_frame::Body as Hear;
use proto::{
    ClientFrame, CloseCode, Codec, Conversation, Error, ErrorCode, Goodbye, Hello, Message, Page,
    Paint, Position, Sent, ServerFrame, frame, http,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::{Config, Server};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, protocol::CloseFrame};

/// Nothing in these tests takes so long; whoever waits longer waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A directory that goes when the test is over.
pub(crate) struct Dir(pub(crate) std::path::PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let name = format!("natter-server-{}", proto::id::random_key());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Host {
    pub(crate) server: Server,
    pub(crate) dir: Dir,
    pub(crate) others: Others,
}

/// Several servers on one PostgreSQL and one Redis.
pub(crate) struct Cluster {
    pub(crate) hosts: Vec<Host>,
    pub(crate) urls: Vec<String>,
}

impl Cluster {
    /// So many of them, each with all roles, as one system. `redis` says where.
    pub(crate) async fn start(size: usize, redis: &[String], change: impl Fn(&mut Config)) -> Self {
        let (database, mut hosts) = (create_database().await, Vec::new());
        for _ in 0..size {
            let configure = |config: &mut Config| {
                config.database = vec![database.as_str().into()];
                config.redis = redis.iter().map(|url| url.as_str().into()).collect();
                config.timers.presence_grace_ms = 50;
                change(config);
            };
            hosts.push(alone_with(configure).await);
        }
        Self { hosts, urls: vec![database] }
    }

    /// Ends the servers and removes the database. What a failed test leaves behind has a name that
    /// tells so.
    pub(crate) async fn end(self) {
        for host in self.hosts {
            host.server.stop().await.unwrap();
        }
        for url in self.urls {
            drop_database(&url).await;
        }
    }
}

/// The URL of an empty database on the PostgreSQL that `cargo xtask test` starts.
pub(crate) async fn create_database() -> String {
    let url = std::env::var("NATTER_TEST_POSTGRES").expect("`cargo xtask test` sets it");
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let name = format!("natter_server_{}", proto::id::random_key());
    let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    format!("{}/{name}", url.rsplit_once('/').unwrap().0)
}

/// The defaults, but with a port of its own and quick news of who left.
pub(crate) fn config(dir: &Dir) -> Config {
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: dir.0.clone(), ..Config::default() };
    config.timers.presence_grace_ms = 50;
    config
}

pub(crate) async fn host() -> Host {
    host_with(|_| {}).await
}

/// What tests talk to: one server, or where `NATTER_TEST_CLUSTER` is set, three that are one.
pub(crate) async fn host_with(change: impl FnOnce(&mut Config)) -> Host {
    match std::env::var_os("NATTER_TEST_CLUSTER") {
        None => alone_with(change).await,
        Some(_) => cluster_with(change).await,
    }
}

async fn alone_with(change: impl FnOnce(&mut Config)) -> Host {
    let dir = Dir::new();
    let mut config = config(&dir);
    change(&mut config);
    let server = server::start(config).await.unwrap();
    Host { server, dir, others: Others::default() }
}

async fn cluster_with(change: impl FnOnce(&mut Config)) -> Host {
    let (dir, redis, database) = (Dir::new(), Redis::start().unwrap(), create_database().await);
    let mut config = config(&dir);
    change(&mut config);
    config.database = vec![database.as_str().into()];
    config.redis = vec![redis.url().into()];
    let server = server::start(config.clone()).await.unwrap();
    let mut servers = Vec::new();
    for _ in 0..2 {
        servers.push(server::start(config.clone()).await.unwrap());
    }
    let turn = AtomicUsize::new(0);
    let others = Others { servers, turn, redis: Some(redis), database: Some(database) };
    Host { server, dir, others }
}

/// The rest of a cluster. Each line that is opened goes to the next server.
#[derive(Default)]
pub(crate) struct Others {
    servers: Vec<Server>,
    turn: AtomicUsize,
    redis: Option<Redis>,
    database: Option<String>,
}

impl Drop for Others {
    fn drop(&mut self) {
        drop(self.redis.take());
        let Some(url) = self.database.take() else {
            return;
        };
        // A test that is over has no time of its own left to wait in.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(drop_database(&url));
        });
        let _ = dropping.join();
    }
}

pub(crate) async fn drop_database(url: &str) {
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Host {
    pub(crate) async fn raw(&self, request: &str) -> Answer {
        self.raw_at(self.server.address, request).await
    }

    async fn raw_at(&self, address: SocketAddr, request: &str) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("an answer in time");
        let at = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an HTTP answer");
        let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[at + 4..].to_vec() }
    }

    /// Only the status of the answer, where the connection may go on after it.
    pub(crate) async fn status(&self, request: &str) -> u16 {
        self.try_status(request).await.expect("an HTTP answer")
    }

    /// `None`: closed without an answer.
    pub(crate) async fn try_status(&self, request: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut line = [0; 12];
        let read = stream.read_exact(&mut line);
        tokio::time::timeout(PATIENCE, read).await.expect("an answer in time").ok()?;
        std::str::from_utf8(&line[9..]).unwrap().parse().ok()
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + Clone {
        let others = self.others.servers.iter().map(|server| server.address);
        std::iter::once(self.server.address).chain(others)
    }

    /// One number of `/metrics`, over all servers.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let mut sum = 0;
        for address in self.addresses() {
            let call =
                format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
            let text = String::from_utf8(self.raw_at(address, &call).await.body).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            sum += line.expect("this number is told").parse::<u64>().unwrap();
        }
        sum
    }

    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let bearer = if token.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {token}\r\n")
        };
        let (host, len) = (self.server.address, body.len());
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{bearer}\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &impl Serialize) -> Answer {
        self.call("POST", path, token, &serde_json::to_string(body).unwrap()).await
    }

    pub(crate) async fn signup(&self, handle: &str) -> http::SessionGranted {
        let signup = http::Signup {
            handle: handle.into(),
            name: None,
            password: PASSWORD.into(),
            email: None,
            device: None,
        };
        let answer = self.post("/v1/signup", "", &signup).await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    pub(crate) async fn login(&self, handle: &str, password: &str) -> Answer {
        let (handle, password) = (handle.into(), password.into());
        self.post("/v1/login", "", &http::Login { handle, password, device: None }).await
    }

    /// The ticket in the redirect.
    pub(crate) async fn ticket(&self, token: &str) -> String {
        let (gateway, ticket) = self.redirect(token).await;
        let is_ours = |address: SocketAddr| gateway == format!("ws://{address}");
        assert!(self.addresses().any(is_ours), "{gateway}");
        ticket
    }

    // ── WebSocket ───────────────────────────────────────────────────────────────────────────────

    /// A WebSocket that has said nothing yet.
    pub(crate) async fn socket(&self, token: &str, codec: Codec) -> Client {
        let ticket = self.ticket(token).await;
        self.open(&ticket, codec).await.expect("a fresh ticket opens a socket")
    }

    /// The HTTP status where the gateway does not want this ticket.
    pub(crate) async fn open(&self, ticket: &str, codec: Codec) -> Result<Client, u16> {
        let turn = self.others.turn.fetch_add(1, Ordering::Relaxed);
        let address = self.addresses().cycle().nth(turn).expect("there is a server");
        let subprotocol = match codec {
            Codec::Json => frame::JSON_SUBPROTOCOL,
            Codec::Protobuf => frame::PROTOBUF_SUBPROTOCOL,
        };
        let request = Request::get(format!("ws://{address}/v1/ws"))
            .header("host", address.to_string())
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", tungstenite::handshake::client::generate_key())
            .header("sec-websocket-protocol", subprotocol)
            .header("authorization", format!("Ticket {ticket}"))
            .body(())
            .unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Client { socket, codec, next_ref: 1, aside: Vec::new() }),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The gateway in the redirect, and the ticket.
    pub(crate) async fn redirect(&self, token: &str) -> (String, String) {
        let answer = self.call("GET", "/v1/connect", token, "").await;
        assert_eq!(answer.status, 307, "{}", answer.head);
        let location = answer.header("location").unwrap();
        let (gateway, ticket) = location.split_once("/v1/ws?ticket=").unwrap();
        (gateway.to_owned(), ticket.to_owned())
    }

    /// A user who is connected to this very gateway, wherever the redirect leads.
    pub(crate) async fn pinned(&self, granted: &http::SessionGranted) -> User {
        let (_, ticket) = self.redirect(&granted.token).await;
        let mut line = self.open(&ticket, Codec::Protobuf).await.expect("a fresh ticket");
        let paint = line.hello(vec![]).await.0;
        User { id: granted.user_id, granted: granted.clone_it(), line, paint }
    }

    pub(crate) async fn pinned_user(&self, handle: &str) -> User {
        let granted = self.signup(handle).await;
        self.pinned(&granted).await
    }

    /// A user who is connected and has everything.
    pub(crate) async fn user(&self, handle: &str) -> User {
        let granted = self.signup(handle).await;
        self.connect(&granted).await
    }

    /// A user whose address is confirmed, connected.
    pub(crate) async fn signup_with_address(&self, handle: &str) -> User {
        let signup = http::Signup {
            handle: handle.into(),
            name: None,
            password: PASSWORD.into(),
            email: Some(format!("{handle}@example.org")),
            device: None,
        };
        let granted: http::SessionGranted = self.post("/v1/signup", "", &signup).await.json();
        let hash = granted.user_id.to_be_bytes();
        let store = &self.server.store;
        let confirm = store::Purpose::Confirm;
        store.mail_token_create(&hash, granted.user_id, confirm, i64::MAX).await.unwrap();
        store.confirm_address(&hash, 0).await.unwrap().unwrap();
        self.connect(&granted).await
    }

    pub(crate) async fn connect(&self, granted: &http::SessionGranted) -> User {
        let mut line = self.socket(&granted.token, Codec::Protobuf).await;
        let paint = line.hello(vec![]).await.0;
        User { id: granted.user_id, granted: granted.clone_it(), line, paint }
    }
}

/// `SessionGranted` is not `Clone`, so that no token is copied by accident; here it is copied on
/// purpose.
pub(crate) trait CloneIt {
    fn clone_it(&self) -> Self;
}

impl CloneIt for http::SessionGranted {
    fn clone_it(&self) -> Self {
        Self {
            user_id: self.user_id,
            handle: self.handle.clone(),
            token: self.token.clone(),
            expires_at: self.expires_at,
        }
    }
}

/// A user with one connection.
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) granted: http::SessionGranted,
    pub(crate) line: Client,
    pub(crate) paint: Paint,
}

impl User {
    /// The direct conversation with somebody.
    pub(crate) async fn open(&mut self, other: i64) -> i64 {
        let open = proto::OpenDirect { user_id: other };
        match self.line.ask(Say::OpenDirect(open)).await {
            Hear::Conversation(conversation) => conversation.conv_id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn befriend(&mut self, other: &mut User) {
        self.line.ask(Say::Befriend(proto::Befriend { user_id: other.id })).await;
        other.line.ask(Say::Accept(proto::Accept { user_id: self.id })).await;
        let me = self.id;
        let is_friend = |p: &proto::Person| p.relation() == proto::Relation::Friend;
        self.line.until(|b| matches!(b, Hear::Person(p) if p.user_id != me && is_friend(p))).await;
    }
}

/// One WebSocket and its frames.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) codec: Codec,
    next_ref: u32,
    /// Frames that came while another was waited for.
    aside: Vec<ServerFrame>,
}

impl Client {
    pub(crate) async fn say_frame(&mut self, frame: &ClientFrame) {
        let bytes = self.codec.write_client(frame);
        let message = match self.codec {
            Codec::Protobuf => tungstenite::Message::Binary(bytes.into()),
            Codec::Json => tungstenite::Message::Text(String::from_utf8(bytes).unwrap().into()),
        };
        self.socket.send(message).await.unwrap();
    }

    /// Says it and returns its ref.
    pub(crate) async fn say(&mut self, body: Say) -> u32 {
        let frame_ref = self.next_ref;
        self.next_ref += 1;
        self.say_frame(&frame::from_client(frame_ref, body)).await;
        frame_ref
    }

    /// Says it and returns the answer.
    pub(crate) async fn ask(&mut self, body: Say) -> Hear {
        let frame_ref = self.say(body).await;
        self.answer(frame_ref).await
    }

    pub(crate) async fn answer(&mut self, frame_ref: u32) -> Hear {
        let frame = self.find(|frame| frame.r#ref == frame_ref).await;
        frame.body.unwrap()
    }

    /// Says it and returns why it was refused.
    pub(crate) async fn refused(&mut self, body: Say) -> ErrorCode {
        match self.ask(body).await {
            Hear::Error(Error { code, .. }) => ErrorCode::try_from(code).unwrap(),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next(&mut self) -> ServerFrame {
        if !self.aside.is_empty() {
            return self.aside.remove(0);
        }
        self.receive().await
    }

    /// The first frame that fits; others are kept for later.
    pub(crate) async fn find(&mut self, fits: impl Fn(&ServerFrame) -> bool) -> ServerFrame {
        if let Some(at) = self.aside.iter().position(&fits) {
            return self.aside.remove(at);
        }
        loop {
            let frame = self.receive().await;
            if fits(&frame) {
                return frame;
            }
            self.aside.push(frame);
        }
    }

    /// The first unasked frame that fits.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Hear) -> bool) -> Hear {
        let frame = self.find(|f| f.r#ref == 0 && f.body.as_ref().is_some_and(&fits)).await;
        frame.body.unwrap()
    }

    async fn receive(&mut self) -> ServerFrame {
        match self.receive_message().await {
            Ok(bytes) => self.codec.read_server(&bytes).unwrap(),
            Err(close) => panic!("closed: {close:?}"),
        }
    }

    async fn receive_message(&mut self) -> Result<Vec<u8>, Option<CloseFrame>> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("a frame in time") {
                Some(Ok(tungstenite::Message::Binary(bytes))) => return Ok(bytes.to_vec()),
                Some(Ok(tungstenite::Message::Text(text))) => return Ok(text.as_bytes().to_vec()),
                Some(Ok(tungstenite::Message::Close(close))) => return Err(close),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads to the end: the code of the close frame, and the Goodbye before it.
    pub(crate) async fn closed(&mut self) -> (CloseCode, Option<Goodbye>) {
        self.closed_counting(|_| {}).await
    }

    /// The same, and shows every frame before it.
    pub(crate) async fn closed_counting(
        &mut self,
        mut show: impl FnMut(&Hear),
    ) -> (CloseCode, Option<Goodbye>) {
        for frame in std::mem::take(&mut self.aside) {
            show(&frame.body.unwrap());
        }
        let (code, goodbye) = self.end(show).await;
        (code.expect("a close frame"), goodbye)
    }

    /// The same for a line that was so full that no close frame found room.
    pub(crate) async fn closed_or_gone(&mut self) -> (Option<CloseCode>, Option<Goodbye>) {
        self.end(|_| {}).await
    }

    async fn end(&mut self, mut show: impl FnMut(&Hear)) -> (Option<CloseCode>, Option<Goodbye>) {
        let mut goodbye = None;
        loop {
            let bytes = match self.receive_message().await {
                Ok(bytes) => bytes,
                Err(close) => {
                    let number = close.map(|close| i32::from(u16::from(close.code)));
                    return (number.map(|n| CloseCode::try_from(n).unwrap()), goodbye);
                }
            };
            match self.codec.read_server(&bytes).unwrap().body.unwrap() {
                Hear::Goodbye(said) => goodbye = Some(said),
                other => show(&other),
            }
        }
    }

    /// From Hello to CaughtUp: the Paint as one, and the messages of the pages in the order they
    /// came.
    pub(crate) async fn hello(
        &mut self,
        have: Vec<Position>,
    ) -> (Paint, Vec<Message>, proto::CaughtUp) {
        let hello = self.say(Say::Hello(Hello { have, client: "test".into(), brief: false })).await;
        let (mut paint, mut messages) = (Paint::default(), Vec::new());
        loop {
            let frame = self.receive().await;
            match frame.body.unwrap() {
                Hear::Paint(part) => {
                    assert_eq!(frame.r#ref, hello);
                    paint.me = paint.me.or(part.me);
                    paint.people.extend(part.people);
                    paint.conversations.extend(part.conversations);
                }
                Hear::Page(Page { messages: page, .. }) => messages.extend(page),
                Hear::CaughtUp(caught_up) => {
                    assert_eq!(frame.r#ref, hello);
                    return (paint, messages, caught_up);
                }
                other => self.aside.push(frame::push(other)),
            }
        }
    }

    pub(crate) async fn send(&mut self, conv_id: i64, body: &str) -> Sent {
        self.send_keyed(conv_id, body, proto::id::random_key()).await
    }

    pub(crate) async fn send_keyed(&mut self, conv_id: i64, body: &str, client_key: i64) -> Sent {
        match self.ask(Say::Send(send(conv_id, body, client_key))).await {
            Hear::Sent(sent) => sent,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// The next message of this conversation.
    pub(crate) async fn message(&mut self, conv: i64) -> Message {
        match self.until(|b| matches!(b, Hear::Message(m) if m.conv_id == conv)).await {
            Hear::Message(message) => message,
            _ => unreachable!(),
        }
    }

    /// The receipt that says somebody is so far.
    pub(crate) async fn receipt(&mut self, user: i64, delivered: i64, read: i64) -> proto::Receipt {
        let so_far = |r: &proto::Receipt| {
            r.user_id == user && r.delivered_seq >= delivered && r.read_seq >= read
        };
        match self.until(|b| matches!(b, Hear::Receipt(r) if so_far(r))).await {
            Hear::Receipt(receipt) => receipt,
            _ => unreachable!(),
        }
    }

    pub(crate) async fn conversation(&mut self, conv: i64) -> Conversation {
        match self.until(|b| matches!(b, Hear::Conversation(c) if c.conv_id == conv)).await {
            Hear::Conversation(conversation) => conversation,
            _ => unreachable!(),
        }
    }

    /// Everything that was on its way when this was called; nothing else can be.
    pub(crate) async fn settled(&mut self) -> Vec<ServerFrame> {
        let nonce = proto::id::random_key() as u64;
        self.ask(Say::Ping(proto::Ping { nonce })).await;
        std::mem::take(&mut self.aside)
    }
}

pub(crate) fn send(conv_id: i64, body: &str, client_key: i64) -> proto::Send {
    proto::Send { conv_id, client_key, body: body.into(), reply_seq: 0 }
}
