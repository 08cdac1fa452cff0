//! Keeps the order of each writer when the database did not take something. `docs/flows/send.md`.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use proto::limits::SENDS_IN_FLIGHT_MAX;
use store::NewMessage;

use super::writer::{Asker, Pending};
use crate::limits;
use crate::outbound::Outbound;

/// Messages that were put off because the database did not take them. What the same connection
/// sent behind one of them into the same conversation has to wait too, until one of them comes
/// again: else it would be stored before it. Who repeats them begins with the first that he still
/// wants to say: those before it he has taken back.
#[derive(Default)]
pub(super) struct PutOff(HashMap<(usize, i64), Row>);

/// What was put off since one of them came again. The queue stays allocated as long as it is known
/// here, so its address names the connection.
struct Row {
    client_keys: Vec<i64>,
    connection: Weak<Outbound>,
}

impl PutOff {
    /// Must this one wait behind another?
    pub(super) fn holds(&mut self, pending: &Pending) -> bool {
        let place = place(&pending.asker, &pending.message);
        let Some(row) = self.0.get_mut(&place) else {
            return false;
        };
        if row.client_keys.contains(&pending.message.client_key) {
            self.0.remove(&place);
            return false;
        }
        row.add(pending.message.client_key);
        true
    }

    pub(super) fn put_off(&mut self, asker: &Asker, message: &NewMessage) {
        if self.0.len() >= limits::PUT_OFF_MAX {
            // The dead ones first. If that is not enough the oldest promise cannot be kept either.
            self.0.retain(|_, row| row.connection.strong_count() > 0);
        }
        if self.0.len() < limits::PUT_OFF_MAX {
            let connection = Arc::downgrade(&asker.queue);
            let row = Row { client_keys: Vec::new(), connection };
            self.0.entry(place(asker, message)).or_insert(row).add(message.client_key);
        }
    }
}

impl Row {
    /// More than may be under way at once are held all the same, but if they are what comes first
    /// again, they wait.
    fn add(&mut self, client_key: i64) {
        if self.client_keys.len() < SENDS_IN_FLIGHT_MAX {
            self.client_keys.push(client_key);
        }
    }
}

fn place(asker: &Asker, message: &NewMessage) -> (usize, i64) {
    (Arc::as_ptr(&asker.queue) as usize, message.conv_id)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn pending(queue: &Arc<Outbound>, conv_id: i64, client_key: i64) -> Pending {
        let message = NewMessage {
            conv_id,
            sender_id: 1,
            client_key,
            reply_seq: 0,
            body: "hello".into(),
            mentions: Vec::new(),
        };
        let asker = Asker {
            frame_ref: 1,
            origin: 1,
            queue: Arc::clone(queue),
            received: Instant::now(),
            received_at: 0,
            context: None,
        };
        Pending { message, asker, put_off: None }
    }

    #[test]
    fn what_was_sent_behind_a_message_that_was_put_off_waits_for_it() {
        let (ann, bob) = (Arc::default(), Arc::default());
        let mut put_off = PutOff::default();
        let first = pending(&ann, 7, 1);
        assert!(!put_off.holds(&first));
        put_off.put_off(&first.asker, &first.message);
        assert!(put_off.holds(&pending(&ann, 7, 2)));
        assert!(put_off.holds(&pending(&ann, 7, 3)), "as long as it takes");
        assert!(!put_off.holds(&pending(&ann, 8, 4)), "another conversation");
        assert!(!put_off.holds(&pending(&bob, 7, 5)), "another connection");
        assert!(!put_off.holds(&first), "it comes again");
        assert!(!put_off.holds(&pending(&ann, 7, 2)), "and now the next");
    }

    #[test]
    fn of_a_batch_that_failed_the_first_message_leads() {
        let ann = Arc::default();
        let mut put_off = PutOff::default();
        for key in 1..=3 {
            let failed = pending(&ann, 7, key);
            put_off.put_off(&failed.asker, &failed.message);
        }
        assert!(put_off.holds(&pending(&ann, 7, 4)));
        assert!(!put_off.holds(&pending(&ann, 7, 1)));
        assert!(!put_off.holds(&pending(&ann, 7, 2)));
    }

    #[test]
    fn who_takes_the_first_message_back_does_not_wait_for_it_for_ever() {
        let ann = Arc::default();
        let mut put_off = PutOff::default();
        let first = pending(&ann, 7, 1);
        put_off.put_off(&first.asker, &first.message);
        assert!(put_off.holds(&pending(&ann, 7, 2)));
        assert!(put_off.holds(&pending(&ann, 7, 3)));
        assert!(!put_off.holds(&pending(&ann, 7, 2)), "what is repeated first is the first");
        assert!(!put_off.holds(&pending(&ann, 7, 3)));
    }
}
