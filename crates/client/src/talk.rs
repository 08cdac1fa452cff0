//! One connection, from Hello to its end: frames in, frames out, orders between. A plain loop; every turn takes what
//! is there, writes it to the cache as one transaction, and only then tells it.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, Sink, SinkExt, StreamExt};
use proto::limits::{HEARTBEAT_MS, SILENCE_MS, TYPING_REPEAT_MS};
use proto::{
    CloseCode, Codec, ErrorCode, Goodbye, GoodbyeReason, Hello, Ping, Send, ServerFrame, Typing,
    client_frame, frame, server_frame,
};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as Code;
use tokio_tungstenite::tungstenite::{self, Message as Packet};

use crate::cleaned;
use crate::dial::Socket;
use crate::limits;
use crate::line::{Ended, LineTask, Order, now_ms, room};
use crate::outbox::{Due, Refusal, TOO_OLD};
use crate::place::Came;
use crate::sync::{Question, Round};
use crate::types::{Error, Event, Line, Result};

type Answer = oneshot::Sender<Result<server_frame::Body>>;

/// Why a frame was sent whose answer is awaited.
enum Asked {
    Hello,
    Send { client_key: i64 },
    Question(Question),
    Call { answer: Answer, until: Instant },
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Hello is said.
    Greeting,
    /// Painted: everything may be said.
    CatchingUp,
    /// CaughtUp was heard.
    CaughtUp,
}

/// The state of one connection.
struct Talk {
    stage: Stage,
    /// Frames for the socket, and whether some may still be in its buffer.
    out: VecDeque<Packet>,
    unflushed: bool,
    asked: HashMap<u32, Asked>,
    last_ref: u32,
    heard_at: Instant,
    said_at: Instant,
    goodbye: Option<Goodbye>,
    /// Answers for the program, to be given once the cache has what they say.
    answers: Vec<(Answer, Result<server_frame::Body>)>,
}

/// What a turn of the loop was woken by.
enum Turn {
    Packet(Option<std::result::Result<Packet, tungstenite::Error>>),
    Written(std::result::Result<(), tungstenite::Error>),
    Order(Option<Order>),
    Room,
    Time,
}

type SocketIn = SplitStream<Socket>;
type SocketOut = SplitSink<Socket, Packet>;

impl LineTask {
    /// Talks until the connection ends, and says why it did.
    pub(crate) async fn talk(&mut self, socket: Socket) -> Ended {
        let (mut sink, mut stream) = socket.split();
        let mut talk = Talk::new(Instant::now());
        self.mirror.begin();
        self.outbox.begin();
        let hello = Hello {
            have: self.mirror.positions(),
            client: self.options.program.clone(),
        };
        talk.ask(Asked::Hello, client_frame::Body::Hello(hello));
        let ended = loop {
            if let Err(ended) = self.say_what_is_due(&mut talk).await {
                break ended;
            }
            let due = self.next_due(&talk);
            let turn = tokio::select! {
                packet = stream.next(), if self.waiting.is_empty() => Turn::Packet(packet),
                written = write_out(&mut sink, &mut talk.out), if talk.unflushed => {
                    Turn::Written(written)
                }
                order = self.orders.recv(), if talk.has_room() => Turn::Order(order),
                () = room(&self.events), if !self.waiting.is_empty() => Turn::Room,
                () = tokio::time::sleep_until(due.into()) => Turn::Time,
            };
            let outcome = match turn {
                Turn::Packet(first) => self.hear(&mut talk, first, &mut stream).await,
                Turn::Written(Ok(())) => {
                    talk.unflushed = false;
                    Ok(())
                }
                Turn::Written(Err(e)) => Err(broken(e.to_string())),
                Turn::Order(order) => self.obey(&mut talk, order).await,
                Turn::Room => {
                    // we were the silent ones
                    talk.heard_at = Instant::now();
                    self.tell();
                    Ok(())
                }
                Turn::Time => Ok(()),
            };
            if let Err(ended) = outcome {
                break ended;
            }
        };
        for (_, asked) in talk.asked.drain() {
            if let Asked::Call { answer, .. } = asked {
                let _ = answer.send(Err(Error::Offline));
            }
        }
        if let Ended::Closed(_) = ended {
            self.say_goodbye(&mut talk, sink, stream).await;
        }
        ended
    }

