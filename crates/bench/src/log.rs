//! The log of a conversation as the store has it: what the judge holds the journals against.

use proto::history::From;
use store::Store;

use crate::check::Line;
use crate::limits::LOG_PAGE;

/// Adds what has come behind the end of `log`, as a member sees it.
pub async fn read_on(
    store: &Store,
    member: i64,
    conv_id: i64,
    log: &mut Vec<Line>,
) -> store::Result<()> {
    loop {
        let after = From::AfterSeq(log.last().map_or(0, |line| line.seq));
        let (messages, more) = store.history(member, conv_id, after, LOG_PAGE).await?;
        log.extend(messages.into_iter().map(|m| Line { seq: m.seq, text: m.body }));
        if !more {
            return Ok(());
        }
    }
}
