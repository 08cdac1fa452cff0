//! One pair under load: one writes, the other one receives, both check what they were
//! promised.

use std::time::Instant;

use proto::client_frame::Body as Say;
use tokio::time::sleep_until;

use crate::course::{Course, Phase, Tally};
use crate::ledger::{Ledger, Schedule};
use crate::raw::{Person, Socket};
use crate::{Result, people};

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
    /// Each of the two connects to his own server; the two may be the same.
    pub(crate) async fn open(servers: [&str; 2], two: &[Person]) -> Result<Self> {
        let [sender, recipient] = [&two[0], &two[1]];
        let (mut from, _) = people::connect(servers[0], sender).await?;
        let conversation = from.open_direct(recipient.user_id).await?;
        let (to, _) = people::connect(servers[1], recipient).await?;
        Ok(Self {
            sender: from,
            recipient: to,
            conv_id: conversation.conv_id,
            recipient_id: recipient.user_id,
            next_seq: conversation.last_seq + 1,
        })
    }
}

/// Sends what is due, with at most `window` messages that are not both answered and received, until
/// the course says to drain; then waits until every message is answered, received and confirmed.
pub(crate) async fn drive(
    pair: &mut Pair,
    window: usize,
    schedule: Option<Schedule>,
    course: &Course,
) -> Result<Tally> {
    let (conv_id, recipient_id, next_seq) = (pair.conv_id, pair.recipient_id, pair.next_seq);
    let mut ledger = Ledger::new(conv_id, recipient_id, next_seq, window, schedule, course);
    while ledger.goes_on() {
        if course.phase() != Phase::Drain {
            fill(pair, &mut ledger).await?;
        }
        confirm(pair, &mut ledger).await?;
        let wake = ledger.wake_at();
        tokio::select! {
            heard = pair.sender.hear() => ledger.at_sender(&heard?),
            heard = pair.recipient.hear() => ledger.at_recipient(&heard?),
            () = sleep_until(wake.into()) => ledger.check_silence(),
        }
        while let Some(heard) = pair.sender.hear_now() {
            ledger.at_sender(&heard?);
        }
        while let Some(heard) = pair.recipient.hear_now() {
            ledger.at_recipient(&heard?);
        }
    }
    pair.next_seq = ledger.next_seq();
    Ok(ledger.tally)
}

async fn fill(pair: &mut Pair, ledger: &mut Ledger<'_>) -> Result<()> {
    let mut fed = false;
    while let Some(send) = ledger.next_send() {
        pair.sender.feed(1, Say::Send(send)).await?;
        fed = true;
    }
    if fed {
        pair.sender.flush().await?;
    }
    Ok(())
}

/// Says Delivered, if there is something new and the last time is long enough ago.
async fn confirm(pair: &mut Pair, ledger: &mut Ledger<'_>) -> Result<()> {
    if ledger.confirm_at().is_none_or(|at| at > Instant::now()) {
        return Ok(());
    }
    let delivered = ledger.next_delivered();
    pair.recipient.feed(0, Say::Delivered(delivered)).await?;
    pair.recipient.flush().await
}
