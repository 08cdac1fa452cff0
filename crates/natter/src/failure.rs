//! Why a command ended, as an exit code and a sentence. Documented in `docs/cli.md`.

use std::process::ExitCode;

/// The exit codes of natter. Most of 2 (wrong usage) is clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotLoggedIn = 3,
    NoLine = 4,
    Refused = 5,
    NotFound = 6,
}

/// A command that did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        use client::Error;
        let exit = match &error {
            Error::SignedOut(_) => Exit::NotLoggedIn,
            Error::Offline | Error::Silent(_) | Error::Stopped(_) | Error::Unreachable { .. } => {
                Exit::NoLine
            }
            Error::Refused { code: proto::ErrorCode::NotFound, .. } => Exit::NotFound,
            Error::Refused { .. } | Error::Http { .. } | Error::Invalid(_) => Exit::Refused,
            Error::NobodyCalled(_) | Error::NoGroup(_) => Exit::NotFound,
            Error::Disk(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}
