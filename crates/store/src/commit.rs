//! The hot path: everything that waits at one database becomes one transaction.
//!
//! Lock and read, decide in plain Rust, write. The number of statements does not grow with the
//! batch. Locks are taken in one order everywhere: conversations by id, then members by
//! (conversation, person).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proto::{ConversationKind, Receipt, id};

use crate::engine::{Database, Link, Tx, again, each, record};
use crate::shards::{Map, Shut, enter};
use crate::{Batch, Committed, Result, SendOutcome, Store, nudge, seam};

/// Who is surely online. Whoever is not gets a nudge, which costs a row and no mail.
pub type Online<'a> = &'a (dyn Fn(i64) -> bool + Sync);

/// (conversation, person)
type Place = (i64, i64);
/// (conversation, sender, client_key)
type Key = (i64, i64, i64);

/// What the batch is about, as it stands under the locks.
struct Seen {
    conversations: BTreeMap<i64, ConversationRow>,
    /// Senders, movers and mentioned people who are members now.
    actors: BTreeMap<Place, ActorRow>,
    /// Which keys are messages already: seq and sent_at.
    known: HashMap<Key, (i64, i64)>,
    members: HashMap<i64, Vec<i64>>,
}

record! {
    struct ConversationRow {
        conv_id: i64,
        kind: i16,
        dm_block: i16,
        last_seq: i64,
    }
}

record! {
    struct ActorRow {
        conv_id: i64,
        user_id: i64,
        joined_seq: i64,
        delivered_seq: i64,
        read_seq: i64,
        mention_seq: i64,
        delivered_at: i64,
        read_at: i64,
        last_seq: i64,
    }
}

/// What is to be written, and what is to be said when it is.
#[derive(Default)]
struct Plan {
    /// Index into `Batch::sends`, and the seq it gets.
    stored: Vec<(usize, i64)>,
    /// Members whose cursors moved …
    moved: BTreeSet<Place>,
    /// … or who were mentioned.
    mentioned: BTreeSet<Place>,
    /// Who has just read something.
    readers: BTreeSet<i64>,
    outcomes: Vec<SendOutcome>,
}

impl Store {
    /// One transaction for everything that waits at one database: messages get their seq, cursors
    /// move. What this says to be stored is committed and synced. All conversations must be of the
    /// writer `database` (`database_of`), so that one writer gives each its order.
    ///
    /// Where shards were moved since the store was opened there is one transaction for each
    /// database; then what one of them did not take is `SendOutcome::Unavailable` or `Full`, or in
    /// `moves_left`. An error is for the whole batch.
    ///
    /// Cursors are moved before the messages are numbered: "read up to the end" and an answer in
    /// one batch leave nothing unread.
    ///
    /// No nudge is written; `commit_and_nudge` does.
    pub async fn commit(&self, database: usize, batch: &Batch, now: i64) -> Result<Committed> {
        self.commit_and_nudge(database, batch, &|_| true, now).await
    }

    /// The same; and who gets a direct message or is mentioned, and is not `online`, gets a nudge
    /// in the same transaction if he has none. It is due ten minutes from now.
    pub async fn commit_and_nudge(
        &self,
        database: usize,
        batch: &Batch,
        online: Online<'_>,
        now: i64,
    ) -> Result<Committed> {
        debug_assert!(batch.conv_ids().all(|conv_id| self.database_of(conv_id) == database));
        let map = self.shards.map();
        let homes: BTreeSet<usize> = batch.conv_ids().map(|conv_id| map.home(conv_id)).collect();
        let mut homes = homes.into_iter();
        match (homes.next(), homes.next()) {
            (None, _) => return Ok(Committed::default()),
            (Some(home), None) => {
                if let Tried::Done(done) = self.commit_in(home, &map, batch, online, now).await? {
                    return Ok(done);
                }
            }
            (Some(_), Some(_)) => {}
        }
        self.commit_spread(batch, online, now).await
    }

    /// In one database, if none of the shards is shut there. Run again after a deadlock.
    pub(crate) async fn commit_in(
        &self,
        home: usize,
        map: &Map,
        batch: &Batch,
        online: Online<'_>,
        now: i64,
    ) -> Result<Tried> {
        let gate = if self.is_single() { None } else { Some(map) };
        let database = self.databases.at(home)?;
        again!(commit_once(database, gate, batch, online, now).await)
    }
}

