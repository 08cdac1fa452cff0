//! One message for many: somebody writes into a group, and every member has it on his socket.
//! Beside it the same frames by the echo server, which passes one on to all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use proto::client_frame::Body as Say;
use proto::limits::PEOPLE_PER_FRAME_MAX;
use proto::server_frame::Body as Heard;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::child::{Child, Server};
use crate::course::{self, Course, Load, Phase, Tally};
use crate::raw::{self, Person, Socket};
use crate::report::{Figure, Section, higher, latency_chart, lower, plain};
use crate::{Error, Options, Outcome, Result, echo, limits, people, say, send, text};

/// Members of the group where the user names no number.
const MEMBERS_DEFAULT: usize = 100;

/// Who is spoken to.
#[derive(Clone, Copy)]
enum Side {
    Natter {
        conv_id: i64,
        /// The next message of the group gets this seq.
        first_seq: i64,
    },
    Echo(Sizes),
}

/// Of the frames of one message, in bytes.
#[derive(Clone, Copy)]
struct Sizes {
    send: usize,
    sent: u16,
    message: u16,
}

/// What writer and members have in common: which messages are under way, counted from 0.
struct Board {
    start: Instant,
    /// Of the newest messages: microseconds from `start` to the Send, and who does not have it yet.
    sent_at_us: Vec<AtomicU64>,
    missing: Vec<AtomicU64>,
    /// Messages that everybody has.
    complete: AtomicU64,
    changed: Notify,
    broken: AtomicBool,
}

impl Board {
    fn new() -> Self {
        let zeros = || (0..limits::FANOUT_WINDOW_MAX).map(|_| AtomicU64::new(0)).collect();
        Self {
            start: Instant::now(),
            sent_at_us: zeros(),
            missing: zeros(),
            complete: AtomicU64::new(0),
            changed: Notify::new(),
            broken: AtomicBool::new(false),
        }
    }

    fn sent(&self, number: u64, members: u64) {
        let place = number as usize % limits::FANOUT_WINDOW_MAX;
        self.missing[place].store(members, Ordering::Relaxed);
        let now_us = self.start.elapsed().as_micros() as u64;
        self.sent_at_us[place].store(now_us, Ordering::Release);
    }

    /// One member has it. Answers how long that took.
    fn arrived(&self, number: u64) -> Duration {
        let place = number as usize % limits::FANOUT_WINDOW_MAX;
        let sent_at = Duration::from_micros(self.sent_at_us[place].load(Ordering::Acquire));
        let age = self.start.elapsed().saturating_sub(sent_at);
        if self.missing[place].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.complete.fetch_add(1, Ordering::AcqRel);
            self.changed.notify_one();
        }
        age
    }

    fn fail(&self) {
        self.broken.store(true, Ordering::Release);
        self.changed.notify_one();
    }
}

pub(crate) async fn run(options: &Options) -> Result<Outcome> {
    let members = options.connections.unwrap_or(MEMBERS_DEFAULT).max(2);
    if members > proto::limits::GROUP_MEMBERS_MAX as usize {
        let most = proto::limits::GROUP_MEMBERS_MAX;
        return Err(Error::Invalid(format!("members of a group: 2 to {most}")));
    }
    let server = Server::start(options).await?;
    say(&format!("{members} people sign up"));
    let people = people::sign_up(server.address(), members).await?;
    // The members come when the group is whole: while it grows they would hear of each other and,
    // as nothing here reads for them yet, count as too slow.
    let (mut founder, _) = people::connect(server.address_for(0), &people[0]).await?;
    let (conv_id, mut first_seq) = found_group(&mut founder, &people).await?;
    let opening = stream::iter(people.iter().enumerate().skip(1))
        .map(|(n, person)| people::connect(server.address_for(n), person));
    let opened = opening.buffered(limits::OPENING_AT_ONCE).try_collect::<Vec<_>>().await?;
    let others = opened.into_iter().map(|(socket, _)| socket);
    let mut sockets: Vec<Socket> = std::iter::once(founder).chain(others).collect();

    let (mut sections, mut curves, mut violations) = (Vec::new(), Vec::new(), Vec::new());
    let mut measured = Vec::new();
    for window in &options.windows {
        say(&format!("natter: {members} members, window {window}, {} s", options.seconds));
        let side = Side::Natter { conv_id, first_seq };
        let usage = server.usage()?;
        let (back, load) = drive(sockets, side, *window, &usage, options.seconds).await?;
        sockets = back;
        first_seq += load.tally.messages as i64;
        curves.push(load.tally.to_recipient.curve(&format!("window {window}")));
        violations.extend(load.tally.violations.iter().cloned());
        measured.push((*window, load));
    }
    people::close_all(sockets).await;
    server.stop().await?;
    for (window, load) in measured {
        say(&format!("the same frames by the echo server, window {window}"));
        let echo = echoed(members, window, options.seconds, sizes(conv_id)).await?;
        sections.push(section(members, window, &load, &echo));
    }
    Ok(Outcome {
        sections,
        charts: vec![latency_chart("from the Send to each member", curves)],
        notes: vec![
            "one writer; under way is what not every member has yet; members say Delivered as \
             our client does"
                .to_owned(),
            "limit: the echo server passes a frame of the same size on to as many connections"
                .to_owned(),
        ],
        violations,
    })
}

