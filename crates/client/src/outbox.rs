//! What waits to be sent: in order within each conversation, a bounded number at once, each until
//! it is answered.
//!
//! Several messages of one conversation are under way at the same time. When the gateway puts one
//! of them off, its conversation waits for it, and it goes alone, as often as it has to. Once one
//! was taken, the others follow as usual: what is behind one that was put off, a gateway puts off
//! as well.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use proto::Error;
use proto::limits::CLIENT_KEY_MS;

use crate::types::Queued;
use crate::{limits, seam};

/// Told to the reader when a message is older than the gateway's memory for repeated sends.
pub(crate) const TOO_OLD: &str = "this waited for more than a week: send it again?";

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: BTreeMap<i64, Lane>,
    in_flight: usize,
    /// Those that were here and have gone: key, and when they were queued.
    gone: VecDeque<(i64, i64)>,
}

/// The queue of one conversation.
#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<Entry>,
    /// The gateway has put one off and taken none since. Many would only be refused together.
    one_by_one: bool,
}

#[derive(Debug)]
struct Entry {
    queued: Queued,
    state: State,
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight {
        since: Instant,
    },
    /// The gateway asked for patience.
    Later {
        at: Instant,
    },
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// `again`: it was sent before and not answered.
    Send { queued: Queued, again: bool },
    /// It cannot be sent without the danger of a double. It has left this queue.
    TooOld { queued: Queued },
}

/// What became of a refused one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It will be sent again by itself.
    Later,
    /// It has left this queue.
    Final,
}

impl Outbox {
    /// Those that were refused before wait for a word of their writer.
    pub(crate) fn new(queued: Vec<Queued>) -> Self {
        let mut outbox = Self::default();
        for queued in queued.into_iter().filter(|queued| queued.refused.is_empty()) {
            outbox.push(queued);
        }
        outbox
    }

    /// As its writer orders it, who has put it on the disk first. `follow` may have found it there,
    /// and it may be sent and answered by now: then this is not another message.
    pub(crate) fn order(&mut self, queued: Queued) {
        if !self.gone.contains(&(queued.client_key, queued.queued_at)) {
            self.push(queued);
        }
    }

    /// At the end of its conversation's queue; false: it is there already.
    fn push(&mut self, queued: Queued) -> bool {
        let lane = self.lanes.entry(queued.conv_id).or_default();
        let new = lane.entries.iter().all(|entry| entry.queued.client_key != queued.client_key);
        if new {
            lane.entries.push_back(Entry { queued, state: State::Waiting, tries: 0 });
        }
        new
    }

    /// Takes over what lies on the disk: another process put it there or took it out. One that is
    /// under way keeps its turn. true: something has changed.
    pub(crate) fn follow(&mut self, queued: Vec<Queued>) -> bool {
        let kept: HashSet<i64> = queued
            .iter()
            .filter(|queued| queued.refused.is_empty())
            .map(|queued| queued.client_key)
            .collect();
        let mut changed = false;
        for lane in self.lanes.values_mut() {
            let before = lane.entries.len();
            lane.entries.retain(|entry| {
                let under_way = matches!(entry.state, State::InFlight { .. });
                under_way || kept.contains(&entry.queued.client_key)
            });
            changed |= lane.entries.len() != before;
        }
        self.lanes.retain(|_, lane| !lane.entries.is_empty());
        for queued in queued.into_iter().filter(|queued| queued.refused.is_empty()) {
            changed |= self.push(queued);
        }
        changed
    }

    /// A new connection: what was not answered on the old one is sent again.
    pub(crate) fn begin(&mut self) {
        if seam::has_no_resend() {
            return;
        }
        self.in_flight = 0;
        for entry in self.lanes.values_mut().flat_map(|lane| &mut lane.entries) {
            entry.state = State::Waiting;
        }
    }

    /// The gateway has it, and will take the others. (One by one, a conversation of somebody who
    /// wrote on while the database was away would need a commit and a way there and back for each.)
    pub(crate) fn sent(&mut self, client_key: i64) -> Option<(Queued, Option<Instant>)> {
        if let Some(lane) = self.lanes.values_mut().find(|lane| lane.holds(client_key)) {
            lane.one_by_one = false;
        }
        self.remove(client_key)
    }

    /// Takes one out, answered or not.
    pub(crate) fn remove(&mut self, client_key: i64) -> Option<(Queued, Option<Instant>)> {
        let (&conv_id, lane) = self.lanes.iter_mut().find(|(_, lane)| lane.holds(client_key))?;
        let at = lane.entries.iter().position(|e| e.queued.client_key == client_key)?;
        let entry = lane.entries.remove(at)?;
        if lane.entries.is_empty() {
            self.lanes.remove(&conv_id);
        }
        remember(&mut self.gone, &entry.queued);
        let since = match entry.state {
            State::InFlight { since } => Some(since),
            State::Waiting | State::Later { .. } => None,
        };
        self.in_flight -= usize::from(since.is_some());
        Some((entry.queued, since))
    }

