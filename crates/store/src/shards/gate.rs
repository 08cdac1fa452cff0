//! The gate: what a database says of shards that were moved to it or away from it.
//!
//! Whoever writes holds the gate shared until his transaction ends (an advisory lock: memory only,
//! nothing is written for it). Whoever fences a shard holds it alone for one moment, so a fence
//! waits for every transaction that saw none.

use sqlx::AssertSqlSafe;

use super::Map;
use crate::engine::{Link, pg};
use crate::{Result, limits};

/// "shards" in ASCII: the advisory lock of the gate, one in each database.
const GATE: i64 = 0x0073_6861_7264_7300;

/// How a shard stands in one database. No row: as it was laid out first, which is `Open` where the
/// first map put it; nobody asks elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Here, for reading and writing.
    Open = 1,
    /// Here; the last of it is being copied away, and nothing may be written.
    Fenced = 2,
    /// Being copied in: not whole, to be seen by nobody.
    Arriving = 3,
    /// Moved away. Rows that are still there mean nothing.
    Gone = 4,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct GateRow {
    pub(super) shard: i64,
    state: i16,
    /// The epoch of the move that brought the shard here.
    epoch: i64,
    #[sqlx(rename = "move")]
    pub(super) moved_by: i64,
}

/// A shard that cannot be used where somebody thought it is, because of this move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) shard: u16,
    pub(crate) moved_by: i64,
}

/// What one database says of some or all shards.
pub(crate) struct Gates(Vec<GateRow>);

impl GateRow {
    pub(super) fn state(&self) -> State {
        match self.state {
            1 => State::Open,
            2 => State::Fenced,
            3 => State::Arriving,
            _ => State::Gone,
        }
    }

    /// Whole, and so ever since the map of this version was read. A shard that went and came back
    /// after that has a newer epoch.
    fn readable(&self, version: i64) -> bool {
        matches!(self.state(), State::Open | State::Fenced) && self.epoch <= version
    }

    fn shut(&self) -> Shut {
        Shut { shard: self.shard as u16, moved_by: self.moved_by }
    }

    fn writable(&self, version: i64) -> bool {
        self.state() == State::Open && self.epoch <= version
    }
}

impl Gates {
    /// Shards that who has a map of this `version` may not have read here.
    pub(crate) fn unreadable(&self, version: i64) -> impl Iterator<Item = Shut> {
        self.0.iter().filter(move |gate| !gate.readable(version)).map(GateRow::shut)
    }
}

/// Begins the stay behind the gate, to the end of the transaction. The shards that may not be
/// written here; empty: go on. Two statements: the second must see what is committed when the lock
/// is there, not when it was asked for.
pub(crate) async fn enter(link: &mut Link<'_>, map: &Map, shards: &[u16]) -> Result<Vec<Shut>> {
    pg!(execute query, link, "SELECT pg_advisory_xact_lock_shared($1)", GATE)?;
    let wanted: Vec<i64> = shards.iter().map(|shard| i64::from(*shard)).collect();
    let gates: Vec<GateRow> = pg!(
        fetch_all query_as,
        link,
        "SELECT shard, state, epoch, move FROM shard_gate WHERE shard = ANY($1)",
        wanted
    )?;
    let shut = gates.iter().filter(|gate| !gate.writable(map.version));
    Ok(shut.map(GateRow::shut).collect())
}

/// What this database says of one shard.
pub(crate) async fn of_shard(link: &mut Link<'_>, shard: u16) -> Result<Gates> {
    Ok(Gates(row_of(link, shard).await?.into_iter().collect()))
}

pub(super) async fn row_of(link: &mut Link<'_>, shard: u16) -> Result<Option<GateRow>> {
    let sql = "SELECT shard, state, epoch, move FROM shard_gate WHERE shard = $1";
    pg!(fetch_optional query_as, link, sql, i64::from(shard))
}

/// What this database says of all shards: asked by who has read of all of them, and after that.
/// SQLite is never one of several.
pub(crate) async fn of_all(link: &mut Link<'_>) -> Result<Gates> {
    if let Link::Sqlite(_) = link {
        return Ok(Gates(Vec::new()));
    }
    let sql = "SELECT shard, state, epoch, move FROM shard_gate WHERE shard >= 0";
    Ok(Gates(pg!(fetch_all query_as, link, sql)?))
}

/// Alone behind the gate until the transaction ends: every write that saw the old state has ended.
/// `Unavailable` if one takes longer than `FENCE_LOCK`: who waits behind us must not wait long.
pub(super) async fn alone(link: &mut Link<'_>) -> Result<()> {
    let wait = format!("SET LOCAL lock_timeout = {}", limits::FENCE_LOCK.as_millis());
    pg!(execute query, link, AssertSqlSafe(wait))?;
    pg!(execute query, link, "SELECT pg_advisory_xact_lock($1)", GATE)?;
    Ok(())
}

/// The shard stands so from the next statement of anybody on. `epoch` None: as before.
pub(super) async fn set(
    link: &mut Link<'_>,
    shard: u16,
    state: State,
    epoch: Option<i64>,
    moved_by: i64,
) -> Result<()> {
    pg!(
        execute query,
        link,
        "INSERT INTO shard_gate (shard, state, epoch, move) VALUES ($1, $2, COALESCE($3, 0), $4)
         ON CONFLICT (shard) DO UPDATE SET
           state = $2, epoch = COALESCE($3, shard_gate.epoch), move = $4",
        i64::from(shard),
        state as i16,
        epoch,
        moved_by
    )?;
    Ok(())
}

/// The same, if it stands as this move has left it. Else somebody else has taken over.
pub(super) async fn turn(
    link: &mut Link<'_>,
    shard: u16,
    (from, to): (State, State),
    moved_by: i64,
) -> Result<bool> {
    let turned = pg!(
        execute query,
        link,
        "UPDATE shard_gate SET state = $3 WHERE shard = $1 AND state = $2 AND move = $4",
        i64::from(shard),
        from as i16,
        to as i16,
        moved_by
    )?;
    Ok(turned.rows_affected() == 1)
}

/// Held to the end of the transaction: the shard still belongs to this move.
pub(super) async fn is_ours(
    link: &mut Link<'_>,
    shard: u16,
    state: State,
    moved_by: i64,
) -> Result<bool> {
    let found: Option<(i64,)> = pg!(
        fetch_optional query_as,
        link,
        "SELECT shard FROM shard_gate WHERE shard = $1 AND state = $2 AND move = $3 FOR SHARE",
        i64::from(shard),
        state as i16,
        moved_by
    )?;
    Ok(found.is_some())
}
