//! Errors of the HTTP calls: `application/problem+json`, RFC 9457.

use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::{check, http};

use crate::limits;

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<&'static str>,
    retry_after_s: Option<i64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), field: None, retry_after_s: None }
    }

    /// 422: this field, for this reason.
    pub(super) fn field(field: &'static str, why: check::Refused) -> Self {
        Self { field: Some(field), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, why.0) }
    }

    /// 409: somebody has it already.
    pub(super) fn taken(field: &'static str) -> Self {
        let detail = format!("this {field} is taken");
        Self { field: Some(field), ..Self::new(StatusCode::CONFLICT, detail) }
    }

    /// 429: not now.
    pub(super) fn too_fast(retry_after_ms: i64) -> Self {
        let detail = "too many tries, wait a little";
        Self {
            retry_after_s: Some(retry_after_ms / 1_000 + 1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// 401: the token is not, or no longer, that of a session.
    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "log in first: this session is unknown or has ended")
    }

    fn later(detail: &str, retry_after_ms: i64) -> Self {
        Self {
            retry_after_s: Some(retry_after_ms / 1_000 + 1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// What a page tells a person: the status, a sentence, and when to come again, in seconds.
    pub(super) fn told(&self) -> (StatusCode, &str, Option<i64>) {
        (self.status, &self.detail, self.retry_after_s)
    }

    /// 503: there is no room for one more ticket.
    pub(super) fn no_ticket() -> Self {
        Self::later("too many are connecting, try again", limits::BUSY_RETRY_MS)
    }

    /// 503: no gateway holds a lease.
    pub(super) fn no_gateway() -> Self {
        Self::later("there is no gateway now, try again", limits::UNAVAILABLE_RETRY_MS)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound => Self::new(StatusCode::NOT_FOUND, "there is no such thing"),
            store::Error::Forbidden => Self::new(StatusCode::FORBIDDEN, "not allowed"),
            store::Error::Taken(field) => Self::taken(field),
            store::Error::Limit(why) | store::Error::Invalid(why) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, why)
            }
            store::Error::Full => Self::later("the server's disk is full", limits::FULL_RETRY_MS),
            store::Error::Unavailable(why) => {
                tracing::warn!(why, "the database does not answer");
                Self::later("the database does not answer", limits::UNAVAILABLE_RETRY_MS)
            }
            store::Error::Internal(why) => {
                tracing::error!(why, "a fault in an HTTP call");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "a fault of the server's; it is in its log",
                )
            }
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        // The rejection's own sentence may quote the body, and the body may be a password.
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body must be application/json",
            _ => "the body is not the JSON of this call",
        };
        Self::new(rejection.status(), detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = http::Problem {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            field: self.field.map(str::to_owned),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
