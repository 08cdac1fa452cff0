//! The task that brings spans to the collector, many at a time. While the collector is away they
//! wait in their queue, and when that is full they are dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{Span, otlp};
use crate::counters::Counters;
use crate::limits;
use crate::listen::announced;

/// Where spans go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collector {
    /// `HOST:PORT`
    authority: String,
    path: String,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// It may be taken a moment later.
    #[error("the collector is away: {0}")]
    Away(String),
    #[error("the collector answers {0}")]
    Refused(StatusCode),
}

impl Collector {
    /// `http://HOST[:PORT][/PATH]`; the port of OTLP over HTTP is 4318.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
        let port = authority.port_u16().unwrap_or(4_318);
        let path = format!("{}/v1/traces", uri.path().trim_end_matches('/'));
        Some(Self { authority: format!("{}:{port}", authority.host()), path })
    }
}

pub(super) async fn run(
    collector: Collector,
    url: String,
    mut spans: mpsc::Receiver<Span>,
    counters: Arc<Counters>,
    mut finish: watch::Receiver<bool>,
) {
    let mut batch = Vec::with_capacity(limits::SPANS_AT_ONCE);
    let mut finishing = false;
    while !finishing {
        // What comes within a moment goes together.
        tokio::select! {
            () = sleep(Duration::from_millis(limits::SPANS_EVERY_MS)) => {}
            () = announced(&mut finish) => finishing = true,
        }
        while let Ok(span) = spans.try_recv() {
            batch.push(span);
            if batch.len() == limits::SPANS_AT_ONCE {
                export(&collector, &url, &mut batch, &counters, &mut finish).await;
            }
        }
        export(&collector, &url, &mut batch, &counters, &mut finish).await;
    }
}

/// Offers the batch until it is taken, refused, or was offered often enough. Empty afterwards.
async fn export(
    collector: &Collector,
    url: &str,
    batch: &mut Vec<Span>,
    counters: &Counters,
    finish: &mut watch::Receiver<bool>,
) {
    if batch.is_empty() {
        return;
    }
    let count = batch.len() as u64;
    let body = Bytes::from(otlp::request(url, batch));
    batch.clear();
    let mut pause_ms = limits::SPANS_EVERY_MS;
    for tries_left in (0..limits::SPANS_TRIES_MAX).rev() {
        match offer(collector, body.clone()).await {
            Ok(rejected) => {
                counters.spans_told.add(count.saturating_sub(rejected));
                counters.spans_dropped.add(rejected.min(count));
                return;
            }
            Err(Fault::Away(why)) if tries_left > 0 && !*finish.borrow() => {
                tracing::debug!(why, "spans wait for their collector");
                tokio::select! {
                    () = sleep(Duration::from_millis(pause_ms)) => {}
                    () = announced(finish) => {}
                }
                pause_ms *= 2;
            }
            Err(error) => {
                tracing::warn!(%error, spans = count, "spans are dropped");
                break;
            }
        }
    }
    counters.spans_dropped.add(count);
}

/// One try. How many of the spans were not wanted.
async fn offer(collector: &Collector, body: Bytes) -> Result<u64, Fault> {
    let patience = Duration::from_millis(limits::COLLECTOR_MS_MAX);
    let posted = timeout(patience, post(collector, body)).await;
    let (status, answer) = posted.map_err(|_| Fault::Away("no answer in time".to_owned()))??;
    match status {
        StatusCode::OK => Ok(otlp::rejected(&answer)),
        // Those that the protocol calls retryable.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Fault::Away(status.to_string())),
        other => Err(Fault::Refused(other)),
    }
}

/// On a connection of its own: it is one in a second.
async fn post(collector: &Collector, body: Bytes) -> Result<(StatusCode, Bytes), Fault> {
    let away = |error: &dyn std::error::Error| Fault::Away(error.to_string());
    let stream = TcpStream::connect(&collector.authority).await.map_err(|e| away(&e))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|e| away(&e))?;
    let request = Request::post(&collector.path)
        .header(HOST, &collector.authority)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .body(Full::new(body))
        .expect("the collector was parsed from a URL");
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|e| away(&e))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, limits::COLLECTOR_ANSWER_BYTES_MAX).collect().await;
        Ok((head.status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
    };
    // The connection is driven beside the call and ends with it.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(away(&error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_base_address() {
        let parsed = |url| {
            let Collector { authority, path } = Collector::parse(url)?;
            Some((authority, path))
        };
        let of = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(parsed("http://collector"), of("collector:4318", "/v1/traces"));
        assert_eq!(parsed("http://127.0.0.1:9/a/"), of("127.0.0.1:9", "/a/v1/traces"));
        for bad in ["collector:4318", "https://collector", "grpc://c:4317", "", "http://"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