/// The group of all, and the seq of its next message.
async fn found_group(founder: &mut Socket, people: &[Person]) -> Result<(i64, i64)> {
    let others: Vec<i64> = people[1..].iter().map(|person| person.user_id).collect();
    let mut slices = others.chunks(PEOPLE_PER_FRAME_MAX - 1);
    let title = "fanout".to_owned();
    let user_ids = slices.next().unwrap_or_default().to_vec();
    let create = proto::CreateGroup { title, user_ids, client_key: proto::id::random_key() };
    let mut conversation = conversation(founder.ask(4, Say::CreateGroup(create)).await?)?;
    let conv_id = conversation.conv_id;
    for slice in slices {
        let invite = proto::Invite { conv_id, user_ids: slice.to_vec() };
        conversation = self::conversation(founder.ask(5, Say::Invite(invite)).await?)?;
    }
    Ok((conv_id, conversation.last_seq + 1))
}

fn conversation(heard: Heard) -> Result<proto::Conversation> {
    match heard {
        Heard::Conversation(conversation) => Ok(conversation),
        _ => Err(Error::Refused("a group was not answered with a Conversation".into())),
    }
}

/// The first socket writes, the others listen. They come back in any order but for the first.
async fn drive(
    sockets: Vec<Socket>,
    side: Side,
    window: usize,
    usage: &crate::usage::Usage,
    seconds: u64,
) -> Result<(Vec<Socket>, Load)> {
    let course = Arc::new(Course::default());
    let board = Arc::new(Board::new());
    let (over, is_over) = watch::channel(false);
    let (mut tasks, members) = (JoinSet::new(), sockets.len() as u64 - 1);
    let mut over = Some(over);
    for (place, mut socket) in sockets.into_iter().enumerate() {
        let (course, board, is_over) = (Arc::clone(&course), Arc::clone(&board), is_over.clone());
        let over = over.take();
        tasks.spawn(async move {
            let tally = match over {
                Some(over) => {
                    let told = write(&mut socket, side, members, window, &board, &course).await;
                    over.send_replace(true);
                    told?
                }
                None => listen(&mut socket, side, &board, &course, is_over).await?,
            };
            Ok(((place, socket), tally))
        });
    }
    let (mut back, load) = course::run(tasks, course, usage, seconds).await?;
    back.sort_unstable_by_key(|(place, _)| *place);
    Ok((back.into_iter().map(|(_, socket)| socket).collect(), load))
}

