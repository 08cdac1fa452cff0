//! A gateway whose live frames are lost, doubled and shuffled, whose connections break, while
//! messages are written, changed and sent: the reader must end with exactly the log, each message
//! once and in order.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use proto::{CaughtUp, Conversation, History, Message, Page, Paint, Sent, client_frame, history};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cache::Loaded;
use crate::place::Came;
use crate::sync::{Mirror, Question, Round};
use crate::types::{Event, Queued};

const ME: i64 = 1;
const CONVERSATIONS: i64 = 3;
const SEEDS: u64 = 400;
const STEPS: usize = 400;
/// Small, so that catching up and asking take several pages.
const PAGE: usize = 7;

/// The truth.
#[derive(Default)]
struct Log {
    messages: Vec<Message>,
    last_rev: i64,
}

/// What a reader has been told.
#[derive(Default)]
struct Reader {
    /// In the order of the events; own ones as they were answered.
    shown: HashMap<i64, Vec<i64>>,
    newest: HashMap<(i64, i64), Message>,
}

struct World {
    rng: StdRng,
    now: Instant,
    logs: HashMap<i64, Log>,
    mirror: Mirror,
    reader: Reader,
    /// Live frames on their way.
    live: Vec<Message>,
    /// Answers on their way, in order.
    answers: VecDeque<(Question, History)>,
    sends: VecDeque<(Sent, Queued)>,
}

