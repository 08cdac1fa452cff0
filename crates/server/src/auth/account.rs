//! Signing up, logging in, and changing the password.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use proto::{Relation, check, http, id, server_frame::Body};
use store::{Job, NewUser, Session};

use super::problem::Problem;
use super::{Auth, random_token, session, token_hash};
use crate::cache::RateKey;
use crate::outbound::Event;
use crate::peer::Peer;
use crate::{clock, limits};

const DEVICE_UNNAMED: &str = "unnamed device";

/// `POST /v1/signup`
pub(super) async fn signup(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<http::Signup>, JsonRejection>,
) -> Result<(StatusCode, Json<http::SessionGranted>), Problem> {
    let Json(signup) = body?;
    count_address(&auth, peer.0).await?;
    check::handle(&signup.handle).map_err(|why| Problem::field("handle", why))?;
    let name = signup.name.unwrap_or_else(|| signup.handle.clone());
    check::name(&name).map_err(|why| Problem::field("name", why))?;
    check::password(&signup.password).map_err(|why| Problem::field("password", why))?;
    if let Some(email) = &signup.email {
        check::email(email).map_err(|why| Problem::field("email", why))?;
    }
    let device = device(signup.device)?;
    // A taken handle is refused before the hash is paid for; two who ask at once are told apart by
    // the store.
    if auth.store.credential(&signup.handle).await?.is_some() {
        return Err(Problem::taken("handle"));
    }
    let now = clock::now();
    let user = NewUser {
        user_id: id::new(0, now),
        handle: signup.handle,
        name,
        email: signup.email,
        pass_hash: auth.passwords.hash(signup.password).await?,
    };
    auth.store.create_user(&user, now).await?;
    greet(&auth, user.user_id).await;
    let granted = grant(&auth, user.user_id, user.handle, device, None).await?;
    tracing::info!(user_id = granted.user_id, "signed up");
    Ok((StatusCode::CREATED, Json(granted)))
}

/// `POST /v1/login`
pub(super) async fn login(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<http::Login>, JsonRejection>,
) -> Result<Json<http::SessionGranted>, Problem> {
    let Json(login) = body?;
    count_address(&auth, peer.0).await?;
    count_account(&auth, &login.handle).await?;
    let device = device(login.device)?;
    if login.password.len() > limits::HTTP_BODY_BYTES_MAX {
        return Err(wrong_credentials());
    }
    let credential = auth.store.credential(&login.handle).await?;
    let (user_id, pass_hash) = match credential {
        Some(found) => (found.user_id, Some(found.pass_hash)),
        None => (0, None),
    };
    if !auth.passwords.verify(login.password, pass_hash).await? {
        return Err(wrong_credentials());
    }
    let granted = grant(&auth, user_id, login.handle, device, Some(peer)).await?;
    tracing::info!(user_id, "logged in");
    Ok(Json(granted))
}

