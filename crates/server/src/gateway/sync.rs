//! What one connection has been given of each conversation, and how a hole is found and filled. The
//! same procedure serves a client that comes back, a bus that lost something, and the check every
//! few minutes.

use std::collections::{HashMap, HashSet, VecDeque};

use proto::server_frame::Body;
use proto::{Conversation, Message, Page, Position, history, limits};
use store::{Away, Reached, Standing, Store};

use crate::seam;

/// What one connection has been given.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    user_id: i64,
    known: HashMap<i64, Known>,
    holes: VecDeque<Hole>,
    /// Where nobody could look the last time.
    pub(crate) away: Away,
    /// Conversations there of which the client said how far it has them.
    unseen: HashSet<i64>,
    /// Conversations that the client has and that are not the user's any more.
    lost: VecDeque<i64>,
    /// Messages that went out in pages.
    pub(crate) messages: u32,
    /// Changes to old messages that went out in pages.
    pub(crate) changes: u32,
    /// Conversations of which more was missing than is sent unasked.
    pub(crate) unfinished: Vec<i64>,
}

/// Everything up to here has been given.
#[derive(Debug, Clone, Copy)]
struct Known {
    seq: i64,
    rev: i64,
    /// Nothing up to here may be given: it was written before the user came.
    joined_seq: i64,
}

impl Known {
    fn join(&mut self, joined_seq: i64) {
        self.joined_seq = self.joined_seq.max(joined_seq);
        self.seq = self.seq.max(self.joined_seq);
    }
}

/// Something of a conversation that is missing.
#[derive(Debug)]
struct Hole {
    conv_id: i64,
    to_seq: i64,
    to_rev: i64,
    /// The client has not heard of the conversation: tell it first.
    introduce: bool,
    sent: u32,
}

/// What to do with a message that the bus brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Push,
    /// The client has it, or must not have it.
    Drop,
    /// Something before it is missing: fill the holes, which brings this one too.
    Fill,
}

impl Sync {
    /// From what the client says it has and where the store stands. Positions that lie ahead of the
    /// log count as its end; of conversations that are not his the client is told just that.
    pub(crate) fn start(user_id: i64, have: &[Position], standings: &Reached<Standing>) -> Self {
        let have: HashMap<i64, &Position> = have.iter().map(|p| (p.conv_id, p)).collect();
        let mut sync = Self { user_id, away: standings.away.clone(), ..Self::default() };
        sync.lose(have.keys().copied().collect(), standings);
        for (conv_id, position) in have.iter().filter(|(conv_id, _)| standings.away.has(**conv_id))
        {
            let known = Known { seq: position.seq, rev: position.rev, joined_seq: 0 };
            sync.known.insert(*conv_id, known);
            sync.unseen.insert(*conv_id);
        }
        for standing in &standings.found {
            let known = match have.get(&standing.conv_id) {
                Some(position) => Known {
                    seq: position.seq.min(standing.last_seq).max(standing.joined_seq),
                    rev: position.rev.min(standing.last_rev),
                    joined_seq: standing.joined_seq,
                },
                None => unnamed(standing),
            };
            sync.known.insert(standing.conv_id, known);
        }
        sync.compare(standings);
        sync
    }

    /// Finds holes by the positions of the store.
    pub(crate) fn compare(&mut self, standings: &Reached<Standing>) {
        self.away = standings.away.clone();
        self.lose(self.known.keys().copied().collect(), standings);
        for standing in &standings.found {
            let introduce = !self.known.contains_key(&standing.conv_id);
            let known = self.known.entry(standing.conv_id).or_insert_with(|| unnamed(standing));
            if self.unseen.remove(&standing.conv_id) {
                // Nobody could say before that the client is ahead of the log.
                known.seq = known.seq.min(standing.last_seq);
                known.rev = known.rev.min(standing.last_rev);
            }
            known.join(standing.joined_seq);
            let behind = known.seq < standing.last_seq || known.rev < standing.last_rev;
            if behind || introduce {
                self.holes.push_back(Hole {
                    conv_id: standing.conv_id,
                    to_seq: standing.last_seq,
                    to_rev: standing.last_rev,
                    introduce,
                    sent: 0,
                });
            }
        }
    }

