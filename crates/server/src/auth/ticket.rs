//! `GET /v1/connect`: a ticket in a redirect. One use, 30 seconds, never in a log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{Auth, random_token, session};
use crate::cache::{Grant, RateKey, Standing};

/// `GET /v1/connect`: 307 to a gateway.
pub(super) async fn connect(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = session::bearer(&auth, &headers).await?;
    let gateway = match auth.cache.gateways().await {
        None => gateway_url(&auth, &headers)?,
        Some(gateways) => less_loaded(gateways).ok_or_else(Problem::no_gateway)?,
    };
    let rate = auth.config.rates.tickets;
    let key = RateKey::Tickets(session.user_id);
    let counted = auth.cache.take_rate(key, rate).await;
    counted.map_err(Problem::too_fast)?;
    let ticket = random_token();
    let grant = Grant { user_id: session.user_id, session_hash: session.token_hash };
    let lives = Duration::from_millis(auth.config.timers.ticket_ms);
    if !auth.cache.put_ticket(&ticket, grant, lives).await {
        return Err(Problem::no_ticket());
    }
    let location = HeaderValue::from_str(&format!("{gateway}/v1/ws?ticket={ticket}"))
        .map_err(|_| bad_host())?;
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    let unshared = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, unshared);
    Ok(response)
}

/// The less loaded of two that chance picks: nearly as even as asking all, and without the herd
/// that all run to the one which was the emptiest a moment ago.
fn less_loaded(mut gateways: Vec<Standing>) -> Option<String> {
    let mut pick = || match gateways.len() {
        0 => None,
        n => Some(gateways.swap_remove(rand::random_range(0..n))),
    };
    let picked = [pick(), pick()].into_iter().flatten();
    picked.min_by_key(|gateway| gateway.connections).map(|gateway| gateway.url)
}

/// Where the gateway is: as configured, or the very address that this call came to.
fn gateway_url(auth: &Auth, headers: &HeaderMap) -> Result<String, Problem> {
    if let Some(url) = &auth.config.public_url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let host =
        headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(bad_host)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(bad_host());
    }
    Ok(format!("{}://{host}", auth.config.scheme("ws")))
}

fn bad_host() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the Host header names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_of_two_gateways_gets_nobody_and_one_alone_gets_everybody() {
        let gateway = |url: &str, connections| Standing { url: url.to_owned(), connections };
        for _ in 0..100 {
            let two = vec![gateway("full", 9), gateway("empty", 1)];
            assert_eq!(less_loaded(two).as_deref(), Some("empty"));
        }
        assert_eq!(less_loaded(vec![gateway("full", 9)]).as_deref(), Some("full"));
        assert_eq!(less_loaded(Vec::new()), None);
    }
}
