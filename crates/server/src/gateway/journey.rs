//! The way of one message: its hops inside this gateway while they are remembered, then who is
//! still waited for, who has it, who has read it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto::server_frame::Body;
use proto::{ErrorCode, Hop, HopKind, Journey, Message, check, history};
use store::Cursor;

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use crate::limits;
use crate::spans::{self, Context, Kind, Span, Spans};

/// When one message passed the stations of this gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) conv_id: i64,
    pub(crate) seq: i64,
    /// Unix milliseconds of `received`.
    pub(crate) received_at: i64,
    pub(crate) received: Instant,
    pub(crate) batched: Instant,
    pub(crate) committed: Instant,
    pub(crate) published: Instant,
    /// Its way is told to a collector, too.
    pub(crate) context: Option<Context>,
}

/// Tells the collector how a message that is followed went through this gateway, and with how many
/// others it was stored.
pub(crate) fn tell_spans(spans: &Spans, trace: &Trace, batch_sends: usize) {
    let Some(Context { trace: number, published_by }) = trace.context else {
        return;
    };
    let root = spans::new_id();
    let span = |name, id, kind, from, to, facts| Span {
        trace: number,
        id,
        parent: (id != root).then_some(root),
        name,
        kind,
        from,
        to,
        facts,
    };
    let &Trace { conv_id, seq, received, batched, committed, published, .. } = trace;
    let message = vec![("natter.conversation", conv_id), ("natter.seq", seq)];
    let batch = vec![("natter.batch.messages", batch_sends as i64)];
    for stretch in [
        span("send", root, Kind::Server, received, published, message),
        span("wait for the writer", spans::new_id(), Kind::Internal, received, batched, vec![]),
        span("commit", spans::new_id(), Kind::Internal, batched, committed, batch),
        span("publish", published_by, Kind::Producer, committed, published, vec![]),
    ] {
        spans.tell(stretch);
    }
}

/// Tells the collector that a message that is followed was written into the socket of somebody who
/// gets it, this moment.
pub(crate) fn tell_delivered(spans: &Spans, context: Context, heard: Instant) {
    spans.tell(Span {
        trace: context.trace,
        id: spans::new_id(),
        parent: Some(context.published_by),
        name: "deliver",
        kind: Kind::Consumer,
        from: heard,
        to: Instant::now(),
        facts: Vec::new(),
    });
}

/// The newest [`limits::JOURNEYS_MAX`] traces.
#[derive(Debug, Default)]
pub(crate) struct Journeys {
    newest: Mutex<VecDeque<Trace>>,
}

impl Journeys {
    pub(crate) fn remember(&self, traces: impl IntoIterator<Item = Trace>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        for trace in traces {
            if newest.len() >= limits::JOURNEYS_MAX {
                newest.pop_front();
            }
            newest.push_back(trace);
        }
    }

    /// People ask for few journeys, so a walk over all is cheaper than an index for each message.
    fn find(&self, conv_id: i64, seq: i64) -> Option<Trace> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.iter().rev().find(|t| t.conv_id == conv_id && t.seq == seq).copied()
    }
}

pub(crate) async fn journey(c: &Connection, said: Journey) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::positive("seq", said.seq)?;
    let message = own_message(c, said.conv_id, said.seq).await?;
    let mut hops = match c.gateway.journeys.find(said.conv_id, said.seq) {
        Some(trace) => hops_here(&trace),
        None => vec![hop(HopKind::Committed, message.sent_at, 0)],
    };
    let mut cursors = c.gateway.store.cursors(c.user_id, said.conv_id).await?;
    cursors.retain(|cursor| cursor.user_id != c.user_id);
    let waiting = cursors.iter().filter(|cursor| cursor.delivered_seq < said.seq);
    let waiting: Vec<i64> = waiting.map(|cursor| cursor.user_id).collect();
    let online = c.gateway.bus.online(&waiting).await;
    let offline = waiting.into_iter().zip(online).filter(|(_, online)| !online);
    hops.extend(offline.map(|(user_id, _)| hop(HopKind::Waiting, message.sent_at, user_id)));
    hops.extend(hops_there(&cursors, said.seq));
    Ok(Some(Body::Journey(Journey { conv_id: said.conv_id, seq: said.seq, hops })))
}

async fn own_message(c: &Connection, conv_id: i64, seq: i64) -> Result<Message, Refusal> {
    let from = history::From::AfterSeq(seq - 1);
    let (messages, _) = c.gateway.store.history(c.user_id, conv_id, from, 1).await?;
    let message = messages.into_iter().find(|message| message.seq == seq);
    let message = message.ok_or(store::Error::NotFound)?;
    if message.sender_id != c.user_id {
        let text = "only the sender sees the journey of a message";
        return Err(Refusal::new(ErrorCode::Forbidden, text));
    }
    Ok(message)
}

fn hops_here(trace: &Trace) -> Vec<Hop> {
    let stations = [
        (HopKind::Received, trace.received),
        (HopKind::Batched, trace.batched),
        (HopKind::Committed, trace.committed),
        (HopKind::Published, trace.published),
    ];
    let hops = stations.map(|(kind, moment)| {
        let after = moment.saturating_duration_since(trace.received);
        Hop {
            kind: kind.into(),
            at: trace.received_at + after.as_millis() as i64,
            after_us: after.as_micros() as i64,
            user_id: 0,
        }
    });
    hops.into()
}

fn hops_there(cursors: &[Cursor], seq: i64) -> impl Iterator<Item = Hop> {
    cursors.iter().flat_map(move |cursor| {
        let delivered = (cursor.delivered_seq >= seq)
            .then(|| hop(HopKind::DeliveredTo, cursor.delivered_at, cursor.user_id));
        let mailed = (cursor.mailed_seq >= seq)
            .then(|| hop(HopKind::MailedTo, cursor.mailed_at, cursor.user_id));
        let read =
            (cursor.read_seq >= seq).then(|| hop(HopKind::ReadBy, cursor.read_at, cursor.user_id));
        mailed.into_iter().chain(delivered).chain(read)
    })
}

fn hop(kind: HopKind, at: i64, user_id: i64) -> Hop {
    Hop { kind: kind.into(), at, after_us: 0, user_id }
}
