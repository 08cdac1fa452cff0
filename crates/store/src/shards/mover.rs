//! Moving a shard to another database while everybody writes. One mover at a time; one that died is
//! put in order by the next, or by whoever waits for the shard.
//!
//! `docs/data.md` has the table of the steps, and what becomes of a mover that dies after each.
//! Every step is committed before the next begins.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Postgres};

use super::copy::{Copy, sweep};
use super::gate::{self, State};
use super::learn;
use crate::engine::{Database, Link, fault, pg};
use crate::{Error, PROCESS, Result, Store, limits};

/// The advisory lock that a mover holds in the directory as long as it lives.
const MOVER: i64 = 0x0073_6861_7264_6d76;

/// What a mover has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    Noted,
    Arriving,
    /// A round of copying, with so many rows.
    Copied {
        rows: u64,
    },
    Fenced,
    /// The last of it: so many rows in all.
    Whole {
        rows: u64,
    },
    Gone,
    Open,
    Mapped,
    Swept,
}

/// Is told every step; `Break` ends the mover there and then, as if it had died.
pub type Watch<'a> = &'a (dyn Fn(MoveStep) -> ControlFlow<()> + Sync);

#[derive(sqlx::FromRow)]
struct Note {
    shard: i64,
    source: String,
    target: String,
    epoch: i64,
}

/// The right to move, for as long as the connection lives.
struct Right(PgConnection, Duration);

impl Store {
    /// Moves a shard to the database called `to`. Whether it had to be moved. Repeating it after
    /// any failure is right: what was begun is first put in order.
    ///
    /// `Taken`: somebody else is moving. `Invalid`: no such database, or not several of them.
    /// `Unavailable`: a database does not answer, or a process cannot reach the new home.
    pub async fn move_shard(
        &self,
        shard: u16,
        to: &str,
        now: i64,
        watch: Watch<'_>,
    ) -> Result<bool> {
        if self.is_single() || shard >= proto::id::SHARDS {
            return Err(Error::Invalid("a shard 0 to 1,023 moves between several databases"));
        }
        let Ok(target) = self.database_named(to) else {
            return Err(Error::Invalid("no database has this name"));
        };
        let mut right = self.right().await?.ok_or(Error::Taken("right to move shards"))?;
        let moved = self.move_by(&mut right, shard, target, now, watch).await;
        right.give_back().await?;
        moved
    }

    async fn move_by(
        &self,
        right: &mut Right,
        shard: u16,
        target: usize,
        now: i64,
        watch: Watch<'_>,
    ) -> Result<bool> {
        self.repair(right).await?;
        let source = self.load_map().await?.homes[usize::from(shard)];
        if source != target {
            self.everybody_reaches(target).await?;
            self.move_from(shard, (source, target), now, watch).await?;
        }
        Ok(source != target)
    }

    async fn move_from(
        &self,
        shard: u16,
        (from, to): (usize, usize),
        now: i64,
        watch: Watch<'_>,
    ) -> Result<()> {
        let (source, target) = (self.databases.at(from)?, self.databases.at(to)?);
        let map = self.shards.map();
        let epoch = self.note(shard, (from, to), now).await?;
        tell(watch, MoveStep::Noted)?;
        arrive(target, shard, epoch).await?;
        tell(watch, MoveStep::Arriving)?;
        // What an earlier stay has left.
        sweep(target, shard, State::Arriving, epoch).await?;
        let mut copy = Copy { source, target, shard, epoch, copied: HashMap::new(), rows: 0 };
        for _ in 0..limits::COPY_ROUNDS {
            let rows = copy.round().await?;
            tell(watch, MoveStep::Copied { rows })?;
            if rows <= limits::COPY_REST_ROWS {
                break;
            }
        }
        fence(source, shard, epoch).await?;
        let fenced = async {
            tell(watch, MoveStep::Fenced)?;
            copy.rest().await?;
            tell(watch, MoveStep::Whole { rows: copy.rows })
        };
        fenced.await?;
        let note = Note {
            shard: shard.into(),
            source: map.name_of(from).to_owned(),
            target: map.name_of(to).to_owned(),
            epoch,
        };
        turn(source, &note, (State::Fenced, State::Gone)).await?;
        tell(watch, MoveStep::Gone)?;
        self.forward(&note, watch).await
    }

