//! The HTTP calls before a connection. `server` is `http(s)://HOST[:PORT]`.

use hyper::header::{LOCATION, RETRY_AFTER};
use hyper::{Method, StatusCode, Uri};
use proto::{check, clean, http};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dial::{self, Answer, Way};
use crate::{Error, Login, Result};

/// Makes an account and logs in. `Http{409}`: the handle is taken.
pub async fn signup(server: &str, signup: &http::Signup) -> Result<Login> {
    let checked = check::handle(&signup.handle)
        .and_then(|()| check::password(&signup.password))
        .and_then(|()| signup.name.as_deref().map_or(Ok(()), check::name))
        .and_then(|()| signup.email.as_deref().map_or(Ok(()), check::email));
    checked.map_err(|refused| Error::Invalid(refused.0))?;
    let uri = dial::address(server, "/v1/signup")?;
    let granted =
        refuse_or_read(dial::call(&Way::Tcp, Method::POST, &uri, None, json(signup)).await?)?;
    Ok(kept(server, granted))
}

/// `Http{401}`: wrong handle or password, without saying which.
pub async fn login(server: &str, login: &http::Login) -> Result<Login> {
    let uri = dial::address(server, "/v1/login")?;
    let granted =
        refuse_or_read(dial::call(&Way::Tcp, Method::POST, &uri, None, json(login)).await?)?;
    Ok(kept(server, granted))
}

/// Ends this session on the server.
pub async fn logout(login: &Login) -> Result<()> {
    refused(signed(Method::POST, login, "/v1/logout", None).await?).map(drop)
}

/// Changes the password and ends all other sessions. `Http{403}`: the old one is wrong.
pub async fn change_password(login: &Login, change: &http::PasswordChange) -> Result<()> {
    check::password(&change.new).map_err(|refused| Error::Invalid(refused.0))?;
    refused(signed(Method::POST, login, "/v1/password", json(change)).await?).map(drop)
}

/// Asks this address, by a mail, whether it belongs to the account. `Http{403}`: a wrong password;
/// `Http{409}`: another account has it.
pub async fn set_address(login: &Login, change: &http::AddressChange) -> Result<()> {
    check::email(&change.email).map_err(|refused| Error::Invalid(refused.0))?;
    refused(signed(Method::PUT, login, "/v1/address", json(change)).await?).map(drop)
}

/// Where else this account is logged in.
pub async fn sessions(login: &Login) -> Result<Vec<http::SessionInfo>> {
    let answer = signed(Method::GET, login, "/v1/sessions", None).await?;
    let mut sessions: Vec<http::SessionInfo> = refuse_or_read(answer)?;
    for session in &mut sessions {
        session.device = clean::line(&session.device).into_owned();
    }
    Ok(sessions)
}

/// Ends one of them, by [`http::SessionInfo::id`].
pub async fn end_session(login: &Login, id: &str) -> Result<()> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::Invalid("a session's id is hexadecimal".into()));
    }
    let path = format!("/v1/sessions/{id}");
    refused(signed(Method::DELETE, login, &path, None).await?).map(drop)
}

/// What this account is told while it is away, and how.
pub async fn notices(login: &Login) -> Result<http::Notices> {
    cleaned(refuse_or_read(signed(Method::GET, login, "/v1/notices", None).await?)?)
}

/// Changes it; the answer is what holds now.
pub async fn set_notices(login: &Login, wanted: &http::Notices) -> Result<http::Notices> {
    let answer = signed(Method::PUT, login, "/v1/notices", json(wanted)).await?;
    cleaned(refuse_or_read(answer)?)
}

fn cleaned(mut notices: http::Notices) -> Result<http::Notices> {
    let texts = [&mut notices.url, &mut notices.address, &mut notices.fault, &mut notices.key];
    for text in texts.into_iter().flatten() {
        *text = clean::line(text).into_owned();
    }
    Ok(notices)
}

/// Where to go with which ticket. The ticket is a password for 30 seconds: it is in no error and no
/// log.
pub(crate) struct Ticket {
    pub gateway: Uri,
    pub ticket: String,
}

/// Why there is no ticket.
pub(crate) struct NoTicket {
    pub error: Error,
    /// Milliseconds that the server wants to be left alone; 0 = it did not say.
    pub retry_after_ms: u64,
}

