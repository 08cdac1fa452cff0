//! One pair in a closed loop: one writes, the other one receives, both check what they were promised.

use std::time::Instant;

use proto::client_frame::Body as Say;
use proto::server_frame::Body as Heard;
use tokio::time::sleep_until;

use crate::course::{Course, Phase, Tally};
use crate::raw::{Person, Socket};
use crate::{Result, limits, people, text};

/// Two people with an open conversation and a connection each.
pub(crate) struct Pair {
    pub(crate) sender: Socket,
    pub(crate) recipient: Socket,
    pub(crate) conv_id: i64,
    pub(crate) recipient_id: i64,
    /// What the next message must get.
    pub(crate) next_seq: i64,
}

impl Pair {
    pub(crate) async fn open(server: &str, sender: &Person, recipient: &Person) -> Result<Self> {
        let (mut from, _) = people::connect(server, sender).await?;
        let conversation = from.open_direct(recipient.user_id).await?;
        let (to, _) = people::connect(server, recipient).await?;
        Ok(Self {
            sender: from,
            recipient: to,
            conv_id: conversation.conv_id,
            recipient_id: recipient.user_id,
            next_seq: conversation.last_seq + 1,
        })
    }
}

/// Where one load of one pair stands. Messages are counted from 0.
struct Run<'a> {
    pair: &'a mut Pair,
    course: &'a Course,
    window: u64,
    first_seq: i64,
    first_key: i64,
    /// When the newest `window` messages were sent.
    sent_at: Vec<Instant>,
    sent: u64,
    acked: u64,
    arrived: u64,
    /// How many of them the recipient has confirmed, when, and how many the sender knows to be confirmed.
    confirmed: u64,
    confirmed_at: Option<Instant>,
    known_confirmed: u64,
    heard_at: Instant,
    tally: Tally,
}

/// Sends, with at most `window` messages that are not both answered and received, until the course says to drain; then
/// waits until every message is answered, received and confirmed.
pub(crate) async fn drive(pair: &mut Pair, window: usize, course: &Course) -> Result<Tally> {
    let now = Instant::now();
    let mut run = Run {
        window: window as u64,
        first_seq: pair.next_seq,
        // Far from the end, so that the keys of one load are one run of numbers.
        first_key: proto::id::random_key() / 2 + 1,
        sent_at: vec![now; window],
        sent: 0,
        acked: 0,
        arrived: 0,
        confirmed: 0,
        confirmed_at: None,
        known_confirmed: 0,
        heard_at: now,
        tally: Tally::new(),
        pair,
        course,
    };
    while run.goes_on() {
        if course.phase() != Phase::Drain {
            run.fill().await?;
        }
        run.confirm().await?;
        let wake = run.wake_at();
        tokio::select! {
            heard = run.pair.sender.hear() => run.at_sender(&heard?),
            heard = run.pair.recipient.hear() => run.at_recipient(&heard?),
            () = sleep_until(wake.into()) => run.check_silence(),
        }
        while let Some(heard) = run.pair.sender.hear_now() {
            run.at_sender(&heard?);
        }
        while let Some(heard) = run.pair.recipient.hear_now() {
            run.at_recipient(&heard?);
        }
    }
    run.tally.messages = run.sent;
    run.pair.next_seq = run.first_seq + run.sent as i64;
    Ok(run.tally)
}