    /// Writes the move down, with an epoch that no other move has, and locks programs out that
    /// know no map.
    async fn note(&self, shard: u16, (from, to): (usize, usize), now: i64) -> Result<i64> {
        let map = self.shards.map();
        for database in self.databases.all() {
            let mut tx = database?.begin().await?;
            learn::lock_out(&mut tx.link()).await?;
            tx.commit().await?;
        }
        let mut tx = self.directory().begin().await?;
        let noted: (i64,) = pg!(
            fetch_one query_as,
            tx.link(),
            "INSERT INTO shard_move (shard, source, target, epoch, started_at)
             VALUES ($1, $2, $3, nextval('shard_epoch'), $4) RETURNING epoch",
            i64::from(shard),
            map.name_of(from),
            map.name_of(to),
            now
        )?;
        tx.commit().await?;
        Ok(noted.0)
    }

    /// From "gone" to the end. Every step may have been done before.
    async fn forward(&self, note: &Note, watch: Watch<'_>) -> Result<()> {
        let target = self.database_called(&note.target)?;
        turn(target, note, (State::Arriving, State::Open)).await?;
        tell(watch, MoveStep::Open)?;
        let mut tx = self.directory().begin().await?;
        pg!(
            execute query,
            tx.link(),
            "UPDATE shard_home SET name = $2, epoch = $3 WHERE shard = $1",
            note.shard,
            &note.target,
            note.epoch
        )?;
        tx.commit().await?;
        tell(watch, MoveStep::Mapped)?;
        let source = self.database_called(&note.source)?;
        sweep(source, note.shard as u16, State::Gone, note.epoch).await?;
        tell(watch, MoveStep::Swept)?;
        self.strike(note).await
    }

    /// To where nothing has happened.
    async fn back(&self, note: &Note) -> Result<()> {
        let shard = note.shard as u16;
        let (source, target) =
            (self.database_called(&note.source)?, self.database_called(&note.target)?);
        let mut tx = source.begin().await?;
        gate::turn(&mut tx.link(), shard, (State::Fenced, State::Open), note.epoch).await?;
        tx.commit().await?;
        let mut tx = target.begin().await?;
        gate::turn(&mut tx.link(), shard, (State::Arriving, State::Gone), note.epoch).await?;
        let swept = gate::is_ours(&mut tx.link(), shard, State::Gone, note.epoch).await?;
        tx.commit().await?;
        if swept {
            sweep(target, shard, State::Gone, note.epoch).await?;
        }
        self.strike(note).await
    }

    async fn strike(&self, note: &Note) -> Result<()> {
        let mut tx = self.directory().begin().await?;
        let sql = "DELETE FROM shard_move WHERE shard = $1 AND epoch = $2";
        pg!(execute query, tx.link(), sql, note.shard, note.epoch)?;
        tx.commit().await
    }

    /// Puts in order what movers have left that died. Their right fell to us with their connection.
    async fn repair(&self, right: &mut Right) -> Result<()> {
        let link = &mut Link::Postgres(&mut right.0, right.1);
        let sql = "SELECT shard, source, target, epoch FROM shard_move WHERE shard >= 0";
        let notes: Vec<Note> = pg!(fetch_all query_as, link, sql)?;
        for note in notes {
            let source = self.database_called(&note.source)?;
            let mut reader = source.reader().await?;
            let gate = gate::row_of(&mut reader.link(), note.shard as u16).await?;
            drop(reader);
            let is_gone =
                gate.is_some_and(|gate| gate.state() == State::Gone && gate.moved_by == note.epoch);
            tracing::warn!(shard = note.shard, forward = is_gone, "an unfinished move is repaired");
            match is_gone {
                true => self.forward(&note, &|_| ControlFlow::Continue(())).await?,
                false => self.back(&note).await?,
            }
        }
        Ok(())
    }

    /// Somebody waits for a shard for too long. If no mover lives, this does what the next one
    /// would. Whether it did.
    pub(super) async fn mend(&self) -> Result<bool> {
        let Some(mut right) = self.right().await? else {
            return Ok(false);
        };
        let repaired = self.repair(&mut right).await;
        right.give_back().await?;
        repaired?;
        self.load_map().await?;
        Ok(true)
    }

