//! What senders learn of a mail: up to which of their messages it went, and when.

use proto::server_frame::Body;
use store::{Door, Recipient, Unread};

use super::Notify;
use crate::outbound::Event;

/// Writes it down and rings at the senders: the partners of direct conversations who are his
/// friends, unless he hides it. What went through another door is not theirs to know.
pub(super) async fn senders(
    notify: &Notify,
    person: &Recipient,
    unread: &[Unread],
    now: i64,
) -> store::Result<()> {
    if person.settings.hide || person.settings.door != Door::Mail {
        return Ok(());
    }
    let (friends, _) = notify.store.friends_and_hides(person.user_id).await?;
    let of_friends = unread.iter().filter(|row| friends.contains(&row.peer_id));
    let told: Vec<_> = of_friends.map(|row| (row.conv_id, row.last_seq)).collect();
    for receipt in notify.store.mark_mailed(person.user_id, &told, now).await? {
        let conv_id = receipt.conv_id;
        let event = Event::new(Body::Receipt(receipt), 0);
        for row in unread.iter().filter(|row| row.conv_id == conv_id) {
            notify.bus.publish(&[row.peer_id], &event).await;
        }
    }
    Ok(())
}