impl Run<'_> {
    /// A broken promise ends the run of this pair: what follows could not be told apart.
    fn goes_on(&self) -> bool {
        let settled = self.acked == self.sent
            && self.arrived == self.sent
            && self.known_confirmed == self.sent;
        let over = self.course.phase() == Phase::Drain && settled;
        !over && self.tally.violations.is_empty()
    }

    async fn fill(&mut self) -> Result<()> {
        let mut fed = false;
        while self.sent - self.acked.min(self.arrived) < self.window {
            let send = proto::Send {
                conv_id: self.pair.conv_id,
                client_key: self.first_key + self.sent as i64,
                body: text::line(self.sent),
                reply_seq: 0,
            };
            self.sent_at[(self.sent % self.window) as usize] = Instant::now();
            self.pair.sender.feed(1, Say::Send(send)).await?;
            self.sent += 1;
            fed = true;
        }
        if fed {
            self.pair.sender.flush().await?;
        }
        Ok(())
    }

    /// Says Delivered, if there is something new and the last time is long enough ago.
    async fn confirm(&mut self) -> Result<()> {
        if self.confirm_at().is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let seq = self.first_seq + self.arrived as i64 - 1;
        let delivered = proto::Delivered {
            conv_id: self.pair.conv_id,
            seq,
        };
        self.pair
            .recipient
            .feed(0, Say::Delivered(delivered))
            .await?;
        self.pair.recipient.flush().await?;
        self.confirmed = self.arrived;
        self.confirmed_at = Some(Instant::now());
        self.tally.delivered_said += 1;
        Ok(())
    }

    fn confirm_at(&self) -> Option<Instant> {
        if self.confirmed == self.arrived {
            return None;
        }
        Some(
            self.confirmed_at
                .map_or(self.heard_at, |at| at + limits::DELIVERED_EVERY),
        )
    }

    fn wake_at(&self) -> Instant {
        let silent_at = self.heard_at + limits::PATIENCE;
        self.confirm_at().map_or(silent_at, |at| at.min(silent_at))
    }

    fn at_sender(&mut self, heard: &Heard) {
        self.heard_at = Instant::now();
        match heard {
            Heard::Sent(sent) => self.answered(sent),
            Heard::Receipt(receipt) => {
                self.tally.receipts_at_sender += 1;
                if receipt.user_id == self.pair.recipient_id {
                    self.learned(receipt.delivered_seq);
                }
            }
            _ => {}
        }
    }

    fn at_recipient(&mut self, heard: &Heard) {
        self.heard_at = Instant::now();
        match heard {
            Heard::Message(message) => self.received(message),
            // The gateway closed a hole by itself.
            Heard::Page(page) => page
                .messages
                .iter()
                .for_each(|message| self.received(message)),
            Heard::Receipt(_) => self.tally.receipts_at_recipient += 1,
            _ => {}
        }
    }

    fn answered(&mut self, sent: &proto::Sent) {
        let number = self.acked;
        let key = self.first_key + number as i64;
        let seq = self.first_seq + number as i64;
        if self.acked == self.sent || sent.client_key != key || sent.seq != seq || sent.repeated {
            let (got, repeated) = (sent.seq, sent.repeated);
            self.broken(&format!(
                "Sent said {got} (repeated: {repeated}), {seq} was due"
            ));
            return;
        }
        if self.course.phase() == Phase::Measure {
            self.tally.to_answer.record(self.age(number));
        }
        self.acked += 1;
        self.course.one_acked();
    }

    fn received(&mut self, message: &proto::Message) {
        let number = self.arrived;
        let seq = self.first_seq + number as i64;
        if self.arrived == self.sent || message.seq != seq || !text::is_line(&message.body, number)
        {
            let what = match message.seq {
                got if got < seq => "doubled or out of order",
                got if got > seq => "lost or out of order",
                _ => "another text",
            };
            self.broken(&format!(
                "message {} came where {seq} was due: {what}",
                message.seq
            ));
            return;
        }
        if self.course.phase() == Phase::Measure {
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

    /// Valid for the newest `window` messages, which are the only ones under way.
    fn age(&self, number: u64) -> std::time::Duration {
        self.sent_at[(number % self.window) as usize].elapsed()
    }

    fn check_silence(&mut self) {
        if self.heard_at.elapsed() >= limits::PATIENCE {
            let (sent, acked, arrived) = (self.sent, self.acked, self.arrived);
            let known = self.known_confirmed;
            self.broken(&format!(
                "silence: {sent} sent, {acked} answered, {arrived} received, {known} known to be delivered"
            ));
        }
    }

    fn broken(&mut self, what: &str) {
        self.tally
            .violations
            .push(format!("conversation {}: {what}", self.pair.conv_id));
    }
}