/// What became of a batch in one database.
pub(crate) enum Tried {
    Done(Committed),
    /// These shards take no writes there now; nothing was done.
    Shut(Vec<Shut>),
}

async fn commit_once(
    database: &Database,
    gate: Option<&Map>,
    batch: &Batch,
    online: Online<'_>,
    now: i64,
) -> Result<Tried> {
    let tx = database.begin().await?;
    database.at_once(transact(tx, gate, batch, online, now)).await
}

async fn transact(
    mut tx: Tx,
    gate: Option<&Map>,
    batch: &Batch,
    online: Online<'_>,
    now: i64,
) -> Result<Tried> {
    let link = &mut tx.link();
    if let Some(map) = gate {
        let shards: BTreeSet<u16> = batch.conv_ids().map(id::shard_of).collect();
        let shards: Vec<u16> = shards.into_iter().collect();
        let shut = enter(link, map, &shards).await?;
        if !shut.is_empty() {
            return Ok(Tried::Shut(shut));
        }
    }
    let mut seen = read(link, batch).await?;
    let plan = decide(batch, &mut seen, now);
    write(link, batch, &seen, &plan, now).await?;
    let away = away(batch, &seen, &plan, online);
    nudge::write(link, &away, &plan.readers, now).await?;
    tx.commit().await?;
    Ok(Tried::Done(committed(batch, seen, plan, now)))
}

// ── read ─────────────────────────────────────────────────────────────────────────────────────────

async fn read(link: &mut Link<'_>, batch: &Batch) -> Result<Seen> {
    let sends: BTreeSet<i64> = batch.sends.iter().map(|send| send.conv_id).collect();
    let moves = batch.moves.iter().map(|cursor| cursor.conv_id);
    let all: Vec<i64> =
        sends.iter().copied().chain(moves).collect::<BTreeSet<_>>().into_iter().collect();
    let sends: Vec<i64> = sends.into_iter().collect();

    let mut conversations = BTreeMap::new();
    let mut known = HashMap::new();
    if !sends.is_empty() {
        for row in lock_conversations(link, &sends).await? {
            conversations.insert(row.conv_id, row);
        }
        known = known_keys(link, batch).await?;
    }
    let actors = lock_actors(link, batch).await?;
    let actors = actors.into_iter().map(|row| ((row.conv_id, row.user_id), row)).collect();
    let mut members: HashMap<i64, Vec<i64>> = HashMap::new();
    for (conv_id, user_id) in members_of(link, &all).await? {
        members.entry(conv_id).or_default().push(user_id);
    }
    Ok(Seen { conversations, actors, known, members })
}

/// From here on nobody else gives out a seq in these conversations, joins or leaves.
async fn lock_conversations(link: &mut Link<'_>, ids: &[i64]) -> Result<Vec<ConversationRow>> {
    each!(
        fetch_all query_as, link, [],
        rows(ids.iter().map(|id| (id,))) "SELECT $1 AS conv_id",
        postgres(ids) "SELECT unnest($1::bigint[]) AS conv_id",
        "SELECT c.conv_id, c.kind, c.dm_block, c.last_seq
           FROM input JOIN conversation c ON c.conv_id = input.conv_id ORDER BY c.conv_id",
        postgres_end " FOR UPDATE OF c"
    )
}