    /// When the loop has to turn, if nothing else happens.
    fn next_due(&self, talk: &Talk) -> Instant {
        let heartbeat = talk.said_at + Duration::from_millis(HEARTBEAT_MS);
        let silence = talk.heard_at + Duration::from_millis(SILENCE_MS);
        let calls = talk.asked.values().filter_map(|asked| match asked {
            Asked::Call { until, .. } => Some(*until),
            Asked::Hello | Asked::Send { .. } | Asked::Question(_) => None,
        });
        let mut due = calls.min().map_or(heartbeat, |call| call.min(heartbeat));
        if self.waiting.is_empty() {
            due = due.min(silence);
        }
        if talk.stage != Stage::Greeting && talk.has_room() {
            let work = [self.outbox.next_due(), self.mirror.next_due()];
            due = work.into_iter().flatten().fold(due, Instant::min);
        }
        due
    }

    // ── out ─────────────────────────────────────────────────────────────────────────────────────

    async fn say_what_is_due(&mut self, talk: &mut Talk) -> std::result::Result<(), Ended> {
        let now = Instant::now();
        if self.waiting.is_empty() && now >= talk.heard_at + Duration::from_millis(SILENCE_MS) {
            return Err(broken("nothing was heard from the gateway".into()));
        }
        if self.outbox.is_stuck(now) {
            return Err(broken("a message was not answered".into()));
        }
        talk.give_up_calls(now);
        if talk.stage != Stage::Greeting && talk.has_room() {
            self.send_queued(talk, now).await?;
            for (question, body) in self.mirror.questions(now) {
                talk.ask(Asked::Question(question), body);
            }
            for body in self.mirror.cursors(now) {
                talk.say(body);
            }
        }
        if now >= talk.said_at + Duration::from_millis(HEARTBEAT_MS) {
            // with a ref, because without one there is no Pong
            let last_ref = talk.new_ref();
            talk.push(
                last_ref,
                client_frame::Body::Ping(Ping {
                    nonce: rand::random(),
                }),
            );
        }
        Ok(())
    }

    async fn send_queued(
        &mut self,
        talk: &mut Talk,
        now: Instant,
    ) -> std::result::Result<(), Ended> {
        let mut round = Round::default();
        for due in self.outbox.due(now, now_ms()) {
            match due {
                Due::Send { queued, again } => {
                    self.mirror.figures.resent += u64::from(again);
                    let client_key = queued.client_key;
                    let send = Send {
                        conv_id: queued.conv_id,
                        client_key,
                        body: queued.body,
                        reply_seq: queued.reply_seq,
                    };
                    talk.ask(Asked::Send { client_key }, client_frame::Body::Send(send));
                }
                Due::TooOld { queued } => {
                    give_up(
                        &mut round,
                        queued.client_key,
                        ErrorCode::Invalid,
                        TOO_OLD.into(),
                    );
                }
            }
        }
        self.commit(round).await.map_err(Ended::Disk)
    }

    async fn say_goodbye(&mut self, talk: &mut Talk, mut sink: SocketOut, mut stream: SocketIn) {
        for body in self
            .mirror
            .cursors(Instant::now() + Duration::from_millis(limits::CURSOR_MS))
        {
            talk.say(body);
        }
        let polite = async {
            write_out(&mut sink, &mut talk.out).await?;
            let frame = CloseFrame {
                code: Code::Normal,
                reason: "".into(),
            };
            sink.send(Packet::Close(Some(frame))).await?;
            while let Some(Ok(_)) = stream.next().await {}
            Ok::<(), tungstenite::Error>(())
        };
        // whatever happens now, the line is over, and nothing is lost with it
        let _ = tokio::time::timeout(Duration::from_millis(limits::CLOSE_MS), polite).await;
    }