    /// The gateway did not take it.
    pub(crate) fn refused(&mut self, client_key: i64, error: &Error, now: Instant) -> Refusal {
        let found = self.lanes.values_mut().find(|lane| lane.holds(client_key));
        let Some(lane) = found else {
            return Refusal::Final;
        };
        let entry = lane.entries.iter_mut().find(|e| e.queued.client_key == client_key);
        let Some(entry) = entry else {
            return Refusal::Final;
        };
        let again_ms = match u64::try_from(error.retry_after_ms) {
            Ok(ms) if ms > 0 => ms.min(limits::STAY_AWAY_MAX_MS),
            // Not after a fault of the server's either: what was sent behind may be stored by now.
            _ => {
                self.remove(client_key);
                return Refusal::Final;
            }
        };
        lane.one_by_one = true;
        if let State::InFlight { .. } = entry.state {
            self.in_flight -= 1;
        }
        entry.state = State::Later { at: now + Duration::from_millis(again_ms) };
        Refusal::Later
    }

    /// What may go out now. `now_ms`: unix milliseconds.
    pub(crate) fn due(&mut self, now: Instant, now_ms: i64) -> Vec<Due> {
        let mut due = Vec::new();
        for lane in self.lanes.values_mut() {
            while let Some(at) = lane.next(now) {
                if self.in_flight >= limits::SENDS_IN_FLIGHT_MAX {
                    return due;
                }
                let entry = &mut lane.entries[at];
                if now_ms.saturating_sub(entry.queued.queued_at) > CLIENT_KEY_MS {
                    let queued = entry.queued.clone();
                    lane.entries.remove(at);
                    remember(&mut self.gone, &queued);
                    due.push(Due::TooOld { queued });
                    continue;
                }
                entry.state = State::InFlight { since: now };
                entry.tries = entry.tries.saturating_add(1);
                self.in_flight += 1;
                due.push(Due::Send { queued: entry.queued.clone(), again: entry.tries > 1 });
            }
        }
        self.lanes.retain(|_, lane| !lane.entries.is_empty());
        due
    }

    /// One of them has waited so long for its answer that the line must be broken.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let longest = Duration::from_millis(limits::SENT_MS);
        self.oldest_in_flight().is_some_and(|since| now >= since + longest)
    }

    /// When `due` or `is_stuck` will have something, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let longest = Duration::from_millis(limits::SENT_MS);
        let room = self.in_flight < limits::SENDS_IN_FLIGHT_MAX;
        let later = self.lanes.values().filter(|_| room).filter_map(Lane::later);
        later.chain(self.oldest_in_flight().map(|since| since + longest)).min()
    }

    fn oldest_in_flight(&self) -> Option<Instant> {
        let entries = self.lanes.values().flat_map(|lane| lane.entries.iter());
        let since = entries.filter_map(|entry| match entry.state {
            State::InFlight { since } => Some(since),
            State::Waiting | State::Later { .. } => None,
        });
        since.take(limits::SENDS_IN_FLIGHT_MAX).min()
    }
}

impl Lane {
    fn holds(&self, client_key: i64) -> bool {
        self.entries.iter().any(|entry| entry.queued.client_key == client_key)
    }

    /// The first one that may go out, if none before it has to be waited for.
    fn next(&self, now: Instant) -> Option<usize> {
        for (at, entry) in self.entries.iter().enumerate() {
            match entry.state {
                State::InFlight { .. } if self.one_by_one => return None,
                State::InFlight { .. } => {}
                State::Later { at: then } if then > now => return None,
                State::Later { .. } | State::Waiting => return Some(at),
            }
        }
        None
    }

    /// When patience ends for the one that all others wait for, if only time is in its way.
    fn later(&self) -> Option<Instant> {
        for entry in &self.entries {
            match entry.state {
                State::InFlight { .. } if self.one_by_one => return None,
                State::InFlight { .. } => {}
                State::Later { at } => return Some(at),
                State::Waiting => return None,
            }
        }
        None
    }
}

fn remember(gone: &mut VecDeque<(i64, i64)>, queued: &Queued) {
    if gone.len() >= limits::GONE_REMEMBERED_MAX {
        gone.pop_front();
    }
    gone.push_back((queued.client_key, queued.queued_at));
}
