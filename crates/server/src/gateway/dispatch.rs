//! What a client says, and the one function that obeys it. Each command is a function in the file
//! of its noun.

use std::time::{Duration, Instant};

use proto::client_frame::Body as Said;
use proto::server_frame::Body as Answer;
use proto::{ClientFrame, ErrorCode, Ping, Pong, ServerFrame, frame};

use super::connection::Connection;
use super::refusal::Refusal;
use super::{change, cursor, group, history, journey, people, send, typing};
use crate::clock;
use crate::config::Rates;
use crate::rate::Bucket;

/// `None`: there is no answer, or it comes later.
pub(crate) type Obeyed = Result<Option<Answer>, Refusal>;

/// Obeys one frame. The answer carries its ref; without a ref only a refusal is told.
pub(crate) async fn obey(c: &mut Connection, said: ClientFrame) -> Option<ServerFrame> {
    let frame_ref = said.r#ref;
    let Some(body) = said.body else {
        let unknown = Refusal::new(ErrorCode::Unsupported, "this gateway does not know this frame");
        let taken = take(c, Kind::Light);
        let refused = taken.err().unwrap_or(unknown);
        return Some(refused.frame(frame_ref));
    };
    let obeyed = execute(c, frame_ref, body).await;
    if let Ok(Some(Answer::Conversation(conversation))) = &obeyed {
        match conversation.left {
            true => c.sync.forget(conversation.conv_id),
            false => c.sync.meet(conversation),
        }
    }
    match obeyed {
        Ok(Some(answer)) if frame_ref != 0 => Some(frame::answer(frame_ref, answer)),
        Ok(_) => None,
        Err(refused) => Some(refused.frame(frame_ref)),
    }
}

async fn execute(c: &mut Connection, frame_ref: u32, said: Said) -> Obeyed {
    let rates = c.gateway.config.rates;
    match kind(&said) {
        // Never refused for being many: a later one could then be stored before its repetition.
        // Instead nothing more is read until the writer of so many has waited long enough.
        Kind::Send => {
            c.read_again = c.budget.charge_send(&rates);
            if c.read_again.is_some() {
                c.gateway.counters.rate_sends.add(1);
            }
        }
        kind => take(c, kind)?,
    }
    match said {
        Said::Ping(m) => pong(m),
        Said::Send(m) => send::send(c, frame_ref, m).await,
        Said::Delivered(m) => cursor::delivered(c, m),
        Said::Read(m) => cursor::read(c, m),
        // In a box of its own while it runs: else every idle connection would carry the room that
        // the largest of these needs.
        seldom => Box::pin(execute_seldom(c, frame_ref, seldom)).await,
    }
}

async fn execute_seldom(c: &mut Connection, frame_ref: u32, said: Said) -> Obeyed {
    match said {
        Said::Hello(_) => Err(Refusal::new(ErrorCode::OutOfOrder, "Hello comes once, and first")),
        Said::Ping(_) | Said::Send(_) | Said::Delivered(_) | Said::Read(_) => {
            unreachable!("obeyed by `execute`")
        }
        Said::Edit(m) => change::edit(c, frame_ref, m).await,
        Said::Delete(m) => change::delete(c, frame_ref, m).await,
        Said::React(m) => change::react(c, frame_ref, m).await,
        Said::Typing(m) => typing::typing(c, m).await,
        Said::History(m) => history::history(c, m).await,
        Said::Search(m) => history::search(c, m).await,
        Said::Journey(m) => journey::journey(c, m).await,
        Said::Find(m) => people::find(c, m).await,
        Said::Who(m) => people::who(c, m).await,
        Said::Befriend(m) => people::befriend(c, m.user_id).await,
        Said::Accept(m) => people::accept(c, m.user_id).await,
        Said::Decline(m) => people::drop_contact(c, m.user_id).await,
        Said::Unfriend(m) => people::drop_contact(c, m.user_id).await,
        Said::Block(m) => people::block(c, m.user_id).await,
        Said::Unblock(m) => people::unblock(c, m.user_id).await,
        Said::OpenDirect(m) => group::open_direct(c, m).await,
        Said::CreateGroup(m) => group::create(c, m).await,
        Said::Invite(m) => group::invite(c, m).await,
        Said::Leave(m) => group::leave(c, m).await,
        Said::Kick(m) => group::kick(c, m).await,
        Said::Rename(m) => group::rename(c, m).await,
        Said::Appoint(m) => group::appoint(c, m).await,
        Said::Mute(m) => group::mute(c, frame_ref, m).await,
        Said::Members(m) => group::members(c, m).await,
    }
}

