//! The same frames as a pair's, in the same closed loop, against a server that only echoes.

use std::time::Instant;

use tokio::time::timeout;

use crate::course::{Course, Phase, Tally};
use crate::echo::{self, Order};
use crate::raw::{self, Socket};
use crate::{Error, Result, limits};

/// The sizes of the frames of a message, in bytes, and how many of each there were for one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) send_bytes: usize,
    pub(crate) sent_bytes: u16,
    pub(crate) message_bytes: u16,
    pub(crate) delivered_bytes: usize,
    pub(crate) receipt_bytes: u16,
    pub(crate) delivered_per_message: f64,
    pub(crate) receipts_at_sender_per_message: f64,
    pub(crate) receipts_at_recipient_per_message: f64,
}

pub(crate) struct EchoPair {
    sender: Socket,
    recipient: Socket,
}

impl EchoPair {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let sender = raw::open_echo(address).await?;
        Ok(Self { sender, recipient: raw::open_echo(address).await? })
    }

    pub(crate) async fn close(self) {
        self.sender.close().await;
        self.recipient.close().await;
    }
}

/// How many of something there are after `messages` messages: fractions add up.
fn after(messages: u64, per_message: f64) -> u64 {
    (messages as f64 * per_message) as u64
}

struct Run<'a> {
    pair: &'a mut EchoPair,
    shape: Shape,
    sent: u64,
    acked: u64,
    frames_at_sender: u64,
    /// Messages that the recipient's side has asked for, and the frames that makes in all.
    asked: u64,
    due_at_recipient: u64,
    frames_at_recipient: u64,
    sent_at: Vec<Instant>,
    course: &'a Course,
    tally: Tally,
}

/// Sends requests of the size of a Send with at most `window` of them unanswered; for each some of
/// the size of a Delivered go out on the recipient's side, which ask for the Message frames.
pub(crate) async fn drive(
    pair: &mut EchoPair,
    window: usize,
    shape: Shape,
    course: &Course,
) -> Result<Tally> {
    let mut run = Run {
        pair,
        shape,
        sent: 0,
        acked: 0,
        frames_at_sender: 0,
        asked: 0,
        due_at_recipient: 0,
        frames_at_recipient: 0,
        sent_at: vec![Instant::now(); window],
        course,
        tally: Tally::new(),
    };
    loop {
        let drain = course.phase() == Phase::Drain;
        if drain && run.acked == run.sent && run.frames_at_recipient == run.due_at_recipient {
            break;
        }
        if !drain {
            run.fill(window as u64).await?;
        }
        run.ask().await?;
        let hearing = async {
            tokio::select! {
                heard = run.pair.sender.hear_bytes() => heard.map(|_| true),
                heard = run.pair.recipient.hear_bytes() => heard.map(|_| false),
            }
        };
        let heard = timeout(limits::PATIENCE, hearing).await;
        match heard.map_err(|_| Error::Silent("the echo"))?? {
            true => run.at_sender(),
            false => run.frames_at_recipient += 1,
        }
        while let Some(heard) = run.pair.sender.hear_bytes_now() {
            heard?;
            run.at_sender();
        }
        while let Some(heard) = run.pair.recipient.hear_bytes_now() {
            heard?;
            run.frames_at_recipient += 1;
        }
    }
    run.tally.messages = run.sent;
    Ok(run.tally)
}

impl Run<'_> {
    async fn fill(&mut self, window: u64) -> Result<()> {
        // The recipient's side may not fall behind for ever.
        let behind = self.due_at_recipient - self.frames_at_recipient;
        let mut fed = false;
        while behind < 4 * window + 64 && self.sent - self.acked < window {
            let receipts =
                self.receipts_at_sender(self.sent + 1) - self.receipts_at_sender(self.sent);
            let orders = [
                Order { frames: 1, bytes: self.shape.sent_bytes },
                Order { frames: receipts as u16, bytes: self.shape.receipt_bytes },
            ];
            self.sent_at[(self.sent % window) as usize] = Instant::now();
            let request = echo::request(self.shape.send_bytes, &orders);
            self.pair.sender.feed_bytes(request).await?;
            self.sent += 1;
            fed = true;
        }
        if fed {
            self.pair.sender.flush().await?;
        }
        Ok(())
    }

    /// When a Delivered would be due for what was answered: asks for the messages since the last
    /// one.
    async fn ask(&mut self) -> Result<()> {
        let per_message = self.shape.delivered_per_message;
        let due = after(self.acked, per_message) > after(self.asked, per_message);
        let rest = self.course.phase() == Phase::Drain && self.acked == self.sent;
        if self.acked == self.asked || !(due || rest) {
            return Ok(());
        }
        let per_message = self.shape.receipts_at_recipient_per_message;
        let receipts = after(self.acked, per_message) - after(self.asked, per_message);
        let messages = self.acked - self.asked;
        let orders = [
            Order { frames: messages as u16, bytes: self.shape.message_bytes },
            Order { frames: receipts as u16, bytes: self.shape.receipt_bytes },
        ];
        let request = echo::request(self.shape.delivered_bytes, &orders);
        self.pair.recipient.feed_bytes(request).await?;
        self.pair.recipient.flush().await?;
        self.asked = self.acked;
        self.due_at_recipient += messages + receipts;
        Ok(())
    }

    fn receipts_at_sender(&self, messages: u64) -> u64 {
        after(messages, self.shape.receipts_at_sender_per_message)
    }

    /// Answers come in the order of the requests: the last frame of one settles it.
    fn at_sender(&mut self) {
        self.frames_at_sender += 1;
        let settled = self.acked + 1;
        if settled + self.receipts_at_sender(settled) > self.frames_at_sender {
            return;
        }
        if self.course.phase() == Phase::Measure {
            let sent_at = self.sent_at[(self.acked % self.sent_at.len() as u64) as usize];
            self.tally.to_answer.record(sent_at.elapsed());
        }
        self.acked = settled;
        self.course.one_acked();
        self.course.one_arrived();
    }
}
