//! The copy in memory: what every frame of the gateway does to it, what has to be asked for, what
//! has to be said.
//!
//! A plain machine without clock, disk or socket. Frames go in cleaned; out come a [`Round`] of
//! things to be written and told, and the questions and cursors that are due.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use proto::{
    CaughtUp, Conversation, ConversationKind, Message, MessageKind, Page, Paint, Person, Presence,
    Receipt, Sent, limits as wire, mention,
};

use crate::cache::{Loaded, Position};
use crate::limits;
use crate::pen::Copy;
use crate::place::{Came, Hole, Place, Step};
use crate::types::{Event, Figures, Queued};

/// What one round of frames brought. First it is written, then it is told.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub events: Vec<Event>,
    pub messages: Vec<Message>,
    pub sent: Vec<i64>,
    pub refused: Vec<(i64, String)>,
    conversations: BTreeSet<i64>,
    people: BTreeSet<i64>,
    positions: BTreeSet<i64>,
}

/// A question for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Missing { conv_id: i64 },
    Changes { conv_id: i64 },
    Strangers,
}

pub(crate) struct Mirror {
    pub(crate) me: i64,
    pub(crate) handle: String,
    pub(crate) places: HashMap<i64, Place>,
    pub(crate) people: HashMap<i64, Person>,
    /// Ids that were named and never introduced.
    pub(crate) strangers: BTreeSet<i64>,
    pub(crate) asked_strangers: HashSet<i64>,
    pub(crate) asking_strangers: bool,
    /// Conversations with a hole.
    pub(crate) open: BTreeSet<i64>,
    /// Questions under way.
    pub(crate) asking: usize,
    /// Conversations with a cursor that may have to be said.
    pub(crate) cursors: BTreeSet<i64>,
    pub(crate) mark_delivered: bool,
    pub(crate) catching_up: bool,
    pub figures: Figures,
}

impl Mirror {
    pub(crate) fn new(me: i64, handle: &str, mark_delivered: bool, loaded: Loaded) -> Self {
        let mut mirror = Self {
            me,
            handle: handle.to_owned(),
            places: HashMap::new(),
            people: HashMap::new(),
            strangers: BTreeSet::new(),
            asked_strangers: HashSet::new(),
            asking_strangers: false,
            open: BTreeSet::new(),
            asking: 0,
            cursors: BTreeSet::new(),
            mark_delivered,
            catching_up: true,
            figures: Figures::default(),
        };
        for position in loaded.positions {
            let place = Place::resume(position.seq, position.rev, position.read_seq);
            mirror.places.insert(position.conv_id, place);
        }
        for conversation in loaded.conversations {
            let place = mirror.places.entry(conversation.conv_id).or_default();
            // what came in before the last end may not have been said as delivered
            place.others_seq = place.known_seq;
            place.conversation = Some(conversation);
        }
        mirror.people = loaded.people.into_iter().map(|p| (p.user_id, p)).collect();
        mirror
    }

    // ── a connection begins ─────────────────────────────────────────────────────────────────────

    pub(crate) fn begin(&mut self) {
        self.catching_up = true;
        self.asking = 0;
        self.asking_strangers = false;
        self.asked_strangers.clear();
        for place in self.places.values_mut() {
            place.begin();
        }
    }

    /// What Hello says: how far each conversation is known, newest first.
    pub(crate) fn positions(&self) -> Vec<proto::Position> {
        let mut known: Vec<(i64, proto::Position)> = self
            .places
            .iter()
            .filter(|(_, place)| place.based)
            .map(|(&conv_id, place)| {
                let last_at = place.conversation.as_ref().map_or(0, |c| c.last_at);
                let (seq, rev) = (place.known_seq, place.known_rev);
                (last_at, proto::Position { conv_id, seq, rev })
            })
            .collect();
        known.sort_unstable_by_key(|(last_at, position)| (Reverse(*last_at), position.conv_id));
        known.truncate(wire::HELLO_POSITIONS_MAX);
        known.into_iter().map(|(_, position)| position).collect()
    }

