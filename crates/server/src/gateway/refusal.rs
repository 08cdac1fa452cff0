//! Why a frame is not obeyed: the code, a sentence, and when to come again.

use proto::{ErrorCode, ServerFrame, check, frame};

use crate::limits;

/// Becomes the `Error` that answers a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: ErrorCode,
    text: String,
    retry_after_ms: i64,
}

impl Refusal {
    /// Do not repeat the frame.
    pub(crate) fn new(code: ErrorCode, text: &str) -> Self {
        Self::later(code, text, 0)
    }

    /// Repeat the frame, but not before `retry_after_ms`.
    pub(crate) fn later(code: ErrorCode, text: &str, retry_after_ms: i64) -> Self {
        Self { code, text: text.to_owned(), retry_after_ms }
    }

    pub(crate) fn frame(&self, frame_ref: u32) -> ServerFrame {
        frame::refuse(frame_ref, self.code, &self.text, self.retry_after_ms)
    }
}

impl From<check::Refused> for Refusal {
    fn from(why: check::Refused) -> Self {
        Self::new(ErrorCode::Invalid, &why.0)
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        use store::Error;
        match error {
            Error::NotFound => {
                Self::new(ErrorCode::NotFound, "there is no such thing, or it is not yours to see")
            }
            Error::Forbidden => Self::new(ErrorCode::Forbidden, "this is not allowed here"),
            Error::Taken(field) => Self::new(ErrorCode::Invalid, &format!("this {field} is taken")),
            Error::Limit(why) => Self::new(ErrorCode::Limit, why),
            Error::Invalid(why) => Self::new(ErrorCode::Invalid, why),
            Error::Full => {
                let text = "the server's disk is full";
                Self::later(ErrorCode::StorageFull, text, limits::FULL_RETRY_MS)
            }
            Error::Unavailable(why) => {
                tracing::warn!(why, "the database does not answer");
                let text = "the database does not answer";
                Self::later(ErrorCode::Unavailable, text, limits::UNAVAILABLE_RETRY_MS)
            }
            Error::Internal(why) => {
                tracing::error!(why, "a fault while obeying a frame");
                Self::new(ErrorCode::Internal, "a fault of the server's; it is in its log")
            }
        }
    }
}
