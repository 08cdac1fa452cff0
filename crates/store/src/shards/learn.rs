//! Who the databases are, and the map as the directory has it.
//!
//! A database is known by an id of its own and not by its address: addresses change, hold passwords
//! and can be swapped. The directory gives each id a short name, and the map speaks of names.

use std::collections::{BTreeSet, HashMap};

use proto::id;
use sqlx::Row as _;

use super::{Map, NOT_OPEN, Shards};
use crate::databases::Databases;
use crate::engine::{Database, Link, pg};
use crate::{Error, Result};

/// Nodes that start at the same moment make one map; a number of its own among advisory locks.
const LEARN: i64 = 0x0073_6861_7264_6d61;

/// Who is this database, and whose?
#[derive(sqlx::FromRow)]
struct Identity {
    id: String,
    directory: String,
}

pub(super) async fn learn(databases: &Databases) -> Result<Shards> {
    let ids = identify(databases).await?;
    let mut tx = databases.directory().begin().await?;
    let link = &mut tx.link();
    pg!(execute query, link, "SELECT pg_advisory_xact_lock($1)", LEARN)?;
    let names = name(link, &ids).await?;
    if is_without_map(link).await? {
        // Before there was a map, a database knew which part of how many it is.
        let parts = databases.len();
        place(link, 0, parts).await?;
        for (part, database) in databases.all().enumerate().skip(1) {
            let mut other = database?.begin().await?;
            place(&mut other.link(), part, parts).await?;
            other.commit().await?;
        }
        lay_out(link, &names.iter().flatten().collect::<Vec<_>>()).await?;
    }
    let map = read(link, &names).await?;
    tx.commit().await?;
    Ok(Shards::new(map))
}

/// Who is the database that has not answered until now? The map as it is with it.
pub(super) async fn take_in(
    directory: &Database,
    at: usize,
    database: &Database,
    names: &[Option<String>],
) -> Result<Map> {
    let known = identity(directory, None).await?;
    let new = identity(database, Some(&known.id)).await?;
    is_ours(&new, &known.id)?;
    let mut tx = directory.begin().await?;
    let link = &mut tx.link();
    pg!(execute query, link, "SELECT pg_advisory_xact_lock($1)", LEARN)?;
    let [name] = &name(link, &[Some(new.id)]).await?[..] else {
        return Err(Error::Internal("one id has one name".to_owned()));
    };
    if names.contains(name) {
        return Err(TWICE);
    }
    let mut names = names.to_vec();
    names[at].clone_from(name);
    let map = read(link, &names).await?;
    tx.commit().await?;
    Ok(map)
}

/// The map as the directory has it now.
pub(super) async fn load(directory: &Database, names: &[Option<String>]) -> Result<Map> {
    let mut reader = directory.reader().await?;
    read(&mut reader.link(), names).await
}

const TWICE: Error = Error::Invalid("two of the URLs lead to the same database");

/// Asks every database who it is, gives an id to the new ones, and refuses those that are not ours
/// or not in their place. None: it does not answer.
async fn identify(databases: &Databases) -> Result<Vec<Option<String>>> {
    let directory = identity(databases.directory(), None).await?;
    if directory.id != directory.directory {
        return Err(Error::Invalid(
            "the first database must be the directory, and this one was opened as another before: \
             the URLs are swapped, or the first one is missing",
        ));
    }
    let mut ids = vec![Some(directory.id.clone())];
    for database in databases.all().skip(1) {
        let Ok(database) = database else {
            ids.push(None);
            continue;
        };
        let known = identity(database, Some(&directory.id)).await?;
        let id = Some(known.id.clone());
        if ids.contains(&id) {
            return Err(TWICE);
        }
        is_ours(&known, &directory.id)?;
        ids.push(id);
    }
    Ok(ids)
}

fn is_ours(known: &Identity, directory: &str) -> Result<()> {
    match known.directory == directory {
        true => Ok(()),
        false => {
            Err(Error::Invalid("one of the databases belongs to another directory: a URL is wrong"))
        }
    }
}

async fn identity(database: &Database, directory: Option<&str>) -> Result<Identity> {
    let mut tx = database.begin().await?;
    let link = &mut tx.link();
    let fresh = format!("{:016x}{:016x}", id::random_key(), id::random_key());
    pg!(
        execute query,
        link,
        "INSERT INTO database_id (one, id, directory) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
        &fresh,
        directory.unwrap_or(&fresh)
    )?;
    let known =
        pg!(fetch_one query_as, link, "SELECT id, directory FROM database_id WHERE one = 1")?;
    tx.commit().await?;
    Ok(known)
}