    /// Whoever was put out of a conversation while he was away, or while the bus lost the word, is
    /// to be told. Standings that were cut say nothing about the rest, and a database that is away
    /// nothing about what is in it.
    fn lose(&mut self, named: Vec<i64>, standings: &Reached<Standing>) {
        let Reached { found, away } = standings;
        if found.len() >= store::DIGEST_MAX as usize {
            return;
        }
        let mine: HashSet<i64> = found.iter().map(|standing| standing.conv_id).collect();
        let is_lost = |conv_id: &i64| !mine.contains(conv_id) && !away.has(*conv_id);
        for conv_id in named.into_iter().filter(is_lost) {
            self.forget(conv_id);
            self.lost.push_back(conv_id);
        }
    }

    /// A message that was stored or changed. With `Push` it counts as given.
    pub(crate) fn judge(&mut self, message: &Message) -> Verdict {
        let introduce = !self.known.contains_key(&message.conv_id);
        let known = self.known.entry(message.conv_id).or_insert_with(|| unmet(message));
        let (seq, rev) = (message.seq, message.rev);
        let next =
            if seq > known.seq { seq == known.seq + 1 && rev == 0 } else { rev == known.rev + 1 };
        if next && !introduce {
            (known.seq, known.rev) = (known.seq.max(seq), known.rev.max(rev));
            // The bell rings at everybody with the whole message, also at those who came later.
            return match seq > known.joined_seq {
                true => Verdict::Push,
                false => Verdict::Drop,
            };
        }
        if seq <= known.seq && rev <= known.rev {
            return Verdict::Drop;
        }
        if !introduce && seam::has_no_gap_fill() {
            (known.seq, known.rev) = (known.seq.max(seq), known.rev.max(rev));
            return Verdict::Push;
        }
        self.holes.push_back(Hole {
            conv_id: message.conv_id,
            to_seq: seq,
            to_rev: rev,
            introduce,
            sent: 0,
        });
        Verdict::Fill
    }

    /// The client is told of this conversation. If it is a young one, all of its messages are still
    /// to come; of an old one that slept, those above the delivered cursor.
    pub(crate) fn meet(&mut self, conversation: &Conversation) {
        let joined = conversation.joined_seq;
        let is_young = conversation.last_seq - joined <= i64::from(limits::PAGE_MESSAGES_MAX);
        let seq = if is_young { joined } else { conversation.delivered_seq.max(joined) };
        let known = Known { seq, rev: conversation.last_rev, joined_seq: joined };
        let known = self.known.entry(conversation.conv_id).or_insert(known);
        known.join(joined);
    }

    /// This conversation is not the user's any more.
    pub(crate) fn forget(&mut self, conv_id: i64) {
        self.known.remove(&conv_id);
        self.holes.retain(|hole| hole.conv_id != conv_id);
    }

    pub(crate) fn has_holes(&self) -> bool {
        !self.holes.is_empty() || !self.lost.is_empty()
    }

