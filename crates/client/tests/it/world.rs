//! A server of one's own, and people at it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use client::{Client, Event, Line, Login, Options, Profile, account};
use proto::{Message, client_frame, http, server_frame};
use server::{Config, Rate, Server};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Long enough for a busy machine; nobody waits so long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PATIENCE_MS: u64 = 60_000;

pub(crate) struct World {
    pub(crate) server: Option<Server>,
    pub(crate) address: SocketAddr,
    dir: TempDir,
    change: fn(&mut Config),
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server with other settings than a patient one has.
    pub(crate) async fn start_with(change: fn(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(&dir, SocketAddr::from(([127, 0, 0, 1], 0)), change).await;
        Self { address: server.address, server: Some(server), dir, change }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the server; its data stay.
    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await.unwrap();
    }

    /// Starts it again, with the same data and on the same port.
    pub(crate) async fn start_again(&mut self) {
        self.server = Some(serve(&self.dir, self.address, self.change).await);
    }

    /// A new account, on a device of its own.
    pub(crate) async fn person(&self, handle: &str) -> Device {
        let signup = http::Signup {
            handle: handle.into(),
            name: None,
            password: "correct horse".into(),
            email: None,
            device: Some("test".into()),
        };
        let login = account::signup(&self.url(), &signup).await.unwrap();
        self.device(login, "first")
    }

    /// The same account somewhere else.
    pub(crate) async fn second_device(&self, handle: &str) -> Device {
        let login = http::Login {
            handle: handle.into(),
            password: "correct horse".into(),
            device: Some("second".into()),
        };
        self.device(account::login(&self.url(), &login).await.unwrap(), "second")
    }

    fn device(&self, login: Login, name: &str) -> Device {
        let dir = self.dir.path().join(format!("{}-{name}", login.handle));
        Device { dir, login }
    }
}

async fn serve(dir: &TempDir, listen: SocketAddr, change: fn(&mut Config)) -> Server {
    let mut config = Config { listen, data: dir.path().join("server"), ..Config::default() };
    let plenty = Rate { burst: 100_000, per_minute: 6_000_000 };
    config.rates.sends = plenty;
    config.rates.light = plenty;
    config.rates.pages = plenty;
    config.rates.heavy = plenty;
    config.timers.reconnect_within_ms = 200;
    config.timers.presence_grace_ms = 100;
    change(&mut config);
    server::start(config).await.unwrap()
}

/// One account on one machine.
pub(crate) struct Device {
    pub(crate) dir: PathBuf,
    pub(crate) login: Login,
}

impl Device {
    pub(crate) fn profile(&self) -> Profile {
        Profile::at(self.dir.clone()).unwrap()
    }

    /// Opens the client; what it is told is kept in order.
    pub(crate) async fn open(&self) -> Running {
        self.open_with(Options::default()).await
    }

    pub(crate) async fn open_with(&self, options: Options) -> Running {
        let (client, events) =
            client::start(&self.profile(), self.login.clone(), options).await.unwrap();
        Running { client, events, told: Vec::new() }
    }

    pub(crate) async fn open_and_catch_up(&self) -> Running {
        let running = self.open().await;
        running.client.caught_up(PATIENCE_MS).await.unwrap();
        running
    }
}

pub(crate) struct Running {
    pub(crate) client: Client,
    pub(crate) events: mpsc::Receiver<Event>,
    /// Every event that was waited for or passed over.
    pub(crate) told: Vec<Event>,
}

impl Running {
    /// Waits for an event of this kind and answers what `find` makes of it.
    pub(crate) async fn until<T>(&mut self, what: &str, find: impl Fn(&Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the line ended");
                let found = find(&event);
                self.told.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
        };
        within(what, waiting).await
    }

    pub(crate) async fn until_text(&mut self, body: &str) -> Message {
        self.until(body, |event| match event {
            Event::New { message, .. } if message.body == body => Some(message.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn until_sent(&mut self, key: i64) -> proto::Sent {
        self.until("sent", |event| match event {
            Event::Sent(sent) if sent.client_key == key => Some(*sent),
            _ => None,
        })
        .await
    }

    pub(crate) async fn until_line(&mut self, wanted: &str, is: impl Fn(&Line) -> bool) {
        self.until(wanted, |event| match event {
            Event::Line(line) if is(line) => Some(()),
            _ => None,
        })
        .await;
    }

    /// What was shown in this conversation, in the order in which it was shown.
    pub(crate) fn shown(&self, conv_id: i64) -> Vec<i64> {
        let seq = |event: &Event| match event {
            Event::New { message, .. } if message.conv_id == conv_id => Some(message.seq),
            _ => None,
        };
        self.told.iter().filter_map(seq).collect()
    }

    pub(crate) async fn call(&self, body: client_frame::Body) -> server_frame::Body {
        self.client.call(body).await.unwrap()
    }
}

pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("waited too long for: {what}"),
    }
}