async fn write(
    socket: &mut Socket,
    side: Side,
    members: u64,
    window: usize,
    board: &Board,
    course: &Course,
) -> Result<Tally> {
    let (mut tally, mut sent, mut acked) = (Tally::new(), 0_u64, 0_u64);
    loop {
        let complete = board.complete.load(Ordering::Acquire);
        let drain = course.phase() == Phase::Drain;
        let done = drain && complete == sent && acked == sent;
        if done || board.broken.load(Ordering::Acquire) {
            tally.messages = sent;
            return Ok(tally);
        }
        let mut fed = false;
        while !drain && sent - complete.min(acked) < window as u64 {
            board.sent(sent, members);
            feed(socket, side, sent).await?;
            (sent, fed) = (sent + 1, true);
        }
        if fed {
            socket.flush().await?;
        }
        let heard = async {
            tokio::select! {
                heard = socket.hear_bytes() => heard.map(Some),
                () = board.changed.notified() => Ok(None),
            }
        };
        let heard = timeout(limits::PATIENCE, heard).await;
        let Some(bytes) = heard.map_err(|_| Error::Silent("a message for all"))?? else {
            continue;
        };
        match side {
            Side::Echo(_) => acked += 1,
            Side::Natter { first_seq, .. } => match raw::read(&bytes)? {
                Heard::Sent(answer) if answer.seq == first_seq + acked as i64 => acked += 1,
                Heard::Sent(answer) => {
                    let due = first_seq + acked as i64;
                    tally.violations.push(format!("Sent said {}, {due} was due", answer.seq));
                    board.fail();
                }
                _ => continue,
            },
        }
        course.one_acked();
    }
}

async fn feed(socket: &mut Socket, side: Side, number: u64) -> Result<()> {
    match side {
        Side::Natter { conv_id, .. } => {
            let client_key = proto::id::random_key();
            let body = text::line(number);
            let send = proto::Send { conv_id, client_key, body, reply_seq: 0 };
            socket.feed(1, Say::Send(send)).await
        }
        Side::Echo(sizes) => {
            socket.feed_bytes(echo::to_all(sizes.send, sizes.sent, sizes.message)).await
        }
    }
}

/// A member: counts what comes, and says Delivered every now and then.
async fn listen(
    socket: &mut Socket,
    side: Side,
    board: &Board,
    course: &Course,
    mut is_over: watch::Receiver<bool>,
) -> Result<Tally> {
    let (mut tally, mut arrived, mut confirmed) = (Tally::new(), 0_u64, 0_u64);
    let mut confirm_at = Instant::now();
    loop {
        let bytes = tokio::select! {
            heard = socket.hear_bytes() => heard?,
            _ = is_over.changed() => return Ok(tally),
            () = sleep_until(confirm_at.into()), if confirmed < arrived => {
                confirmed = arrived;
                confirm_at = Instant::now() + limits::DELIVERED_EVERY;
                confirm(socket, side, confirmed).await?;
                continue;
            }
        };
        let numbers = match side {
            Side::Echo(_) => 1,
            Side::Natter { conv_id, first_seq } => {
                match in_order(&raw::read(&bytes)?, conv_id, first_seq, arrived) {
                    Ok(count) => count,
                    Err(why) => {
                        tally.violations.push(why);
                        board.fail();
                        return Ok(tally);
                    }
                }
            }
        };
        for _ in 0..numbers {
            let age = board.arrived(arrived);
            if course.phase() == Phase::Measure {
                tally.to_recipient.record(age);
            }
            arrived += 1;
            course.one_arrived();
        }
    }
}

/// How many messages a frame brought, each of them the next one of its conversation.
fn in_order(
    heard: &Heard,
    conv_id: i64,
    first_seq: i64,
    arrived: u64,
) -> std::result::Result<u64, String> {
    let messages = match heard {
        Heard::Message(message) => std::slice::from_ref(message),
        Heard::Page(page) => &page.messages,
        _ => return Ok(0),
    };
    let mut due = arrived;
    // What tells of the group's founding comes before the first text.
    let ours = |message: &&proto::Message| message.conv_id == conv_id && message.seq >= first_seq;
    for message in messages.iter().filter(ours) {
        let seq = first_seq + due as i64;
        if message.seq != seq || !text::is_line(&message.body, due) {
            return Err(format!("message {} came where {seq} was due", message.seq));
        }
        due += 1;
    }
    Ok(due - arrived)
}

