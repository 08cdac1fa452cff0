//! What the copy in memory wants to say: questions for what is missing, and how far the
//! reader has it.

use std::time::{Duration, Instant};

use proto::{Delivered, History, Read, Who, client_frame, history, limits as wire};

use crate::place::Hole;
use crate::sync::{Mirror, Question};
use crate::{limits, seam};

impl Mirror {
    /// Questions that are due. Each is answered by `missing`, `changes`, `introduced` or `refused`.
    pub(crate) fn questions(&mut self, now: Instant) -> Vec<(Question, client_frame::Body)> {
        let mut due = Vec::new();
        if !self.strangers.is_empty() && !self.asking_strangers {
            self.asking_strangers = true;
            let ids = self.strangers.iter().copied().take(wire::PEOPLE_PER_FRAME_MAX);
            let who = Who { user_ids: ids.collect() };
            for id in &who.user_ids {
                self.strangers.remove(id);
            }
            if self.asked_strangers.len() < limits::STRANGERS_MAX {
                self.asked_strangers.extend(&who.user_ids);
            }
            due.push((Question::Strangers, client_frame::Body::Who(who)));
        }
        if self.catching_up || seam::has_no_gap_fill() {
            return due;
        }
        for &conv_id in &self.open {
            let Some(place) = self.places.get_mut(&conv_id) else {
                continue;
            };
            let (seq, rev, told) = (place.known_seq, place.known_rev, place.told);
            if let Some(hole) = due_hole(&mut place.missing, seq, now, &mut self.asking) {
                // the beginning of a conversation is not a gap in it
                if !hole.counted && !hole.to_the_end && told {
                    hole.counted = true;
                    self.figures.gaps += 1;
                }
                let from = history::From::AfterSeq(seq);
                due.push((Question::Missing { conv_id }, ask(conv_id, from)));
            }
            if due_hole(&mut place.changes, rev, now, &mut self.asking).is_some() {
                let from = history::From::AfterRev(rev);
                due.push((Question::Changes { conv_id }, ask(conv_id, from)));
            }
        }
        due
    }

    /// Delivered and Read that are due.
    pub(crate) fn cursors(&mut self, now: Instant) -> Vec<client_frame::Body> {
        let pause = Duration::from_millis(limits::CURSOR_MS);
        let mut due = Vec::new();
        for conv_id in self.cursors.clone() {
            let Some((read, delivered)) = self.unsaid(conv_id) else {
                self.cursors.remove(&conv_id);
                continue;
            };
            let Some(place) = self.places.get_mut(&conv_id) else {
                continue;
            };
            if place.said_at.is_some_and(|at| now < at + pause) {
                continue;
            }
            place.said_at = Some(now);
            if read > 0 {
                place.read_said = read;
                due.push(client_frame::Body::Read(Read { conv_id, seq: read }));
            }
            if delivered > read {
                place.delivered_said = delivered;
                due.push(client_frame::Body::Delivered(Delivered { conv_id, seq: delivered }));
            }
        }
        due
    }

    /// `(read, delivered)`: how far they have to be said, 0 = nothing. None: neither.
    pub(crate) fn unsaid(&self, conv_id: i64) -> Option<(i64, i64)> {
        let place = self.places.get(&conv_id)?;
        let c = place.conversation.as_ref();
        let end = place.known_seq.max(c.map_or(0, |c| c.last_seq));
        let read_told = c.map_or(0, |c| c.read_seq).max(place.read_said);
        let read = place.read_wanted.min(end);
        let read = if read > read_told { read } else { 0 };
        let delivered_told = c
            .map_or(0, |c| c.delivered_seq)
            .max(place.delivered_said)
            .max(place.read_said)
            .max(read);
        let wanted = self.mark_delivered && place.others_seq > delivered_told;
        let delivered = if wanted { place.known_seq } else { 0 };
        let left = c.is_some_and(|c| c.left);
        ((read, delivered) != (0, 0) && !left).then_some((read, delivered))
    }

    /// When `questions` or `cursors` will have something, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let pause = Duration::from_millis(limits::CURSOR_MS);
        let hole = |hole: &Option<Hole>| hole.as_ref().filter(|h| !h.asked).map(|h| h.ask_at);
        let asks = !self.catching_up && !seam::has_no_gap_fill();
        let room = asks && self.asking < limits::QUESTIONS_MAX;
        let holes = self.open.iter().filter(|_| room).filter_map(|id| {
            let place = self.places.get(id)?;
            hole(&place.missing).into_iter().chain(hole(&place.changes)).min()
        });
        let cursors =
            self.cursors.iter().filter_map(|id| Some(self.places.get(id)?.said_at? + pause));
        holes.chain(cursors).min()
    }
}

fn ask(conv_id: i64, from: history::From) -> client_frame::Body {
    let limit = wire::PAGE_MESSAGES_MAX;
    client_frame::Body::History(History { conv_id, from: Some(from), limit })
}

fn due_hole<'a>(
    hole: &'a mut Option<Hole>,
    asked_after: i64,
    now: Instant,
    asking: &mut usize,
) -> Option<&'a mut Hole> {
    let hole = hole.as_mut().filter(|hole| !hole.asked && hole.ask_at <= now)?;
    if *asking >= limits::QUESTIONS_MAX {
        return None;
    }
    *asking += 1;
    (hole.asked, hole.asked_after) = (true, asked_after);
    Some(hole)
}