fn pong(ping: Ping) -> Obeyed {
    Ok(Some(Answer::Pong(Pong { nonce: ping.nonce, now: clock::now() })))
}

/// What a frame costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Send,
    Light,
    Page,
    Heavy,
}

fn kind(said: &Said) -> Kind {
    match said {
        Said::Send(_) => Kind::Send,
        Said::Hello(_) | Said::Ping(_) | Said::Delivered(_) | Said::Read(_) | Said::Typing(_) => {
            Kind::Light
        }
        Said::Who(_) => Kind::Light,
        Said::History(_) | Said::Journey(_) | Said::Members(_) => Kind::Page,
        Said::Edit(_) | Said::Delete(_) | Said::React(_) => Kind::Page,
        Said::OpenDirect(_) | Said::Mute(_) => Kind::Page,
        Said::Search(_) | Said::Find(_) => Kind::Heavy,
        Said::Befriend(_) | Said::Accept(_) | Said::Decline(_) | Said::Unfriend(_) => Kind::Heavy,
        Said::Block(_) | Said::Unblock(_) | Said::CreateGroup(_) | Said::Invite(_) => Kind::Heavy,
        Said::Leave(_) | Said::Kick(_) | Said::Rename(_) | Said::Appoint(_) => Kind::Heavy,
    }
}

/// What one connection may still do now.
pub(crate) struct Budget {
    sends: Bucket,
    light: Bucket,
    pages: Bucket,
    heavy: Bucket,
}

impl Budget {
    pub(crate) fn full(rates: &Rates, now: Instant) -> Self {
        Self {
            sends: Bucket::full(rates.sends, now),
            light: Bucket::full(rates.light, now),
            pages: Bucket::full(rates.pages, now),
            heavy: Bucket::full(rates.heavy, now),
        }
    }

    /// When the connection may be read again, if it has to wait.
    fn charge_send(&mut self, rates: &Rates) -> Option<Instant> {
        let now = Instant::now();
        let wait_ms = self.sends.charge(rates.sends, now);
        (wait_ms > 0).then(|| now + Duration::from_millis(wait_ms.unsigned_abs()))
    }

    fn take(&mut self, rates: &Rates, kind: Kind) -> Result<(), Refusal> {
        let now = Instant::now();
        let taken = match kind {
            Kind::Send => return Ok(()),
            Kind::Light => self.light.take(rates.light, now),
            Kind::Page => self.pages.take(rates.pages, now),
            Kind::Heavy => self.heavy.take(rates.heavy, now),
        };
        taken.map_err(|wait_ms| {
            Refusal::later(ErrorCode::TooFast, "too many of these, wait a little", wait_ms)
        })
    }
}

/// A sign of life that is no frame costs as much as the cheapest frame.
pub(super) fn take_light(c: &mut Connection) -> Result<(), Refusal> {
    take(c, Kind::Light)
}

fn take(c: &mut Connection, kind: Kind) -> Result<(), Refusal> {
    let taken = c.budget.take(&c.gateway.config.rates, kind);
    if taken.is_err() {
        let counters = &c.gateway.counters;
        let counter = match kind {
            Kind::Send => &counters.rate_sends,
            Kind::Light => &counters.rate_light,
            Kind::Page => &counters.rate_pages,
            Kind::Heavy => &counters.rate_heavy,
        };
        counter.add(1);
    }
    taken
}