async fn known_keys(link: &mut Link<'_>, batch: &Batch) -> Result<HashMap<Key, (i64, i64)>> {
    if seam::has_no_dedupe() {
        return Ok(HashMap::new());
    }
    let keys: Vec<Key> =
        batch.sends.iter().map(|send| (send.conv_id, send.sender_id, send.client_key)).collect();
    let rows: Vec<(i64, i64, i64, i64, i64)> = each!(
        fetch_all query_as, link, [],
        rows(keys.iter().copied())
            "SELECT $1 AS conv_id, $2 AS sender_id, $3 AS client_key",
        postgres(
            keys.iter().map(|key| key.0).collect::<Vec<_>>(),
            keys.iter().map(|key| key.1).collect::<Vec<_>>(),
            keys.iter().map(|key| key.2).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                 AS i (conv_id, sender_id, client_key)",
        "SELECT k.conv_id, k.sender_id, k.client_key, k.seq, k.sent_at
           FROM input JOIN sent_key k ON k.conv_id = input.conv_id
            AND k.sender_id = input.sender_id AND k.client_key = input.client_key"
    )?;
    let known = rows.into_iter().map(|(conv_id, sender_id, client_key, seq, sent_at)| {
        ((conv_id, sender_id, client_key), (seq, sent_at))
    });
    Ok(known.collect())
}

async fn lock_actors(link: &mut Link<'_>, batch: &Batch) -> Result<Vec<ActorRow>> {
    let mut places = BTreeSet::new();
    for send in &batch.sends {
        places.insert((send.conv_id, send.sender_id));
        places.extend(send.mentions.iter().map(|user_id| (send.conv_id, *user_id)));
    }
    places.extend(batch.moves.iter().map(|cursor| (cursor.conv_id, cursor.user_id)));
    each!(
        fetch_all query_as, link, [],
        rows(places.iter().copied()) "SELECT $1 AS conv_id, $2 AS user_id",
        postgres(
            places.iter().map(|place| place.0).collect::<Vec<_>>(),
            places.iter().map(|place| place.1).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS i (conv_id, user_id)",
        "SELECT m.conv_id, m.user_id, m.joined_seq, m.delivered_seq, m.read_seq, m.mention_seq,
                m.delivered_at, m.read_at, c.last_seq
           FROM input
           JOIN member m ON m.conv_id = input.conv_id AND m.user_id = input.user_id
           JOIN conversation c ON c.conv_id = m.conv_id
          WHERE m.left_at IS NULL ORDER BY m.conv_id, m.user_id",
        postgres_end " FOR UPDATE OF m"
    )
}

async fn members_of(link: &mut Link<'_>, conv_ids: &[i64]) -> Result<Vec<Place>> {
    each!(
        fetch_all query_as, link, [],
        rows(conv_ids.iter().map(|id| (id,))) "SELECT $1 AS conv_id",
        postgres(conv_ids) "SELECT unnest($1::bigint[]) AS conv_id",
        "SELECT m.conv_id, m.user_id FROM input JOIN member m ON m.conv_id = input.conv_id
          WHERE m.left_at IS NULL"
    )
}

// ── decide ───────────────────────────────────────────────────────────────────────────────────────

fn decide(batch: &Batch, seen: &mut Seen, now: i64) -> Plan {
    let mut plan = Plan::default();
    for cursor in &batch.moves {
        let place = (cursor.conv_id, cursor.user_id);
        let Some(actor) = seen.actors.get_mut(&place) else {
            continue;
        };
        let delivered_seq = cursor.delivered_seq.max(cursor.read_seq);
        let reads = cursor.read_seq > actor.read_seq;
        if delivered_seq <= actor.last_seq
            && move_cursors(actor, delivered_seq, cursor.read_seq, now)
        {
            plan.moved.insert(place);
            if reads {
                plan.readers.insert(cursor.user_id);
            }
        }
    }
    for (index, send) in batch.sends.iter().enumerate() {
        let key = (send.conv_id, send.sender_id, send.client_key);
        let outcome = match seen.known.get(&key) {
            // Before membership is looked at: what was stored stays stored, whatever happened
            // since.
            Some(&(seq, sent_at)) => SendOutcome::Repeated { seq, sent_at },
            None => number(batch, index, seen, &mut plan, now),
        };
        if let SendOutcome::Stored { seq, sent_at } = outcome {
            seen.known.insert(key, (seq, sent_at));
        }
        plan.outcomes.push(outcome);
    }
    plan
}

/// Forward only. Whether anything moved.
fn move_cursors(actor: &mut ActorRow, delivered_seq: i64, read_seq: i64, now: i64) -> bool {
    let delivered = delivered_seq > actor.delivered_seq;
    let read = read_seq > actor.read_seq;
    if delivered {
        (actor.delivered_seq, actor.delivered_at) = (delivered_seq, now);
    }
    if read {
        (actor.read_seq, actor.read_at) = (read_seq, now);
    }
    delivered || read
}

/// Gives the message its number, or says why not.
fn number(batch: &Batch, index: usize, seen: &mut Seen, plan: &mut Plan, now: i64) -> SendOutcome {
    let send = &batch.sends[index];
    let place = (send.conv_id, send.sender_id);
    let (Some(conversation), Some(actor)) =
        (seen.conversations.get_mut(&send.conv_id), seen.actors.get_mut(&place))
    else {
        return SendOutcome::Forbidden;
    };
    if conversation.dm_block != 0 {
        return SendOutcome::Forbidden;
    }
    let visible = actor.joined_seq + 1..=conversation.last_seq;
    if send.reply_seq != 0 && !visible.contains(&send.reply_seq) {
        return SendOutcome::BadReply;
    }
    conversation.last_seq += 1;
    let seq = conversation.last_seq;
    plan.stored.push((index, seq));
    // One's own words are read, but only if nothing unread lies before them: a receipt must never
    // lie.
    if actor.read_seq == seq - 1 && move_cursors(actor, seq, seq, now) {
        plan.moved.insert(place);
    }
    for &user_id in send.mentions.iter().filter(|&&user_id| user_id != send.sender_id) {
        if let Some(mentioned) = seen.actors.get_mut(&(send.conv_id, user_id)) {
            mentioned.mention_seq = seq;
            plan.mentioned.insert((send.conv_id, user_id));
        }
    }
    SendOutcome::Stored { seq, sent_at: now }
}

/// Whom the stored messages are for and who is not there: the other one of a direct conversation,
/// and in groups, however large they are, only who was mentioned.
fn away(batch: &Batch, seen: &Seen, plan: &Plan, online: Online<'_>) -> BTreeSet<i64> {
    let mut named: BTreeSet<i64> = plan.mentioned.iter().map(|(_, user_id)| *user_id).collect();
    for &(index, _) in &plan.stored {
        let send = &batch.sends[index];
        if seen.conversations[&send.conv_id].kind == ConversationKind::Direct as i16 {
            let members = seen.members.get(&send.conv_id);
            let others = members.into_iter().flatten().filter(|id| **id != send.sender_id);
            named.extend(others);
        }
    }
    named.retain(|user_id| !online(*user_id));
    named
}

// ── write ────────────────────────────────────────────────────────────────────────────────────────

async fn write(
    link: &mut Link<'_>,
    batch: &Batch,
    seen: &Seen,
    plan: &Plan,
    now: i64,
) -> Result<()> {
    if !plan.stored.is_empty() {
        let grown: BTreeSet<i64> =
            plan.stored.iter().map(|&(index, _)| batch.sends[index].conv_id).collect();
        let grown: Vec<Place> =
            grown.iter().map(|conv_id| (*conv_id, seen.conversations[conv_id].last_seq)).collect();
        move_ends(link, &grown, now).await?;
        remember_keys(link, batch, plan, now).await?;
        insert_messages(link, batch, plan, now).await?;
    }
    let changed: Vec<&ActorRow> =
        plan.moved.union(&plan.mentioned).map(|place| &seen.actors[place]).collect();
    if !changed.is_empty() {
        write_cursors(link, &changed).await?;
    }
    Ok(())
}

async fn move_ends(link: &mut Link<'_>, grown: &[Place], now: i64) -> Result<()> {
    each!(
        execute query, link, [now],
        rows(grown.iter().copied()) "SELECT $2 AS conv_id, $3 AS last_seq",
        postgres(
            grown.iter().map(|row| row.0).collect::<Vec<_>>(),
            grown.iter().map(|row| row.1).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS i (conv_id, last_seq)",
        "UPDATE conversation SET last_seq = input.last_seq,
                last_at = CASE WHEN last_at < $1 THEN $1 ELSE last_at END
           FROM input WHERE conversation.conv_id = input.conv_id"
    )
    .map(|_: crate::engine::Done| ())
}

async fn remember_keys(link: &mut Link<'_>, batch: &Batch, plan: &Plan, now: i64) -> Result<()> {
    if seam::has_no_dedupe() {
        return Ok(());
    }
    let keys: Vec<(i64, i64, i64, i64)> = plan
        .stored
        .iter()
        .map(|&(index, seq)| (&batch.sends[index], seq))
        .map(|(send, seq)| (send.conv_id, send.sender_id, send.client_key, seq))
        .collect();
    each!(
        execute query, link, [now],
        rows(keys.iter().copied())
            "SELECT $2 AS conv_id, $3 AS sender_id, $4 AS client_key, $5 AS seq",
        postgres(
            keys.iter().map(|key| key.0).collect::<Vec<_>>(),
            keys.iter().map(|key| key.1).collect::<Vec<_>>(),
            keys.iter().map(|key| key.2).collect::<Vec<_>>(),
            keys.iter().map(|key| key.3).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
                 AS i (conv_id, sender_id, client_key, seq)",
        "INSERT INTO sent_key (conv_id, sender_id, client_key, seq, sent_at)
         SELECT conv_id, sender_id, client_key, seq, $1 FROM input"
    )
    .map(|_: crate::engine::Done| ())
}

async fn insert_messages(link: &mut Link<'_>, batch: &Batch, plan: &Plan, now: i64) -> Result<()> {
    let rows: Vec<(i64, i64, i64, Option<i64>, &str)> = plan
        .stored
        .iter()
        .map(|&(index, seq)| (&batch.sends[index], seq))
        .map(|(send, seq)| {
            let reply_seq = Some(send.reply_seq).filter(|seq| *seq != 0);
            (send.conv_id, seq, send.sender_id, reply_seq, send.body.as_str())
        })
        .collect();
    each!(
        execute query, link, [now],
        rows(rows.iter().copied())
            "SELECT $2 AS conv_id, $3 AS seq, $4 AS sender_id, $5 AS reply_seq, $6 AS body",
        postgres(
            rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            rows.iter().map(|row| row.2).collect::<Vec<_>>(),
            rows.iter().map(|row| row.3).collect::<Vec<_>>(),
            rows.iter().map(|row| row.4).collect::<Vec<_>>()
        )
            "SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                                  $6::text[])
                 AS i (conv_id, seq, sender_id, reply_seq, body)",
        "INSERT INTO message (conv_id, seq, sender_id, sent_at, reply_seq, body)
         SELECT conv_id, seq, sender_id, $1, reply_seq, body FROM input"
    )
    .map(|_: crate::engine::Done| ())
}

async fn write_cursors(link: &mut Link<'_>, actors: &[&ActorRow]) -> Result<()> {
    let column =
        |pick: fn(&ActorRow) -> i64| actors.iter().map(|row| pick(row)).collect::<Vec<_>>();
    let row = |row: &&ActorRow| {
        (
            row.conv_id,
            row.user_id,
            row.delivered_seq,
            row.read_seq,
            row.mention_seq,
            row.delivered_at,
            row.read_at,
        )
    };
    each!(
        execute query, link, [],
        rows(actors.iter().map(row))
            "SELECT $1 AS conv_id, $2 AS user_id, $3 AS delivered_seq, $4 AS read_seq,
                    $5 AS mention_seq, $6 AS delivered_at, $7 AS read_at",
        postgres(
            column(|row| row.conv_id),
            column(|row| row.user_id),
            column(|row| row.delivered_seq),
            column(|row| row.read_seq),
            column(|row| row.mention_seq),
            column(|row| row.delivered_at),
            column(|row| row.read_at)
        )
            "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],
                                  $5::bigint[], $6::bigint[], $7::bigint[])
                 AS i (conv_id, user_id, delivered_seq, read_seq, mention_seq,
                       delivered_at, read_at)",
        "UPDATE member SET delivered_seq = input.delivered_seq, read_seq = input.read_seq,
                mention_seq = input.mention_seq, delivered_at = input.delivered_at,
                read_at = input.read_at
           FROM input WHERE member.conv_id = input.conv_id AND member.user_id = input.user_id"
    )
    .map(|_: crate::engine::Done| ())
}

fn committed(batch: &Batch, seen: Seen, plan: Plan, now: i64) -> Committed {
    let receipts: Vec<Receipt> = plan
        .moved
        .iter()
        .map(|place| &seen.actors[place])
        .map(|actor| Receipt {
            conv_id: actor.conv_id,
            user_id: actor.user_id,
            delivered_seq: actor.delivered_seq,
            read_seq: actor.read_seq,
            at: now,
            ..Receipt::default()
        })
        .collect();
    let mut named: HashSet<i64> = receipts.iter().map(|receipt| receipt.conv_id).collect();
    for (send, outcome) in batch.sends.iter().zip(&plan.outcomes) {
        match outcome {
            SendOutcome::Stored { .. } | SendOutcome::Repeated { .. } => {
                named.insert(send.conv_id);
            }
            SendOutcome::Forbidden
            | SendOutcome::BadReply
            | SendOutcome::Unavailable
            | SendOutcome::Full => {}
        }
    }
    let mut members = seen.members;
    members.retain(|conv_id, _| named.contains(conv_id));
    Committed { sends: plan.outcomes, receipts, members, moves_left: Vec::new() }
}
