//! What one person wrote, was told and was shown, over all lives of the client.

use std::collections::BTreeMap;

use bench::check::{self, Line};
use client::{Event, Queued};
use proto::Message;

use crate::world::World;

/// A message of one's own.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) conv_id: i64,
    pub(crate) client_key: i64,
    pub(crate) text: String,
    /// When, for receipts of one's own words.
    at: u64,
    /// The client has said that it is kept. Before that a person sees that it is not.
    pub(crate) kept: bool,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waits,
    /// The number that it was told to have.
    Acked(i64),
    /// The client has forgotten it as sent, and died before it said so.
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) said: Vec<Said>,
    /// Conversation → what was shown of it, in the order of showing, own words excepted.
    pub(crate) shown: BTreeMap<i64, Vec<Line>>,
    pub(crate) reads: Vec<check::Read>,
    pub(crate) receipts: Vec<check::Read>,
    /// What no judge has a word for.
    pub(crate) complaints: Vec<String>,
}

impl Journal {
    pub(crate) fn say(&mut self, world: &World, conv_id: i64, client_key: i64, text: &str) {
        self.said.push(Said {
            conv_id,
            client_key,
            text: text.to_owned(),
            at: world.moment(),
            kept: false,
            fate: Fate::Waits,
        });
    }

    pub(crate) fn kept(&mut self, client_key: i64) {
        for said in self.said.iter_mut().filter(|said| said.client_key == client_key) {
            said.kept = true;
        }
    }

    /// A client begins with what its disk has: what it shows, and what it still wants to send.
    pub(crate) fn begin(&mut self, me: i64, copy: &[(i64, Vec<Message>)], queued: &[Queued]) {
        for (conv_id, messages) in copy {
            let shown = self.shown.entry(*conv_id).or_default();
            let last = shown.iter().map(|line| line.seq).max().unwrap_or(0);
            let new = messages.iter().filter(|m| m.seq > last && m.sender_id != me);
            shown.extend(new.map(|m| Line { seq: m.seq, text: m.body.clone() }));
        }
        for said in self.said.iter_mut().filter(|said| said.fate == Fate::Waits && said.kept) {
            if queued.iter().all(|queued| queued.client_key != said.client_key) {
                said.fate = Fate::Gone;
            }
        }
    }

    pub(crate) fn note(&mut self, world: &World, me: i64, event: &Event) {
        match event {
            Event::New { message, .. } if message.sender_id != me => {
                let line = Line { seq: message.seq, text: message.body.clone() };
                self.shown.entry(message.conv_id).or_default().push(line);
            }
            Event::Sent(sent) => {
                let mine = self.said.iter_mut().find(|said| said.client_key == sent.client_key);
                match mine {
                    Some(said) if said.fate == Fate::Waits => said.fate = Fate::Acked(sent.seq),
                    _ => self.complaints.push(format!("an answer to nothing: {sent:?}")),
                }
            }
            Event::SendRefused { text, .. } => self.complaints.push(format!("refused: {text}")),
            Event::Receipt(receipt) if receipt.read_seq > 0 => self.receipts.push(check::Read {
                at: world.moment(),
                conv_id: receipt.conv_id,
                user_id: receipt.user_id,
                seq: receipt.read_seq,
            }),
            _ => {}
        }
    }

    /// Everything that was kept has been answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.said.iter().all(|said| !said.kept || said.fate != Fate::Waits)
    }

    /// Who writes has read his own words, which the store says for him.
    pub(crate) fn own_reads(
        &self,
        user_id: i64,
        logs: &BTreeMap<i64, Vec<Line>>,
    ) -> Vec<check::Read> {
        let nothing = Vec::new();
        let read = |said: &Said| {
            let log = logs.get(&said.conv_id).unwrap_or(&nothing);
            let line = log.iter().find(|line| line.text == said.text)?;
            Some(check::Read { at: said.at, conv_id: said.conv_id, user_id, seq: line.seq })
        };
        self.said.iter().filter_map(read).collect()
    }
}