    async fn obey(
        &mut self,
        talk: &mut Talk,
        order: Option<Order>,
    ) -> std::result::Result<(), Ended> {
        match order {
            None => return Err(Ended::Closed(None)),
            Some(Order::Close { done }) => return Err(Ended::Closed(Some(done))),
            Some(Order::Reconnect) => {}
            Some(Order::Queue(queued)) => self.outbox.push(queued),
            Some(Order::Unqueue { client_key }) => drop(self.outbox.remove(client_key)),
            Some(Order::Read { conv_id, seq, done }) => {
                let _ = done.send(self.read(conv_id, seq).await);
            }
            Some(Order::Typing { conv_id }) => self.say_typing(talk, conv_id),
            Some(Order::Call { body, answer }) => talk.call(body, answer),
        }
        Ok(())
    }

    fn say_typing(&mut self, talk: &mut Talk, conv_id: i64) {
        let now = Instant::now();
        let pause = Duration::from_millis(TYPING_REPEAT_MS);
        self.typed.retain(|_, at| now < *at + pause);
        if talk.stage != Stage::Greeting && !self.typed.contains_key(&conv_id) {
            self.typed.insert(conv_id, now);
            talk.say(client_frame::Body::Typing(Typing {
                conv_id,
                user_id: 0,
            }));
        }
    }

    // ── in ──────────────────────────────────────────────────────────────────────────────────────

    /// Takes what is there, up to a bound, and commits it as one.
    async fn hear(
        &mut self,
        talk: &mut Talk,
        first: Option<std::result::Result<Packet, tungstenite::Error>>,
        stream: &mut SocketIn,
    ) -> std::result::Result<(), Ended> {
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
        packet: Option<std::result::Result<Packet, tungstenite::Error>>,
        round: &mut Round,
    ) -> std::result::Result<(), Ended> {
        let bytes = match packet {
            Some(Ok(Packet::Binary(bytes))) => bytes,
            Some(Ok(Packet::Ping(_) | Packet::Pong(_) | Packet::Frame(_))) => return Ok(()),
            Some(Ok(Packet::Close(close))) => {
                return Err(closed(
                    talk.goodbye.take(),
                    close.map(|c| u16::from(c.code)),
                ));
            }
            Some(Ok(Packet::Text(_))) => return Err(nonsense("a text where bytes belong")),
            Some(Err(e)) if talk.goodbye.is_none() => {
                return Err(broken(e.to_string()));
            }
            Some(Err(_)) | None => return Err(closed(talk.goodbye.take(), None)),
        };
        let frame = Codec::Protobuf
            .read_server(&bytes)
            .map_err(|e| nonsense(&e.to_string()))?;
        self.frame(talk, frame, round)
    }

    fn frame(
        &mut self,
        talk: &mut Talk,
        frame: ServerFrame,
        round: &mut Round,
    ) -> std::result::Result<(), Ended> {
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
    ) -> std::result::Result<(), Ended> {
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
                let found = self.outbox.remove(client_key);
                if let Some((_, Some(since))) = &found {
                    let took = now.duration_since(*since).as_micros();
                    self.mirror.figures.last_send_us = u64::try_from(took).unwrap_or(u64::MAX);
                }
                self.mirror
                    .sent(sent, found.map(|(queued, _)| queued), now, round);
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
                self.mirror
                    .refused(question, error.retry_after_ms, now, round);
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
                Err(Error::Refused {
                    code,
                    text: error.text,
                    retry_after_ms,
                })
            }
            body => Ok(body),
        };
        match &result {
            Ok(Body::Page(page)) => self.mirror.history(page, round),
            Ok(Body::Message(message)) => {
                self.mirror
                    .message(message.clone(), Came::Asked, now, round);
            }
            Ok(Body::Found(found)) => {
                for person in &found.people {
                    self.mirror.person(person.clone(), round);
                }
            }
            Ok(Body::Person(person)) => self.mirror.person(person.clone(), round),
            Ok(Body::Conversation(conversation)) => {
                self.mirror
                    .conversation(conversation.clone(), false, now, round);
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
            Body::Goodbye(goodbye) => talk.goodbye = Some(goodbye),
            Body::Error(error) => tracing::debug!(code = ?error.code(), "a frame was refused"),
            // answers to nothing that was asked
            Body::Paint(_)
            | Body::CaughtUp(_)
            | Body::Pong(_)
            | Body::Sent(_)
            | Body::Journey(_)
            | Body::Found(_) => {}
        }
    }
}

