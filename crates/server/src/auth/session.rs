//! Sessions: who asks, which ones there are, and ending them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use proto::http;
use store::Session;

use super::problem::Problem;
use super::{Auth, token_hash};
use crate::bus::SessionId;
use crate::clock;

/// The session whose token the call carries.
pub(super) async fn bearer(auth: &Auth, headers: &HeaderMap) -> Result<Session, Problem> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(Problem::no_session)?;
    // Looked up by its hash: the time of a comparison tells a guesser nothing.
    let session = auth.store.use_session(&token_hash(token.trim()), clock::now()).await?;
    session.ok_or_else(Problem::no_session)
}

/// `POST /v1/logout`
pub(super) async fn logout(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let session = bearer(&auth, &headers).await?;
    let id = session_id(&session.token_hash);
    auth.store.end_session(session.user_id, &id).await?;
    revoke(&auth, session.user_id, &session.token_hash).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/sessions`
pub(super) async fn list(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Json<Vec<http::SessionInfo>>, Problem> {
    let asking = bearer(&auth, &headers).await?;
    let sessions = auth.store.sessions(asking.user_id, clock::now()).await?;
    let told = sessions.into_iter().map(|session| http::SessionInfo {
        id: name(&session.token_hash),
        current: session.token_hash == asking.token_hash,
        device: session.device,
        created_at: session.created_at,
        used_at: session.used_at,
    });
    Ok(Json(told.collect()))
}

/// `DELETE /v1/sessions/{id}`
pub(super) async fn end(
    State(auth): State<Arc<Auth>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let asking = bearer(&auth, &headers).await?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "you have no such session");
    let id = unhex(&id).ok_or_else(unknown)?;
    if !auth.store.end_session(asking.user_id, &id).await? {
        return Err(unknown());
    }
    auth.bus.revoke(asking.user_id, id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the live connections of a session that has ended in the store.
pub(super) async fn revoke(auth: &Auth, user_id: i64, token_hash: &[u8]) {
    auth.bus.revoke(user_id, session_id(token_hash)).await;
}

/// What a person calls a session by, as in `GET /v1/sessions`.
pub(super) fn name(token_hash: &[u8]) -> String {
    hex(&session_id(token_hash))
}

fn session_id(token_hash: &[u8]) -> SessionId {
    token_hash[..8].try_into().expect("a SHA-256 has 32 bytes")
}

fn hex(id: &SessionId) -> String {
    format!("{:016x}", u64::from_be_bytes(*id))
}

fn unhex(text: &str) -> Option<SessionId> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok().filter(|_| digits)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_sixteen_hex_digits() {
        let id = [0, 1, 2, 0xfe, 4, 5, 6, 7];
        assert_eq!(unhex(&hex(&id)), Some(id));
        for bad in ["", "0", "+123456789abcdef", "000102fe0405060708", "000102fe0405060g"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
