//! What the gateway says, frame by frame, and what is done about it. Nothing in here waits but
//! `hear` itself, for the one commit of everything that came together.

use std::time::Instant;

use futures_util::{FutureExt, StreamExt};
use proto::{CloseCode, Codec, ErrorCode, Goodbye, GoodbyeReason, ServerFrame, server_frame};
use tokio_tungstenite::tungstenite::{self, Message as Packet};

use crate::line::{Ended, LineTask};
use crate::outbox::Refusal;
use crate::place::Came;
use crate::sync::{Question, Round};
use crate::talk::{Answer, Asked, SocketIn, Stage, Talk, broken};
use crate::types::{Error, Event, Line};
use crate::{cleaned, limits};

impl LineTask {
    /// Takes what is there, up to a bound, and commits it as one.
    pub(crate) async fn hear(
        &mut self,
        talk: &mut Talk,
        first: Option<Result<Packet, tungstenite::Error>>,
        stream: &mut SocketIn,
    ) -> Result<(), Ended> {
        talk.heard_at = Instant::now();
        let mut round = Round::default();
        let mut next = first;
        let mut taken = 0;
        let outcome = loop {
            if let Err(ended) = self.packet(talk, next, &mut round) {
                break Err(ended);
            }
            taken += 1;
            if taken == limits::FRAMES_PER_COMMIT_MAX {
                break Ok(());
            }
            match stream.next().now_or_never() {
                Some(packet) => next = packet,
                None => break Ok(()),
            }
        };
        self.commit(round).await.map_err(Ended::Disk)?;
        for (answer, result) in talk.answers.drain(..) {
            // a caller that stopped waiting does not want to know
            let _ = answer.send(result);
        }
        self.show_stage(talk);
        outcome
    }

    fn show_stage(&mut self, talk: &Talk) {
        let line = match talk.stage {
            Stage::Greeting => return,
            Stage::CaughtUp if self.mirror.is_current() => Line::Live,
            Stage::CatchingUp | Stage::CaughtUp => Line::CatchingUp,
        };
        let shown = self.line.borrow().clone();
        if shown != line && shown != Line::Live {
            self.set_line(line);
        }
    }

    fn packet(
        &mut self,
        talk: &mut Talk,
        packet: Option<Result<Packet, tungstenite::Error>>,
        round: &mut Round,
    ) -> Result<(), Ended> {
        let bytes = match packet {
            Some(Ok(Packet::Binary(bytes))) => bytes,
            Some(Ok(Packet::Ping(_) | Packet::Pong(_) | Packet::Frame(_))) => return Ok(()),
            Some(Ok(Packet::Close(close))) => {
                return Err(closed(talk.goodbye.take(), close.map(|c| u16::from(c.code))));
            }
            Some(Ok(Packet::Text(_))) => return Err(nonsense("a text where bytes belong")),
            Some(Err(e)) if talk.goodbye.is_none() => {
                return Err(broken(e.to_string()));
            }
            Some(Err(_)) | None => return Err(closed(talk.goodbye.take(), None)),
        };
        let frame = Codec::Protobuf.read_server(&bytes).map_err(|e| nonsense(&e.to_string()))?;
        self.frame(talk, frame, round)
    }