    /// Nothing is missing that catching up should have brought.
    pub(crate) fn is_current(&self) -> bool {
        let rest = |hole: &Option<Hole>| hole.as_ref().is_some_and(|hole| hole.to_the_end);
        let unfinished = |place: &Place| rest(&place.missing) || rest(&place.changes);
        !self.catching_up && !self.open.iter().any(|id| self.places.get(id).is_some_and(unfinished))
    }

    // ── frames ──────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn paint(&mut self, paint: Paint, now: Instant, round: &mut Round) {
        for person in paint.me.into_iter().chain(paint.people) {
            self.person(person, round);
        }
        for conversation in paint.conversations {
            self.conversation(conversation, true, now, round);
        }
    }

    pub(crate) fn caught_up(&mut self, caught_up: &CaughtUp, now: Instant, round: &mut Round) {
        self.catching_up = false;
        let ids: Vec<i64> = self.places.keys().copied().collect();
        for conv_id in ids {
            self.change_place(conv_id, round, |place, _| {
                let rev = place.known_rev;
                place.caught_up(now);
                place.known_rev != rev
            });
            if self.unsaid(conv_id).is_some() {
                self.cursors.insert(conv_id);
            }
        }
        for &conv_id in &caught_up.unfinished {
            self.change_place(conv_id, round, |place, _| {
                place.unfinished(now);
                false
            });
        }
    }

    /// A page that the gateway sent by itself.
    pub(crate) fn page(&mut self, page: Page, now: Instant, round: &mut Round) {
        for message in page.messages {
            self.message(message, Came::Replay, now, round);
        }
    }

    /// A page that the reader asked for: into the cache, and nothing else. It tells nothing about
    /// what is missing.
    pub(crate) fn history(&mut self, page: &Page, round: &mut Round) {
        for message in page.messages.iter().filter(|m| is_named(m)) {
            self.meet(message.sender_id);
            round.messages.push(message.clone());
        }
    }

    /// A message that came by itself, in a page, or as the answer to a change of my own.
    pub(crate) fn message(
        &mut self,
        message: Message,
        came: Came,
        now: Instant,
        round: &mut Round,
    ) {
        if !is_named(&message) || !self.make_place(message.conv_id) {
            return;
        }
        let live = came == Came::Live && !self.catching_up;
        self.change_place(message.conv_id, round, |place, steps| {
            place.take(message, came, live, now, steps);
            false
        });
    }

    pub(crate) fn missing(&mut self, conv_id: i64, page: Page, now: Instant, round: &mut Round) {
        self.asking = self.asking.saturating_sub(1);
        let page = only(conv_id, page);
        self.change_place(conv_id, round, |place, steps| {
            place.missing_answered(page, now, steps);
            false
        });
    }

    pub(crate) fn changes(&mut self, conv_id: i64, page: Page, now: Instant, round: &mut Round) {
        self.asking = self.asking.saturating_sub(1);
        let page = only(conv_id, page);
        self.change_place(conv_id, round, |place, steps| {
            place.changes_answered(page, now, steps);
            true
        });
    }

    /// A question was refused: ask again later, or live without the answer.
    pub(crate) fn refused(
        &mut self,
        question: Question,
        again_ms: i64,
        now: Instant,
        round: &mut Round,
    ) {
        let again = u64::try_from(again_ms).ok().filter(|&ms| ms > 0);
        let later = again.map(|ms| now + Duration::from_millis(ms.min(limits::STAY_AWAY_MAX_MS)));
        let (conv_id, is_changes) = match question {
            Question::Missing { conv_id } => (conv_id, false),
            Question::Changes { conv_id } => (conv_id, true),
            Question::Strangers => {
                self.asking_strangers = false;
                return;
            }
        };
        self.asking = self.asking.saturating_sub(1);
        self.change_place(conv_id, round, |place, steps| {
            let hole = if is_changes { &mut place.changes } else { &mut place.missing };
            match (hole, later) {
                (Some(hole), Some(later)) => (hole.asked, hole.ask_at) = (false, later),
                (Some(_), None) if is_changes => place.give_up_changes(),
                (Some(_), None) => place.give_up_missing(steps),
                (None, _) => {}
            }
            true
        });
    }

    /// My message is stored. `queued`: as it lay in the outbox.
    pub(crate) fn sent(
        &mut self,
        sent: Sent,
        queued: Option<Queued>,
        now: Instant,
        round: &mut Round,
    ) {
        round.sent.push(sent.client_key);
        if sent.seq > 0 && sent.conv_id > 0 && self.make_place(sent.conv_id) {
            let mine = queued.filter(|queued| queued.conv_id == sent.conv_id);
            let message = mine.map(|queued| self.own_message(&sent, &queued));
            self.change_place(sent.conv_id, round, |place, steps| {
                match message {
                    Some(message) => place.take_mine(message, now, steps),
                    None => place.expect(sent.seq, now),
                }
                false
            });
        }
        round.events.push(Event::Sent(sent));
    }

    fn own_message(&self, sent: &Sent, queued: &Queued) -> Message {
        crate::cleaned::message(Message {
            conv_id: sent.conv_id,
            seq: sent.seq,
            sender_id: self.me,
            sent_at: sent.sent_at,
            kind: MessageKind::Text.into(),
            body: queued.body.clone(),
            reply_seq: queued.reply_seq,
            ..Message::default()
        })
    }

    pub(crate) fn receipt(&mut self, receipt: Receipt, round: &mut Round) {
        let me = receipt.user_id == self.me;
        let place = self.places.get_mut(&receipt.conv_id);
        if let Some(c) = place.and_then(|place| place.conversation.as_mut()) {
            if me {
                c.delivered_seq = c.delivered_seq.max(receipt.delivered_seq);
                c.read_seq = c.read_seq.max(receipt.read_seq);
            } else if receipt.user_id == c.friend_id {
                c.friend_delivered_seq = c.friend_delivered_seq.max(receipt.delivered_seq);
                c.friend_read_seq = c.friend_read_seq.max(receipt.read_seq);
                if receipt.mailed_seq > c.friend_mailed_seq {
                    c.friend_mailed_seq = receipt.mailed_seq;
                    c.friend_mailed_at = receipt.mailed_at;
                }
            }
            for member in c.members.iter_mut().filter(|m| m.user_id == receipt.user_id) {
                member.delivered_seq = member.delivered_seq.max(receipt.delivered_seq);
                member.read_seq = member.read_seq.max(receipt.read_seq);
            }
            round.conversations.insert(receipt.conv_id);
        }
        round.events.push(Event::Receipt(receipt));
    }

    pub(crate) fn presence(&mut self, presence: Presence, round: &mut Round) {
        if let Some(person) = self.people.get_mut(&presence.user_id) {
            person.online = presence.online;
            // Who hides it has been there since the moment that is known.
            person.last_seen = match presence.last_seen {
                0 => 0,
                seen => seen.max(person.last_seen),
            };
            round.people.insert(presence.user_id);
        }
        round.events.push(Event::Presence(presence));
    }

    pub(crate) fn person(&mut self, person: Person, round: &mut Round) {
        let id = person.user_id;
        if id <= 0 || self.people.get(&id) == Some(&person) {
            return;
        }
        self.strangers.remove(&id);
        if self.people.contains_key(&id) || self.people.len() < limits::PEOPLE_MAX {
            self.people.insert(id, person.clone());
            round.people.insert(id);
        }
        round.events.push(Event::Person(person));
    }

    /// The answer to Who.
    pub(crate) fn introduced(&mut self, people: Vec<Person>, round: &mut Round) {
        self.asking_strangers = false;
        for person in people {
            self.person(person, round);
        }
    }

    /// A conversation as the gateway tells it. `painted`: catching up brings its messages.
    pub(crate) fn conversation(
        &mut self,
        conversation: Conversation,
        painted: bool,
        now: Instant,
        round: &mut Round,
    ) {
        let conv_id = conversation.conv_id;
        if conv_id <= 0 || !self.make_place(conv_id) {
            return;
        }
        self.meet(conversation.friend_id);
        let mut changed = None;
        self.change_place(conv_id, round, |place, steps| {
            let before = (place.known_seq, place.known_rev, place.based);
            place.base(first_base(&conversation, painted), conversation.last_rev);
            place.skip_to(conversation.joined_seq, steps);
            if conversation.left {
                place.give_up_missing(steps);
                place.give_up_changes();
            } else {
                place.expect(conversation.last_seq, now);
                place.expect_rev(conversation.last_rev, painted, now);
            }
            let merged = merge(place.conversation.as_ref(), conversation);
            if place.conversation.as_ref() != Some(&merged) {
                changed = Some(seen_by_reader(&merged, place.read_wanted));
                place.conversation = Some(merged);
            }
            before != (place.known_seq, place.known_rev, place.based) || before.2
        });
        if let Some(conversation) = changed {
            round.conversations.insert(conv_id);
            round.events.push(Event::Conversation(conversation));
        }
    }

    /// The reader has seen everything up to `seq`.
    pub(crate) fn read(&mut self, conv_id: i64, seq: i64, round: &mut Round) {
        let Some(place) = self.places.get_mut(&conv_id) else {
            return;
        };
        if seq > place.read_wanted {
            place.read_wanted = seq;
            round.positions.insert(conv_id);
            self.cursors.insert(conv_id);
        }
    }

    // ── the steps of one place ──────────────────────────────────────────────────────────────────

    /// There is a place for it. false: there are too many.
    fn make_place(&mut self, conv_id: i64) -> bool {
        if !self.places.contains_key(&conv_id) {
            if self.places.len() >= limits::CONVERSATIONS_MAX {
                return false;
            }
            self.places.insert(conv_id, Place::default());
        }
        true
    }

    /// Lets `change` work on a place and does what comes of it. `change` answers whether the
    /// position is to be written even if nothing was shown.
    fn change_place(
        &mut self,
        conv_id: i64,
        round: &mut Round,
        change: impl FnOnce(&mut Place, &mut Vec<Step>) -> bool,
    ) {
        let Some(place) = self.places.get_mut(&conv_id) else {
            return;
        };
        let mut steps = Vec::new();
        let moved = change(place, &mut steps);
        if moved || !steps.is_empty() {
            round.positions.insert(conv_id);
        }
        if place.missing.is_some() || place.changes.is_some() {
            self.open.insert(conv_id);
        } else {
            self.open.remove(&conv_id);
        }
        for step in steps {
            self.step(conv_id, step, round);
        }
    }

    fn step(&mut self, conv_id: i64, step: Step, round: &mut Round) {
        match step {
            Step::New { message, live } => {
                self.meet(message.sender_id);
                self.grow(&message, round);
                if message.sender_id != self.me
                    && let Some(place) = self.places.get_mut(&conv_id)
                {
                    place.others_seq = message.seq;
                    self.cursors.insert(conv_id);
                }
                self.figures.replayed += u64::from(!live);
                round.messages.push(message.clone());
                round.events.push(Event::New { message, live });
            }
            Step::Mine(message) => {
                self.grow(&message, round);
                round.messages.push(message);
            }
            Step::Changed(message) => {
                if let Some(last) = self.last_of(conv_id)
                    && last.seq == message.seq
                {
                    *last = preview(&message);
                    round.conversations.insert(conv_id);
                }
                round.messages.push(message.clone());
                round.events.push(Event::Changed(message));
            }
            Step::Duplicate => self.figures.duplicates += 1,
        }
    }

    fn last_of(&mut self, conv_id: i64) -> Option<&mut Message> {
        self.places.get_mut(&conv_id)?.conversation.as_mut()?.last.as_mut()
    }

    /// The conversation is one message longer.
    fn grow(&mut self, message: &Message, round: &mut Round) {
        let place = self.places.get_mut(&message.conv_id);
        let Some(c) = place.and_then(|place| place.conversation.as_mut()) else {
            return;
        };
        if message.seq >= c.last_seq {
            c.last_seq = message.seq;
            c.last_at = c.last_at.max(message.sent_at);
            c.last = Some(preview(message));
        }
        if message.sender_id == self.me && c.read_seq == message.seq - 1 {
            // the gateway does the same: who answers has read
            (c.read_seq, c.delivered_seq) = (message.seq, message.seq);
        }
        let text = message.kind == i32::from(MessageKind::Text) && message.sender_id != self.me;
        if text && mention::handles(&message.body).contains(&self.handle.as_str()) {
            c.mention_seq = c.mention_seq.max(message.seq);
        }
        round.conversations.insert(message.conv_id);
    }

    fn meet(&mut self, user_id: i64) {
        let known = user_id <= 0 || user_id == self.me || self.people.contains_key(&user_id);
        if !known
            && !self.asked_strangers.contains(&user_id)
            && self.strangers.len() < limits::STRANGERS_MAX
        {
            self.strangers.insert(user_id);
        }
    }

    // ── out ─────────────────────────────────────────────────────────────────────────────────────

    /// The rows that a round touched, as they are now; and the events, to be told once the rows are
    /// written.
    pub(crate) fn rows(&self, round: Round) -> (Copy, Vec<Event>) {
        let copy = Copy {
            messages: round.messages,
            conversations: round
                .conversations
                .iter()
                .filter_map(|id| self.places.get(id)?.conversation.clone())
                .collect(),
            people: round.people.iter().filter_map(|id| self.people.get(id).cloned()).collect(),
            positions: round.positions.iter().filter_map(|&id| self.position(id)).collect(),
            sent: round.sent,
            refused: round.refused,
        };
        (copy, round.events)
    }

    pub(crate) fn position(&self, conv_id: i64) -> Option<Position> {
        let place = self.places.get(&conv_id).filter(|place| place.based)?;
        let (seq, rev, read_seq) = (place.known_seq, place.known_rev, place.read_wanted);
        Some(Position { conv_id, seq, rev, read_seq })
    }

    pub(crate) fn figures(&self) -> Figures {
        let counted = |id: &&i64| {
            let hole = self.places.get(id).and_then(|place| place.missing.as_ref());
            hole.is_some_and(|hole| hole.counted)
        };
        Figures { gaps_open: self.open.iter().filter(counted).count() as u64, ..self.figures }
    }
}

