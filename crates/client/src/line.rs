//! The one task that owns the line: tries to connect, waits, tries again; while there is no
//! connection it keeps taking orders. What happens on a connection is in `talk.rs`. Its journey:
//! `docs/flows/offline.md`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::{client_frame, server_frame};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Interval;

use crate::cache::Cache;
use crate::dial::{self, Socket, Way};
use crate::outbox::Outbox;
use crate::pen::Write;
use crate::sync::{Mirror, Round};
use crate::types::{Error, Event, Figures, Line, Login, Options, Queued, Result};
use crate::{account, limits};

/// What the program wants from the line.
pub(crate) enum Order {
    /// It lies in the outbox on disk: send it.
    Queue(Queued),
    /// It was taken out of the outbox.
    Unqueue {
        client_key: i64,
    },
    Read {
        conv_id: i64,
        seq: i64,
        done: oneshot::Sender<Result<()>>,
    },
    Typing {
        conv_id: i64,
    },
    Call {
        body: client_frame::Body,
        answer: oneshot::Sender<Result<server_frame::Body>>,
    },
    Reconnect,
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Everything the task has. No lock: nobody else has it.
pub(crate) struct LineTask {
    pub login: Arc<Login>,
    pub options: Options,
    pub cache: Cache,
    pub mirror: Mirror,
    pub outbox: Outbox,
    pub orders: mpsc::Receiver<Order>,
    pub events: mpsc::Sender<Event>,
    /// Events for which the reader had no room. While there are any, nothing is read from the
    /// gateway.
    pub waiting: VecDeque<Event>,
    pub line: watch::Sender<Line>,
    pub figures: watch::Sender<Figures>,
    /// When to look at the outbox on disk.
    pub look: Interval,
    /// When Typing was last said.
    pub typed: HashMap<i64, Instant>,
    /// Connections that came as far as being caught up.
    pub connections: u64,
    /// Attempts in a row that led to nothing.
    pub failures: u32,
}

/// Why a connection is over, or never was.
pub(crate) enum Ended {
    /// Come back after the usual wait; `slowly`: not after the short one.
    Broken {
        why: String,
        slowly: bool,
    },
    /// Come back at a random moment within this time.
    PutOff {
        why: String,
        at_least_ms: u64,
        within_ms: u64,
    },
    SignedOut {
        why: String,
    },
    /// Do not come back by yourself.
    Stopped {
        why: String,
    },
    /// The cache could not be written: what is in memory is ahead of the disk.
    Disk(Error),
    /// The program wants another connection, now.
    Again,
    /// The program wants no line any more.
    Closed(Option<oneshot::Sender<()>>),
}

/// What ended a wait.
enum Woken<T> {
    Done(T),
    Reconnect,
    Closed(Option<oneshot::Sender<()>>),
}

pub(crate) async fn run(mut task: LineTask) {
    loop {
        task.set_line(Line::Connecting);
        let connecting = open(task.options.way.clone(), task.login.clone());
        let ended = match task.beside(connecting).await {
            Woken::Done(Ok(socket)) => task.talk(socket).await,
            Woken::Done(Err(ended)) => ended,
            Woken::Reconnect => continue,
            Woken::Closed(done) => Ended::Closed(done),
        };
        let woken = match ended {
            Ended::Broken { why, slowly } => {
                task.failures = task.failures.max(u32::from(slowly));
                let wait_ms = task.back_off_ms();
                task.wait(wait_ms, why).await
            }
            Ended::PutOff { why, at_least_ms, within_ms } => {
                let within_ms = within_ms.min(limits::STAY_AWAY_MAX_MS);
                let wait_ms =
                    at_least_ms.min(limits::STAY_AWAY_MAX_MS) + rand::random_range(0..=within_ms);
                task.wait(wait_ms, why).await
            }
            Ended::SignedOut { why } => task.rest(Line::SignedOut { why }).await,
            Ended::Stopped { why } => task.rest(Line::Stopped { why }).await,
            Ended::Disk(error) => {
                let wait_ms = task.back_off_ms();
                let woken = task.wait(wait_ms, error.to_string()).await;
                task.reload().await;
                woken
            }
            Ended::Again => Woken::Reconnect,
            Ended::Closed(done) => Woken::Closed(done),
        };
        if let Woken::Closed(done) = woken {
            // nobody may be left who wants to know
            let _ = done.map(|done| done.send(()));
            return;
        }
    }
}

/// Ticket, then WebSocket. 401 for the session is the end; 401 for the ticket is only an old
/// ticket.
async fn open(way: Way, login: Arc<Login>) -> std::result::Result<Socket, Ended> {
    let ticket = account::connect(&way, &login).await.map_err(|no| match no.error {
        Error::SignedOut(why) => Ended::SignedOut { why },
        Error::Invalid(why) => Ended::Stopped { why },
        error if no.retry_after_ms > 0 => Ended::PutOff {
            why: error.to_string(),
            at_least_ms: no.retry_after_ms,
            within_ms: no.retry_after_ms,
        },
        error => Ended::Broken { why: error.to_string(), slowly: false },
    })?;
    dial::open_socket(&way, &ticket.gateway, &ticket.ticket)
        .await
        .map_err(|error| Ended::Broken { why: error.to_string(), slowly: false })
}

impl LineTask {
    pub(crate) fn set_line(&mut self, line: Line) {
        if *self.line.borrow() != line {
            // the reasons are sentences for a person and hold no secrets
            tracing::debug!(?line, "line");
            self.line.send_replace(line.clone());
        }
        self.waiting.push_back(Event::Line(line));
        self.tell();
    }

