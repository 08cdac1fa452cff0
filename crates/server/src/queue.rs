//! What stands between who writes a job down and who does it: nothing, or a RabbitMQ. The journey
//! of a job is `docs/flows/notify.md`; why a broker at all is decision 0014.
//!
//! What must not happen: a job is let go before RabbitMQ has said that it is safe; a RabbitMQ that
//! is away, slow or full is noticed by anything but this.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde::{Deserialize, Serialize};
use store::Job;

use crate::{amqp, limits};

/// How jobs get from the relay to the workers.
pub(crate) enum Queue {
    /// A worker of the same process does what the relay claims; the table is the queue.
    Direct,
    Rabbit(Rabbit),
}

/// A job on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The same on every try: what the doer knows repetitions by.
    pub(crate) id: i64,
    #[serde(flatten)]
    pub(crate) job: Job,
    /// Tries that have failed.
    pub(crate) tries: u32,
    /// When it became due, in unix milliseconds.
    pub(crate) due_at: i64,
}

impl Task {
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and names always have a JSON form")
    }
}

/// Where a RabbitMQ is, and how our queues on it are called.
#[derive(Clone)]
pub(crate) struct Rabbit {
    uri: AMQPUri,
    /// What the names of our queues begin with.
    name: String,
    /// The pauses after which jobs come back, in milliseconds.
    pauses: Vec<i64>,
}

impl Rabbit {
    /// Err: what is wrong with the URL, without saying what is in it: it may hold a password.
    pub(crate) fn new(url: &str, name: &str, pauses: Vec<i64>) -> Result<Self, &'static str> {
        let mut uri: AMQPUri = url.parse().map_err(|_| "not amqp[s]://NAME:PASSWORD@HOST/VHOST")?;
        uri.query.heartbeat = Some(limits::AMQP_HEARTBEAT_S);
        Ok(Self { uri, name: name.to_owned(), pauses })
    }

    /// A line to RabbitMQ, on which all queues are declared, and what arrives on it: jobs, and jobs
    /// that RabbitMQ itself has given up.
    pub(crate) async fn open(&self) -> Result<(Line, Inbox, Inbox), String> {
        let longest = Duration::from_millis(limits::AMQP_OPEN_MS_MAX);
        match tokio::time::timeout(longest, self.connect()).await {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".into()),
        }
    }

    async fn connect(&self) -> lapin::Result<(Line, Inbox, Inbox)> {
        let connection = self.dial().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        self.declare(&channel).await?;
        let jobs = consume(&connection, &self.name).await?;
        let dead = consume(&connection, &self.dead()).await?;
        Ok((Line { rabbit: self.clone(), connection, channel }, jobs, dead))
    }

    /// What an operator sees: nothing is declared, and no job is taken from a worker.
    pub(crate) async fn look(&self) -> Result<Look, String> {
        let longest = Duration::from_millis(limits::AMQP_OPEN_MS_MAX);
        let looking = async {
            let connection = self.dial().await?;
            let channel = connection.create_channel().await?;
            Ok::<_, lapin::Error>(Look { rabbit: self.clone(), connection, channel })
        };
        match tokio::time::timeout(longest, looking).await {
            Ok(look) => look.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".into()),
        }
    }

    async fn dial(&self) -> lapin::Result<Connection> {
        let named = ConnectionProperties::default().with_connection_name("natter".into());
        amqp::dial(self.uri.clone(), named).await
    }

    /// Says what queues there are. Those that are there already stay as they are; a queue that
    /// somebody made differently is an error that names it.
    async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let mut jobs = quorum(&self.dead());
        jobs.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(limits::DELIVERIES_MAX));
        declare(channel, &self.name, jobs).await?;
        declare(channel, &self.dead(), kept()).await?;
        for pause in &self.pauses {
            let mut waiting = quorum(&self.name);
            waiting.insert("x-message-ttl".into(), AMQPValue::LongLongInt(*pause));
            declare(channel, &self.waiting(*pause), waiting).await?;
        }
        Ok(())
    }

    /// How many jobs wait for a worker, and how many for a later try.
    async fn count(&self, channel: &Channel) -> lapin::Result<(u32, u32)> {
        let jobs = count(channel, &self.name).await?;
        let mut later = 0;
        for pause in &self.pauses {
            later += count(channel, &self.waiting(*pause)).await?;
        }
        Ok((jobs, later))
    }

    #[cfg(test)]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes the queues away, with what is in them.
    #[cfg(test)]
    pub(crate) async fn delete(&self) {
        let (line, ..) = self.open().await.unwrap();
        let waiting = self.pauses.iter().map(|pause| self.waiting(*pause));
        for name in waiting.chain([self.name.clone(), self.dead()]) {
            let deleted = line.channel.queue_delete(name.into(), Default::default());
            deleted.await.unwrap();
        }
        line.close().await;
    }

    /// Where what nobody may do any more waits to be written down.
    fn dead(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// Where jobs wait until they come back. One queue for each pause, because a queue gives up its
    /// messages in their order; the pause is in its name, because a queue cannot be changed.
    fn waiting(&self, pause: i64) -> String {
        format!("{}.wait.{pause}", self.name)
    }
}