/// The conversation as its reader sees it: what he has read counts at once, also before the gateway
/// knows.
pub(crate) fn seen_by_reader(conversation: &Conversation, read_wanted: i64) -> Conversation {
    let read_seq = conversation.read_seq.max(read_wanted.min(conversation.last_seq));
    Conversation { read_seq, ..conversation.clone() }
}

/// Where a conversation begins of which this client has nothing. What another device has is fetched
/// when it is scrolled to; a new and short one is fetched as a whole.
fn first_base(conversation: &Conversation, painted: bool) -> i64 {
    let len = conversation.last_seq.saturating_sub(conversation.joined_seq);
    if !painted && len <= i64::from(wire::PAGE_MESSAGES_MAX) {
        return conversation.joined_seq;
    }
    conversation.delivered_seq.max(conversation.joined_seq).min(conversation.last_seq)
}

/// The new words about a conversation, less what is older than what is known already.
fn merge(old: Option<&Conversation>, new: Conversation) -> Conversation {
    let Some(old) = old else { return new };
    if new.left {
        // one that was left is told by its number only; its reader still knows its title
        return Conversation { left: true, members: Vec::new(), ..old.clone() };
    }
    let mut merged = new;
    if old.last_seq > merged.last_seq {
        merged.last_seq = old.last_seq;
        merged.last_at = old.last_at;
        merged.last = old.last.clone();
    }
    merged.last_rev = merged.last_rev.max(old.last_rev);
    merged.read_seq = merged.read_seq.max(old.read_seq);
    merged.delivered_seq = merged.delivered_seq.max(old.delivered_seq);
    merged.mention_seq = merged.mention_seq.max(old.mention_seq);
    merged.friend_delivered_seq = merged.friend_delivered_seq.max(old.friend_delivered_seq);
    merged.friend_read_seq = merged.friend_read_seq.max(old.friend_read_seq);
    if old.friend_mailed_seq > merged.friend_mailed_seq {
        merged.friend_mailed_seq = old.friend_mailed_seq;
        merged.friend_mailed_at = old.friend_mailed_at;
    }
    if merged.members.is_empty() && merged.kind == i32::from(ConversationKind::Group) {
        merged.members = old.members.clone();
    }
    merged
}

fn preview(message: &Message) -> Message {
    let body = message.body.chars().take(wire::PREVIEW_CHARS_MAX as usize).collect();
    Message { body, ..message.clone() }
}

fn is_named(message: &Message) -> bool {
    message.conv_id > 0 && message.seq > 0 && message.rev >= 0
}

fn only(conv_id: i64, mut page: Page) -> Page {
    page.messages.retain(|message| message.conv_id == conv_id && is_named(message));
    page
}
