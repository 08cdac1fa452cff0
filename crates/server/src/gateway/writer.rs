//! The writer: one task per database that commits whatever waits as one transaction, then rings the
//! bells. While one commit is under way the next batch gathers by itself; when nothing waits,
//! nothing is delayed. `docs/flows/send.md`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::limits::RECEIPT_MEMBERS_MAX;
use proto::server_frame::Body;
use proto::{ErrorCode, Message, Receipt, Sent, SentState, frame, history};
use store::{Batch, CursorMove, NewMessage, SendOutcome, Store};
use tokio::sync::{mpsc, watch};

use super::Gateway;
use super::cursor::Moves;
use super::journey::{self, Trace};
use super::presence;
use super::put_off::PutOff;
use super::refusal::Refusal;
use crate::bus::{Bus, Ring};
use crate::counters::Counters;
use crate::listen::announced;
use crate::outbound::{Event, Outbound, Settled};
use crate::spans::Context;
use crate::{clock, limits, seam};

/// When cursors that could not be moved are tried again.
const LATER: Duration = Duration::from_millis(limits::UNAVAILABLE_RETRY_MS.unsigned_abs());

/// Where connections leave what is to be written.
pub(crate) struct Writer {
    pub(crate) sends: mpsc::Sender<Pending>,
    pub(crate) moves: Arc<Moves>,
}

/// The other end.
pub(crate) struct Queue {
    sends: mpsc::Receiver<Pending>,
    moves: Arc<Moves>,
}

/// A message that wants to be stored, and who waits for that.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) message: NewMessage,
    pub(crate) asker: Asker,
    /// Why it cannot be stored now, if that is known: who is mentioned in it could not be asked.
    pub(crate) put_off: Option<store::Error>,
}

#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) frame_ref: u32,
    /// The connection that gets Sent instead of the message itself.
    pub(crate) origin: u64,
    pub(crate) queue: Arc<Outbound>,
    pub(crate) received: Instant,
    pub(crate) received_at: i64,
    /// Of a message whose way is followed.
    pub(crate) context: Option<Context>,
}

/// A text that no writer survives: there is no other way to see what its death does.
#[cfg(test)]
pub(crate) const DEADLY: &str = "die";

/// What one transaction did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// One for each send, in the same order.
    pub(crate) sends: Vec<Result<SendOutcome, store::Error>>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) members: HashMap<i64, Vec<i64>>,
    /// Who seemed to be online, so that no nudge was written for him.
    pub(crate) unnudged: HashSet<i64>,
    /// Cursors that could not be moved for lack of a database. They wait for the next try.
    pub(crate) moves_left: Vec<CursorMove>,
    /// Why the batch could not be committed as one.
    pub(crate) failed: Option<store::Error>,
}

pub(crate) fn new() -> (Writer, Queue) {
    let (sends, queue) = mpsc::channel(limits::WRITER_QUEUE_SENDS);
    let moves = Arc::new(Moves::default());
    (Writer { sends, moves: Arc::clone(&moves) }, Queue { sends: queue, moves })
}

/// Writes until `finish` is true and nothing waits any more.
pub(crate) async fn run(
    gateway: Arc<Gateway>,
    database: usize,
    mut queue: Queue,
    mut finish: watch::Receiver<bool>,
) {
    let mut pending = Vec::with_capacity(limits::BATCH_SENDS_MAX);
    let mut put_off = PutOff::default();
    loop {
        let finishing = tokio::select! {
            biased;
            _ = queue.sends.recv_many(&mut pending, limits::BATCH_SENDS_MAX) => false,
            () = queue.moves.due() => false,
            () = announced(&mut finish) => true,
        };
        let moves = queue.moves.take();
        if finishing && pending.is_empty() && moves.is_empty() {
            return;
        }
        pending.retain(|waiting| may_be_stored(waiting, &mut put_off));
        let put_back =
            write(&gateway, database, &queue.moves, &mut pending, moves, &mut put_off).await;
        if finishing && put_back {
            // A client that comes back tells its cursors again.
            tracing::warn!("some cursors could not be written at the end");
            return;
        }
    }
}