#[test]
fn whatever_the_network_does_the_reader_gets_the_log_once_and_in_order() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        world.compare(seed);
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let nothing =
            Loaded { conversations: vec![], people: vec![], positions: vec![], queued: vec![] };
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now: Instant::now(),
            logs: (1..=CONVERSATIONS).map(|id| (id, Log::default())).collect(),
            mirror: Mirror::new(ME, "me", true, nothing),
            reader: Reader::default(),
            live: Vec::new(),
            answers: VecDeque::new(),
            sends: VecDeque::new(),
        };
        world.connect();
        world
    }

    fn step(&mut self) {
        let conv_id = self.rng.random_range(1..=CONVERSATIONS);
        match self.rng.random_range(0..100) {
            0..30 => self.write(conv_id),
            30..40 => self.change(conv_id),
            40..48 => self.send(conv_id),
            48..75 => self.deliver_live(),
            75..83 => self.ask_and_answer(),
            83..90 => self.deliver_sent(),
            90..98 => self.now += Duration::from_millis(self.rng.random_range(0..300)),
            _ => self.connect(),
        }
    }

    fn write(&mut self, conv_id: i64) {
        let sender_id = self.rng.random_range(2..4);
        let message = self.store(conv_id, sender_id, "text");
        self.live.push(message);
    }

    fn store(&mut self, conv_id: i64, sender_id: i64, body: &str) -> Message {
        let log = self.logs.get_mut(&conv_id).unwrap();
        let seq = log.messages.len() as i64 + 1;
        let body = format!("{body} {seq}");
        let message = Message { conv_id, seq, sender_id, body, ..Message::default() };
        log.messages.push(message.clone());
        message
    }

    fn change(&mut self, conv_id: i64) {
        let log = self.logs.get_mut(&conv_id).unwrap();
        if log.messages.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..log.messages.len());
        log.last_rev += 1;
        log.messages[at].rev = log.last_rev;
        log.messages[at].body = format!("changed {}", log.last_rev);
        self.live.push(log.messages[at].clone());
    }

    fn send(&mut self, conv_id: i64) {
        let client_key = self.rng.random_range(1..i64::MAX);
        let message = self.store(conv_id, ME, "mine");
        let sent = Sent { conv_id, client_key, seq: message.seq, ..Sent::default() };
        let queued = Queued {
            conv_id,
            client_key,
            body: message.body,
            reply_seq: 0,
            queued_at: 0,
            refused: String::new(),
        };
        self.sends.push_back((sent, queued));
    }

    /// One of the next few frames comes: in any order, sometimes never, sometimes twice.
    fn deliver_live(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.live.len().min(4));
        let message = self.live.remove(at);
        match self.rng.random_range(0..10) {
            0 => {}
            1 => {
                self.hear(|mirror, now, round| {
                    mirror.message(message.clone(), Came::Live, now, round);
                    mirror.message(message, Came::Live, now, round);
                });
            }
            _ => self.hear(|mirror, now, round| mirror.message(message, Came::Live, now, round)),
        }
    }

    fn deliver_sent(&mut self) {
        if let Some((sent, queued)) = self.sends.pop_front() {
            self.hear(|mirror, now, round| mirror.sent(sent, Some(queued), now, round));
        }
    }

    fn ask_and_answer(&mut self) {
        for (question, body) in self.mirror.questions(self.now) {
            match body {
                client_frame::Body::History(history) => self.answers.push_back((question, history)),
                _ => self.hear(|mirror, _, round| mirror.introduced(vec![], round)),
            }
        }
        let Some((question, history)) = self.answers.pop_front() else {
            return;
        };
        if self.rng.random_range(0..10) == 0 {
            self.hear(|mirror, now, round| mirror.refused(question, 50, now, round));
            return;
        }
        let page = self.page(&history);
        self.hear(|mirror, now, round| match question {
            Question::Missing { conv_id } => mirror.missing(conv_id, page, now, round),
            Question::Changes { conv_id } => mirror.changes(conv_id, page, now, round),
            Question::Strangers => {}
        });
    }

    fn page(&self, history: &History) -> Page {
        let log = &self.logs[&history.conv_id].messages;
        let mut found: Vec<Message> = match history.from {
            Some(history::From::AfterSeq(seq)) => {
                log.iter().filter(|m| m.seq > seq).cloned().collect()
            }
            Some(history::From::AfterRev(rev)) => {
                log.iter().filter(|m| m.rev > rev).cloned().collect()
            }
            _ => vec![],
        };
        if matches!(history.from, Some(history::From::AfterRev(_))) {
            found.sort_by_key(|m| m.rev);
        }
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        Page { conv_id: history.conv_id, messages: found, more, scanned_to: 0 }
    }

    /// The old connection and all that was on its way is gone; the new one paints and replays.
    fn connect(&mut self) {
        self.live.clear();
        self.answers.clear();
        self.mirror.begin();
        let have: HashMap<i64, proto::Position> =
            self.mirror.positions().into_iter().map(|p| (p.conv_id, p)).collect();
        let conversations = self.logs.iter().map(|(&conv_id, log)| Conversation {
            conv_id,
            last_seq: log.messages.len() as i64,
            last_rev: log.last_rev,
            ..Conversation::default()
        });
        let paint = Paint { conversations: conversations.collect(), ..Paint::default() };
        self.hear(|mirror, now, round| mirror.paint(paint, now, round));
        for conv_id in 1..=CONVERSATIONS {
            let from = have.get(&conv_id).copied().unwrap_or_default();
            // what is written while it is read belongs to both, Paint and live
            if self.rng.random_range(0..3) == 0 {
                self.write(conv_id);
            }
            let log = &self.logs[&conv_id].messages;
            let mut changed: Vec<Message> =
                log.iter().filter(|m| m.seq <= from.seq && m.rev > from.rev).cloned().collect();
            changed.sort_by_key(|m| m.rev);
            let new: Vec<Message> = log.iter().filter(|m| m.seq > from.seq).cloned().collect();
            for messages in changed.chunks(PAGE).chain(new.chunks(PAGE)) {
                let page = Page { conv_id, messages: messages.to_vec(), ..Page::default() };
                self.hear(|mirror, now, round| mirror.page(page, now, round));
            }
        }
        self.hear(|mirror, now, round| mirror.caught_up(&CaughtUp::default(), now, round));
    }

    /// Everything that is under way arrives, and a last connection brings what was lost at the end.
    fn settle(&mut self) {
        while !self.sends.is_empty() {
            self.deliver_sent();
        }
        self.connect();
        for _ in 0..1_000 {
            self.now += Duration::from_millis(500);
            self.ask_and_answer();
        }
        while let Some(message) = self.live.pop() {
            self.hear(|mirror, now, round| mirror.message(message, Came::Live, now, round));
        }
    }

    fn hear(&mut self, what: impl FnOnce(&mut Mirror, Instant, &mut Round)) {
        let mut round = Round::default();
        what(&mut self.mirror, self.now, &mut round);
        let (copy, events) = self.mirror.rows(round);
        for message in copy.messages {
            let name = (message.conv_id, message.seq);
            let here = self.reader.newest.entry(name).or_insert_with(|| message.clone());
            if message.rev >= here.rev {
                *here = message;
            }
        }
        for event in events {
            if let Event::New { message, .. } = event {
                self.reader.shown.entry(message.conv_id).or_default().push(message.seq);
            }
        }
    }

    fn compare(&self, seed: u64) {
        for (&conv_id, log) in &self.logs {
            let shown = self.reader.shown.get(&conv_id).cloned().unwrap_or_default();
            assert!(shown.is_sorted(), "seed {seed}: out of order: {shown:?}");
            let others = log.messages.iter().filter(|m| m.sender_id != ME);
            for message in others {
                let times = shown.iter().filter(|&&seq| seq == message.seq).count();
                assert_eq!(times, 1, "seed {seed}: {} was shown {times} times", message.seq);
            }
            for message in &log.messages {
                let here = self.reader.newest.get(&(conv_id, message.seq));
                assert_eq!(here, Some(message), "seed {seed}: not as in the log");
            }
            let position = self.mirror.position(conv_id).unwrap();
            let end = (log.messages.len() as i64, log.last_rev);
            assert_eq!((position.seq, position.rev), end, "seed {seed}: position");
        }
        assert_eq!(self.mirror.figures().gaps_open, 0, "seed {seed}");
    }
}
