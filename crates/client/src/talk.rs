//! One connection, from Hello to its end: frames in, frames out, orders between. A plain loop;
//! every turn takes what is there, writes it to the cache as one transaction, and only then tells
//! it.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, SinkExt, StreamExt};
use proto::limits::{HEARTBEAT_MS, SILENCE_MS, TYPING_REPEAT_MS};
use proto::{
    Codec, ErrorCode, Goodbye, Hello, Ping, Send, Typing, client_frame, frame, server_frame,
};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as Code;
use tokio_tungstenite::tungstenite::{self, Message as Packet};

use crate::dial::Socket;
use crate::hear::give_up;
use crate::limits;
use crate::line::{Ended, LineTask, Order, now_ms, room};
use crate::outbox::{Due, TOO_OLD};
use crate::sync::{Question, Round};
use crate::types::{Error, Result};

pub(crate) type Answer = oneshot::Sender<Result<server_frame::Body>>;

/// Why a frame was sent whose answer is awaited.
pub(crate) enum Asked {
    Hello,
    Send { client_key: i64 },
    Question(Question),
    Call { answer: Answer, until: Instant },
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Hello is said.
    Greeting,
    /// Painted: everything may be said.
    CatchingUp,
    /// CaughtUp was heard.
    CaughtUp,
}

/// The state of one connection.
pub(crate) struct Talk {
    pub(crate) stage: Stage,
    /// Frames for the socket, and whether some may still be in its buffer.
    pub(crate) out: VecDeque<Packet>,
    pub(crate) unflushed: bool,
    pub(crate) asked: HashMap<u32, Asked>,
    pub(crate) last_ref: u32,
    pub(crate) heard_at: Instant,
    pub(crate) said_at: Instant,
    pub(crate) pinged_at: Instant,
    /// A line on which nothing was heard for so long is dead.
    silence: Duration,
    pub(crate) goodbye: Option<Goodbye>,
    /// Answers for the program, to be given once the cache has what they say.
    pub(crate) answers: Vec<(Answer, Result<server_frame::Body>)>,
}

/// What a turn of the loop was woken by.
enum Turn {
    Packet(Option<std::result::Result<Packet, tungstenite::Error>>),
    Written(std::result::Result<(), tungstenite::Error>),
    Order(Option<Order>),
    Room,
    Look,
    Time,
}

pub(crate) type SocketIn = SplitStream<Socket>;
type SocketOut = SplitSink<Socket, Packet>;

impl LineTask {
    /// Talks until the connection ends, and says why it did.
    pub(crate) async fn talk(&mut self, socket: Socket) -> Ended {
        let (mut sink, mut stream) = socket.split();
        let mut talk = Talk::new(Instant::now(), Duration::from_millis(self.options.silence_ms));
        self.mirror.begin();
        self.outbox.begin();
        let hello = Hello {
            have: self.mirror.positions(),
            client: self.options.program.clone(),
            brief: self.options.brief,
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
                _ = self.look.tick() => Turn::Look,
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
                Turn::Look => {
                    self.look_at_outbox().await;
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
        if let Ended::Closed(_) | Ended::Again = ended {
            self.say_goodbye(&mut talk, sink, stream).await;
        }
        ended
    }

    /// When the loop has to turn, if nothing else happens.
    fn next_due(&self, talk: &Talk) -> Instant {
        let heartbeat = talk.ping_at();
        let silence = talk.heard_at + talk.silence;
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
        if self.waiting.is_empty() && now >= talk.heard_at + talk.silence {
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
        if now >= talk.ping_at() {
            talk.pinged_at = now;
            // with a ref, because without one there is no Pong
            let last_ref = talk.new_ref();
            talk.push(last_ref, client_frame::Body::Ping(Ping { nonce: rand::random() }));
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
                    give_up(&mut round, queued.client_key, ErrorCode::Invalid, TOO_OLD.into());
                }
            }
        }
        self.commit(round).await.map_err(Ended::Disk)
    }

    async fn say_goodbye(&mut self, talk: &mut Talk, mut sink: SocketOut, mut stream: SocketIn) {
        for body in self.mirror.cursors(Instant::now() + Duration::from_millis(limits::CURSOR_MS)) {
            talk.say(body);
        }
        let polite = async {
            write_out(&mut sink, &mut talk.out).await?;
            let frame = CloseFrame { code: Code::Normal, reason: "".into() };
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
            Some(Order::Reconnect) if talk.stage == Stage::CaughtUp => return Err(Ended::Again),
            // it is being made anew as it is
            Some(Order::Reconnect) => {}
            Some(Order::Queue(queued)) => self.outbox.order(queued),
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
            talk.say(client_frame::Body::Typing(Typing { conv_id, user_id: 0 }));
        }
    }
}

impl Talk {
    pub(crate) fn new(now: Instant, silence: Duration) -> Self {
        Self {
            stage: Stage::Greeting,
            out: VecDeque::new(),
            unflushed: false,
            asked: HashMap::new(),
            last_ref: 0,
            heard_at: now,
            said_at: now,
            pinged_at: now,
            silence,
            goodbye: None,
            answers: Vec::new(),
        }
    }

    /// When something must be said, or heard: who only types says much that nobody answers. So
    /// often that a line counts as dead only after two questions without an answer.
    pub(crate) fn ping_at(&self) -> Instant {
        let quiet_since = self.said_at.min(self.heard_at).max(self.pinged_at);
        quiet_since + self.silence * HEARTBEAT_MS as u32 / SILENCE_MS as u32
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
        let calls = self.asked.values().filter(|asked| matches!(asked, Asked::Call { .. })).count();
        let refused = match self.stage {
            Stage::Greeting => Some(Error::Offline),
            _ if calls >= limits::CALLS_MAX => {
                Some(Error::Invalid("too many questions without an answer".into()))
            }
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

/// Frames into the socket and the socket into the network. Can be dropped and called again at any
/// point.
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

pub(crate) fn broken(why: String) -> Ended {
    Ended::Broken { why, slowly: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_types_for_a_minute_while_nobody_answers_keeps_the_line() {
        let second = Duration::from_secs(1);
        let begin = Instant::now();
        let silence = Duration::from_millis(SILENCE_MS);
        let mut talk = Talk::new(begin, silence);
        let mut pings = Vec::new();
        for now in (1..=60).map(|n| begin + n * second) {
            // Typing, which has no answer
            talk.said_at = now;
            if now >= talk.ping_at() {
                talk.pinged_at = now;
                pings.push((now - begin).as_secs());
            }
        }
        assert_eq!(pings, [20, 40, 60], "the answer to a Ping is what is heard");
        // who hears much and says nothing is heard, too
        let mut talk = Talk::new(begin, silence);
        talk.heard_at = begin + 60 * second;
        assert_eq!(talk.ping_at(), begin + Duration::from_millis(HEARTBEAT_MS));
    }
}