/// Refuses what has to wait: behind another one, or because something about it is not known yet.
fn may_be_stored(pending: &Pending, put_off: &mut PutOff) -> bool {
    if put_off.holds(pending) {
        refuse(&pending.asker, &Refusal::from(behind_another()));
        return false;
    }
    let Some(error) = &pending.put_off else { return true };
    if passes(error) {
        put_off.put_off(&pending.asker, &pending.message);
    }
    refuse(&pending.asker, &Refusal::from(error.clone()));
    false
}

/// One round: commit, then publish, then remember the journeys. `true`: moves were put back.
async fn write(
    gateway: &Gateway,
    database: usize,
    moves_waiting: &Moves,
    pending: &mut Vec<Pending>,
    moves: Vec<CursorMove>,
    put_off: &mut PutOff,
) -> bool {
    #[cfg(test)]
    assert!(pending.iter().all(|p| p.message.body != DEADLY), "a test wants this writer to die");
    let batched = Instant::now();
    let (sends, askers): (Vec<_>, Vec<_>) = pending.drain(..).map(|p| (p.message, p.asker)).unzip();
    let moved: Vec<_> = moves.iter().map(|m| (m.conv_id, m.user_id)).collect();
    count_batch(&gateway.counters, &askers, moves.len(), batched);
    let batch = Batch { sends, moves };
    let (store, bus) = (&gateway.store, &gateway.bus);
    let mut done = commit(store, bus, database, &batch).await;
    let committed = Instant::now();
    if done.sends.iter().any(Result::is_ok) {
        seam::committed();
    }
    count_done(&gateway.counters, &done, committed - batched);
    let put_back = !done.moves_left.is_empty();
    moves_waiting.put_back(std::mem::take(&mut done.moves_left), LATER);
    let mut traces = Vec::with_capacity(askers.len());
    let mut sends = Vec::with_capacity(askers.len());
    for ((message, asker), outcome) in batch.sends.into_iter().zip(askers).zip(&done.sends) {
        if will_come_again(outcome) {
            put_off.put_off(&asker, &message);
        }
        if let Ok(SendOutcome::Stored { seq, .. }) = *outcome {
            traces.push(Trace {
                conv_id: message.conv_id,
                seq,
                received_at: asker.received_at,
                received: asker.received,
                batched,
                committed,
                published: committed,
                context: asker.context,
            });
        }
        sends.push((message, asker));
    }
    // They seemed to be online when their messages were stored, and nobody has heard the ring: they
    // had just gone. (Who hears it and goes is nudged when he goes.) If this process dies before it
    // comes to that, the sender repeats what has no answer, and a repeated message asks again.
    for user_id in publish(store, bus, sends, &done, &moved).await {
        presence::nudge(gateway, user_id).await;
    }
    let published = Instant::now();
    for trace in &mut traces {
        trace.published = published;
        journey::tell_spans(&gateway.spans, trace, done.sends.len());
    }
    gateway.journeys.remember(traces);
    put_back
}

fn count_batch(counters: &Counters, askers: &[Asker], moves: usize, batched: Instant) {
    counters.batches.add(1);
    counters.moves.add(moves as u64);
    counters.batch_sends.observe(askers.len() as u64);
    for asker in askers {
        counters.send_wait.observe(batched.saturating_duration_since(asker.received));
    }
}

fn count_done(counters: &Counters, done: &Done, took: Duration) {
    let (mut stored, mut repeated, mut refused) = (0, 0, 0);
    for outcome in &done.sends {
        match outcome {
            Ok(SendOutcome::Stored { .. }) => stored += 1,
            Ok(SendOutcome::Repeated { .. }) => repeated += 1,
            Ok(_) | Err(_) => refused += 1,
        }
    }
    counters.messages.add(stored);
    counters.messages_repeated.add(repeated);
    counters.messages_refused.add(refused);
    match &done.failed {
        None => counters.commit.observe(took),
        Some(store::Error::Unavailable(_)) => counters.commits_unavailable.add(1),
        Some(store::Error::Full) => counters.commits_full.add(1),
        Some(_) => counters.commits_fault.add(1),
    }
}