/// `GET /v1/connect`: the redirect to a gateway, followed by hand, because the ticket in it has to
/// leave the address.
pub(crate) async fn connect(way: &Way, login: &Login) -> std::result::Result<Ticket, NoTicket> {
    let no = |error| NoTicket { error, retry_after_ms: 0 };
    let answer = signed_by(way, Method::GET, login, "/v1/connect", None).await.map_err(no)?;
    if answer.status == StatusCode::TEMPORARY_REDIRECT {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        return ticket(&login.server, location.unwrap_or_default()).map_err(no);
    }
    let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_ms = seconds.and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
    let error = match refused(answer) {
        Ok(_) => Error::Http { status: 200, detail: "this is no natter server".into() },
        Err(error) => error,
    };
    Err(NoTicket { error, retry_after_ms: retry_after_ms.saturating_mul(1_000) })
}

fn ticket(server: &str, location: &str) -> Result<Ticket> {
    let wrong = || Error::Http { status: 307, detail: "the redirect leads nowhere".into() };
    let uri: Uri = location.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    // Who came by TLS is not sent away without it.
    let allowed = scheme == "wss" || (scheme == "ws" && server.starts_with("http://"));
    let mut ticket = None;
    let mut rest = Vec::new();
    for part in uri.query().unwrap_or_default().split('&') {
        match part.strip_prefix("ticket=") {
            Some(value) => ticket = Some(value.to_owned()),
            None if part.is_empty() => {}
            None => rest.push(part),
        }
    }
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    let gateway = format!("{scheme}://{authority}{}{query}", uri.path());
    match (allowed, ticket, gateway.parse()) {
        (true, Some(ticket), Ok(gateway)) => Ok(Ticket { gateway, ticket }),
        _ => Err(wrong()),
    }
}

async fn signed(
    method: Method,
    login: &Login,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer> {
    signed_by(&Way::Tcp, method, login, path, body).await
}

async fn signed_by(
    way: &Way,
    method: Method,
    login: &Login,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<Answer> {
    let uri = dial::address(&login.server, path)?;
    let answer = dial::call(way, method, &uri, Some(&login.token), body).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        let why = match refused(answer) {
            Err(Error::Http { detail, .. }) => detail,
            _ => "the session is not valid".into(),
        };
        return Err(Error::SignedOut(why));
    }
    Ok(answer)
}

/// Not in the 200s: what the problem says, or at least its number.
fn refused(answer: Answer) -> Result<Answer> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let problem = serde_json::from_slice::<http::Problem>(&answer.body);
    let detail = match problem {
        Ok(problem) if !problem.detail.is_empty() => clean::line(&problem.detail).into_owned(),
        _ => format!("the server answered {}", answer.status),
    };
    Err(Error::Http { status: answer.status.as_u16(), detail })
}

fn refuse_or_read<T: DeserializeOwned>(answer: Answer) -> Result<T> {
    let answer = refused(answer)?;
    let status = answer.status.as_u16();
    // serde's own sentence could quote a token
    serde_json::from_slice(&answer.body)
        .map_err(|_| Error::Http { status, detail: "this is no natter server".into() })
}

fn kept(server: &str, granted: http::SessionGranted) -> Login {
    Login {
        server: server.trim_end_matches('/').to_owned(),
        user_id: granted.user_id,
        handle: clean::line(&granted.handle).into_owned(),
        token: granted.token,
    }
}

fn json(body: &impl Serialize) -> Option<Vec<u8>> {
    Some(serde_json::to_vec(body).expect("plain strings and numbers fit JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_leaves_the_address() {
        let found = ticket("http://a", "ws://gw:1/v1/ws?x=1&ticket=se-cret_").unwrap();
        assert_eq!(found.gateway.to_string(), "ws://gw:1/v1/ws?x=1");
        assert_eq!(found.ticket, "se-cret_");
        let plain = ticket("https://a", "wss://gw/v1/ws?ticket=t").unwrap();
        assert_eq!(plain.gateway.to_string(), "wss://gw/v1/ws");
    }

    #[test]
    fn a_redirect_that_gives_up_tls_or_has_no_ticket_is_not_followed() {
        for (server, location) in [
            ("https://a", "ws://gw/v1/ws?ticket=t"),
            ("http://a", "http://gw/v1/ws?ticket=t"),
            ("http://a", "ws://gw/v1/ws"),
            ("http://a", "/v1/ws?ticket=t"),
            ("http://a", ""),
        ] {
            assert!(ticket(server, location).is_err(), "{server} {location}");
        }
    }
}
