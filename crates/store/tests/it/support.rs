//! Databases to test on: real ones, made for one test and removed after it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proto::id;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::{Batch, CursorMove, NewMessage, NewUser, Options, SendOutcome, Store};

/// Some moment; the tests count on from here.
pub(crate) const NOW: i64 = 1_800_000_000_000;

/// Where a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
    /// Two PostgreSQL databases, half of the shards each …
    TwoPostgres,
    /// … or three.
    ThreePostgres,
}

/// A store of its own for one test.
pub(crate) struct Home {
    pub(crate) store: Store,
    pub(crate) urls: Vec<String>,
    names: Vec<String>,
    pub(crate) directory: PathBuf,
}

pub(crate) fn options() -> Options {
    // Two CPUs run many tests at once: patience is not what is tested.
    Options { timeout_ms: 30_000, disk_reserve_bytes: 0, ..Options::default() }
}

impl Home {
    pub(crate) async fn new(on: On) -> Self {
        Self::with(on, &options()).await
    }

    pub(crate) async fn with(on: On, options: &Options) -> Self {
        let directory = std::env::temp_dir().join(unique());
        std::fs::create_dir(&directory).unwrap();
        let names: Vec<String> = match on {
            On::Sqlite => Vec::new(),
            On::Postgres => vec![unique()],
            On::TwoPostgres => vec![unique(), unique()],
            On::ThreePostgres => vec![unique(), unique(), unique()],
        };
        let mut urls = Vec::new();
        for name in &names {
            urls.push(create_database(name).await);
        }
        if on == On::Sqlite {
            urls.push(format!("sqlite:{}", directory.join("data/natter.db").display()));
        }
        let store = Store::open(&urls, options).await.unwrap();
        Self { store, urls, names, directory }
    }

    /// Closes the store and opens it again on the same databases, as a restart does.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Store::open(&self.urls, &options()).await.unwrap();
    }

    /// Runs SQL behind the store's back.
    pub(crate) async fn tamper(&self, sql: &str) {
        self.tamper_at(0, sql).await;
    }

    /// The same in one of several databases.
    pub(crate) async fn tamper_at(&self, database: usize, sql: &str) {
        let url = &self.urls[database];
        let sql = AssertSqlSafe(sql.to_owned());
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    pub(crate) async fn reopened(mut self) -> Self {
        self.reopen().await;
        self
    }

    /// Empties the databases again, as before the first start.
    pub(crate) async fn wipe(&self) {
        self.store.close().await;
        for url in &self.urls {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let sql = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// Closes the store and removes the databases. What a failed test leaves behind has a name that
    /// tells so.
    pub(crate) async fn remove(self) {
        self.store.close().await;
        for name in &self.names {
            let mut admin = admin().await;
            let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
            sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
        }
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("natter_test_{}_{count}_{:x}", std::process::id(), id::random_key() >> 32)
}

fn server() -> String {
    std::env::var("NATTER_TEST_POSTGRES").expect(
        "run `cargo xtask test`, or set NATTER_TEST_POSTGRES to a server on which \
         databases may be created",
    )
}

async fn admin() -> PgConnection {
    PgConnection::connect(&server()).await.unwrap()
}

async fn create_database(name: &str) -> String {
    let mut admin = admin().await;
    let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    let server = server();
    let (base, _) = server.rsplit_once('/').expect("a URL with the name of a database");
    format!("{base}/{name}")
}

/// A person called `handle`.
pub(crate) async fn person(store: &Store, handle: &str, name: &str) -> i64 {
    let user_id = id::new(0, NOW);
    let user = NewUser {
        user_id,
        handle: handle.into(),
        name: name.into(),
        email: Some(format!("{handle}@example.org")),
        pass_hash: "$argon2id$".into(),
    };
    store.create_user(&user, NOW).await.unwrap();
    user_id
}

pub(crate) fn message(conv_id: i64, sender_id: i64, body: &str) -> NewMessage {
    NewMessage {
        conv_id,
        sender_id,
        client_key: id::random_key(),
        reply_seq: 0,
        body: body.into(),
        mentions: Vec::new(),
    }
}

/// One message in a transaction of its own.
pub(crate) async fn send(store: &Store, message: NewMessage) -> SendOutcome {
    let database = store.database_of(message.conv_id);
    let batch = Batch { sends: vec![message], moves: Vec::new() };
    store.commit(database, &batch, NOW).await.unwrap().sends[0]
}

/// The seq of a text that must be stored.
pub(crate) async fn say(store: &Store, conv_id: i64, sender_id: i64, body: &str) -> i64 {
    match send(store, message(conv_id, sender_id, body)).await {
        SendOutcome::Stored { seq, .. } => seq,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn read_up_to(store: &Store, conv_id: i64, user_id: i64, seq: i64) {
    let cursor = CursorMove { conv_id, user_id, delivered_seq: seq, read_seq: seq };
    let batch = Batch { sends: Vec::new(), moves: vec![cursor] };
    store.commit(store.database_of(conv_id), &batch, NOW).await.unwrap();
}
