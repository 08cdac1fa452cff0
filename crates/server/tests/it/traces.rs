//! The way of a message through two processes, as a collector of OpenTelemetry gets it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bench::redis::Redis;
use prost::encoding::{decode_key, decode_varint};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::harness::{Cluster, PATIENCE, host_with};

/// A span as it was read from the wire: by the numbers of the fields in
/// `opentelemetry/proto/trace/v1/trace.proto`, and not by what our own code calls them.
#[derive(Debug, Clone)]
struct Span {
    trace_id: Vec<u8>,
    span_id: Vec<u8>,
    parent_span_id: Vec<u8>,
    name: String,
    start_time_unix_nano: u64,
    end_time_unix_nano: u64,
}

impl Span {
    fn read(bytes: &[u8]) -> Self {
        let bytes_of = |number| one(bytes, number).unwrap_or_default().to_vec();
        let time = |number| {
            let bytes = one(bytes, number).expect("a time");
            u64::from_le_bytes(bytes.try_into().expect("64 bits"))
        };
        assert_eq!((bytes_of(1).len(), bytes_of(2).len()), (16, 8), "the lengths of ids");
        Self {
            trace_id: bytes_of(1),
            span_id: bytes_of(2),
            parent_span_id: bytes_of(4),
            name: String::from_utf8(bytes_of(5)).unwrap(),
            start_time_unix_nano: time(7),
            end_time_unix_nano: time(8),
        }
    }
}

/// The values of one field of a Protobuf message that are not plain numbers.
fn all(mut bytes: &[u8], number: u32) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, kind) = decode_key(&mut bytes).expect("a field");
        let length = match kind {
            prost::encoding::WireType::Varint => {
                decode_varint(&mut bytes).expect("a number");
                continue;
            }
            prost::encoding::WireType::SixtyFourBit => 8,
            prost::encoding::WireType::ThirtyTwoBit => 4,
            _ => decode_varint(&mut bytes).expect("a length") as usize,
        };
        let (value, rest) = bytes.split_at(length);
        if tag == number {
            found.push(value);
        }
        bytes = rest;
    }
    found
}

fn one(bytes: &[u8], number: u32) -> Option<&[u8]> {
    all(bytes, number).pop()
}

/// The text of an attribute of a resource.
fn attribute(resource: &[u8], key: &str) -> String {
    let attributes = all(resource, 1);
    let found = attributes.iter().find(|attribute| one(attribute, 1) == Some(key.as_bytes()));
    let value = one(found.expect("the attribute"), 2).and_then(|value| one(value, 1));
    String::from_utf8(value.expect("a text").to_vec()).unwrap()
}

/// Takes what is exported, or answers that it is not there.
#[derive(Default)]
struct Collector {
    /// Each span with the process that told it.
    spans: Mutex<Vec<(String, Span)>>,
    bytes: Mutex<Vec<u8>>,
    is_away: bool,
    came: Notify,
}

impl Collector {
    /// It and its URL.
    async fn start(is_away: bool) -> (Arc<Self>, String) {
        let collector = Arc::new(Self { is_away, ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take));
        let serving = axum::serve(listener, routes.with_state(Arc::clone(&collector)));
        tokio::spawn(async move { serving.await });
        (collector, url)
    }