/// `POST /v1/password`
pub(super) async fn change_password(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<http::PasswordChange>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(change) = body?;
    count_address(&auth, peer.0).await?;
    let session = session::bearer(&auth, &headers).await?;
    count_user(&auth, session.user_id).await?;
    check::password(&change.new).map_err(|why| Problem::field("new", why))?;
    let credential = auth.store.credential_of(session.user_id).await?;
    let stored = credential.map(|found| found.pass_hash);
    if !auth.passwords.verify(change.old, stored).await? {
        return Err(wrong_password());
    }
    let pass_hash = auth.passwords.hash(change.new).await?;
    auth.store.set_password(session.user_id, &pass_hash).await?;
    let ended = auth.store.end_other_sessions(session.user_id, &session.token_hash).await?;
    for hash in ended {
        session::revoke(&auth, session.user_id, &hash).await;
    }
    tracing::info!(user_id = session.user_id, "changed the password");
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v1/address`. With the password, because an address can set a new one; and not often,
/// because the mail goes to whoever is named.
pub(super) async fn change_address(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Json<http::AddressChange>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(change) = body?;
    count_address(&auth, peer.0).await?;
    let session = session::bearer(&auth, &headers).await?;
    count_user(&auth, session.user_id).await?;
    check::email(&change.email).map_err(|why| Problem::field("email", why))?;
    count_reset(&auth, peer.0).await?;
    let credential = auth.store.credential_of(session.user_id).await?;
    let stored = credential.map(|found| found.pass_hash);
    if !auth.passwords.verify(change.password, stored).await? {
        return Err(wrong_password());
    }
    auth.store.set_address(session.user_id, &change.email, clock::now()).await?;
    tracing::info!(user_id = session.user_id, "gave an address");
    Ok(StatusCode::NO_CONTENT)
}

/// The same for an unknown handle and for a wrong password.
fn wrong_credentials() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "the handle or the password is wrong")
}

/// Of somebody whose session is good: 401 would tell his client that it is not.
fn wrong_password() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "the password is wrong")
}

pub(super) async fn count_address(auth: &Auth, address: IpAddr) -> Result<(), Problem> {
    let rates = &auth.config.rates;
    let rate = if address.is_loopback() { rates.auth_loopback } else { rates.auth_address };
    let counted = auth.cache.take_rate(RateKey::address(address), rate).await;
    counted.map_err(Problem::too_fast)
}

pub(super) async fn count_account(auth: &Auth, handle: &str) -> Result<(), Problem> {
    let rate = auth.config.rates.auth_account;
    let counted = auth.cache.take_rate(RateKey::account(handle), rate).await;
    counted.map_err(Problem::too_fast)
}

/// Mails with a link that one address asks for: they go to other people.
pub(super) async fn count_reset(auth: &Auth, address: IpAddr) -> Result<(), Problem> {
    let rate = auth.config.rates.resets;
    let counted = auth.cache.take_rate(RateKey::resets(address), rate).await;
    counted.map_err(Problem::too_fast)
}

pub(super) async fn count_user(auth: &Auth, user_id: i64) -> Result<(), Problem> {
    let rate = auth.config.rates.auth_account;
    let counted = auth.cache.take_rate(RateKey::Password(user_id), rate).await;
    counted.map_err(Problem::too_fast)
}

fn device(named: Option<String>) -> Result<String, Problem> {
    let device = named.unwrap_or_else(|| DEVICE_UNNAMED.to_owned());
    check::device(&device).map_err(|why| Problem::field("device", why))?;
    Ok(device)
}

/// A new session for a user who has proved who he is. `told_of`: where he logged in from, which the
/// owner of the account is told by mail.
async fn grant(
    auth: &Auth,
    user_id: i64,
    handle: String,
    device: String,
    told_of: Option<Peer>,
) -> Result<http::SessionGranted, Problem> {
    let (token, now) = (random_token(), clock::now());
    let expires_at = now + limits::SESSION_MS;
    let session = Session {
        token_hash: token_hash(&token),
        user_id,
        device,
        created_at: now,
        used_at: now,
        expires_at,
    };
    let notice = told_of.map(|peer| Job::Login {
        user_id,
        session: session::name(&session.token_hash),
        device: session.device.clone(),
        from: in_words(peer.0),
        at: now,
    });
    auth.store.create_session(&session, notice.as_ref()).await?;
    Ok(http::SessionGranted { user_id, handle, token, expires_at })
}

/// What kind of address it is; of one in the internet the network, which a person may recognise.
fn in_words(address: IpAddr) -> String {
    match address {
        _ if address.is_loopback() => "the server's own machine".to_owned(),
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => "a private network".to_owned(),
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => {
            "a private network".to_owned()
        }
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("the internet, {a}.{b}.{c}.*")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("the internet, {a:x}:{b:x}:{c:x}:*")
        }
    }
}

/// Makes the greeter and the newcomer friends. A greeter who is missing or a fault on the way must
/// not spoil the signup, which is done already.
async fn greet(auth: &Auth, newcomer: i64) {
    let Some(handle) = &auth.config.greeter else {
        return;
    };
    let befriended = async {
        let Some(greeter) = auth.store.credential(handle).await? else {
            tracing::warn!(handle, "there is no such greeter (setting `greeter`)");
            return Ok(());
        };
        if greeter.user_id == newcomer {
            return Ok(());
        }
        auth.store.befriend(newcomer, greeter.user_id, clock::now()).await?;
        let now_they = auth.store.befriend(greeter.user_id, newcomer, clock::now()).await?;
        debug_assert_eq!(now_they.mine, Relation::Friend);
        for person in auth.store.people(greeter.user_id, &[newcomer]).await? {
            auth.bus.publish(&[greeter.user_id], &Event::new(Body::Person(person), 0)).await;
        }
        Ok::<(), store::Error>(())
    };
    if let Err(error) = befriended.await {
        tracing::warn!(%error, "a newcomer was not greeted");
    }
}
