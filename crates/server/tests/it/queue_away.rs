//! What chat notices of a RabbitMQ that is away: nothing.

use std::time::{Duration, Instant};

use proto::id;
use store::NewUser;

use crate::harness::{Host, PATIENCE, User, host_with};

/// One server of the two, and somebody who writes to who is never there.
struct Side {
    host: Host,
    ann: User,
    chat: i64,
    took: Vec<Duration>,
}

impl Side {
    async fn new(amqp: String) -> Self {
        let configure = |config: &mut server::Config| {
            config.amqp = Some(amqp.into());
            config.amqp_queue = format!("natter-test-{}", id::random_key());
        };
        let host = host_with(configure).await;
        let mut ann = host.user("ann").await;
        let bob = host.signup("bob").await;
        let chat = ann.open(bob.user_id).await;
        Self { host, ann, chat, took: Vec::new() }
    }

    /// Some people sign up, so that the relay has something to hand over; then messages one by one.
    async fn go_on(&mut self, people: usize, messages: usize) {
        for _ in 0..people {
            let user_id = id::new(0, 1);
            let user = NewUser {
                user_id,
                handle: format!("user{}", id::random_key()),
                name: "User".into(),
                email: Some(format!("user{user_id}@example.org")),
                pass_hash: String::new(),
            };
            self.host.server.store.create_user(&user, 1).await.unwrap();
        }
        for _ in 0..messages {
            let began = Instant::now();
            self.ann.line.send(self.chat, "are you there?").await;
            self.took.push(began.elapsed());
        }
    }

    fn percentile(&mut self, percent: usize) -> Duration {
        self.took.sort_unstable();
        self.took[(self.took.len() - 1) * percent / 100]
    }
}

/// Turn and turn about, so that whatever else the machine does happens to both.
#[tokio::test]
async fn a_send_takes_as_long_without_rabbitmq_as_with_it() {
    let turns = std::env::var("NATTER_SEND_TURNS").map_or(10, |text| text.parse().unwrap());
    let rabbitmq = std::env::var("NATTER_TEST_RABBITMQ").expect("`cargo xtask test` sets it");
    let mut up = Side::new(rabbitmq).await;
    grows(&up.host, "natter_queue_connected").await;
    let mut down = Side::new("amqp://127.0.0.1:1".into()).await;
    for _ in 0..turns {
        up.go_on(10, 40).await;
        down.go_on(10, 40).await;
    }
    grows(&up.host, "natter_jobs_published_total").await;
    assert_eq!(down.host.metric("natter_queue_connected").await, 0, "the other has none");
    let [up_half, down_half] = [up.percentile(50), down.percentile(50)];
    println!(
        "{} sends each. RabbitMQ up: half within {up_half:?}, 99 % {:?}; down: {down_half:?}, {:?}",
        up.took.len(),
        up.percentile(99),
        down.percentile(99)
    );
    // It would wait for seconds.
    assert!(down_half < up_half * 10, "a send waits for RabbitMQ");
}

/// Waits until a figure of a server is more than nothing.
async fn grows(host: &Host, name: &str) {
    let growing = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while host.metric(name).await == 0 {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, growing).await.unwrap_or_else(|_| panic!("{name} stays 0"));
}
