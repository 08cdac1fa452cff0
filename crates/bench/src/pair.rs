//! One pair under load: one writes, the other one receives, both check what they were
//! promised.

use std::time::Instant;

use proto::Conversation;
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
        let (mut sender, _) = people::connect(servers[0], &two[0]).await?;
        let conversation = sender.open_direct(two[1].user_id).await?;
        let (recipient, _) = people::connect(servers[1], &two[1]).await?;
        Ok(Self::of(sender, recipient, &conversation))
    }

    /// Each of the two connects to his own gateway, whatever `auth` would choose.
    pub(crate) async fn open_at(auth: &str, gateways: [&str; 2], two: &[Person]) -> Result<Self> {
        let mut sender = people::connect_at(auth, gateways[0], &two[0]).await?;
        let conversation = sender.open_direct(two[1].user_id).await?;
        let recipient = people::connect_at(auth, gateways[1], &two[1]).await?;
        Ok(Self::of(sender, recipient, &conversation))
    }

    fn of(sender: Socket, recipient: Socket, conversation: &Conversation) -> Self {
        let (conv_id, recipient_id) = (conversation.conv_id, conversation.friend_id);
        Self { sender, recipient, conv_id, recipient_id, next_seq: conversation.last_seq + 1 }
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