    /// Hands over what waits, as far as there is room.
    pub(crate) fn tell(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                // the program does not listen: it still sends and reads the cache
                Err(mpsc::error::TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }

    /// Writes a round, then tells it.
    pub(crate) async fn commit(&mut self, round: Round) -> Result<()> {
        let (copy, events) = self.mirror.rows(round);
        if !copy.is_empty() {
            self.cache.write(Write::Copy(Box::new(copy))).await?;
        }
        self.waiting.extend(events);
        self.tell();
        let figures = self.mirror.figures();
        self.figures.send_if_modified(|now| {
            let changed = *now != figures;
            *now = figures;
            changed
        });
        Ok(())
    }

    /// A random part of 1, 2, 4 … 30 s: full jitter, so that many clients do not come back in step.
    fn back_off_ms(&mut self) -> u64 {
        let longest = limits::BACK_OFF_FIRST_MS << self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        rand::random_range(0..=longest.min(limits::BACK_OFF_MAX_MS))
    }

    async fn wait(&mut self, wait_ms: u64, why: String) -> Woken<()> {
        let until = now_ms().saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        self.set_line(Line::Waiting { until, why });
        self.beside(tokio::time::sleep(Duration::from_millis(wait_ms))).await
    }

    /// No line until the program asks for one.
    async fn rest(&mut self, line: Line) -> Woken<()> {
        self.set_line(line);
        self.beside(std::future::pending()).await
    }

    /// Does something that takes time, and takes orders meanwhile.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> Woken<T> {
        tokio::pin!(work);
        loop {
            let order = tokio::select! {
                done = &mut work => return Woken::Done(done),
                order = self.orders.recv() => order,
                () = room(&self.events), if !self.waiting.is_empty() => {
                    self.tell();
                    continue;
                }
                _ = self.look.tick() => {
                    self.look_at_outbox().await;
                    continue;
                }
            };
            match order {
                None => return Woken::Closed(None),
                Some(Order::Close { done }) => return Woken::Closed(Some(done)),
                Some(Order::Reconnect) if matches!(*self.line.borrow(), Line::Connecting) => {}
                Some(Order::Reconnect) => {
                    self.failures = 0;
                    return Woken::Reconnect;
                }
                Some(Order::Queue(queued)) => self.outbox.order(queued),
                Some(Order::Unqueue { client_key }) => drop(self.outbox.remove(client_key)),
                Some(Order::Read { conv_id, seq, done }) => {
                    let _ = done.send(self.read(conv_id, seq).await);
                }
                Some(Order::Call { answer, .. }) => {
                    let _ = answer.send(Err(Error::Offline));
                }
                Some(Order::Typing { .. }) => {}
            }
        }
    }

    pub(crate) async fn read(&mut self, conv_id: i64, seq: i64) -> Result<()> {
        let mut round = Round::default();
        self.mirror.read(conv_id, seq, &mut round);
        self.commit(round).await
    }

    /// Another process of this profile may have put something into the outbox, or taken it out.
    pub(crate) async fn look_at_outbox(&mut self) {
        let changed = match self.cache.queued().await {
            Ok(queued) => self.outbox.follow(queued),
            // what is in memory is still right
            Err(error) => {
                tracing::debug!(%error, "cannot read the outbox");
                false
            }
        };
        if changed {
            self.waiting.push_back(Event::Outbox);
            self.tell();
        }
    }

    /// Starts again from what is on the disk.
    async fn reload(&mut self) {
        match self.cache.load().await {
            Ok(mut loaded) => {
                let figures = self.mirror.figures;
                self.outbox = Outbox::new(std::mem::take(&mut loaded.queued));
                let mark = self.options.mark_delivered;
                self.mirror = Mirror::new(self.login.user_id, &self.login.handle, mark, loaded);
                self.mirror.figures = figures;
            }
            // the next write fails, too, and we come here again
            Err(error) => tracing::warn!(%error, "cannot read the cache"),
        }
    }
}

/// Returns when an event can be handed over, or when nobody listens.
pub(crate) async fn room(events: &mpsc::Sender<Event>) {
    let _ = events.reserve().await;
}

/// Unix milliseconds, by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