/// Commits the batch. If something in it may be bad, its items are tried one by one, so that one
/// bad item does not take the others along.
pub(crate) async fn commit(store: &Store, bus: &Bus, database: usize, batch: &Batch) -> Done {
    let seeming = Seeming { bus, yes: Mutex::default() };
    let now = clock::now();
    let committed = store.commit_and_nudge(database, batch, &|id| seeming.online(id), now).await;
    let error = match committed {
        Ok(committed) => {
            return Done {
                sends: committed.sends.into_iter().map(Ok).collect(),
                receipts: committed.receipts,
                members: committed.members,
                unnudged: seeming.take(),
                moves_left: committed.moves_left,
                failed: None,
            };
        }
        Err(error) => error,
    };
    if passes(&error) {
        let sends = batch.sends.iter().map(|_| Err(error.clone())).collect();
        let moves_left = batch.moves.clone();
        return Done { sends, moves_left, failed: Some(error), ..Done::default() };
    }
    tracing::error!(%error, sends = batch.sends.len(), "a batch failed, its items go one by one");
    let done = one_by_one(store, bus, database, batch).await;
    Done { failed: Some(error), ..done }
}

/// Who seems to be online, and of whom that was said.
struct Seeming<'a> {
    bus: &'a Bus,
    yes: Mutex<HashSet<i64>>,
}