    /// Waits until what has come so far is enough.
    async fn until(&self, is_enough: impl Fn(&[(String, Span)]) -> bool) -> Vec<(String, Span)> {
        let waiting = async {
            loop {
                let came = self.came.notified();
                {
                    let spans = self.spans.lock().unwrap();
                    if is_enough(&spans) {
                        return spans.clone();
                    }
                }
                came.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the spans come")
    }
}

async fn take(State(collector): State<Arc<Collector>>, body: Bytes) -> StatusCode {
    if collector.is_away {
        collector.came.notify_one();
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    collector.bytes.lock().unwrap().extend(&body);
    let mut spans = collector.spans.lock().unwrap();
    for part in all(&body, 1) {
        let resource = one(part, 1).expect("who tells it");
        assert_eq!(attribute(resource, "service.name"), "natter");
        let instance = attribute(resource, "service.instance.id");
        let told = all(part, 2).into_iter().flat_map(|scope| all(scope, 2));
        spans.extend(told.map(|span| (instance.clone(), Span::read(span))));
    }
    collector.came.notify_one();
    StatusCode::OK
}

/// Everybody who gets the message on two gateways, and the five stretches before.
const STRETCHES: [&str; 5] = ["send", "wait for the writer", "commit", "publish", "deliver"];

#[tokio::test]
async fn the_way_of_a_message_through_two_gateways_is_one_trace() {
    let (collector, url) = Collector::start(false).await;
    let redis = Redis::start().unwrap();
    let cluster = Cluster::start(2, &[redis.url()], |config| {
        config.otlp = Some(url.clone());
        config.otlp_one_in = 1;
    })
    .await;
    let [first, second] = &cluster.hosts[..] else { panic!("two") };
    let mut ann = first.pinned_user("ann").await;
    let mut bob = second.pinned_user("bob").await;
    let chat = ann.open(bob.id).await;
    ann.line.send(chat, "a very private remark").await;
    assert_eq!(bob.line.message(chat).await.body, "a very private remark");
    let spans = collector.until(|spans| spans.len() >= STRETCHES.len()).await;

    let by_name: HashMap<&str, &(String, Span)> =
        spans.iter().map(|told| (told.1.name.as_str(), told)).collect();
    let [send, wait, commit, publish, deliver] = STRETCHES.map(|name| by_name[name]);
    assert_eq!(spans.len(), STRETCHES.len(), "no other stretch, none twice");
    for (_, span) in &spans {
        assert_eq!(span.trace_id, send.1.trace_id, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
    }
    assert!(send.1.parent_span_id.is_empty());
    for part in [wait, commit, publish] {
        assert_eq!(part.1.parent_span_id, send.1.span_id, "{}", part.1.name);
        assert_eq!(part.0, send.0, "told by the gateway of the sender");
    }
    assert_eq!(deliver.1.parent_span_id, publish.1.span_id);
    assert_ne!(deliver.0, send.0, "told by the gateway of the recipient");
    assert!(deliver.0.ends_with(&second.server.address.to_string()), "{}", deliver.0);
    assert!(commit.1.end_time_unix_nano <= deliver.1.start_time_unix_nano, "commit, then bell");

    let told = collector.bytes.lock().unwrap().clone();
    for secret in ["very private", "ann", "bob", &ann.granted.token, &bob.granted.token] {
        let is_there = told.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!is_there, "{secret} is in what was exported");
    }
    cluster.end().await;
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nobody_waits_for_it() {
    let (collector, url) = Collector::start(true).await;
    let host = host_with(|config| {
        config.otlp = Some(url);
        config.otlp_one_in = 1;
        config.rates.sends = server::Rate { burst: 10_000, per_minute: 10_000 };
    })
    .await;
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    // Four spans each, more than may wait.
    for n in 0..server::limits::SPANS_WAITING_MAX / 4 + 200 {
        ann.line.send(chat, &format!("message {n}")).await;
    }
    tokio::time::timeout(PATIENCE, collector.came.notified()).await.expect("it was asked");
    let dropped = host.metric("natter_spans_dropped_total").await;
    assert!(dropped > 0, "what finds no room is counted");
    host.server.stop().await.unwrap();
}

#[tokio::test]
async fn one_message_in_so_many_is_followed_and_without_a_collector_none() {
    let (collector, url) = Collector::start(false).await;
    let host = host_with(|config| {
        config.otlp = Some(url);
        config.otlp_one_in = 10;
        config.rates.sends = server::Rate { burst: 10_000, per_minute: 10_000 };
    })
    .await;
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    for n in 0..200 {
        ann.line.send(chat, &format!("message {n}")).await;
    }
    // What waits at the end is told before the end.
    host.server.stop().await.unwrap();
    let spans = collector.spans.lock().unwrap().clone();
    let followed = spans.iter().filter(|(_, span)| span.name == "send").count();
    // 20 are expected; fewer than 3 or more than 60 come once in a million runs.
    assert!((3..=60).contains(&followed), "{followed} of 200");
}
