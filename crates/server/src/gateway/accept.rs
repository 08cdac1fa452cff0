//! From an HTTP request to a WebSocket: draining, Origin, handshake, ticket, in this order.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use proto::Codec;
use proto::frame::{JSON_SUBPROTOCOL, PROTOBUF_SUBPROTOCOL};
use serde::Deserialize;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::fragments::Watched;
use super::pulse::Pulse;
use super::{Gateway, connection};
use crate::cache::Grant;
use crate::listen::Socket;

#[derive(Deserialize)]
pub(super) struct Asked {
    ticket: Option<String>,
}

/// `GET /v1/ws`
pub(super) async fn accept(
    State(gateway): State<Arc<Gateway>>,
    Query(asked): Query<Asked>,
    mut request: Request,
) -> Response {
    if *gateway.drain.borrow() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "this gateway is draining");
    }
    let headers = request.headers();
    if !origin_allowed(headers, &gateway.config.origins) {
        return refuse(StatusCode::FORBIDDEN, "this Origin may not connect here");
    }
    let Some(accept_key) = accept_key(headers) else {
        return refuse(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket of version 13");
    };
    let subprotocol = subprotocol(headers);
    let grant = match ticket(headers, asked.ticket) {
        Some(ticket) => gateway.cache.take_ticket(&ticket).await,
        None => None,
    };
    let Some(grant) = grant else {
        return refuse(StatusCode::UNAUTHORIZED, "this ticket is unknown, used or old");
    };
    let codec = match subprotocol {
        Some(JSON_SUBPROTOCOL) => Codec::Json,
        _ => Codec::Protobuf,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(upgraded(gateway, grant, codec, upgrade));
    switching(&accept_key, subprotocol)
}

/// An absent Origin is a native client. A present one must be on the list, letter by letter.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.as_bytes();
        allowed.iter().any(|known| known.as_bytes() == origin)
    })
}

/// What proves that we speak WebSocket (RFC 6455, section 4.2.2), if the request is one.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let token = |name, wanted: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())?;
        value.split(',').any(|word| word.trim().eq_ignore_ascii_case(wanted)).then_some(())
    };
    token(header::CONNECTION, "upgrade")?;
    token(header::UPGRADE, "websocket")?;
    token(header::SEC_WEBSOCKET_VERSION, "13")?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    Some(derive_accept_key(key.as_bytes()))
}

/// The first of the client's subprotocols that we know.
fn subprotocol(headers: &HeaderMap) -> Option<&'static str> {
    let asked = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let words = asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.map(str::trim).find_map(|word| {
        [PROTOBUF_SUBPROTOCOL, JSON_SUBPROTOCOL].into_iter().find(|known| *known == word)
    })
}

/// From the header, which no access log shows, or from the query, which simple clients can write.
fn ticket(headers: &HeaderMap, in_query: Option<String>) -> Option<String> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|value| value.strip_prefix("Ticket "));
    in_header.map(|ticket| ticket.trim().to_owned()).or(in_query)
}

async fn upgraded(
    gateway: Arc<Gateway>,
    grant: Grant,
    codec: Codec,
    upgrade: hyper::upgrade::OnUpgrade,
) {
    let life = gateway.pulse.as_ref().map(Pulse::life);
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "a socket broke before it became a WebSocket");
            return;
        }
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Socket>>() else {
        tracing::error!("an upgraded connection is not one of our sockets");
        return;
    };
    let socket = Watched::new(parts.io.into_inner(), parts.read_buf, life);
    connection::run(gateway, grant, codec, socket).await;
}

fn switching(accept_key: &str, subprotocol: Option<&'static str>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept_key = HeaderValue::from_str(accept_key).expect("base64 fits a header");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    response
}

fn refuse(status: StatusCode, why: &'static str) -> Response {
    (status, Body::from(why)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of them wait and do nothing: what is done now and then belongs into boxes.
    #[test]
    fn a_connection_that_waits_carries_little() {
        fn size<A, B, C, D, F>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(upgraded);
        assert!(bytes <= 4_096, "{bytes} bytes");
    }

    fn origin(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_the_very_origins_on_the_list_may_connect() {
        let allowed = ["https://chat.example.org".to_owned()];
        assert!(origin_allowed(&HeaderMap::new(), &allowed));
        assert!(origin_allowed(&origin("https://chat.example.org"), &allowed));
        for foreign in [
            "null",
            "",
            "http://chat.example.org",
            "https://CHAT.example.org",
            "https://chat.example.org:443",
            "https://chat.example.org.evil.org",
            "https://evil.org/https://chat.example.org",
            "https://chat.example.org@evil.org",
            "https://chat.example.org/",
            "https://sub.chat.example.org",
        ] {
            assert!(!origin_allowed(&origin(foreign), &allowed), "{foreign}");
        }
        let mut two = origin("https://chat.example.org");
        two.append(header::ORIGIN, "https://evil.org".parse().unwrap());
        assert!(!origin_allowed(&two, &allowed));
    }
}
