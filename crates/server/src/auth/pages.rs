//! The pages behind the links in mails: plain HTML, no script, nothing from elsewhere.
//!
//! A GET changes nothing, because mail programs and virus scanners follow links; the button on the
//! page does. Only unsubscribing is one click from the mail program itself (RFC 8058), by POST.

use std::sync::{Arc, LazyLock};

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Form, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proto::{check, clean};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::Purpose;

use super::account::{count_account, count_address, count_reset};
use super::problem::Problem;
use super::{Auth, notices, session, token_hash};
use crate::clock;
use crate::html::escaped;
use crate::peer::Peer;

pub(super) fn routes() -> Router<Arc<Auth>> {
    Router::new()
        .route("/v1/confirm/{token}", get(ask_confirm).post(confirm))
        .route("/v1/forgot", get(ask_forgot).post(forgot))
        .route("/v1/reset/{token}", get(ask_reset).post(reset))
        .route("/v1/unsubscribe/{token}", get(ask_unsubscribe).post(unsubscribe))
        .route("/v1/mail/{token}", get(notices::show).post(notices::save))
        .layer(middleware::from_fn(own_forms_only))
}

pub(super) type Answer = Result<Response, Trouble>;

/// Why a page does not come: the same as for programs, told to a person.
pub(super) struct Trouble(Problem);

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(why: E) -> Self {
        Self(why.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, detail, retry_after_s) = self.0.told();
        let said = format!("<p>{}. Go back and try again.</p>", escaped(detail));
        let mut response = page(status, "That did not work", &said);
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:32rem;margin:3rem auto;\
                     padding:0 1rem;overflow-wrap:anywhere;color-scheme:light dark}\
                     label{display:block;margin:.7rem 0}";

/// Nothing is loaded, nothing runs, only our own style counts, forms go back to where they came
/// from, and nobody frames it.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 fits a header")
});

/// One page. `body` is HTML already.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title} · natter</title>\
         <style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    );
    let fixed = HeaderValue::from_static;
    let headers = [
        // The address of the page is a secret: it is kept nowhere and told to nobody.
        (header::CACHE_CONTROL, fixed("no-store")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
    ];
    (status, headers, Html(html)).into_response()
}

/// A form that another site's page sends is refused; browsers say so themselves. Mail programs that
/// unsubscribe with one click say nothing of the kind.
async fn own_forms_only(request: Request, next: Next) -> Response {
    let from = request.headers().get("sec-fetch-site");
    let foreign = from.is_some_and(|site| site != "same-origin" && site != "none");
    if foreign && request.method() == Method::POST {
        let why = "this form was sent by another site";
        return Trouble(Problem::new(StatusCode::FORBIDDEN, why)).into_response();
    }
    next.run(request).await
}

fn button(text: &str) -> String {
    format!("<form method=post><button>{text}</button></form>")
}

pub(super) fn over() -> Response {
    let body = "<p>This link was used already, or it is too old, or the account has another \
                address now. natter address ADDRESS asks for a new one.</p>";
    page(StatusCode::NOT_FOUND, "This link is over", body)
}

/// Whose link it is, without using it up.
pub(super) async fn owner(
    auth: &Auth,
    token: &str,
    purpose: Purpose,
) -> Result<Option<i64>, Problem> {
    let hash = token_hash(token);
    Ok(auth.store.mail_token_of(&hash, purpose, clock::now()).await?)
}

// ── confirming an address ───────────────────────────────────────────────────────────────────────

async fn ask_confirm(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    let Some(user_id) = owner(&auth, &token, Purpose::Confirm).await? else {
        return Ok(over());
    };
    let Some(person) = auth.store.recipient(user_id).await? else {
        return Ok(over());
    };
    let address = person.email.unwrap_or_default();
    let said = format!(
        "<p>{} is the address of the account @{}.</p>{}",
        escaped(&clean::line(&address)),
        escaped(&person.handle),
        button("Yes, it is mine")
    );
    Ok(page(StatusCode::OK, "Is this your address?", &said))
}

