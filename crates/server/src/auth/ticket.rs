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
        Some(gateways) => pick(&auth, gateways).await.ok_or_else(Problem::no_gateway)?,
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

/// Some gateway that lives. One that died a moment ago still holds its lease, and seems to be the
/// emptiest; but nobody listens on its channel.
async fn pick(auth: &Auth, mut gateways: Vec<Standing>) -> Option<String> {
    while let Some(gateway) = less_loaded(&mut gateways) {
        if auth.bus.is_reached(gateway.process).await {
            return Some(gateway.url);
        }
    }
    None
}

/// Takes the less loaded of two that chance picks: nearly as even as asking all, and without the
/// herd that all run to the one which was the emptiest a moment ago.
fn less_loaded(gateways: &mut Vec<Standing>) -> Option<Standing> {
    let n = gateways.len();
    if n == 0 {
        return None;
    }
    let (one, other) = (rand::random_range(0..n), rand::random_range(0..n));
    let less = if gateways[one].connections <= gateways[other].connections { one } else { other };
    Some(gateways.swap_remove(less))
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
    fn the_fuller_of_two_gateways_gets_few_and_one_alone_gets_everybody() {
        let gateway = |process, connections| Standing { process, url: String::new(), connections };
        let mut to_the_full_one = 0;
        for _ in 0..1_000 {
            let mut two = vec![gateway(1, 9), gateway(2, 1)];
            to_the_full_one += u32::from(less_loaded(&mut two).unwrap().process == 1);
            assert_eq!(two.len(), 1);
        }
        // Only where chance picks it twice: one time in four.
        assert!((150..350).contains(&to_the_full_one), "{to_the_full_one}");
        assert_eq!(less_loaded(&mut vec![gateway(1, 9)]).unwrap().process, 1);
        assert_eq!(less_loaded(&mut Vec::new()), None);
    }
}
