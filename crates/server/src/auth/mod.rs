//! THE AUTH ROLE: who you are, before any connection. Accounts, sessions, and the ticket that opens
//! one WebSocket. The table of calls is in `docs/protocol.md`, "HTTP"; the journey in
//! `docs/flows/connect.md`.

mod account;
mod notices;
mod pages;
mod password;
mod problem;
mod session;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use store::Store;

use crate::bus::Bus;
use crate::cache::Cache;
use crate::config::Config;
use crate::counters::Counters;
use crate::limits;
use crate::outward::Outward;
use crate::token::{random_token, token_hash};
use problem::Problem;

/// What the calls of this role share.
pub(crate) struct Auth {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) bus: Arc<Bus>,
    pub(crate) cache: Arc<Cache>,
    outward: Outward,
    passwords: password::Gate,
}

/// The HTTP calls of this role.
pub(crate) fn routes(
    config: Arc<Config>,
    store: Store,
    bus: Arc<Bus>,
    cache: Arc<Cache>,
    counters: Arc<Counters>,
) -> Router {
    let outward = Outward::new(&config);
    let auth = Auth {
        config,
        store,
        bus,
        cache,
        outward,
        passwords: password::Gate::new(Arc::clone(&counters)),
    };
    Router::new()
        .route("/v1/signup", post(account::signup))
        .route("/v1/login", post(account::login))
        .route("/v1/password", post(account::change_password))
        .route("/v1/address", put(account::change_address))
        .route("/v1/logout", post(session::logout))
        .route("/v1/sessions", get(session::list))
        .route("/v1/sessions/{id}", delete(session::end))
        .route("/v1/notices", get(notices::list).put(notices::change))
        .route("/v1/connect", get(ticket::connect))
        .merge(pages::routes())
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(counters, counted))
        .with_state(Arc::new(auth))
}

/// Counts the answer by its class.
async fn counted(State(counters): State<Arc<Counters>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        counters.rate_http.add(1);
    }
    let counter = match status.as_u16() {
        300..400 => &counters.http_3xx,
        400..500 => &counters.http_4xx,
        500.. => &counters.http_5xx,
        _ => &counters.http_2xx,
    };
    counter.add(1);
    response
}

/// A call that takes too long (most likely a body that trickles in) is ended.
async fn in_time(request: Request, next: Next) -> Response {
    let longest = Duration::from_millis(limits::HTTP_CALL_MS_MAX);
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the call took too long").into_response()
        }
    }
}