    /// The next piece of what is missing: a Page, or a Conversation that the client has not heard
    /// of, or does not know to be lost. `None`: nothing is missing.
    pub(crate) async fn next(&mut self, store: &Store) -> Result<Option<Body>, store::Error> {
        if let Some(conv_id) = self.lost.pop_front() {
            return Ok(Some(Body::Conversation(Conversation {
                conv_id,
                left: true,
                ..Conversation::default()
            })));
        }
        while let Some(mut hole) = self.holes.pop_front() {
            match self.piece(&mut hole, store).await {
                Ok(Piece::Body(body)) => {
                    self.holes.push_front(hole);
                    return Ok(Some(*body));
                }
                Ok(Piece::Nothing) => self.holes.push_front(hole),
                Ok(Piece::Filled) => {}
                Err(store::Error::NotFound) => self.forget(hole.conv_id),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn piece(&mut self, hole: &mut Hole, store: &Store) -> Result<Piece, store::Error> {
        if hole.introduce {
            hole.introduce = false;
            let conversation = store.conversation(self.user_id, hole.conv_id, false).await?;
            if let Some(known) = self.known.get_mut(&hole.conv_id) {
                let has = conversation.delivered_seq.max(conversation.joined_seq);
                known.seq = known.seq.min(has);
                known.rev = known.rev.min(conversation.last_rev);
                known.join(conversation.joined_seq);
            }
            return Ok(Piece::Body(Box::new(Body::Conversation(conversation))));
        }
        let Some(known) = self.known.get(&hole.conv_id).copied() else {
            return Ok(Piece::Filled);
        };
        if known.seq < hole.to_seq {
            return self.new_messages(hole, known, store).await;
        }
        if known.rev < hole.to_rev {
            return self.changed_messages(hole, known, store).await;
        }
        Ok(Piece::Filled)
    }

    async fn new_messages(
        &mut self,
        hole: &mut Hole,
        mut known: Known,
        store: &Store,
    ) -> Result<Piece, store::Error> {
        if hole.sent >= limits::CATCH_UP_MESSAGES_MAX {
            self.unfinished.push(hole.conv_id);
            known.seq = hole.to_seq;
            self.known.insert(hole.conv_id, known);
            return Ok(Piece::Nothing);
        }
        let from = history::From::AfterSeq(known.seq);
        let page = self.page(hole.conv_id, from, store).await?;
        // An empty page: what was announced is not ours to see. Asking again would not help.
        known.seq = page.messages.last().map_or(hole.to_seq, |last| last.seq);
        self.known.insert(hole.conv_id, known);
        hole.sent += page.messages.len() as u32;
        self.messages += page.messages.len() as u32;
        Ok(Piece::page(page))
    }

    async fn changed_messages(
        &mut self,
        hole: &Hole,
        mut known: Known,
        store: &Store,
    ) -> Result<Piece, store::Error> {
        let from = history::From::AfterRev(known.rev);
        let page = self.page(hole.conv_id, from, store).await?;
        known.rev = page.messages.last().map_or(hole.to_rev, |last| last.rev);
        self.known.insert(hole.conv_id, known);
        self.changes += page.messages.len() as u32;
        Ok(Piece::page(page))
    }

    async fn page(
        &self,
        conv_id: i64,
        from: history::From,
        store: &Store,
    ) -> Result<Page, store::Error> {
        let limit = limits::PAGE_MESSAGES_MAX;
        let (messages, more) = store.history(self.user_id, conv_id, from, limit).await?;
        Ok(Page { conv_id, messages, more, scanned_to: 0 })
    }
}

enum Piece {
    Body(Box<Body>),
    /// This step had nothing to say; the next may.
    Nothing,
    Filled,
}

impl Piece {
    fn page(page: Page) -> Self {
        if page.messages.is_empty() {
            Self::Nothing
        } else {
            Self::Body(Box::new(Body::Page(page)))
        }
    }
}

/// A conversation that the client did not name starts at the delivered cursor; it has no old
/// messages that could have changed.
fn unnamed(standing: &Standing) -> Known {
    Known {
        seq: standing.delivered_seq.max(standing.joined_seq).min(standing.last_seq),
        rev: standing.last_rev,
        joined_seq: standing.joined_seq,
    }
}

/// A conversation that is met by one of its messages: it began after the client connected, or it
/// slept for so long that it was not in the digest. What can be new is this message, this change,
/// and what lies above the delivered cursor, which is read when the conversation is introduced.
fn unmet(message: &Message) -> Known {
    if message.rev == 0 {
        return Known { seq: message.seq - 1, rev: i64::MAX, joined_seq: 0 };
    }
    Known { seq: i64::MAX, rev: message.rev - 1, joined_seq: 0 }
}
