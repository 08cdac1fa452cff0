//! A batch whose conversations are in several databases, or behind a shut gate: one transaction for
//! each database, at the same time. Only seen while shards move, and until the next restart after
//! that.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proto::id;

use super::{Map, Shut};
use crate::commit::{Online, Tried};
use crate::{Batch, Committed, Error, Result, SendOutcome, Store};

/// What goes into one transaction: indexes into the batch, and the items themselves.
#[derive(Default)]
struct Part {
    home: usize,
    sends: Vec<usize>,
    moves: Vec<usize>,
    batch: Batch,
}

/// Items that are not done yet, by their indexes.
struct Left {
    sends: Vec<usize>,
    moves: Vec<usize>,
    /// Shards that were found shut. They go alone, so that the others do not wait with them.
    shut: BTreeMap<u16, Shut>,
}

impl Store {
    pub(crate) async fn commit_spread(
        &self,
        batch: &Batch,
        online: Online<'_>,
        now: i64,
    ) -> Result<Committed> {
        let mut done = Committed {
            sends: vec![SendOutcome::Unavailable; batch.sends.len()],
            ..Committed::default()
        };
        let sends = (0..batch.sends.len()).collect();
        let moves = (0..batch.moves.len()).collect();
        let mut left = Left { sends, moves, shut: BTreeMap::new() };
        while !(left.sends.is_empty() && left.moves.is_empty()) {
            let map = self.shards.map();
            let parts = parts(batch, &left, &map);
            let tried = parts
                .iter()
                .map(|part| Box::pin(self.commit_in(part.home, &map, &part.batch, online, now)));
            let tried = join_all(tried).await;
            (left.sends, left.moves) = (Vec::new(), Vec::new());
            for (part, tried) in parts.into_iter().zip(tried) {
                gather(&mut done, &mut left, part, tried)?;
            }
            self.wait_for_shut(batch, &map, &mut done, &mut left).await;
        }
        Ok(done)
    }

    /// Waits once for each shard that was shut. What was waited for too long is given up.
    async fn wait_for_shut(&self, batch: &Batch, map: &Map, done: &mut Committed, left: &mut Left) {
        let of_shard = |conv_id: i64, shard: u16| id::shard_of(conv_id) == shard;
        let conv_ids = left.sends.iter().map(|index| batch.sends[*index].conv_id);
        let conv_ids = conv_ids.chain(left.moves.iter().map(|index| batch.moves[*index].conv_id));
        let waiting: BTreeSet<u16> = conv_ids.map(id::shard_of).collect();
        for (shard, shut) in left.shut.clone() {
            if !waiting.contains(&shard) {
                continue;
            }
            let Err(error) = self.wait_for(shut, map).await else {
                continue;
            };
            tracing::warn!(shard, %error, "a part of a batch is put off");
            left.sends.retain(|index| !of_shard(batch.sends[*index].conv_id, shard));
            let given_up = |index: &usize| of_shard(batch.moves[*index].conv_id, shard);
            done.moves_left.extend(
                left.moves.iter().filter(|index| given_up(index)).map(|index| batch.moves[*index]),
            );
            left.moves.retain(|index| !given_up(index));
        }
    }
}

/// By database; and shards that were found shut each for itself.
fn parts(batch: &Batch, left: &Left, map: &Map) -> Vec<Part> {
    let mut parts: BTreeMap<(usize, Option<u16>), Part> = BTreeMap::new();
    let place = |conv_id| {
        let shard = id::shard_of(conv_id);
        (map.home(conv_id), Some(shard).filter(|shard| left.shut.contains_key(shard)))
    };
    for &index in &left.sends {
        let send = &batch.sends[index];
        let part = parts.entry(place(send.conv_id)).or_default();
        part.sends.push(index);
        part.batch.sends.push(send.clone());
    }
    for &index in &left.moves {
        let cursor = batch.moves[index];
        let part = parts.entry(place(cursor.conv_id)).or_default();
        part.moves.push(index);
        part.batch.moves.push(cursor);
    }
    for ((home, _), part) in &mut parts {
        part.home = *home;
    }
    parts.into_values().collect()
}

/// Takes over what became of one part. An error that is not only its database's is for all.
fn gather(done: &mut Committed, left: &mut Left, part: Part, tried: Result<Tried>) -> Result<()> {
    let refused = match tried {
        Ok(Tried::Done(committed)) => {
            for (index, outcome) in part.sends.into_iter().zip(committed.sends) {
                done.sends[index] = outcome;
            }
            done.receipts.extend(committed.receipts);
            done.members.extend(committed.members);
            return Ok(());
        }
        Ok(Tried::Shut(shut)) => {
            left.shut.extend(shut.into_iter().map(|shut| (shut.shard, shut)));
            left.sends.extend(part.sends);
            left.moves.extend(part.moves);
            return Ok(());
        }
        Err(Error::Unavailable(why)) => {
            tracing::warn!(why, "a part of a batch is put off");
            SendOutcome::Unavailable
        }
        Err(Error::Full) => SendOutcome::Full,
        Err(error) => return Err(error),
    };
    for index in part.sends {
        done.sends[index] = refused;
    }
    done.moves_left.extend(part.batch.moves);
    Ok(())
}
