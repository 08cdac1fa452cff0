//! History and Search: pages of one conversation.

use proto::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
use proto::server_frame::Body;
use proto::{History, Page, Search, check, history::From};

use super::connection::Connection;
use super::dispatch::Obeyed;
use super::refusal::Refusal;

pub(crate) async fn history(c: &Connection, said: History) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    let from = said.from.unwrap_or(From::BeforeSeq(0));
    let (From::BeforeSeq(edge) | From::AfterSeq(edge) | From::AfterRev(edge)) = from;
    check_edge(edge)?;
    let limit = limit(said.limit)?;
    let found = c.gateway.store.history(c.user_id, said.conv_id, from, limit).await?;
    let (messages, more) = found;
    Ok(Some(Body::Page(Page { conv_id: said.conv_id, messages, more, scanned_to: 0 })))
}

pub(crate) async fn search(c: &Connection, said: Search) -> Obeyed {
    check::positive("conv_id", said.conv_id)?;
    check::search(&said.text)?;
    check_edge(said.before_seq)?;
    let limit = limit(said.limit)?;
    let store = &c.gateway.store;
    let found = store.search(c.user_id, said.conv_id, &said.text, said.before_seq, limit).await?;
    let (messages, scanned_to) = found;
    let more = scanned_to > 0;
    Ok(Some(Body::Page(Page { conv_id: said.conv_id, messages, more, scanned_to })))
}

fn check_edge(edge: i64) -> Result<(), Refusal> {
    Ok(check::positive("a seq or rev plus one", edge.saturating_add(1))?)
}

fn limit(asked: u32) -> Result<u32, Refusal> {
    check::count("messages in a page", asked as usize, 0..=PAGE_MESSAGES_MAX as usize)?;
    Ok(if asked == 0 { PAGE_MESSAGES_DEFAULT } else { asked })
}
