//! Contacts: two rows a pair, one owned by each. What may become of them is decided in one plain
//! function.

use proto::limits::CONTACTS_MAX;
use proto::{Person, Relation, id};

use crate::engine::{Link, Tx, again, each, exec, row, rows};
use crate::users::PersonRow;
use crate::{Error, Relations, Result, Store, limits};

/// What one person wants of the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Befriend,
    Accept,
    Drop,
    Block,
    Unblock,
}

/// What becomes of the two rows. A pair is always one of: nothing, asked and asks, friends, or a
/// block on at least one side; beside a block the other row stays as it would be without, so that
/// nobody learns of it.
fn become_of(wish: Wish, before: Relations) -> Result<Relations> {
    use Relation::{Asked, Asks, Blocked, Friend, None};
    let (mine, theirs) = (before.mine, before.theirs);
    let (mine, theirs) = match (wish, mine, theirs) {
        (Wish::Block, _, theirs) => (Blocked, theirs),
        // What the other asked for while he was blocked is heard now; an old friendship is over.
        (Wish::Unblock, Blocked, Asked) => (Asks, Asked),
        (Wish::Unblock, Blocked, Blocked) => (None, Blocked),
        (Wish::Unblock, Blocked, _) => (None, None),
        (Wish::Unblock, mine, theirs) => (mine, theirs),

        (Wish::Befriend | Wish::Accept, Blocked, _) => return Err(Error::Forbidden),
        (Wish::Befriend, None, Blocked) => (Asked, Blocked),
        (Wish::Befriend, None, _) => (Asked, Asks),
        (Wish::Befriend, Asked | Friend, theirs) => (mine, theirs),
        (Wish::Befriend | Wish::Accept, Asks, Blocked) => (Friend, Blocked),
        (Wish::Befriend | Wish::Accept, Asks, _) => (Friend, Friend),
        (Wish::Accept, Friend, theirs) => (Friend, theirs),
        (Wish::Accept, None | Asked, _) => return Err(Error::NotFound),

        (Wish::Drop, Blocked, theirs) => (Blocked, theirs),
        (Wish::Drop, _, Blocked) => (None, Blocked),
        (Wish::Drop, _, _) => (None, None),
    };
    Ok(Relations { mine, theirs })
}

impl Store {
    /// Friends, requests both ways and people I blocked; in order of user_id.
    pub async fn contacts(&self, user_id: i64) -> Result<Vec<Person>> {
        let mut reader = self.directory().reader().await?;
        let people: Vec<PersonRow> = rows!(
            &mut reader.link(),
            "SELECT u.user_id, u.handle, u.name, mine.state AS mine, mine.since,
                    CASE WHEN u.hides = 1 THEN 0 ELSE u.last_seen END AS last_seen,
                    CAST(COALESCE(theirs.state, 0) AS SMALLINT) AS theirs
               FROM contact mine JOIN app_user u ON u.user_id = mine.peer_id
               LEFT JOIN contact theirs ON theirs.owner_id = mine.peer_id AND theirs.peer_id = $1
              WHERE mine.owner_id = $1 ORDER BY mine.peer_id LIMIT $2",
            user_id,
            limits::CONTACTS_AND_BLOCKS_MAX
        )?;
        Ok(people.into_iter().map(PersonRow::into_person).collect())
    }

    /// Who is told of my presence, and whether I hide since when I am offline. Both have to be
    /// known whenever I come or go, so it is one question. NotFound if there is no such person.
    pub async fn friends_and_hides(&self, user_id: i64) -> Result<(Vec<i64>, bool)> {
        let mut reader = self.directory().reader().await?;
        let rows: Vec<(i16, Option<i64>)> = rows!(
            &mut reader.link(),
            "SELECT u.hides, c.peer_id FROM app_user u
               LEFT JOIN contact c ON c.owner_id = u.user_id AND c.state = 3
              WHERE u.user_id = $1 ORDER BY c.peer_id",
            user_id
        )?;
        let hides = rows.first().map(|(hides, _)| *hides == 1).ok_or(Error::NotFound)?;
        Ok((rows.into_iter().filter_map(|(_, peer_id)| peer_id).collect(), hides))
    }

    /// Crossing requests become a friendship. A request to someone who blocked me looks like any
    /// other request: `theirs` is then Blocked, and nobody is told. Forbidden if I blocked him;
    /// Limit at 5,000 contacts.
    pub async fn befriend(&self, me: i64, peer: i64, now: i64) -> Result<Relations> {
        self.change_contact(Wish::Befriend, me, peer, now).await
    }

