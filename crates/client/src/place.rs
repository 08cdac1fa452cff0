//! How far one conversation is known, and what to do with what comes next. No clock, no disk, no
//! socket: messages go in, steps come out, in seq order without holes.
//!
//! `seq` is dense, so a jump is a hole. `rev` is dense too, but a message that is changed twice
//! carries only its last rev: a hole in rev can also be a change that was overtaken, and only the
//! gateway can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proto::{Conversation, Message, Page};

use crate::limits;

/// What is to be done with a message. The order of steps is the order for the reader.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// The next one of the log.
    New { message: Message, live: bool },
    /// The next one of the log, and the reader knows already, because it is his own.
    Mine(Message),
    /// A newer version of one that was here before.
    Changed(Message),
    /// Was here before, the same.
    Duplicate,
}

/// By which way a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// By itself, as it was stored or changed.
    Live,
    /// In a page that the gateway sent by itself: catching up.
    Replay,
    /// In the answer to a question for what is missing.
    Asked,
}

/// Something is missing and has to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Not before; it may close by itself.
    pub ask_at: Instant,
    /// The question is under way, one at a time …
    pub asked: bool,
    /// … and it asked for what comes after this.
    pub asked_after: i64,
    /// It was counted as a gap.
    pub counted: bool,
    /// There is no known end: ask until the gateway says that there is no more.
    pub to_the_end: bool,
}

impl Hole {
    fn new(ask_at: Instant, to_the_end: bool) -> Self {
        Self { ask_at, asked: false, asked_after: 0, counted: false, to_the_end }
    }

    /// An answer has come. true: it was a fresh one and brought nothing, so there is nothing to be
    /// had.
    fn answered(&mut self, before: i64, after: i64, now: Instant) -> bool {
        (self.asked, self.ask_at) = (false, now);
        before == after && self.asked_after == before
    }
}

/// A message that came before its turn.
#[derive(Debug, Clone, PartialEq)]
enum Ahead {
    Other { message: Message, live: bool },
    Mine(Message),
}

/// Where one conversation stands.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub conversation: Option<Conversation>,
    /// Everything up to here was told. A position from the disk, or the first thing heard of it, is
    /// the base.
    pub known_seq: i64,
    /// Every change up to here was told.
    pub known_rev: i64,
    /// There is a base for seq …
    pub based: bool,
    /// … and for rev.
    pub rev_based: bool,
    /// Something was told since the base: a hole from here on is a gap and not a beginning.
    pub told: bool,
    pub missing: Option<Hole>,
    pub changes: Option<Hole>,
    /// The largest seq that is known to exist.
    seen_seq: i64,
    seen_rev: i64,
    ahead: BTreeMap<i64, Ahead>,
    /// Revs above `known_rev` that were told already.
    applied: BTreeSet<i64>,
    /// Catching up reaches at least this rev.
    replayed_rev: i64,
    /// What the reader wants told as read.
    pub read_wanted: i64,
    /// What was said in this connection, and when.
    pub read_said: i64,
    pub delivered_said: i64,
    pub said_at: Option<Instant>,
    /// The newest message of somebody else.
    pub others_seq: i64,
}

impl Place {
    /// From the disk.
    pub(crate) fn resume(seq: i64, rev: i64, read_wanted: i64) -> Self {
        Self {
            known_seq: seq,
            known_rev: rev,
            seen_seq: seq,
            seen_rev: rev,
            read_wanted,
            based: true,
            rev_based: true,
            told: true,
            ..Self::default()
        }
    }

    /// A new connection: what was asked on the old one has to be asked again, once catching up is
    /// over.
    pub(crate) fn begin(&mut self) {
        for hole in [&mut self.missing, &mut self.changes].into_iter().flatten() {
            hole.asked = false;
        }
        (self.read_said, self.delivered_said, self.said_at) = (0, 0, None);
        self.replayed_rev = 0;
    }

    /// Everything up to `seq` is not for this client: he joined later, or another device has it.
    pub(crate) fn base(&mut self, seq: i64, rev: i64) {
        if !self.based {
            (self.based, self.known_seq, self.seen_seq) = (true, seq, seq);
        }
        if !self.rev_based {
            (self.rev_based, self.known_rev, self.seen_rev) = (true, rev, rev);
        }
    }