/// A queue that is on the disks of most nodes before anything in it is confirmed, and bounded: what
/// does not fit is refused, and waits in the table.
fn kept() -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(limits::QUEUE_JOBS_MAX));
    arguments
}

/// … whose rejected and overdue messages go to another one, and leave only when they are there.
fn quorum(then: &str) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = kept();
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(then));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments
}

async fn declare(channel: &Channel, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

async fn count(channel: &Channel, name: &str) -> lapin::Result<u32> {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(name.into(), look, FieldTable::default()).await?;
    Ok(queue.message_count())
}

/// On a channel of its own, so that each has its own bound of what is handed out at once.
async fn consume(connection: &Connection, name: &str) -> lapin::Result<Inbox> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(limits::PREFETCH, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    Ok(Inbox(channel.basic_consume(name.into(), "".into(), options, arguments).await?))
}

/// A living connection.
pub(crate) struct Line {
    rabbit: Rabbit,
    connection: Connection,
    channel: Channel,
}

impl Line {
    /// Hands the tasks over, all at once; of each whether RabbitMQ has confirmed that it is safe.
    /// What is not confirmed may be there nevertheless.
    pub(crate) async fn publish(&self, tasks: &[Task]) -> Vec<bool> {
        join_all(tasks.iter().map(|task| self.confirmed(&self.rabbit.name, task))).await
    }

    /// Hands a task over that is to come back after one of the known pauses.
    pub(crate) async fn publish_later(&self, task: &Task, pause: i64) -> bool {
        self.confirmed(&self.rabbit.waiting(pause), task).await
    }

    async fn confirmed(&self, queue: &str, task: &Task) -> bool {
        let longest = Duration::from_millis(limits::CONFIRM_MS_MAX);
        match tokio::time::timeout(longest, self.publish_one(queue, task)).await {
            Ok(Ok(confirmed)) => confirmed,
            Ok(Err(error)) => {
                tracing::debug!(%error, queue, "RabbitMQ did not take a job");
                false
            }
            Err(_) => {
                tracing::debug!(queue, "RabbitMQ did not confirm a job in time");
                false
            }
        }
    }

    async fn publish_one(&self, queue: &str, task: &Task) -> lapin::Result<bool> {
        const PERSISTENT: u8 = 2;
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(format!("{}.{}", task.job.topic(), task.id).into())
            .with_content_type("application/json".into());
        // Mandatory: a queue that somebody has deleted is no place where a job is safe.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let body = task.body();
        let published =
            self.channel.basic_publish("".into(), queue.into(), options, &body, properties);
        let confirmation = published.await?.await?;
        Ok(confirmation.is_ack() && confirmation.take_message().is_none())
    }

    /// Whether the line still lives, as far as is known.
    pub(crate) fn is_alive(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// How many jobs wait for a worker, and how many for a later try. None: RabbitMQ does not say.
    pub(crate) async fn waiting(&self) -> Option<(u32, u32)> {
        let longest = Duration::from_millis(limits::CONFIRM_MS_MAX);
        tokio::time::timeout(longest, self.rabbit.count(&self.channel)).await.ok()?.ok()
    }

    /// Whoever was handed something and has not acked it gives it back by this.
    pub(crate) async fn close(&self) {
        let longest = Duration::from_millis(limits::CONFIRM_MS_MAX);
        let closed = self.connection.close(200, "bye".into());
        if let Ok(Err(error)) = tokio::time::timeout(longest, closed).await {
            tracing::debug!(%error, "the line to RabbitMQ was closed already");
        }
    }
}

/// A connection of somebody who only looks.
pub(crate) struct Look {
    rabbit: Rabbit,
    connection: Connection,
    channel: Channel,
}

impl Look {
    /// How many jobs wait for a worker, and how many for a later try.
    pub(crate) async fn waiting(&self) -> lapin::Result<(u32, u32)> {
        self.rabbit.count(&self.channel).await
    }

    /// The next job that RabbitMQ has given up. None: there is no further one.
    pub(crate) async fn next_dead(&self) -> lapin::Result<Option<Handed>> {
        let dead = self.rabbit.dead();
        let taken = self.channel.basic_get(dead.into(), BasicGetOptions::default()).await?;
        Ok(taken.map(|message| Handed::new(message.delivery)))
    }

    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close(200, "bye".into()).await {
            tracing::debug!(%error, "the line to RabbitMQ was closed already");
        }
    }
}

/// What RabbitMQ hands out of one queue, at most [`limits::PREFETCH`] at once.
pub(crate) struct Inbox(Consumer);

/// Something handed out. Dropped without a word, it is handed out again when the line ends.
pub(crate) struct Handed {
    /// None: this program cannot read it.
    pub(crate) task: Option<Task>,
    pub(crate) body: Vec<u8>,
    acker: lapin::Acker,
}

impl Inbox {
    /// None: the line is broken.
    pub(crate) async fn next(&mut self) -> Option<Handed> {
        Some(Handed::new(self.0.next().await?.ok()?))
    }
}

impl Handed {
    fn new(delivery: Delivery) -> Self {
        let task = serde_json::from_slice(&delivery.data).ok();
        Self { task, body: delivery.data, acker: delivery.acker }
    }

    /// It needs nobody any more.
    pub(crate) async fn ack(&self) {
        noted(self.acker.ack(BasicAckOptions::default())).await;
    }

    /// Somebody else shall have it, at once.
    pub(crate) async fn give_back(&self) {
        noted(self.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await;
    }

    /// Nobody shall: RabbitMQ moves it to the dead ones.
    pub(crate) async fn give_up(&self) {
        noted(self.acker.nack(BasicNackOptions { requeue: false, multiple: false })).await;
    }
}

/// A word that could not be said is made good by RabbitMQ: it hands the job out again, and who gets
/// it learns from the database that it was done. Nobody waits for a line that has broken meanwhile.
async fn noted(saying: impl Future<Output = lapin::Result<bool>>) {
    let longest = Duration::from_millis(limits::CONFIRM_MS_MAX);
    match tokio::time::timeout(longest, saying).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "RabbitMQ did not hear what became of a job"),
        Err(_) => tracing::debug!("RabbitMQ did not hear in time what became of a job"),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_task_reads_as_it_was_written() {
        let task = Task { id: 7, job: Job::Reset { user_id: 8 }, tries: 1, due_at: 9 };
        let body = task.body();
        let text = r#"{"id":7,"kind":"reset","user_id":8,"tries":1,"due_at":9}"#;
        assert_eq!(String::from_utf8(body.clone()).unwrap(), text);
        assert_eq!(serde_json::from_slice::<Task>(&body).unwrap(), task);
    }

    #[test]
    fn an_address_that_is_none_is_told_without_its_password() {
        for bad in ["", "http://x", "amqp:natter:secret@x", "amqps://a:secret@b:port"] {
            let why = Rabbit::new(bad, "natter", Vec::new()).err().expect(bad);
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
