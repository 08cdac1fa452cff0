//! What all hosts of one simulation share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use client::Login;
use proto::Relation;
use sha2::{Digest, Sha256};
use store::{NewUser, Session, Store};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::people::Person;
use crate::server_host::Lives;
use crate::trace::Trace;
use crate::{ground, limits};

/// The host of the server, and where it listens.
pub(crate) const SERVER: &str = "server";
pub(crate) const PORT: u16 = 7_700;

/// How the group is called, which its first line says.
pub(crate) const GROUP: &str = "all of us";

const NAMES: [&str; limits::PEOPLE] = ["ann", "bob", "cat", "dan"];

pub(crate) struct World {
    pub(crate) trace: Trace,
    pub(crate) lives: Lives,
    pub(crate) people: Vec<Arc<Person>>,
    /// Who is in which conversation, and where its log ended before anybody wrote.
    pub(crate) rooms: Vec<Room>,
    /// How often a connection looks into the store by itself, in milliseconds.
    pub(crate) position_check_ms: u64,
    /// Each time everybody says one more thing here and there, and nothing else from the first on.
    pub(crate) last_words: watch::Sender<u64>,
    moments: AtomicU64,
    _home: TempDir,
}

/// A conversation.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) conv_id: i64,
    /// Numbers in `people`.
    pub(crate) members: Vec<usize>,
}

impl World {
    /// A server that has never been started, and people who know each other and have not connected.
    pub(crate) fn new(seed: u64, told: bool) -> Result<Arc<Self>> {
        let home = in_memory()?;
        let disks = home.path().join(SERVER);
        let lives = Lives::new(&disks);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let (logins, rooms) = runtime.block_on(prepare(&lives.data()))?;
        let person = |(n, login)| {
            let rooms = rooms.iter().filter(|room: &&Room| room.members.contains(&n));
            let conv_ids = rooms.map(|room| room.conv_id).collect();
            Arc::new(Person::new(NAMES[n], login, home.path().join(NAMES[n]), conv_ids))
        };
        let people = logins.into_iter().enumerate().map(person).collect();
        // Where bells are lost, something has to find that nothing comes behind the last one. In
        // the other half nothing may rely on that.
        let position_check_ms = if is_deaf(seed) { 5_000 } else { 300_000 };
        let (trace, moments) = (Trace::new(told), AtomicU64::new(1));
        let last_words = watch::Sender::new(0);
        Ok(Arc::new(Self {
            trace,
            lives,
            people,
            rooms,
            position_check_ms,
            last_words,
            moments,
            _home: home,
        }))
    }

    /// One clock for all journals: what happens before something has the lower number.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn note(&self, who: &str, what: &str) {
        self.trace.note(ground::since_begin(), who, what);
    }
}

/// Does the bus of this seed lose bells?
pub(crate) fn is_deaf(seed: u64) -> bool {
    seed % 2 == 1
}

/// Below a file system in memory, where there is one.
fn in_memory() -> Result<TempDir> {
    let builder = tempfile::Builder::new().prefix("natter-sim-").tempdir_in("/dev/shm");
    Ok(builder.or_else(|_| TempDir::with_prefix("natter-sim-"))?)
}

/// Everybody has an account and a session; each two are friends, and all are in a group.
async fn prepare(data: &Path) -> Result<(Vec<Login>, Vec<Room>)> {
    std::fs::create_dir_all(data)?;
    let url = format!("sqlite:{}", data.join("natter.db").display());
    let store = Store::open(&[url], &store::Options::default()).await?;
    let (now, mut logins) = (ground::unix_ms(), Vec::new());
    for (n, name) in NAMES.into_iter().enumerate() {
        logins.push(sign_up(&store, name, n, now).await?);
    }
    let mut rooms = Vec::new();
    for a in 0..logins.len() {
        for b in a + 1..logins.len() {
            let (ann, bob) = (logins[a].user_id, logins[b].user_id);
            store.befriend(ann, bob, now).await?;
            let relations = store.accept(bob, ann, now).await?;
            anyhow::ensure!(relations.mine == Relation::Friend, "{a} and {b} are no friends");
            let (conv_id, _) = store.open_direct(ann, bob, now).await?;
            rooms.push(Room { conv_id, members: vec![a, b] });
        }
    }
    let others: Vec<i64> = logins[1..].iter().map(|login| login.user_id).collect();
    let group = store.create_group(logins[0].user_id, GROUP, &others, 7, now).await?;
    let members = (0..logins.len()).collect();
    rooms.push(Room { conv_id: group.conv_id, members });
    store.close().await;
    Ok((logins, rooms))
}

async fn sign_up(store: &Store, name: &str, n: usize, now: i64) -> Result<Login> {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    let user_id = proto::id::random_key();
    let user = NewUser {
        user_id,
        handle: name.into(),
        name: name.into(),
        email: None,
        // Nobody logs in.
        pass_hash: "none".into(),
    };
    store.create_user(&user, now).await.context("an account")?;
    let token = format!("the session of person {n}");
    let session = Session {
        token_hash: Sha256::digest(token.as_bytes()).to_vec(),
        user_id,
        device: "a simulation".into(),
        created_at: now,
        used_at: now,
        expires_at: now + YEAR_MS,
    };
    store.create_session(&session, None).await.context("a session")?;
    let server = format!("http://{SERVER}:{PORT}");
    Ok(Login { server, user_id, handle: name.into(), token })
}
