//! While a cluster is upgraded, processes of the version before go on with a database that the new
//! one has migrated. `before/N_ENGINE.sql` is what those of version N of the schema say.
//!
//! Blocks with an empty line between them: a title, what stands for each parameter, how many rows
//! are expected where some are, and the statement. A new migration, unless it cannot be run beside
//! the version before, brings the statements of its predecessor.

use proto::history::From;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::Store;

use crate::support::{Home, NOW, On, person, read_up_to, say};

const SQLITE: &str = include_str!("before/6_sqlite.sql");
const POSTGRES: &str = include_str!("before/6_postgres.sql");

/// One statement with everything put in, and the number of rows that it must answer with.
fn statements(text: &str, names: &[(&str, i64)]) -> Vec<(String, Option<usize>)> {
    let blocks = text.split("\n\n").filter(|block| block.contains(":=") || !is_comment(block));
    blocks.map(|block| filled_in(block, names)).collect()
}

fn is_comment(block: &str) -> bool {
    block.lines().all(|line| line.starts_with("--"))
}

fn filled_in(block: &str, names: &[(&str, i64)]) -> (String, Option<usize>) {
    let (notes, lines): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("--"));
    let mut sql = lines.join("\n");
    let mut rows = None;
    let notes = notes.iter().filter_map(|note| note.strip_prefix("-- ")?.split_once(" := "));
    for (name, value) in notes {
        match name {
            "rows" => rows = Some(value.parse().unwrap()),
            parameter => sql = sql.replace(parameter, value),
        }
    }
    for (name, value) in names {
        sql = sql.replace(name, &value.to_string());
    }
    assert!(!sql.contains('$'), "something is not filled in: {sql}");
    (sql, rows)
}

/// In one transaction, as it was.
async fn run(url: &str, all: Vec<(String, Option<usize>)>) {
    macro_rules! run_on {
        ($connection:ty) => {{
            let mut connection = <$connection>::connect(url).await.unwrap();
            let mut tx = connection.begin().await.unwrap();
            for (sql, rows) in all {
                let found = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(&mut *tx).await;
                let found = found.unwrap_or_else(|error| panic!("{error}: {sql}"));
                assert_eq!(found.len(), rows.unwrap_or_default(), "rows of {sql}");
            }
            tx.commit().await.unwrap();
            connection.close().await.unwrap();
        }};
    }
    match url.starts_with("sqlite:") {
        true => run_on!(SqliteConnection),
        false => run_on!(PgConnection),
    }
}

#[tokio::test]
async fn the_version_before_goes_on_with_a_database_of_this_one() {
    for (on, text) in [(On::Sqlite, SQLITE), (On::Postgres, POSTGRES)] {
        let home = Home::new(on).await;
        let store: &Store = &home.store;
        let ann = person(store, "ann", "Ann").await;
        let bob = person(store, "bob", "Bob").await;
        let (conv, _) = store.open_direct(ann, bob, NOW).await.unwrap();
        assert_eq!(say(store, conv, ann, "of this version").await, 1);
        let names = [("CONV", conv), ("ANN", ann), ("BOB", bob)];
        let all = statements(text, &names);
        assert!(all.len() >= 16, "{} statements", all.len());
        run(&home.urls[0], all).await;
        assert_eq!(say(store, conv, bob, "and of this one again").await, 3);
        read_up_to(store, conv, ann, 3).await;
        let (page, _) = store.history(bob, conv, From::BeforeSeq(0), 0).await.unwrap();
        let bodies: Vec<&str> = page.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(bodies, ["of this version", "of the version before", "and of this one again"]);
        assert!(store.integrity().await.unwrap().is_empty());
        home.remove().await;
    }
}

/// Whoever adds a migration has to say what the version before does with it.
#[test]
fn the_newest_migration_has_the_statements_of_its_predecessor() {
    let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let newest = std::fs::read_dir(migrations).unwrap().count();
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/before");
    for engine in ["sqlite", "postgres"] {
        let name = format!("{}_{engine}.sql", newest - 1);
        assert!(kept.join(&name).exists(), "{name}: what the version before says");
    }
}