    /// Nothing up to `seq` can be read by this client (any more).
    pub(crate) fn skip_to(&mut self, seq: i64, steps: &mut Vec<Step>) {
        while self.ahead.first_key_value().is_some_and(|(first, _)| *first <= seq) {
            self.show_first(steps);
        }
        self.known_seq = self.known_seq.max(seq);
        self.seen_seq = self.seen_seq.max(seq);
        self.show(steps);
    }

    /// The log is at least this long.
    pub(crate) fn expect(&mut self, seq: i64, now: Instant) {
        self.seen_seq = self.seen_seq.max(seq);
        self.look_for_holes(now);
    }

    /// There are at least so many changes. `replay`: catching up will bring them.
    pub(crate) fn expect_rev(&mut self, rev: i64, replay: bool, now: Instant) {
        if replay {
            self.replayed_rev = self.replayed_rev.max(rev);
        } else {
            self.seen_rev = self.seen_rev.max(rev);
            self.look_for_holes(now);
        }
    }

    /// A message, whichever way it came. `live` is told to the reader.
    pub(crate) fn take(
        &mut self,
        message: Message,
        came: Came,
        live: bool,
        now: Instant,
        steps: &mut Vec<Step>,
    ) {
        self.base(message.seq.saturating_sub(1), message.rev);
        if message.seq <= self.known_seq {
            self.take_old(message, came, steps);
        } else {
            self.take_new(message, came, live, steps);
        }
        self.look_for_holes(now);
    }

    /// My own message is stored.
    pub(crate) fn take_mine(&mut self, message: Message, now: Instant, steps: &mut Vec<Step>) {
        self.base(message.seq.saturating_sub(1), 0);
        if message.seq > self.known_seq {
            self.seen_seq = self.seen_seq.max(message.seq);
            self.ahead.insert(message.seq, Ahead::Mine(message));
            self.show(steps);
        }
        self.look_for_holes(now);
    }

    fn take_new(&mut self, message: Message, came: Came, live: bool, steps: &mut Vec<Step>) {
        self.seen_seq = self.seen_seq.max(message.seq);
        match self.ahead.get_mut(&message.seq) {
            Some(Ahead::Mine(here) | Ahead::Other { message: here, .. }) => {
                if message.rev > here.rev {
                    *here = message;
                } else if came != Came::Asked {
                    steps.push(Step::Duplicate);
                }
            }
            None => {
                let next = message.seq == self.known_seq.saturating_add(1);
                if next || self.ahead.len() < limits::AHEAD_MAX {
                    self.ahead.insert(message.seq, Ahead::Other { message, live });
                }
            }
        }
        self.show(steps);
    }

    fn take_old(&mut self, message: Message, came: Came, steps: &mut Vec<Step>) {
        let rev = message.rev;
        if rev <= self.known_rev || self.applied.contains(&rev) {
            if came != Came::Asked {
                steps.push(Step::Duplicate);
            }
            return;
        }
        steps.push(Step::Changed(message));
        self.note_rev(rev);
        match came {
            Came::Live | Came::Asked => self.seen_rev = self.seen_rev.max(rev),
            Came::Replay => self.replayed_rev = self.replayed_rev.max(rev),
        }
    }

    fn note_rev(&mut self, rev: i64) {
        if self.applied.len() < limits::AHEAD_MAX {
            self.applied.insert(rev);
        }
        if rev == self.known_rev.saturating_add(1) {
            self.known_rev = rev;
        }
        self.join_revs();
    }

    fn join_revs(&mut self) {
        while let Some(first) = self.applied.first().copied() {
            if first > self.known_rev.saturating_add(1) {
                return;
            }
            self.known_rev = self.known_rev.max(first);
            self.applied.pop_first();
        }
    }

    /// Shows everything whose turn it is.
    fn show(&mut self, steps: &mut Vec<Step>) {
        while let Some((first, _)) = self.ahead.first_key_value() {
            if *first > self.known_seq.saturating_add(1) {
                return;
            }
            self.show_first(steps);
        }
    }