    /// NotFound if he did not ask.
    pub async fn accept(&self, me: i64, peer: i64, now: i64) -> Result<Relations> {
        self.change_contact(Wish::Accept, me, peer, now).await
    }

    /// Ends a friendship or a request from either side. Never a block.
    pub async fn drop_contact(&self, me: i64, peer: i64) -> Result<Relations> {
        self.change_contact(Wish::Drop, me, peer, 0).await
    }

    /// Also closes the direct conversation for both, on its shard. Repeating it repairs a crash in
    /// between.
    pub async fn block(&self, me: i64, peer: i64, now: i64) -> Result<Relations> {
        let relations = self.change_contact(Wish::Block, me, peer, now).await?;
        self.mirror_block(me, peer).await?;
        Ok(relations)
    }

    /// Opens the direct conversation again, unless the other one blocked me too. Repeatable as
    /// `block` is.
    pub async fn unblock(&self, me: i64, peer: i64) -> Result<Relations> {
        let relations = self.change_contact(Wish::Unblock, me, peer, 0).await?;
        self.mirror_block(me, peer).await?;
        Ok(relations)
    }

    /// Which of these have blocked me.
    pub async fn blocked_by(&self, me: i64, ids: &[i64]) -> Result<Vec<i64>> {
        let mut reader = self.directory().reader().await?;
        let ids: Vec<(i64,)> = each!(
            fetch_all query_as, &mut reader.link(), [me],
            sqlite(ids) "SELECT value AS user_id FROM json_each($2)",
            postgres(ids) "SELECT unnest($2::bigint[]) AS user_id",
            "SELECT c.owner_id FROM input
               JOIN contact c ON c.owner_id = input.user_id AND c.peer_id = $1 AND c.state = 4"
        )?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    async fn change_contact(&self, wish: Wish, me: i64, peer: i64, now: i64) -> Result<Relations> {
        again!(self.change_contact_once(wish, me, peer, now).await)
    }

    async fn change_contact_once(
        &self,
        wish: Wish,
        me: i64,
        peer: i64,
        now: i64,
    ) -> Result<Relations> {
        if me == peer {
            return Err(Error::Invalid("you cannot do this with yourself"));
        }
        let database = self.directory();
        let mut tx = match wish {
            Wish::Drop | Wish::Unblock => database.begin_freeing().await?,
            Wish::Befriend | Wish::Accept | Wish::Block => database.begin().await?,
        };
        let before = lock_pair(&mut tx, me, peer).await?;
        let after = become_of(wish, before)?;
        let link = &mut tx.link();
        write_contact(link, (me, peer), (before.mine, after.mine), now).await?;
        write_contact(link, (peer, me), (before.theirs, after.theirs), now).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// True if one of the two blocked the other.
    pub(crate) async fn is_blocked(&self, me: i64, peer: i64) -> Result<bool> {
        Ok(self.block_bits(me.min(peer), me.max(peer)).await? != 0)
    }

    /// bit 1: lo blocked hi; bit 2: hi blocked lo.
    async fn block_bits(&self, lo: i64, hi: i64) -> Result<i64> {
        let mut reader = self.directory().reader().await?;
        let blocks: Vec<(i64,)> = rows!(
            &mut reader.link(),
            "SELECT owner_id FROM contact WHERE state = 4 AND owner_id = $1 AND peer_id = $2
             UNION ALL
             SELECT owner_id FROM contact WHERE state = 4 AND owner_id = $2 AND peer_id = $1",
            lo,
            hi
        )?;
        Ok(blocks.into_iter().map(|(owner_id,)| if owner_id == lo { 1 } else { 2 }).sum())
    }

    /// Makes the direct conversation say what the contacts say. Whether it is closed now.
    ///
    /// The two lie in two databases, so nothing can lock both. Instead: read, write, and read
    /// again; who wrote something old sees it then. The last one to write has read after every
    /// change.
    pub(crate) async fn mirror_block(&self, me: i64, peer: i64) -> Result<bool> {
        again!(self.mirror_block_once(me, peer).await)
    }

    async fn mirror_block_once(&self, me: i64, peer: i64) -> Result<bool> {
        let (lo, hi) = (me.min(peer), me.max(peer));
        let somewhere_there = id::new(id::direct_shard(lo, hi), 0);
        let mut bits = self.block_bits(lo, hi).await?;
        for _ in 0..limits::MIRROR_TRIES {
            let mut tx = self.begin_freeing_at(somewhere_there).await?;
            exec!(
                &mut tx.link(),
                "UPDATE conversation SET dm_block = $3
                  WHERE dm_lo = $1 AND dm_hi = $2 AND dm_block <> $3",
                lo,
                hi,
                bits
            )?;
            tx.commit().await?;
            let again = self.block_bits(lo, hi).await?;
            if again == bits {
                return Ok(bits != 0);
            }
            bits = again;
        }
        Err(Error::Unavailable("a block changes without end".into()))
    }
}

/// From here on nobody else changes anything between these two. NotFound if one does not exist.
async fn lock_pair(tx: &mut Tx, me: i64, peer: i64) -> Result<Relations> {
    let link = &mut tx.link();
    // The people are locked and not the contacts, which may not exist yet; in one order, so that
    // two requests that cross wait for each other and do not deadlock.
    let both: Vec<(i64,)> = rows!(
        link,
        [
            "SELECT user_id FROM app_user WHERE user_id IN ($1, $2) ORDER BY user_id",
            "SELECT user_id FROM app_user WHERE user_id IN ($1, $2) ORDER BY user_id
               FOR NO KEY UPDATE"
        ],
        me,
        peer
    )?;
    if both.len() != 2 {
        return Err(Error::NotFound);
    }
    Ok(Relations { mine: relation(link, me, peer).await?, theirs: relation(link, peer, me).await? })
}

async fn relation(link: &mut Link<'_>, owner: i64, peer: i64) -> Result<Relation> {
    let found: Option<(i16,)> =
        row!(link, "SELECT state FROM contact WHERE owner_id = $1 AND peer_id = $2", owner, peer)?;
    let state = found.map_or(0, |(state,)| i32::from(state));
    Ok(Relation::try_from(state).unwrap_or(Relation::None))
}

async fn write_contact(
    link: &mut Link<'_>,
    (owner, peer): (i64, i64),
    (before, after): (Relation, Relation),
    now: i64,
) -> Result<()> {
    match (before, after) {
        (before, after) if before == after => {}
        (_, Relation::None) => {
            exec!(link, "DELETE FROM contact WHERE owner_id = $1 AND peer_id = $2", owner, peer)?;
        }
        (Relation::None, after) => {
            // Who is flooded with requests can still block.
            let max = if after == Relation::Blocked {
                limits::CONTACTS_AND_BLOCKS_MAX
            } else {
                i64::from(CONTACTS_MAX)
            };
            refuse_one_too_many(link, owner, max).await?;
            exec!(
                link,
                "INSERT INTO contact (owner_id, peer_id, state, since) VALUES ($1, $2, $3, $4)",
                owner,
                peer,
                after as i32,
                now
            )?;
        }
        (_, after) => {
            exec!(
                link,
                "UPDATE contact SET state = $3, since = $4 WHERE owner_id = $1 AND peer_id = $2",
                owner,
                peer,
                after as i32,
                now
            )?;
        }
    }
    Ok(())
}

async fn refuse_one_too_many(link: &mut Link<'_>, owner: i64, max: i64) -> Result<()> {
    let count: Option<(i64,)> =
        row!(link, "SELECT count(*) FROM contact WHERE owner_id = $1", owner)?;
    match count {
        Some((count,)) if count >= max => {
            Err(Error::Limit("one of you has 5,000 contacts already"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISHES: [Wish; 5] =
        [Wish::Befriend, Wish::Accept, Wish::Drop, Wish::Block, Wish::Unblock];

    /// Whatever the two do in whatever order, what they see of each other stays consistent.
    #[test]
    fn two_people_never_see_different_friendships() {
        use Relation::{Asked, Asks, Blocked, Friend, None};
        let mut seen = vec![(None, None)];
        let mut next = 0;
        while let Some(&(mine, theirs)) = seen.get(next) {
            next += 1;
            let consistent = matches!(
                (mine, theirs),
                (None, None) | (Asked, Asks) | (Asks, Asked) | (Friend, Friend)
            );
            assert!(consistent || mine == Blocked || theirs == Blocked, "{mine:?} {theirs:?}");
            for wish in WISHES {
                if let Ok(after) = become_of(wish, Relations { mine, theirs }) {
                    for pair in [(after.mine, after.theirs), (after.theirs, after.mine)] {
                        if !seen.contains(&pair) {
                            seen.push(pair);
                        }
                    }
                }
            }
        }
        assert!(seen.len() > 8, "all states were visited: {}", seen.len());
    }

    #[test]
    fn a_block_never_shows_on_the_other_side() {
        for mine in [Relation::None, Relation::Asked, Relation::Asks, Relation::Friend] {
            for theirs in [Relation::None, Relation::Asks, Relation::Asked, Relation::Friend] {
                let after = become_of(Wish::Block, Relations { mine, theirs }).unwrap();
                assert_eq!(after, Relations { mine: Relation::Blocked, theirs });
            }
        }
    }
}