async fn confirm(socket: &mut Socket, side: Side, arrived: u64) -> Result<()> {
    match side {
        Side::Natter { conv_id, first_seq } => {
            let seq = first_seq + arrived as i64 - 1;
            socket.feed(0, Say::Delivered(proto::Delivered { conv_id, seq })).await?;
        }
        Side::Echo(_) => socket.feed_bytes(echo::request(DELIVERED_BYTES, &[])).await?,
    }
    socket.flush().await
}

/// A Delivered on the wire.
const DELIVERED_BYTES: usize = 16;

/// The frames of one message of this group.
fn sizes(conv_id: i64) -> Sizes {
    let (client_key, body, now) = (proto::id::random_key(), text::line(0), crate::clock::now_ms());
    let user_id = proto::id::new(0, now);
    let message = send::message(conv_id, 1_000, user_id, now, body.clone());
    let sent = send::sent(conv_id, 1_000, client_key, now);
    let send = proto::Send { conv_id, client_key, body, reply_seq: 0 };
    Sizes {
        send: send::client_bytes(Say::Send(send)),
        sent: send::server_bytes(1, Heard::Sent(sent)),
        message: send::server_bytes(0, Heard::Message(message)),
    }
}

async fn echoed(members: usize, window: usize, seconds: u64, sizes: Sizes) -> Result<Load> {
    let child = Child::start_echo().await?;
    let mut sockets = people::connect_echo(&child.address, members).await?;
    for socket in &mut sockets[1..] {
        socket.feed_bytes(echo::listen()).await?;
        socket.flush().await?;
        // The answer says that from now on nothing passes this listener by.
        socket.hear_bytes().await?;
    }
    let side = Side::Echo(sizes);
    let (sockets, load) = drive(sockets, side, window, &child.usage(), seconds).await?;
    people::close_all(sockets).await;
    child.stop().await?;
    Ok(load)
}

fn section(members: usize, window: usize, load: &Load, echo: &Load) -> Section {
    let mut figures = vec![
        Figure {
            limit: Some(echo.arrived_per_second()),
            ..higher(
                "delivered to all members together",
                "a second",
                Some(load.arrived_per_second()),
            )
        },
        Figure {
            limit: Some(echo.acked_per_second()),
            ..higher("messages", "msg/s", Some(load.acked_per_second()))
        },
        Figure {
            limit: echo.cpu_per_message_us(),
            ..lower("server CPU of a delivery", "µs", load.cpu_per_message_us())
        },
        Figure {
            limit: echo.own_cpu_per_message_us(),
            ..plain("generator CPU of a delivery", "µs", load.own_cpu_per_message_us())
        },
    ];
    let mut latencies = load.tally.to_recipient.figures("to a member");
    let limits = echo.tally.to_recipient.figures("");
    for (figure, limit) in latencies.iter_mut().zip(limits) {
        figure.limit = limit.natter;
    }
    figures.extend(latencies);
    figures.extend(send::per_process(load));
    let seconds = load.seconds;
    Section {
        title: format!("fanout: one group of {members}, window {window}, {seconds:.0} s"),
        figures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: i64, number: u64) -> proto::Message {
        proto::Message { conv_id: 4, seq, body: text::line(number), ..Default::default() }
    }

    #[test]
    fn a_message_is_complete_when_the_last_member_has_it() {
        let board = Board::new();
        board.sent(0, 2);
        board.arrived(0);
        assert_eq!(board.complete.load(Ordering::Relaxed), 0);
        board.arrived(0);
        assert_eq!(board.complete.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_member_who_gets_the_wrong_message_tells() {
        let one = Heard::Message(message(12, 2));
        assert_eq!(in_order(&one, 4, 10, 2), Ok(1));
        assert!(in_order(&one, 4, 10, 1).is_err(), "one is missing");
        assert!(in_order(&one, 4, 10, 3).is_err(), "one came twice");
        assert_eq!(in_order(&one, 5, 10, 1), Ok(0), "another conversation");
        assert_eq!(in_order(&Heard::Message(message(9, 0)), 4, 10, 0), Ok(0), "the founding");
        let messages = vec![message(10, 0), message(11, 1)];
        let page = Heard::Page(proto::Page { messages, ..Default::default() });
        assert_eq!(in_order(&page, 4, 10, 0), Ok(2));
    }
}
