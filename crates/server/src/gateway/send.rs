//! Send: checked here, stored by the writer, answered by the queue. The journey:
//! `docs/flows/send.md`.

use std::sync::Arc;
use std::time::Instant;

use proto::{ErrorCode, Send, check, mention};
use store::NewMessage;

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;
use super::writer::{Asker, Pending};
use crate::{clock, limits};

/// Hands the message to the writer of its database. Sent comes through the connection's own queue,
/// behind everything that was stored before it.
pub(crate) async fn send(c: &mut Connection, frame_ref: u32, send: Send) -> Obeyed {
    let (received, received_at) = (Instant::now(), clock::now());
    check::positive("conv_id", send.conv_id)?;
    check::positive("client_key", send.client_key)?;
    check::positive("reply_seq plus one", send.reply_seq.saturating_add(1))?;
    check::body(&send.body)?;
    let (mentions, put_off) = match mentions(c, &send.body).await {
        Ok(mentions) => (mentions, None),
        // Told by the writer: what follows on this connection must not overtake it.
        Err(error) => (Vec::new(), Some(error)),
    };
    let message = NewMessage {
        conv_id: send.conv_id,
        sender_id: c.user_id,
        client_key: send.client_key,
        reply_seq: send.reply_seq,
        body: send.body,
        mentions,
    };
    let asker = Asker {
        frame_ref,
        origin: c.origin(frame_ref),
        queue: Arc::clone(&c.queue),
        received,
        received_at,
        context: c.gateway.spans.sample(),
    };
    let database = c.gateway.store.database_of(send.conv_id);
    // A full queue is waited for, and meanwhile nothing more is read from this connection. Refusing
    // would let a later message of the same writer overtake this one.
    let queue = &c.gateway.writers[database].sends;
    if queue.send(Pending { message, asker, put_off }).await.is_err() {
        let text = "the server is ending";
        let wait_ms = limits::UNAVAILABLE_RETRY_MS;
        return Err(Refusal::later(ErrorCode::Unavailable, text, wait_ms));
    }
    c.in_flight += 1;
    Ok(None)
}

/// Who is named with `@handle`. Nearly no message names anybody, and then nobody is asked.
async fn mentions(c: &Connection, body: &str) -> store::Result<Vec<i64>> {
    if !body.contains('@') {
        return Ok(Vec::new());
    }
    let handles = mention::handles(body);
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    Box::pin(c.gateway.store.user_ids(&handles)).await
}