impl Seeming<'_> {
    fn online(&self, user_id: i64) -> bool {
        let online = self.bus.seems_online(user_id);
        if online {
            self.yes.lock().unwrap_or_else(PoisonError::into_inner).insert(user_id);
        }
        online
    }

    fn take(self) -> HashSet<i64> {
        self.yes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Behind a message that the database does not take for a while nothing of its sender is stored in
/// that conversation: it would overtake. A bad one holds nobody up, because it does not come again.
async fn one_by_one(store: &Store, bus: &Bus, database: usize, batch: &Batch) -> Done {
    let mut done = Done::default();
    let mut held = HashSet::new();
    let alone = batch.sends.iter().map(|message| (vec![message.clone()], Vec::new()));
    let moves = batch.moves.iter().map(|moved| (Vec::new(), vec![*moved]));
    for (sends, moves) in alone.chain(moves) {
        let moved = moves.first().copied();
        let lane = sends.first().map(|message| (message.conv_id, message.sender_id));
        if lane.is_some_and(|lane| held.contains(&lane)) {
            done.sends.push(Err(behind_another()));
            continue;
        }
        let seeming = Seeming { bus, yes: Mutex::default() };
        let (one, online) = (Batch { sends, moves }, |user_id| seeming.online(user_id));
        let done_one = store.commit_and_nudge(database, &one, &online, clock::now()).await;
        done.unnudged.extend(seeming.take());
        match done_one {
            Ok(committed) => {
                done.sends.extend(committed.sends.into_iter().map(Ok));
                done.receipts.extend(committed.receipts);
                done.members.extend(committed.members);
                done.moves_left.extend(committed.moves_left);
            }
            Err(error) => match (moved, &error) {
                (None, _) => done.sends.push(Err(error)),
                (Some(moved), error) if passes(error) => done.moves_left.push(moved),
                // It would fail for ever. The client's next one, or its next Hello, says more.
                (Some(_), _) => tracing::error!(%error, "a cursor could not be moved"),
            },
        }
        if done.sends.last().is_some_and(will_come_again) {
            held.extend(lane);
        }
    }
    done
}

/// The database did not take it now, and may later.
fn passes(error: &store::Error) -> bool {
    matches!(error, store::Error::Full | store::Error::Unavailable(_))
}

/// Its sender is told to repeat it.
fn will_come_again(outcome: &Result<SendOutcome, store::Error>) -> bool {
    match outcome {
        Ok(outcome) => matches!(outcome, SendOutcome::Full | SendOutcome::Unavailable),
        Err(error) => passes(error),
    }
}

fn behind_another() -> store::Error {
    store::Error::Unavailable("an earlier message waits".to_owned())
}

/// A message that is in the log, on its way to the members.
struct Stored {
    asker: Asker,
    sender_id: i64,
    conv_id: i64,
    client_key: i64,
    seq: i64,
    sent_at: i64,
    repeated: bool,
    mentions: Vec<i64>,
    /// None: it is not there any more.
    event: Option<Arc<Event>>,
}

/// Tells the members of what was committed, and the senders. Only ever called for what is committed
/// or refused.
///
/// The other gateways are told of the whole batch in one piece. On this one each message goes out
/// before its Sent and before the next message: every connection gets everything in the order of
/// the log.
///
/// Answers who is to be nudged, because he was not when the batch was committed and is not there.
pub(crate) async fn publish(
    store: &Store,
    bus: &Bus,
    sends: Vec<(NewMessage, Asker)>,
    done: &Done,
    moved: &[(i64, i64)],
) -> BTreeSet<i64> {
    let mut stored = Vec::with_capacity(sends.len());
    for ((message, asker), outcome) in sends.into_iter().zip(&done.sends) {
        match accept(outcome) {
            Ok((seq, sent_at, repeated)) => {
                let (conv_id, sender_id) = (message.conv_id, message.sender_id);
                let (client_key, mentions) = (message.client_key, message.mentions.clone());
                let message = stored_message(store, message, seq, sent_at, repeated).await;
                let event =
                    message.map(|m| Event::followed(Body::Message(m), asker.origin, asker.context));
                stored.push(Stored {
                    asker,
                    sender_id,
                    conv_id,
                    client_key,
                    seq,
                    sent_at,
                    repeated,
                    mentions,
                    event,
                });
            }
            // A refusal has no place among the messages.
            Err(refusal) => refuse(&asker, &refusal),
        }
    }
    let receipts: Vec<_> = done.receipts.iter().map(|r| receipt_event(r, done, moved)).collect();
    let members = |conv_id| done.members.get(&conv_id).map_or(&[][..], Vec::as_slice);
    let mut rings = Vec::with_capacity(stored.len() + receipts.len());
    for message in &stored {
        let user_ids = members(message.conv_id);
        rings.extend(message.event.as_ref().map(|event| Ring { event, user_ids }));
    }
    rings.extend(receipts.iter().map(|(event, user_ids)| Ring { event, user_ids }));
    let elsewhere = bus.ring_elsewhere(&rings).await;
    let (mut ring, mut missed) = (0, BTreeSet::new());
    for message in &stored {
        let members = members(message.conv_id);
        let mut members_online = 0;
        if let Some(event) = &message.event {
            for (place, user_id) in members.iter().enumerate() {
                let is_here = bus.ring_here(*user_id, event) > 0;
                let is_online = is_here || elsewhere.heard(ring, place);
                members_online += u32::from(is_online && *user_id != message.sender_id);
                // Of one that was stored earlier it is not known any more who was nudged then.
                let may_lack = match message.repeated {
                    true => members.len() == 2 || message.mentions.contains(user_id),
                    false => done.unnudged.contains(user_id),
                };
                if may_lack && !is_online && *user_id != message.sender_id {
                    missed.insert(*user_id);
                }
            }
            ring += 1;
        }
        settle(message, members, members_online);
    }
    for (event, user_ids) in &receipts {
        for user_id in *user_ids {
            bus.ring_here(*user_id, event);
        }
    }
    missed
}

fn accept(outcome: &Result<SendOutcome, store::Error>) -> Result<(i64, i64, bool), Refusal> {
    match outcome {
        Ok(SendOutcome::Stored { seq, sent_at }) => Ok((*seq, *sent_at, false)),
        Ok(SendOutcome::Repeated { seq, sent_at }) => Ok((*seq, *sent_at, true)),
        Ok(SendOutcome::Forbidden) => {
            let text = "this conversation takes no message from you";
            Err(Refusal::new(ErrorCode::Forbidden, text))
        }
        Ok(SendOutcome::BadReply) => {
            Err(Refusal::new(ErrorCode::Invalid, "there is no such message to reply to"))
        }
        Ok(SendOutcome::Unavailable) => {
            let why = "one of several does not answer, or the shard is being moved";
            Err(Refusal::from(store::Error::Unavailable(why.to_owned())))
        }
        Ok(SendOutcome::Full) => Err(Refusal::from(store::Error::Full)),
        Err(error) => Err(Refusal::from(error.clone())),
    }
}

/// The sender's answer: where the message is, and whom it found.
fn settle(message: &Stored, members: &[i64], members_online: u32) {
    let Stored { conv_id, client_key, seq, sent_at, repeated, .. } = *message;
    let sender_id = message.sender_id;
    let others = members.iter().filter(|id| **id != sender_id).count();
    let state = if members_online > 0 { SentState::OnItsWay } else { SentState::Kept };
    let sent = Sent {
        conv_id,
        client_key,
        seq,
        sent_at,
        state: if others == 0 { SentState::Stored } else { state }.into(),
        offline_since: 0,
        mail_at: 0,
        members_online,
        members: others as u32,
        repeated,
    };
    let kept_for = match members {
        [a, b] if members_online == 0 => {
            if *a == sender_id {
                *b
            } else {
                *a
            }
        }
        _ => 0,
    };
    let frame = frame::answer(message.asker.frame_ref, Body::Sent(sent));
    message.asker.queue.settle(Settled { frame, kept_for });
}

/// The message as the store has it. A repeated one may have been changed since, so it is read.
async fn stored_message(
    store: &Store,
    message: NewMessage,
    seq: i64,
    sent_at: i64,
    repeated: bool,
) -> Option<Message> {
    let NewMessage { conv_id, sender_id, reply_seq, body, .. } = message;
    if !repeated {
        let fresh =
            Message { conv_id, seq, sender_id, sent_at, reply_seq, body, ..Message::default() };
        return Some(fresh);
    }
    let from = history::From::AfterSeq(seq - 1);
    let (messages, _) = store.history(sender_id, conv_id, from, 1).await.ok()?;
    messages.into_iter().find(|stored| stored.seq == seq)
}

/// Who has it and who has read it, and who is told: the members. In large groups, and where the
/// cursor only followed the user's own message, the user's own connections: nobody else learns
/// anything from it.
fn receipt_event<'a>(
    receipt: &'a Receipt,
    done: &'a Done,
    moved: &[(i64, i64)],
) -> (Arc<Event>, &'a [i64]) {
    let (conv_id, user_id) = (receipt.conv_id, receipt.user_id);
    let members = done.members.get(&conv_id).map_or(&[][..], Vec::as_slice);
    let is_own =
        members.len() > RECEIPT_MEMBERS_MAX as usize || !moved.contains(&(conv_id, user_id));
    let told = if is_own { std::slice::from_ref(&receipt.user_id) } else { members };
    (Event::new(Body::Receipt(*receipt), 0), told)
}