impl Talk {
    fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Greeting,
            out: VecDeque::new(),
            unflushed: false,
            asked: HashMap::new(),
            last_ref: 0,
            heard_at: now,
            said_at: now,
            goodbye: None,
            answers: Vec::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.out.len() < limits::FRAMES_OUT_MAX
    }

    fn new_ref(&mut self) -> u32 {
        self.last_ref = self.last_ref.checked_add(1).unwrap_or(1);
        self.last_ref
    }

    fn say(&mut self, body: client_frame::Body) {
        self.push(0, body);
    }

    fn ask(&mut self, asked: Asked, body: client_frame::Body) {
        let r#ref = self.new_ref();
        self.asked.insert(r#ref, asked);
        self.push(r#ref, body);
    }

    fn push(&mut self, r#ref: u32, body: client_frame::Body) {
        let bytes = Codec::Protobuf.write_client(&frame::from_client(r#ref, body));
        self.out.push_back(Packet::Binary(bytes.into()));
        self.unflushed = true;
        self.said_at = Instant::now();
    }

    fn call(&mut self, body: client_frame::Body, answer: Answer) {
        let calls = self
            .asked
            .values()
            .filter(|asked| matches!(asked, Asked::Call { .. }))
            .count();
        let refused = match self.stage {
            Stage::Greeting => Some(Error::Offline),
            _ if calls >= limits::CALLS_MAX => Some(Error::Invalid(
                "too many questions without an answer".into(),
            )),
            Stage::CatchingUp | Stage::CaughtUp => None,
        };
        match refused {
            Some(error) => drop(answer.send(Err(error))),
            None => {
                let until = Instant::now() + Duration::from_millis(limits::ANSWER_MS);
                self.ask(Asked::Call { answer, until }, body);
            }
        }
    }

    fn give_up_calls(&mut self, now: Instant) {
        let late = |asked: &Asked| matches!(asked, Asked::Call { until, .. } if *until <= now);
        for (_, asked) in self.asked.extract_if(|_, asked| late(asked)) {
            if let Asked::Call { answer, .. } = asked {
                let _ = answer.send(Err(Error::Silent("the gateway".into())));
            }
        }
    }
}

/// Frames into the socket and the socket into the network. Can be dropped and called again at any point.
async fn write_out(
    sink: &mut SocketOut,
    out: &mut VecDeque<Packet>,
) -> std::result::Result<(), tungstenite::Error> {
    while !out.is_empty() {
        poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await?;
        if let Some(packet) = out.pop_front() {
            Pin::new(&mut *sink).start_send(packet)?;
        }
    }
    sink.flush().await
}

/// It stays in the outbox until its writer says what to do.
fn give_up(round: &mut Round, client_key: i64, code: ErrorCode, text: String) {
    round.refused.push((client_key, text.clone()));
    round.events.push(Event::SendRefused {
        client_key,
        code,
        text,
    });
}

fn broken(why: String) -> Ended {
    Ended::Broken { why, slowly: false }
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
            _ => Ended::PutOff {
                why,
                at_least_ms: 0,
                within_ms,
            },
        };
    }
    let code = code.and_then(|code| CloseCode::try_from(i32::from(code)).ok());
    let slowly = |why: &str| Ended::Broken {
        why: why.into(),
        slowly: true,
    };
    let stopped = |why: &str| Ended::Stopped { why: why.into() };
    match code {
        None | Some(CloseCode::Unspecified) => broken("the line broke".into()),
        Some(CloseCode::GoingAway) => slowly("the gateway is being restarted"),
        Some(CloseCode::Policy) => slowly("the gateway heard nothing from here"),
        Some(CloseCode::Internal) => slowly("the gateway had a fault"),
        Some(CloseCode::TryAgain) => slowly("the gateway was quicker than this client"),
        Some(CloseCode::Normal) => stopped("the gateway said goodbye"),
        Some(CloseCode::TooMany) => stopped("too many connections of this account"),
        Some(CloseCode::Revoked) => Ended::SignedOut {
            why: "the session was ended".into(),
        },
        Some(
            CloseCode::Protocol | CloseCode::Unsupported | CloseCode::BadData | CloseCode::TooBig,
        ) => stopped("the gateway does not understand this program"),
    }
}
