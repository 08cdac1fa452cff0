//! Random batches, held against a model of thirty lines.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use proto::history::From;
use store::{Batch, CursorMove, NewMessage, SendOutcome, Store};

use crate::support::{Home, NOW, On, person};

#[derive(Debug, Clone)]
enum Step {
    Send { conversation: usize, person: usize, key: i64, reply_seq: i64, mention: usize },
    Move { conversation: usize, person: usize, delivered: i64, read: i64 },
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Cursor {
    delivered: i64,
    read: i64,
    mention: i64,
}

#[derive(Default)]
struct Model {
    /// For each conversation: who wrote, in seq order.
    logs: HashMap<i64, Vec<i64>>,
    keys: HashMap<(i64, i64, i64), i64>,
    cursors: BTreeMap<(i64, i64), Cursor>,
}

impl Model {
    fn step_move(&mut self, cursor: &CursorMove) {
        let end = self.logs[&cursor.conv_id].len() as i64;
        let Some(known) = self.cursors.get_mut(&(cursor.conv_id, cursor.user_id)) else {
            return;
        };
        let delivered = cursor.delivered_seq.max(cursor.read_seq);
        if delivered <= end {
            known.delivered = known.delivered.max(delivered);
            known.read = known.read.max(cursor.read_seq);
        }
    }

    fn step_send(&mut self, send: &NewMessage) -> SendOutcome {
        let key = (send.conv_id, send.sender_id, send.client_key);
        if let Some(&seq) = self.keys.get(&key) {
            return SendOutcome::Repeated { seq, sent_at: NOW };
        }
        let log = self.logs.get_mut(&send.conv_id).unwrap();
        let Some(cursor) = self.cursors.get_mut(&(send.conv_id, send.sender_id)) else {
            return SendOutcome::Forbidden;
        };
        if send.reply_seq < 0 || send.reply_seq > log.len() as i64 {
            return SendOutcome::BadReply;
        }
        log.push(send.sender_id);
        let seq = log.len() as i64;
        self.keys.insert(key, seq);
        if cursor.read == seq - 1 {
            (cursor.delivered, cursor.read) = (seq, seq);
        }
        for &mentioned in send.mentions.iter().filter(|&&id| id != send.sender_id) {
            if let Some(cursor) = self.cursors.get_mut(&(send.conv_id, mentioned)) {
                cursor.mention = seq;
            }
        }
        SendOutcome::Stored { seq, sent_at: NOW }
    }
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let send = (0..3_usize, 0..4_usize, 0..30_i64, -1..8_i64, 0..4_usize).prop_map(
        |(conversation, person, key, reply_seq, mention)| Step::Send {
            conversation,
            person,
            key,
            reply_seq,
            mention,
        },
    );
    let cursor = (0..3_usize, 0..4_usize, -2..20_i64, -2..20_i64).prop_map(
        |(conversation, person, delivered, read)| Step::Move {
            conversation,
            person,
            delivered,
            read,
        },
    );
    let step = prop_oneof![3 => send, 2 => cursor];
    prop::collection::vec(prop::collection::vec(step, 1..20), 1..8)
}

/// Three people in three conversations; the fourth is in none.
async fn seats(store: &Store) -> (Vec<i64>, Vec<i64>) {
    let mut people = Vec::new();
    for handle in ["ann", "bob", "carl", "stranger"] {
        people.push(person(store, handle, handle).await);
    }
    let mut conversations = Vec::new();
    for (me, peer) in [(0, 1), (1, 2), (0, 2)] {
        conversations.push(store.open_direct(people[me], people[peer], NOW).await.unwrap().0);
    }
    (people, conversations)
}

fn batch_of(steps: &[Step], people: &[i64], conversations: &[i64]) -> Batch {
    let mut batch = Batch::default();
    for step in steps {
        match *step {
            Step::Send { conversation, person, key, reply_seq, mention } => {
                batch.sends.push(NewMessage {
                    conv_id: conversations[conversation],
                    sender_id: people[person],
                    client_key: key,
                    reply_seq,
                    body: format!("{key}"),
                    mentions: vec![people[mention]],
                });
            }
            Step::Move { conversation, person, delivered, read } => {
                batch.moves.push(CursorMove {
                    conv_id: conversations[conversation],
                    user_id: people[person],
                    delivered_seq: delivered,
                    read_seq: read,
                });
            }
        }
    }
    batch
}

async fn run(batches: &[Vec<Step>]) {
    let home = Home::new(On::Sqlite).await;
    let store = &home.store;
    let (people, conversations) = seats(store).await;
    let mut model = Model::default();
    for (conv_id, members) in conversations.iter().zip([[0, 1], [1, 2], [0, 2]]) {
        model.logs.insert(*conv_id, Vec::new());
        for member in members {
            model.cursors.insert((*conv_id, people[member]), Cursor::default());
        }
    }
    for steps in batches {
        let batch = batch_of(steps, &people, &conversations);
        let before = model.cursors.clone();
        let done = store.commit(0, &batch, NOW).await.unwrap();
        batch.moves.iter().for_each(|cursor| model.step_move(cursor));
        let expected: Vec<_> = batch.sends.iter().map(|send| model.step_send(send)).collect();
        assert_eq!(done.sends, expected);
        let moved = |(place, now): &(&(i64, i64), &Cursor)| {
            (before[place].delivered, before[place].read) != (now.delivered, now.read)
        };
        let expected: Vec<_> =
            model.cursors.iter().filter(moved).map(|(place, _)| *place).collect();
        let receipts: Vec<_> =
            done.receipts.iter().map(|receipt| (receipt.conv_id, receipt.user_id)).collect();
        assert_eq!(receipts, expected);
    }
    for (&(conv_id, user_id), cursor) in &model.cursors {
        let seen = store.conversation(user_id, conv_id, false).await.unwrap();
        let stored = Cursor {
            delivered: seen.delivered_seq,
            read: seen.read_seq,
            mention: seen.mention_seq,
        };
        assert_eq!(&stored, cursor);
        let (page, _) = store.history(user_id, conv_id, From::AfterSeq(0), 100).await.unwrap();
        let senders: Vec<i64> = page.iter().map(|message| message.sender_id).collect();
        assert_eq!(senders, model.logs[&conv_id][..senders.len()]);
    }
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    home.remove().await;
}

#[test]
fn random_batches_do_what_a_simple_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    // On failure proptest prints the smallest batches that fail.
    TestRunner::new(config)
        .run(&steps(), |batches| {
            runtime.block_on(run(&batches));
            Ok(())
        })
        .unwrap();
}
