//! What one pair was promised and what came: the books of its load, without a socket.

use std::time::{Duration, Instant};

use proto::server_frame::Body as Heard;

use crate::course::{Course, Pace, Phase, Tally};
use crate::{limits, text};

/// Where one load of one pair stands. Messages are counted from 0.
pub(crate) struct Ledger<'a> {
    course: &'a Course,
    conv_id: i64,
    recipient_id: i64,
    /// Most messages that may be under way.
    window: u64,
    schedule: Option<Schedule>,
    first_seq: i64,
    /// When the newest `window` messages were sent, in an open loop when they were due, and under
    /// which keys. The keys are random, as
    /// those of real clients: keys in order would be cheaper to store.
    sent_at: Vec<Instant>,
    keys: Vec<i64>,
    sent: u64,
    acked: u64,
    arrived: u64,
    /// How many of them the recipient has confirmed, when, and how many the sender knows to be
    /// confirmed.
    confirmed: u64,
    confirmed_at: Option<Instant>,
    known_confirmed: u64,
    heard_at: Instant,
    pub(crate) tally: Tally,
}

/// When the messages of a pair in an open loop are due: message n at `first + n * every`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    first: Instant,
    every: Duration,
}

impl Schedule {
    /// Of pair `pair` of `pairs`, which take turns. None: a closed loop.
    pub(crate) fn of(pace: Pace, pair: usize, pairs: usize, start: Instant) -> Option<Self> {
        let Pace::Open { per_second } = pace else {
            return None;
        };
        let between = Duration::from_secs(1) / per_second;
        let first = start + between * u32::try_from(pair).unwrap_or(u32::MAX);
        Some(Self { first, every: between * u32::try_from(pairs).unwrap_or(u32::MAX) })
    }

    fn due(&self, number: u64) -> Instant {
        self.first + self.every.mul_f64(number as f64)
    }
}

impl<'a> Ledger<'a> {
    /// The next message of the conversation must get `first_seq`. With a schedule `window` is only
    /// what the server lets one connection have under way.
    pub(crate) fn new(
        conv_id: i64,
        recipient_id: i64,
        first_seq: i64,
        window: usize,
        schedule: Option<Schedule>,
        course: &'a Course,
    ) -> Self {
        let now = Instant::now();
        Self {
            course,
            conv_id,
            recipient_id,
            window: window as u64,
            schedule,
            first_seq,
            sent_at: vec![now; window],
            keys: vec![0; window],
            sent: 0,
            acked: 0,
            arrived: 0,
            confirmed: 0,
            confirmed_at: None,
            known_confirmed: 0,
            heard_at: now,
            tally: Tally::new(),
        }
    }

    /// A broken promise ends the run of this pair: what follows could not be told apart.
    pub(crate) fn goes_on(&self) -> bool {
        let over = self.course.phase() == Phase::Drain && self.is_settled();
        !over && self.tally.violations.is_empty()
    }

    fn is_settled(&self) -> bool {
        self.acked == self.sent && self.arrived == self.sent && self.known_confirmed == self.sent
    }

    pub(crate) fn next_seq(&self) -> i64 {
        self.first_seq + self.sent as i64
    }

    /// When the next message is due. None: not before something comes back.
    fn due_at(&self) -> Option<Instant> {
        if self.sent - self.acked.min(self.arrived) >= self.window {
            return None;
        }
        Some(self.schedule.map_or_else(Instant::now, |schedule| schedule.due(self.sent)))
    }

    /// The next message, if it is due; it counts as sent at the moment when it was due.
    pub(crate) fn next_send(&mut self) -> Option<proto::Send> {
        let due = self.due_at().filter(|due| *due <= Instant::now())?;
        let client_key = proto::id::random_key();
        let send = proto::Send {
            conv_id: self.conv_id,
            client_key,
            body: text::line(self.sent),
            reply_seq: 0,
        };
        let place = self.place(self.sent);
        self.sent_at[place] = due;
        self.keys[place] = client_key;
        self.sent += 1;
        self.tally.messages = self.sent;
        Some(send)
    }

    /// When the recipient has to say Delivered. None: it has said everything.
    pub(crate) fn confirm_at(&self) -> Option<Instant> {
        let again_at = self.confirmed_at.map(|at| at + limits::DELIVERED_EVERY);
        (self.confirmed < self.arrived).then(|| again_at.unwrap_or(self.heard_at))
    }

    /// What it has to say, which counts as said now.
    pub(crate) fn next_delivered(&mut self) -> proto::Delivered {
        self.confirmed = self.arrived;
        self.confirmed_at = Some(Instant::now());
        self.tally.delivered_said += 1;
        proto::Delivered { conv_id: self.conv_id, seq: self.first_seq + self.arrived as i64 - 1 }
    }