    fn show_first(&mut self, steps: &mut Vec<Step>) {
        let Some((seq, ahead)) = self.ahead.pop_first() else {
            return;
        };
        if seq <= self.known_seq {
            return;
        }
        self.known_seq = seq;
        self.seen_seq = self.seen_seq.max(seq);
        self.told = true;
        let (step, rev, live) = match ahead {
            Ahead::Mine(message) => (Step::Mine(message.clone()), message.rev, true),
            Ahead::Other { message, live } => {
                let rev = message.rev;
                (Step::New { message, live }, rev, live)
            }
        };
        steps.push(step);
        if rev == self.known_rev.saturating_add(1) {
            self.note_rev(rev);
        } else if rev > self.known_rev && live {
            // it was changed before it came; whether others were, too, has to be asked
            self.note_rev(rev);
            self.seen_rev = self.seen_rev.max(rev);
        }
    }

    fn look_for_holes(&mut self, now: Instant) {
        let ask_at = now + Duration::from_millis(limits::HOLE_GRACE_MS);
        let hole = Hole::new(ask_at, false);
        if self.known_seq < self.seen_seq {
            self.missing.get_or_insert_with(|| hole.clone());
        } else if self.missing.as_ref().is_some_and(|hole| !hole.asked && !hole.to_the_end) {
            self.missing = None;
        }
        if self.known_rev < self.seen_rev {
            self.changes.get_or_insert(hole);
        } else if self.changes.as_ref().is_some_and(|hole| !hole.asked && !hole.to_the_end) {
            self.changes = None;
        }
    }

    /// Catching up is over: every change up to what was painted or replayed has come.
    pub(crate) fn caught_up(&mut self, now: Instant) {
        self.known_rev = self.known_rev.max(self.replayed_rev);
        self.applied = self.applied.split_off(&self.known_rev.saturating_add(1));
        self.join_revs();
        self.look_for_holes(now);
    }

    /// The gateway did not send all of it: the rest has to be asked for, page by page.
    pub(crate) fn unfinished(&mut self, now: Instant) {
        let rest = Hole::new(now, true);
        (self.missing, self.changes) = (Some(rest.clone()), Some(rest));
    }

    /// The answer to History.after_seq. What the gateway leaves out between two messages is not for
    /// this client.
    pub(crate) fn missing_answered(&mut self, page: Page, now: Instant, steps: &mut Vec<Step>) {
        let before = self.known_seq;
        let more = page.more;
        for message in page.messages {
            if message.seq > self.known_seq {
                self.skip_to(message.seq - 1, steps);
            }
            self.take(message, Came::Asked, false, now, steps);
        }
        let Some(hole) = &mut self.missing else {
            return;
        };
        hole.to_the_end &= more;
        if hole.answered(before, self.known_seq, now) {
            self.give_up_missing(steps);
        }
        self.look_for_holes(now);
    }

    /// There is nothing where something seemed to be missing: show what came after it.
    pub(crate) fn give_up_missing(&mut self, steps: &mut Vec<Step>) {
        while !self.ahead.is_empty() {
            self.show_first(steps);
        }
        self.seen_seq = self.known_seq;
        self.missing = None;
    }

    /// The answer to History.after_rev: in rev order, and complete as far as it goes.
    pub(crate) fn changes_answered(&mut self, page: Page, now: Instant, steps: &mut Vec<Step>) {
        let before = self.known_rev;
        for message in page.messages {
            let rev = message.rev;
            if message.seq <= self.known_seq {
                self.take_old(message, Came::Asked, steps);
            } else {
                // kept for its turn: what comes by itself may be the version before this change
                self.take_new(message, Came::Asked, false, steps);
            }
            self.known_rev = self.known_rev.max(rev);
            self.join_revs();
        }
        let Some(hole) = &mut self.changes else {
            return;
        };
        hole.to_the_end &= page.more;
        if hole.answered(before, self.known_rev, now) {
            self.give_up_changes();
        }
        self.look_for_holes(now);
    }

    pub(crate) fn give_up_changes(&mut self) {
        self.known_rev = self.known_rev.max(self.seen_rev);
        self.seen_rev = self.known_rev;
        self.applied = self.applied.split_off(&self.known_rev.saturating_add(1));
        self.changes = None;
    }
}