    /// The right to move; None: somebody has it.
    async fn right(&self) -> Result<Option<Right>> {
        let Database::Postgres(directory) = self.directory() else {
            return Err(Error::Invalid("only PostgreSQL can do this"));
        };
        let connection: PoolConnection<Postgres> = directory.pool.acquire().await.map_err(fault)?;
        // A connection of its own: it must not go back to the pool with the lock.
        let mut connection = connection.detach();
        let link = &mut Link::Postgres(&mut connection, directory.timeout);
        let got: (bool,) = pg!(fetch_one query_as, link, "SELECT pg_try_advisory_lock($1)", MOVER)?;
        if !got.0 {
            connection.close().await.map_err(fault)?;
            return Ok(None);
        }
        Ok(Some(Right(connection, directory.timeout)))
    }

    /// Every process that is connected to the directory must be connected to the new home too, and
    /// know what a map is: else it could not find the shard any more.
    async fn everybody_reaches(&self, target: usize) -> Result<()> {
        let mut missing = Vec::new();
        for tries in 1..=limits::REACH_TRIES {
            let all = processes(self.directory()).await?;
            if all.iter().any(|name| name == PROCESS) {
                return Err(Error::Invalid(
                    "a process of an older natter is connected, which knows no map: stop it first",
                ));
            }
            let there = processes(self.databases.at(target)?).await?;
            missing = all.into_iter().filter(|name| !there.contains(name)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if tries < limits::REACH_TRIES {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Err(Error::Unavailable(format!(
            "{} of the processes that are connected to the directory are not connected to {}: \
             restart them with its URL first",
            missing.len(),
            self.shards.map().name_of(target)
        )))
    }
}

impl Right {
    /// Not only by closing: the server would notice that a moment later.
    async fn give_back(mut self) -> Result<()> {
        let link = &mut Link::Postgres(&mut self.0, self.1);
        pg!(execute query, link, "SELECT pg_advisory_unlock($1)", MOVER)?;
        self.0.close().await.map_err(fault)
    }
}

/// Our programs that are connected to this database.
async fn processes(database: &Database) -> Result<Vec<String>> {
    let mut reader = database.reader().await?;
    let names: Vec<(String,)> = pg!(
        fetch_all query_as,
        reader.link(),
        "SELECT DISTINCT application_name FROM pg_stat_activity
          WHERE datname = current_database()
            AND application_name ~ ('^' || $1 || '( [0-9a-f]+)?$')",
        PROCESS
    )?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

/// Hidden from here on. Whatever stood there before was "gone", or nothing.
async fn arrive(target: &Database, shard: u16, epoch: i64) -> Result<()> {
    let mut tx = target.begin().await?;
    let link = &mut tx.link();
    let before = gate::row_of(link, shard).await?;
    if before.is_some_and(|gate| gate.state() != State::Gone) {
        return Err(Error::Internal(format!("shard {shard} is already in the target")));
    }
    gate::set(link, shard, State::Arriving, Some(epoch), epoch).await?;
    tx.commit().await
}

/// No write to the shard begins any more, and all that had begun have ended.
async fn fence(source: &Database, shard: u16, epoch: i64) -> Result<()> {
    let mut tries = 1;
    loop {
        let mut tx = source.begin().await?;
        match gate::alone(&mut tx.link()).await {
            Ok(()) => {
                gate::set(&mut tx.link(), shard, State::Fenced, None, epoch).await?;
                return tx.commit().await;
            }
            Err(Error::Unavailable(why)) if tries < limits::FENCE_TRIES => {
                tracing::info!(why, tries, "a write takes long; the fence is tried again");
                drop(tx);
                tries += 1;
                tokio::time::sleep(limits::FENCE_LOCK).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// One step of the gate that may have been taken before. An error if somebody else took over.
async fn turn(database: &Database, note: &Note, (from, to): (State, State)) -> Result<()> {
    let shard = note.shard as u16;
    let mut tx = database.begin().await?;
    let link = &mut tx.link();
    let turned = gate::turn(link, shard, (from, to), note.epoch).await?;
    if !turned && !gate::is_ours(link, shard, to, note.epoch).await? {
        return Err(Error::Unavailable("another mover has taken over".to_owned()));
    }
    tx.commit().await
}

fn tell(watch: Watch<'_>, step: MoveStep) -> Result<()> {
    match watch(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Unavailable("the mover was stopped".to_owned())),
    }
}
