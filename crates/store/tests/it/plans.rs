//! No statement reads a whole table, on either engine. Not a list of statements that somebody must
//! keep, but every statement that the story really runs, with the plan that is really used:
//!
//! PostgreSQL explains each statement as it is executed (auto_explain, sent to the client as a
//! notice). Our own connections switch sequential scans off, so a sequential scan that is still
//! there has no index to use; an index that is read without a condition is one in disguise. So the
//! size of the tables does not matter here. SQLite is asked for the plan of each text that sqlx
//! logged.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::story::the_story;
use crate::support::{Home, On};

/// Texts that sqlx logged, and notices with plans.
static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sqlx::")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Texts);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Texts;

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        if ["db.statement", "message"].contains(&field.name()) {
            let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
            heard.insert(value.trim().to_owned());
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    tracing::subscriber::set_global_default(Recorder).unwrap();
    let sqlite = Home::new(On::Sqlite).await;
    let postgres = Home::new(On::Postgres).await;
    explain_everything(&postgres).await;
    the_story(sqlite.reopened().await).await;
    the_story(postgres.reopened().await).await;
    let heard = std::mem::take(&mut *HEARD.lock().unwrap_or_else(PoisonError::into_inner));

    let plans: Vec<&String> =
        heard.iter().filter(|text| text.contains("plan:\nQuery Text")).collect();
    assert!(plans.len() > 100, "auto_explain does not work: {} plans", plans.len());
    for plan in plans {
        let small = ["/* all */", "natter_schema", "placement"].iter().any(|it| plan.contains(it));
        let scan = scan_of_postgres(plan);
        assert!(scan.is_none() || small, "{scan:?}\n{plan}");
    }
    let empty = Home::new(On::Sqlite).await;
    let mut connection = SqliteConnection::connect(&empty.urls[0]).await.unwrap();
    let mut explained = 0;
    for text in heard.iter().filter(|text| is_for_sqlite(text)) {
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        for row in rows {
            let detail: String = row.get("detail");
            assert!(!scans_in_sqlite(&detail), "{detail}\n{text}");
        }
        explained += 1;
    }
    assert!(explained > 60, "sqlx does not log: {explained} statements");
    connection.close().await.unwrap();
    empty.remove().await;
}

async fn explain_everything(home: &Home) {
    let url = &home.urls[0];
    let (_, name) = url.rsplit_once('/').unwrap();
    let mut connection = PgConnection::connect(url).await.unwrap();
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_level = 'notice'",
    ] {
        let sql = AssertSqlSafe(format!("ALTER DATABASE {name} SET {setting}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    // Of a table that was never analyzed PostgreSQL supposes ten pages, so that keys pay. Were it
    // analyzed in the middle of the story, with one row in it, every way would cost the same.
    sqlx::raw_sql(
        "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables
         WHERE schemaname = 'public' LOOP
         EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', t); END LOOP; END $$",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

/// The line of the plan that reads a table from one end to the other, by itself or through an
/// index.
fn scan_of_postgres(plan: &str) -> Option<&str> {
    let (_, tree) = plan.split_once("plan:\n")?;
    let lines: Vec<&str> = tree.lines().collect();
    let scans = |at: &usize| {
        let line = lines[*at].trim_start_matches([' ', '-', '>']);
        let condition = lines.get(at + 1).is_some_and(|next| next.contains("Index Cond:"));
        line.starts_with("Seq Scan")
            || (line.starts_with("Index ") && line.contains(" using ") && !condition)
            || (line.starts_with("Bitmap Index Scan") && !condition)
    };
    (0..lines.len()).find(scans).map(|at| lines[at])
}

fn is_for_sqlite(text: &str) -> bool {
    let statement =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| text.starts_with(verb));
    let foreign = [
        "unnest(",
        "FOR UPDATE",
        "FOR NO KEY",
        "strpos(",
        "pg_",
        "clock_timestamp",
        "to_regclass",
        "current_setting",
        "natter_schema",
        "placement",
        "/* all */",
    ];
    statement && !foreign.iter().any(|word| text.contains(word))
}

/// `SCAN x USING INDEX` reads an index from end to end; the list that was given in and what was
/// found already may be read whole.
fn scans_in_sqlite(detail: &str) -> bool {
    let given =
        ["json_each", "input", "first", "second", "beginning", "p", "CONSTANT ROW", "(subquery"];
    let constant = detail.contains("-ROW VALUES");
    !constant
        && detail.strip_prefix("SCAN ").is_some_and(|what| {
            !given.iter().any(|name| what == *name || what.starts_with(&format!("{name} ")))
        })
}