/// The names of these databases, in their order. New ones become d1, d2 and so on.
async fn name(link: &mut Link<'_>, ids: &[Option<String>]) -> Result<Vec<Option<String>>> {
    let known: Vec<(String, String)> =
        pg!(fetch_all query_as, link, "SELECT id, name FROM shard_database WHERE name >= ''")?;
    let mut count = known.len();
    let mut known: HashMap<String, String> = known.into_iter().collect();
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(id) = id else {
            names.push(None);
            continue;
        };
        let name = match known.remove(id) {
            Some(name) => name,
            None => {
                count += 1;
                let name = format!("d{count}");
                let sql = "INSERT INTO shard_database (name, id) VALUES ($1, $2)";
                pg!(execute query, link, sql, &name, id)?;
                name
            }
        };
        names.push(Some(name));
    }
    Ok(names)
}

async fn is_without_map(link: &mut Link<'_>) -> Result<bool> {
    let sql = "SELECT shard FROM shard_home WHERE shard = 0";
    let first: Option<(i64,)> = pg!(fetch_optional query_as, link, sql)?;
    Ok(first.is_none())
}

/// A program without a map finds in `placement` that it was configured as before; it lays the
/// shards out in even ranges, as the first map does. The first move ends that: `lock_out`.
async fn place(link: &mut Link<'_>, part: usize, parts: usize) -> Result<()> {
    let (part, parts) = (part as i64, parts as i64);
    let sql = "SELECT part, parts FROM placement";
    let placed: Option<(i64, i64)> = pg!(fetch_optional query_as, link, sql)?;
    match placed {
        Some(placed) if placed == (part, parts) => Ok(()),
        Some((was, of)) => Err(Error::Internal(format!(
            "this database is number {} of {of}, but is configured as number {} of {parts}",
            was + 1,
            part + 1
        ))),
        None => {
            let sql = "INSERT INTO placement (part, parts) VALUES ($1, $2)";
            pg!(execute query, link, sql, part, parts)?;
            Ok(())
        }
    }
}

/// From here on a program that does not know the map refuses to start.
pub(super) async fn lock_out(link: &mut Link<'_>) -> Result<()> {
    pg!(execute query, link, "UPDATE placement SET parts = 0 WHERE parts <> 0")?;
    Ok(())
}

/// The first map: even ranges over the databases that are configured when there is none.
async fn lay_out(link: &mut Link<'_>, names: &[&String]) -> Result<()> {
    let shards = usize::from(id::SHARDS);
    let homes: Vec<String> =
        (0..shards).map(|shard| names[shard * names.len() / shards].to_owned()).collect();
    pg!(
        execute query,
        link,
        "INSERT INTO shard_home (shard, name, epoch)
         SELECT n - 1, name, 0 FROM unnest($1::text[]) WITH ORDINALITY AS i (name, n)",
        homes
    )?;
    Ok(())
}

async fn read(link: &mut Link<'_>, names: &[Option<String>]) -> Result<Map> {
    let sql = "SELECT shard, name, epoch FROM shard_home WHERE shard >= 0 ORDER BY shard";
    let rows = pg!(fetch_all query, link, sql)?;
    let mut map = Map { version: 0, names: names.to_vec(), homes: Vec::with_capacity(rows.len()) };
    // Names that belong to databases which have not answered yet; there can be no more of them.
    let nameless = names.iter().filter(|name| name.is_none()).count();
    let mut unknown = BTreeSet::new();
    for row in rows {
        let (name, epoch): (String, i64) = (row.get("name"), row.get("epoch"));
        let home = names.iter().position(|known| known.as_ref() == Some(&name));
        if home.is_none() {
            unknown.insert(name.clone());
        }
        if unknown.len() > nameless {
            return Err(Error::Unavailable(format!(
                "shard {} is in the database {name}, and no configured URL leads to it",
                map.homes.len()
            )));
        }
        map.homes.push(home.unwrap_or(NOT_OPEN));
        map.version = map.version.max(epoch);
    }
    match map.homes.len() == usize::from(id::SHARDS) {
        true => Ok(map),
        false => Err(Error::Internal("the map of the shards has holes".to_owned())),
    }
}