fn refuse(asker: &Asker, refusal: &Refusal) {
    asker.queue.settle(Settled { frame: refusal.frame(asker.frame_ref), kept_for: 0 });
}

#[cfg(test)]
mod tests {
    use store::{NewUser, Options};

    use super::*;
    use crate::gateway::{Footing, tamper};
    use crate::harness;
    use crate::tasks::Tasks;

    #[tokio::test]
    async fn what_a_full_disk_does_not_take_at_the_end_is_tried_once_more_and_no_longer() {
        let dir = std::env::temp_dir().join(format!("natter-{}", proto::id::random_key()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = format!("sqlite:{}", dir.join("natter.db").display());
        // No disk has so much left.
        let options = Options { disk_reserve_bytes: u64::MAX, ..Options::default() };
        let store = Store::open(&[url], &options).await.unwrap();
        let (footing, _drain) = Footing::alone(store);
        let counters = Arc::clone(&footing.counters);
        let mut tasks = Tasks::default();
        let running = super::super::start(&mut tasks, footing);
        let moved = CursorMove { conv_id: 1, user_id: 2, delivered_seq: 3, read_seq: 3 };
        running.gateway.writers[0].moves.put(moved);
        while counters.batches.get() == 0 {
            tokio::task::yield_now().await;
        }
        running.finish().await;
        let ended = tokio::time::timeout(Duration::from_secs(30), tasks.ended()).await;
        ended.expect("the writer ends").unwrap();
        assert!(counters.batches.get() <= 2, "{} tries", counters.batches.get());
        let _ = std::fs::remove_dir_all(&dir);
    }

    /// Two tables of PostgreSQL's that a test has bewitched: one text is bad for good. As long as
    /// the sequence `away` is there, another one comes too late, and one person's cursors cannot be
    /// moved.
    const BEWITCHED: &str = "
        CREATE SEQUENCE away;
        CREATE FUNCTION no_text() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.body = 'bad' THEN RAISE EXCEPTION 'bad'; END IF;
          IF NEW.body = 'late' AND to_regclass('away') IS NOT NULL THEN
            RAISE EXCEPTION 'late' USING ERRCODE = '25P03';
          END IF;
          RETURN NEW;
        END $$;
        CREATE FUNCTION no_cursor() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.user_id = 2 AND to_regclass('away') IS NOT NULL THEN
            RAISE EXCEPTION 'away' USING ERRCODE = '57P03';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER no_text BEFORE INSERT ON message
          FOR EACH ROW EXECUTE FUNCTION no_text();
        CREATE TRIGGER no_cursor BEFORE UPDATE ON member
          FOR EACH ROW EXECUTE FUNCTION no_cursor()";

    /// Three people, and the conversation of the first two, in a database that may be bewitched.
    async fn people() -> (String, Store, i64) {
        let url = harness::create_database().await;
        let store = Store::open(std::slice::from_ref(&url), &Options::default()).await.unwrap();
        for (user_id, handle) in [(1, "ann"), (2, "bob"), (3, "cleo")] {
            let user = NewUser {
                user_id,
                handle: handle.to_owned(),
                name: handle.to_owned(),
                email: None,
                pass_hash: "no password".to_owned(),
            };
            store.create_user(&user, 1).await.unwrap();
        }
        let (conv_id, _) = store.open_direct(1, 2, 1).await.unwrap();
        (url, store, conv_id)
    }

    fn message(conv_id: i64, sender_id: i64, body: &str) -> NewMessage {
        NewMessage {
            conv_id,
            sender_id,
            client_key: proto::id::random_key(),
            reply_seq: 0,
            body: body.to_owned(),
            mentions: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_cursor_beside_a_bad_message_waits_for_a_database_that_is_away() {
        let (url, store, conv_id) = people().await;
        let bus = Bus::local();
        let good = || message(conv_id, 1, "good");
        let first = Batch { sends: vec![good()], moves: Vec::new() };
        assert!(commit(&store, &bus, 0, &first).await.failed.is_none());
        tamper(&url, BEWITCHED).await;
        let moved = CursorMove { conv_id, user_id: 2, delivered_seq: 1, read_seq: 1 };
        let batch = Batch { sends: vec![message(conv_id, 1, "bad"), good()], moves: vec![moved] };
        let done = commit(&store, &bus, 0, &batch).await;
        assert!(matches!(done.sends[..], [Err(_), Ok(SendOutcome::Stored { seq: 2, .. })]));
        assert_eq!(done.moves_left, [moved], "it is tried again, and not forgotten");
        tamper(&url, "DROP SEQUENCE away").await;
        let again = Batch { sends: Vec::new(), moves: done.moves_left };
        let done = commit(&store, &bus, 0, &again).await;
        assert_eq!((done.receipts.len(), done.moves_left.len()), (1, 0));
        store.close().await;
        harness::drop_database(&url).await;
    }

    #[tokio::test]
    async fn nothing_overtakes_a_message_whose_mentions_could_not_be_looked_up() {
        let (url, store, conv_id) = people().await;
        let (footing, _drain) = Footing::alone(store.clone());
        let mut tasks = Tasks::default();
        let running = super::super::start(&mut tasks, footing);
        let queue = Arc::<Outbound>::default();
        let away = || store::Error::Unavailable("it is away".to_owned());
        let (first, second) = (message(conv_id, 1, "hello @bob"), message(conv_id, 1, "and now?"));
        let tries = [
            (&first, Some(away())),
            (&second, None),
            (&first, Some(away())),
            (&second, None),
            (&first, None),
            (&second, None),
        ];
        for (message, put_off) in tries {
            let asker = Asker {
                frame_ref: 1,
                origin: 1,
                queue: Arc::clone(&queue),
                received: Instant::now(),
                received_at: 0,
                context: None,
            };
            let pending = Pending { message: message.clone(), asker, put_off };
            running.gateway.writers[0].sends.send(pending).await.unwrap();
        }
        running.finish().await;
        tasks.ended().await.unwrap();
        let (log, _) = store.history(1, conv_id, history::From::AfterSeq(0), 10).await.unwrap();
        let texts: Vec<_> = log.iter().map(|stored| stored.body.as_str()).collect();
        assert_eq!(texts, ["hello @bob", "and now?"]);
        store.close().await;
        harness::drop_database(&url).await;
    }

    #[tokio::test]
    async fn beside_a_bad_message_nothing_overtakes_what_the_database_takes_later() {
        let (url, store, _) = people().await;
        let (conv_id, _) = store.open_direct(1, 3, 1).await.unwrap();
        let bus = Bus::local();
        tamper(&url, BEWITCHED).await;
        let bad = message(conv_id, 3, "bad");
        let others = [message(conv_id, 1, "late"), message(conv_id, 1, "good")];
        let sends = [&[bad][..], &others, &[message(conv_id, 3, "good")]].concat();
        let done = commit(&store, &bus, 0, &Batch { sends, moves: Vec::new() }).await;
        let [Err(store::Error::Internal(_)), late, behind, others_own] = &done.sends[..] else {
            panic!("{:?}", done.sends);
        };
        assert!(will_come_again(late) && will_come_again(behind), "{:?}", done.sends);
        assert!(matches!(others_own, Ok(SendOutcome::Stored { seq: 1, .. })), "{others_own:?}");
        tamper(&url, "DROP SEQUENCE away").await;
        let again = Batch { sends: others.to_vec(), moves: Vec::new() };
        let done = commit(&store, &bus, 0, &again).await;
        let [Ok(late), Ok(behind)] = &done.sends[..] else { panic!("{:?}", done.sends) };
        assert!(matches!(late, SendOutcome::Stored { seq: 2, .. }));
        assert!(matches!(behind, SendOutcome::Stored { seq: 3, .. }));
        store.close().await;
        harness::drop_database(&url).await;
    }

    #[tokio::test]
    async fn a_transaction_that_the_machine_was_too_busy_for_is_put_off_as_a_whole() {
        let (url, store, conv_id) = people().await;
        let bus = Bus::local();
        tamper(&url, BEWITCHED).await;
        let sends = vec![message(conv_id, 1, "late"), message(conv_id, 1, "good")];
        let done = commit(&store, &bus, 0, &Batch { sends, moves: Vec::new() }).await;
        assert!(matches!(done.failed, Some(store::Error::Unavailable(_))), "{:?}", done.failed);
        assert!(done.sends.iter().all(will_come_again), "{:?}", done.sends);
        store.close().await;
        harness::drop_database(&url).await;
    }
}