    fn frame(
        &mut self,
        talk: &mut Talk,
        frame: ServerFrame,
        round: &mut Round,
    ) -> Result<(), Ended> {
        // a body that this program does not know
        let Some(body) = frame.body else {
            return Ok(());
        };
        let body = cleaned::body(body);
        match talk.asked.remove(&frame.r#ref) {
            Some(Asked::Hello) => {
                talk.asked.insert(frame.r#ref, Asked::Hello);
                self.greeted(talk, body, round)
            }
            Some(Asked::Send { client_key }) => {
                self.answered_send(client_key, body, round);
                Ok(())
            }
            Some(Asked::Question(question)) => {
                self.answered_question(question, body, round);
                Ok(())
            }
            Some(Asked::Call { answer, .. }) => {
                self.answered_call(talk, answer, body, round);
                Ok(())
            }
            None => {
                self.told(talk, body, round);
                Ok(())
            }
        }
    }

    /// Paint, one or more parts, then CaughtUp: all of them carry Hello's ref.
    fn greeted(
        &mut self,
        talk: &mut Talk,
        body: server_frame::Body,
        round: &mut Round,
    ) -> Result<(), Ended> {
        let now = Instant::now();
        match body {
            server_frame::Body::Paint(paint) => {
                if !paint.more && talk.stage == Stage::Greeting {
                    talk.stage = Stage::CatchingUp;
                }
                self.mirror.paint(paint, now, round);
            }
            server_frame::Body::CaughtUp(caught_up) => {
                if talk.stage != Stage::CaughtUp {
                    talk.stage = Stage::CaughtUp;
                    self.failures = 0;
                    self.mirror.figures.resumed += u64::from(self.connections > 0);
                    self.connections += 1;
                }
                self.mirror.caught_up(&caught_up, now, round);
                if caught_up.incomplete {
                    round.events.push(Event::Incomplete(true));
                }
            }
            server_frame::Body::Error(error) if error.retry_after_ms > 0 => {
                let wait_ms = error.retry_after_ms.unsigned_abs();
                return Err(Ended::PutOff {
                    why: error.text,
                    at_least_ms: wait_ms,
                    within_ms: wait_ms,
                });
            }
            server_frame::Body::Error(error) => return Err(Ended::Stopped { why: error.text }),
            other => self.told(talk, other, round),
        }
        Ok(())
    }

    fn answered_send(&mut self, client_key: i64, body: server_frame::Body, round: &mut Round) {
        let now = Instant::now();
        match body {
            server_frame::Body::Sent(sent) if sent.client_key == client_key => {
                let found = self.outbox.sent(client_key);
                if let Some((_, Some(since))) = &found {
                    let took = now.duration_since(*since).as_micros();
                    self.mirror.figures.last_send_us = u64::try_from(took).unwrap_or(u64::MAX);
                }
                self.mirror.sent(sent, found.map(|(queued, _)| queued), now, round);
            }
            server_frame::Body::Error(error) => {
                if self.outbox.refused(client_key, &error, now) == Refusal::Final {
                    give_up(round, client_key, error.code(), error.text);
                }
            }
            // no answer to a Send: it is sent again on the next connection
            _ => tracing::debug!("an answer that does not fit a send"),
        }
    }

    fn answered_question(
        &mut self,
        question: Question,
        body: server_frame::Body,
        round: &mut Round,
    ) {
        use server_frame::Body;
        let now = Instant::now();
        match (question, body) {
            (Question::Missing { conv_id }, Body::Page(page)) => {
                self.mirror.missing(conv_id, page, now, round);
            }
            (Question::Changes { conv_id }, Body::Page(page)) => {
                self.mirror.changes(conv_id, page, now, round);
            }
            (Question::Strangers, Body::Found(found)) => {
                self.mirror.introduced(found.people, round);
            }
            (question, Body::Error(error)) => {
                self.mirror.refused(question, error.retry_after_ms, now, round);
            }
            (question, _) => self.mirror.refused(question, 0, now, round),
        }
    }

    fn answered_call(
        &mut self,
        talk: &mut Talk,
        answer: Answer,
        body: server_frame::Body,
        round: &mut Round,
    ) {
        use server_frame::Body;
        let now = Instant::now();
        let result = match body {
            Body::Error(error) => {
                let (code, retry_after_ms) = (error.code(), error.retry_after_ms);
                Err(Error::Refused { code, text: error.text, retry_after_ms })
            }
            body => Ok(body),
        };
        match &result {
            Ok(Body::Page(page)) => self.mirror.history(page, round),
            Ok(Body::Message(message)) => {
                self.mirror.message(message.clone(), Came::Asked, now, round);
            }
            Ok(Body::Found(found)) => {
                for person in &found.people {
                    self.mirror.person(person.clone(), round);
                }
            }
            Ok(Body::Person(person)) => self.mirror.person(person.clone(), round),
            Ok(Body::Conversation(conversation)) => {
                self.mirror.conversation(conversation.clone(), false, now, round);
            }
            // nothing to keep
            Ok(_) | Err(_) => {}
        }
        talk.answers.push((answer, result));
    }

    /// Something that the gateway says by itself.
    fn told(&mut self, talk: &mut Talk, body: server_frame::Body, round: &mut Round) {
        use server_frame::Body;
        let now = Instant::now();
        match body {
            Body::Message(message) => self.mirror.message(message, Came::Live, now, round),
            Body::Page(page) => self.mirror.page(page, now, round),
            Body::Receipt(receipt) => self.mirror.receipt(receipt, round),
            Body::Presence(presence) => self.mirror.presence(presence, round),
            Body::Typing(typing) => round.events.push(Event::Typing(typing)),
            Body::Person(person) => self.mirror.person(person, round),
            Body::Conversation(conversation) => {
                self.mirror.conversation(conversation, false, now, round);
            }
            Body::CaughtUp(news) => round.events.push(Event::Incomplete(news.incomplete)),
            Body::Goodbye(goodbye) => talk.goodbye = Some(goodbye),
            Body::Error(error) => tracing::debug!(code = ?error.code(), "a frame was refused"),
            // answers to nothing that was asked
            Body::Paint(_) | Body::Pong(_) | Body::Sent(_) | Body::Journey(_) | Body::Found(_) => {}
        }
    }
}

/// It stays in the outbox until its writer says what to do.
pub(crate) fn give_up(round: &mut Round, client_key: i64, code: ErrorCode, text: String) {
    round.refused.push((client_key, text.clone()));
    round.events.push(Event::SendRefused { client_key, code, text });
}

/// A gateway that talks nonsense may be replaced by a better one: come back, but with back-off.
fn nonsense(why: &str) -> Ended {
    let why = format!("the gateway sent what is not our protocol: {why}");
    Ended::Broken { why, slowly: true }
}

/// Whether to come back: what the gateway said, else the code of its close frame, else yes.
fn closed(goodbye: Option<Goodbye>, code: Option<u16>) -> Ended {
    if let Some(goodbye) = goodbye {
        let within_ms = u64::try_from(goodbye.reconnect_within_ms).unwrap_or(0);
        let revoked = goodbye.reason() == GoodbyeReason::Revoked;
        let why = goodbye.text;
        return match within_ms {
            0 if revoked => Ended::SignedOut { why },
            0 => Ended::Stopped { why },
            _ => Ended::PutOff { why, at_least_ms: 0, within_ms },
        };
    }
    let code = code.and_then(|code| CloseCode::try_from(i32::from(code)).ok());
    let slowly = |why: &str| Ended::Broken { why: why.into(), slowly: true };
    let stopped = |why: &str| Ended::Stopped { why: why.into() };
    match code {
        None | Some(CloseCode::Unspecified) => broken("the line broke".into()),
        Some(CloseCode::GoingAway) => slowly("the gateway is being restarted"),
        Some(CloseCode::Policy) => slowly("the gateway heard nothing from here"),
        Some(CloseCode::Internal) => slowly("the gateway had a fault"),
        Some(CloseCode::TryAgain) => slowly("the gateway was quicker than this client"),
        Some(CloseCode::Normal) => stopped("the gateway said goodbye"),
        Some(CloseCode::TooMany) => stopped("too many connections of this account"),
        Some(CloseCode::Revoked) => Ended::SignedOut { why: "the session was ended".into() },
        Some(
            CloseCode::Protocol | CloseCode::Unsupported | CloseCode::BadData | CloseCode::TooBig,
        ) => stopped("the gateway does not understand this program"),
    }
}