async fn confirm(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    match auth.store.confirm_address(&token_hash(&token), clock::now()).await? {
        None => Ok(over()),
        Some(user_id) => {
            tracing::info!(user_id, "confirmed the address");
            let body = "<p>The address is yours. You can close this page.</p>";
            Ok(page(StatusCode::OK, "Thank you", body))
        }
    }
}

// ── a new password ──────────────────────────────────────────────────────────────────────────────

#[derive(Deserialize)]
struct ForgotForm {
    email: String,
}

async fn ask_forgot() -> Response {
    let body = "<form method=post><label>The address of your account \
                <input name=email type=email required></label>\
                <button>Send me a link</button></form>";
    page(StatusCode::OK, "Forgot your password?", body)
}

/// Says the same, after the same time, whether there is such an account or not.
async fn forgot(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    form: Result<Form<ForgotForm>, FormRejection>,
) -> Answer {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    count_address(&auth, peer.0).await?;
    check::email(&form.email).map_err(|why| Problem::field("email", why))?;
    count_account(&auth, &form.email).await?;
    count_reset(&auth, peer.0).await?;
    let store = auth.store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.ask_reset(&form.email, clock::now()).await {
            tracing::warn!(%error, "a forgotten password has to be asked for again");
        }
    });
    let body = "<p>If this is the confirmed address of an account, a mail with a link is on its \
                way. It is good for an hour.</p>";
    Ok(page(StatusCode::OK, "Look into your mail", body))
}

#[derive(Deserialize)]
struct PasswordForm {
    password: String,
}

const PASSWORD_FORM: &str = "<form method=post><label>New password \
    <input name=password type=password autocomplete=new-password required></label>\
    <button>Set it and end all logins</button></form>";

async fn ask_reset(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    if owner(&auth, &token, Purpose::Reset).await?.is_none() {
        return Ok(over());
    }
    Ok(page(StatusCode::OK, "A new password", PASSWORD_FORM))
}

async fn reset(
    State(auth): State<Arc<Auth>>,
    Extension(peer): Extension<Peer>,
    Path(token): Path<String>,
    form: Result<Form<PasswordForm>, FormRejection>,
) -> Answer {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    count_address(&auth, peer.0).await?;
    // Before the hash is paid for: this call needs no login.
    if owner(&auth, &token, Purpose::Reset).await?.is_none() {
        return Ok(over());
    }
    if let Err(why) = check::password(&form.password) {
        let body = format!("<p>{}.</p>{PASSWORD_FORM}", escaped(&why.0));
        return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, "Not this one", &body));
    }
    let pass_hash = auth.passwords.hash(form.password).await?;
    let hash = token_hash(&token);
    let done = auth.store.reset_password(&hash, &pass_hash, clock::now()).await?;
    let Some((user_id, ended)) = done else {
        return Ok(over());
    };
    for hash in ended {
        session::revoke(&auth, user_id, &hash).await;
    }
    tracing::info!(user_id, "set a new password by mail");
    let body = "<p>The new password is set, and all logins have ended: natter login.</p>";
    Ok(page(StatusCode::OK, "Done", body))
}

// ── no more notices ─────────────────────────────────────────────────────────────────────────────

async fn ask_unsubscribe(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    match owner(&auth, &token, Purpose::Settings).await? {
        None => Ok(over()),
        Some(_) => Ok(page(StatusCode::OK, "No more mails?", &button("No more mails"))),
    }
}

/// The button of the page, and the one click of RFC 8058: the body does not matter.
async fn unsubscribe(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    let Some(user_id) = owner(&auth, &token, Purpose::Settings).await? else {
        return Ok(over());
    };
    auth.store.unsubscribe(user_id).await?;
    tracing::info!(user_id, "unsubscribed");
    let body = "<p>natter writes no more mails about messages to you. natter notices --mail brings \
                them back.</p>";
    Ok(page(StatusCode::OK, "Done", body))
}

pub(super) fn bad_form(error: &FormRejection) -> Problem {
    Problem::new(error.status(), "this is not what the page sends")
}