    /// When there is something to do although nothing was heard.
    pub(crate) fn wake_at(&self) -> Instant {
        let silent_at = self.heard_at + limits::PATIENCE;
        let confirm_at = self.confirm_at().unwrap_or(silent_at);
        // In a closed loop what is due has been sent already.
        let due = self.schedule.and_then(|_| self.due_at());
        let sends = self.course.phase() != Phase::Drain;
        let send_at = due.filter(|_| sends).unwrap_or(silent_at);
        silent_at.min(confirm_at).min(send_at)
    }

    pub(crate) fn at_sender(&mut self, heard: &Heard) {
        self.heard_at = Instant::now();
        match heard {
            Heard::Sent(sent) => self.answered(sent),
            Heard::Receipt(receipt) => {
                self.tally.receipts_at_sender += 1;
                if receipt.user_id == self.recipient_id {
                    self.learned(receipt.delivered_seq);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn at_recipient(&mut self, heard: &Heard) {
        self.heard_at = Instant::now();
        match heard {
            Heard::Message(message) => self.received(message),
            // The gateway closed a hole by itself.
            Heard::Page(page) => page.messages.iter().for_each(|message| self.received(message)),
            Heard::Receipt(_) => self.tally.receipts_at_recipient += 1,
            _ => {}
        }
    }

    fn answered(&mut self, sent: &proto::Sent) {
        let number = self.acked;
        let key = self.keys[self.place(number)];
        let seq = self.first_seq + number as i64;
        if self.acked == self.sent || sent.client_key != key || sent.seq != seq || sent.repeated {
            let (got, repeated) = (sent.seq, sent.repeated);
            self.broken(&format!("Sent said {got} (repeated: {repeated}), {seq} was due"));
            return;
        }
        if self.counts() {
            self.tally.to_answer.record(self.age(number));
        }
        self.acked += 1;
        self.course.one_acked();
    }

    fn received(&mut self, message: &proto::Message) {
        // On a server that was there before somebody else may write as well.
        if message.conv_id != self.conv_id {
            return;
        }
        let number = self.arrived;
        let seq = self.first_seq + number as i64;
        if self.arrived == self.sent || message.seq != seq || !text::is_line(&message.body, number)
        {
            let what = match message.seq {
                got if got < seq => "doubled or out of order",
                got if got > seq => "lost or out of order",
                _ => "another text",
            };
            self.broken(&format!("message {} came where {seq} was due: {what}", message.seq));
            return;
        }
        if self.counts() {
            self.tally.to_recipient.record(self.age(number));
        }
        self.arrived += 1;
        self.course.one_arrived();
    }

    fn learned(&mut self, delivered_seq: i64) {
        let confirmed = delivered_seq - self.first_seq + 1;
        let confirmed = u64::try_from(confirmed).unwrap_or(0);
        if confirmed > self.confirmed {
            self.broken(&format!("a receipt lied: nobody confirmed {delivered_seq}"));
        }
        self.known_confirmed = self.known_confirmed.max(confirmed);
    }

    /// Where the newest `window` messages are remembered, which are the only ones under way.
    fn place(&self, number: u64) -> usize {
        (number % self.window) as usize
    }

    /// Whether a latency of now belongs to the figures. In an open loop those that come in late do
    /// too: leaving them out would hide the worst.
    fn counts(&self) -> bool {
        match self.course.phase() {
            Phase::WarmUp => false,
            Phase::Measure => true,
            Phase::Drain => self.schedule.is_some(),
        }
    }

    fn age(&self, number: u64) -> Duration {
        self.sent_at[self.place(number)].elapsed()
    }

    pub(crate) fn check_silence(&mut self) {
        if self.is_settled() {
            self.heard_at = Instant::now();
        } else if self.heard_at.elapsed() >= limits::PATIENCE {
            let (sent, acked, arrived) = (self.sent, self.acked, self.arrived);
            let known = self.known_confirmed;
            self.broken(&format!(
                "silence: {sent} sent, {acked} answered, {arrived} received, {known} confirmed"
            ));
        }
    }

    fn broken(&mut self, what: &str) {
        self.tally.violations.push(format!("conversation {}: {what}", self.conv_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONV: i64 = 4;
    const RECIPIENT: i64 = 9;
    const FIRST_SEQ: i64 = 31;

    /// A ledger with three messages under way.
    fn three(course: &Course) -> (Ledger<'_>, Vec<proto::Send>) {
        let mut ledger = Ledger::new(CONV, RECIPIENT, FIRST_SEQ, 3, None, course);
        let sends: Vec<_> = std::iter::from_fn(|| ledger.next_send()).collect();
        assert_eq!(sends.len(), 3, "the window is full");
        (ledger, sends)
    }

    fn sent(send: &proto::Send, seq: i64) -> Heard {
        let client_key = send.client_key;
        Heard::Sent(proto::Sent { conv_id: CONV, client_key, seq, ..Default::default() })
    }

    fn message(seq: i64, body: &str) -> Heard {
        Heard::Message(proto::Message {
            conv_id: CONV,
            seq,
            body: body.to_owned(),
            ..Default::default()
        })
    }

    fn receipt(delivered_seq: i64) -> Heard {
        Heard::Receipt(proto::Receipt {
            conv_id: CONV,
            user_id: RECIPIENT,
            delivered_seq,
            ..Default::default()
        })
    }

    #[test]
    fn promises_that_are_kept_are_no_violation() {
        let course = Course::default();
        let (mut ledger, sends) = three(&course);
        for (seq, send) in (FIRST_SEQ..).zip(&sends) {
            ledger.at_sender(&sent(send, seq));
            ledger.at_recipient(&message(seq, &send.body));
        }
        assert_eq!(ledger.next_delivered().seq, FIRST_SEQ + 2);
        ledger.at_sender(&receipt(FIRST_SEQ + 2));
        assert_eq!(ledger.tally.violations, [""; 0]);
        assert_eq!(ledger.next_seq(), FIRST_SEQ + 3);
        assert!(ledger.goes_on() && ledger.next_send().is_some());
    }

    #[test]
    fn lost_doubled_swapped_and_changed_messages_are_told() {
        let course = Course::default();
        for (number, seq) in [(1, FIRST_SEQ + 1), (0, FIRST_SEQ - 1), (1, FIRST_SEQ)] {
            let (mut ledger, sends) = three(&course);
            ledger.at_recipient(&message(seq, &sends[number].body));
            assert_eq!(ledger.tally.violations.len(), 1, "message {number} as {seq}");
            assert!(!ledger.goes_on());
        }
        let (mut ledger, sends) = three(&course);
        ledger.at_recipient(&message(FIRST_SEQ, &sends[0].body));
        ledger.at_recipient(&message(FIRST_SEQ, &sends[0].body));
        assert!(ledger.tally.violations[0].contains("doubled"));
    }

    #[test]
    fn wrong_answers_are_told() {
        let course = Course::default();
        for (number, seq) in [(0, FIRST_SEQ + 1), (1, FIRST_SEQ), (1, FIRST_SEQ + 1)] {
            let (mut ledger, sends) = three(&course);
            ledger.at_sender(&sent(&sends[number], seq));
            assert_eq!(ledger.tally.violations.len(), 1, "answer {number} with {seq}");
        }
    }

    #[test]
    fn a_receipt_for_what_nobody_confirmed_is_told() {
        let course = Course::default();
        let (mut ledger, sends) = three(&course);
        ledger.at_recipient(&message(FIRST_SEQ, &sends[0].body));
        ledger.at_sender(&receipt(FIRST_SEQ));
        assert!(ledger.tally.violations[0].contains("lied"));
    }

    #[test]
    fn in_an_open_loop_a_late_message_is_as_old_as_its_due_moment() {
        let course = Course::default();
        course.enter(Phase::Measure);
        let start = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let schedule = Schedule::of(Pace::Open { per_second: 1 }, 0, 1, start);
        let mut ledger = Ledger::new(CONV, RECIPIENT, FIRST_SEQ, 2, schedule, &course);
        let sends: Vec<_> = std::iter::from_fn(|| ledger.next_send()).collect();
        assert_eq!(sends.len(), 2, "eleven are due, but only two may be under way");
        ledger.at_sender(&sent(&sends[0], FIRST_SEQ));
        ledger.at_recipient(&message(FIRST_SEQ, &sends[0].body));
        assert!(ledger.tally.to_recipient.at(1.0).unwrap() >= 9_900.0);
        assert!(ledger.next_send().is_some());
    }

    #[test]
    fn in_an_open_loop_the_pairs_take_turns() {
        let start = Instant::now();
        let pace = Pace::Open { per_second: 100 };
        let [first, second] =
            [0, 1].map(|pair| Schedule::of(pace, pair, 50, start).unwrap().due(0));
        assert_eq!(second - first, Duration::from_millis(10));
        let schedule = Schedule::of(pace, 0, 50, start).unwrap();
        assert_eq!(schedule.due(2) - first, Duration::from_secs(1));
        assert!(Schedule::of(Pace::Closed { window: 1 }, 0, 50, start).is_none());
    }

    #[test]
    fn another_conversation_is_passed_over() {
        let course = Course::default();
        let (mut ledger, _) = three(&course);
        let other = proto::Message { conv_id: CONV + 1, ..Default::default() };
        ledger.at_recipient(&Heard::Message(other));
        assert!(ledger.tally.violations.is_empty());
    }
}
