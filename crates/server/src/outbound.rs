//! What waits for one connection: put there by the bus and the writer, taken by the task that owns
//! the socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use proto::{Codec, GoodbyeReason, ServerFrame, frame, server_frame::Body};
use tokio::sync::Notify;

use crate::limits;
use crate::spans::Context;

/// Something that happened: the very frame that the users' clients will get, encoded once for all
/// of them.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) body: Body,
    /// The Protobuf of a `ServerFrame` with `ref` 0 and this body.
    pub(crate) wire: Bytes,
    /// The connection that caused it and knows already; it passes over the event. 0 = none.
    pub(crate) origin: u64,
    /// When it was true, that is, right after its commit.
    pub(crate) since: Instant,
    /// With a message whose way is followed.
    pub(crate) context: Option<Context>,
}

impl Event {
    pub(crate) fn new(body: Body, origin: u64) -> Arc<Self> {
        Self::followed(body, origin, None)
    }

    /// The same for what may be followed on its way.
    pub(crate) fn followed(body: Body, origin: u64, context: Option<Context>) -> Arc<Self> {
        let frame = frame::push(body);
        let wire = Bytes::from(Codec::Protobuf.write_server(&frame));
        let body = frame.body.expect("the line above put it in");
        Arc::new(Self { body, wire, origin, since: Instant::now(), context })
    }

    /// An event of another gateway, which was true a moment before. None of our connections caused
    /// it.
    pub(crate) fn read(wire: &Bytes, context: Option<Context>) -> Option<Arc<Self>> {
        let body = Codec::Protobuf.read_server(wire).ok()?.body?;
        let (wire, since) = (wire.clone(), Instant::now());
        Some(Arc::new(Self { body, wire, origin: 0, since, context }))
    }
}

/// One thing that waits.
#[derive(Debug)]
pub(crate) enum Item {
    Event(Arc<Event>),
    Settled(Box<Settled>),
}

/// What became of a Send of this very connection.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Sent or Error, with the ref of the Send.
    pub(crate) frame: ServerFrame,
    /// With KEPT in a direct conversation: who it is kept for. 0 = nobody.
    pub(crate) kept_for: i64,
}

/// The queue of one connection. Bounded for events by [`limits::QUEUE_FRAMES_MAX`] and
/// [`limits::QUEUE_BYTES_MAX`]; answers always find room, because a connection has at most
/// `SENDS_IN_FLIGHT_MAX` of them open.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    events: usize,
    bytes: usize,
    overflowed: bool,
    look_again: bool,
    end: Option<GoodbyeReason>,
}

/// Everything that waited.
pub(crate) struct Taken {
    pub(crate) items: VecDeque<Item>,
    /// Events were dropped since the last time: what was given to this connection has a hole.
    pub(crate) overflowed: bool,
    /// Bells may have been lost: the positions are to be compared with the store.
    pub(crate) look_again: bool,
    /// Somebody wants this connection to end.
    pub(crate) end: Option<GoodbyeReason>,
}

impl Outbound {
    /// Puts an event at the end. Full: the event is dropped and the owner of the queue is told.
    pub(crate) fn offer(&self, event: &Arc<Event>) {
        let mut waiting = self.lock();
        let bytes = waiting.bytes + event.wire.len();
        if waiting.events >= limits::QUEUE_FRAMES_MAX || bytes > limits::QUEUE_BYTES_MAX {
            waiting.overflowed = true;
        } else {
            waiting.bytes = bytes;
            waiting.events += 1;
            waiting.items.push_back(Item::Event(Arc::clone(event)));
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Puts the answer to a Send at the end.
    pub(crate) fn settle(&self, settled: Settled) {
        self.lock().items.push_back(Item::Settled(Box::new(settled)));
        self.wake.notify_one();
    }

    /// Asks the owner to say goodbye. The first reason stays.
    pub(crate) fn end(&self, reason: GoodbyeReason) {
        self.lock().end.get_or_insert(reason);
        self.wake.notify_one();
    }

    /// Asks the owner to compare positions with the store.
    pub(crate) fn look_again(&self) {
        self.lock().look_again = true;
        self.wake.notify_one();
    }

    /// Waits until there is something to take. One task at a time.
    pub(crate) async fn ready(&self) {
        while self.is_quiet() {
            self.wake.notified().await;
        }
    }

    /// Waits until somebody wants the end or, unless `patient`, events had to be dropped: what a
    /// task that is stuck in a write must hear.
    pub(crate) async fn cut(&self, patient: bool) {
        while !self.is_cut(patient) {
            self.wake.notified().await;
        }
    }

    fn is_cut(&self, patient: bool) -> bool {
        let waiting = self.lock();
        waiting.end.is_some() || (waiting.overflowed && !patient)
    }

    /// Whether a part of the room is taken, so that it is better emptied than added to.
    pub(crate) fn is_filling(&self) -> bool {
        const PART: usize = 4;
        let waiting = self.lock();
        waiting.events > limits::QUEUE_FRAMES_MAX / PART
            || waiting.bytes > limits::QUEUE_BYTES_MAX / PART
    }

    /// The end that somebody wants.
    pub(crate) fn wanted_end(&self) -> Option<GoodbyeReason> {
        self.lock().end
    }

    /// Everything that waits now.
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = self.lock();
        waiting.events = 0;
        waiting.bytes = 0;
        Taken {
            items: std::mem::take(&mut waiting.items),
            overflowed: std::mem::take(&mut waiting.overflowed),
            look_again: std::mem::take(&mut waiting.look_again),
            end: waiting.end,
        }
    }

    fn is_quiet(&self) -> bool {
        let waiting = self.lock();
        let nothing = waiting.items.is_empty() && !waiting.overflowed && !waiting.look_again;
        nothing && waiting.end.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::Pong;

    use super::*;

    fn pong(nonce: u64) -> Arc<Event> {
        Event::new(Body::Pong(Pong { nonce, now: 0 }), 0)
    }

    #[test]
    fn a_full_queue_drops_events_and_says_so_but_takes_answers() {
        let queue = Outbound::default();
        for nonce in 0..=limits::QUEUE_FRAMES_MAX {
            queue.offer(&pong(nonce as u64));
        }
        queue.settle(Settled { frame: ServerFrame::default(), kept_for: 0 });
        let taken = queue.take();
        assert_eq!(taken.items.len(), limits::QUEUE_FRAMES_MAX + 1);
        assert!(taken.overflowed && taken.end.is_none());
        assert!(!queue.take().overflowed);
    }

    #[tokio::test]
    async fn a_stuck_writer_hears_of_the_end_but_not_of_news() {
        let queue = Arc::new(Outbound::default());
        let stuck = Arc::clone(&queue);
        let cut = tokio::spawn(async move { stuck.cut(false).await });
        queue.offer(&pong(1));
        tokio::task::yield_now().await;
        assert!(!cut.is_finished());
        queue.end(GoodbyeReason::Revoked);
        cut.await.unwrap();
        assert_eq!(queue.take().end, Some(GoodbyeReason::Revoked));
    }
}
