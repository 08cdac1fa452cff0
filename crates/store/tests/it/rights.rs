//! A role that may read and write rows and nothing else, as docs/operate.md has it, does everything
//! that the store does.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{Options, Store};

use crate::story::the_story;
use crate::support::{Home, On, options};

const OPERATE: &str = include_str!("../../../../docs/operate.md");

/// The statements of the page, for a role of this name.
fn grants(role: &str) -> String {
    let (_, rest) = OPERATE.split_once("<!-- rights -->").expect("the page has them");
    let (_, rest) = rest.split_once("```sql").expect("as a block");
    let (sql, _) = rest.split_once("```").expect("that ends");
    assert!(sql.contains("natter_rows"));
    sql.replace("natter_rows", role).replace("PASSWORD '…'", "")
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The owner has migrated, and this is the same database for the other role.
async fn as_role(home: &Home, role: &str) -> String {
    run(&home.urls[0], &grants(role)).await;
    let url = home.urls[0].replacen("//postgres@", &format!("//{role}@"), 1);
    assert_ne!(url, home.urls[0], "the tests come as postgres");
    url
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_rows_is_enough() {
    let mut home = Home::new(On::Postgres).await;
    let (role, owner) = (format!("natter_rows_{}", std::process::id()), home.urls[0].clone());
    home.urls = vec![as_role(&home, &role).await];
    home.reopen().await;
    let seen = Store::inspect(&home.urls[0], &options()).await.unwrap();
    assert_eq!((seen.wrong, seen.pending), (vec![], vec![]));
    the_story(home).await;
    let (server, _) = owner.rsplit_once('/').unwrap();
    run(&format!("{server}/postgres"), &format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn missing_rights_are_named_and_end_a_start_with_a_sentence() {
    let home = Home::new(On::Postgres).await;
    let (role, owner) = (format!("natter_poor_{}", std::process::id()), home.urls[0].clone());
    let url = as_role(&home, &role).await;
    home.store.close().await;
    let look = async || Store::inspect(&url, &Options::default()).await.unwrap();
    run(&owner, &format!("REVOKE DELETE, UPDATE ON reaction FROM {role}")).await;
    run(&owner, &format!("REVOKE USAGE ON SEQUENCE shard_epoch FROM {role}")).await;
    let expected = ["no right to UPDATE, DELETE on reaction", "no right to USAGE on shard_epoch"];
    assert_eq!(look().await.wrong, expected);

    // A new version is there, and only the owner may apply it.
    let undo = "DELETE FROM natter_schema WHERE version = (SELECT max(version) FROM natter_schema)";
    run(&owner, undo).await;
    let seen = look().await;
    assert_eq!(seen.pending.len(), 1);
    assert!(seen.wrong[0].contains("start one process as the owner first"), "{:?}", seen.wrong);
    let refused = Store::open(std::slice::from_ref(&url), &options()).await.err().unwrap();
    assert!(refused.to_string().contains("done by its owner"), "{refused}");
    home.remove().await;
    let (server, _) = owner.rsplit_once('/').unwrap();
    run(&format!("{server}/postgres"), &format!("DROP ROLE {role}")).await;
}
