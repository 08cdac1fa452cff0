//! The last step of a mail: to a mail server, or, where none is configured, to a directory. Other
//! ways to tell somebody are in `doors/`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::response::{Category, Code, Detail, Severity};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::fs;

use super::Fault;
use super::letter::{self, Letter};
use crate::config::Config;
use crate::error::Error;
use crate::limits;

/// Where mails go.
pub(crate) struct Mailer {
    from: Mailbox,
    way: Way,
    /// For connecting; see `limits::MAIL_STEPS` for a whole mail.
    step: Duration,
}

enum Way {
    Smtp(Smtp),
    /// Files named so that they sort by time; `natter mail` shows them.
    Directory(PathBuf),
}

/// 503, "bad sequence of commands": somebody left this line in the middle of a mail. It says
/// nothing about the next one.
const OUT_OF_STEP: Code = Code {
    severity: Severity::PermanentNegativeCompletion,
    category: Category::Syntax,
    detail: Detail::Three,
};

/// What a mail server says of itself and not of the mail: it ends (421), or it does not want our
/// login (RFC 4954: 454, 530, 534, 535, 538). Somebody may mend that, and then every mail goes out.
const OF_THE_SERVER: &[u16] = &[421, 454, 530, 534, 535, 538];

type Pool = AsyncSmtpTransport<Tokio1Executor>;

struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    /// A mail that is given up in the middle gives its line back as it is. So a pool in which a
    /// line hung is not used again; mails that are under way keep it until they are done.
    pool: Mutex<Pool>,
}

impl Mailer {
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let wrong = |setting: &str, why: String| Error::Config(format!("{why} (`{setting}`)"));
        let from = config.mail_from.parse();
        let from = from.map_err(|error| wrong("mail_from", format!("no address: {error}")))?;
        let step = Duration::from_millis(config.timers.mail_step_ms);
        let way = match &config.smtp {
            None => Way::Directory(config.data.join("mail")),
            Some(url) => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
                // The URL may hold a password: what is wrong is told, not what it says.
                let why = |_| wrong("smtp", "not smtp://… or smtps://…".into());
                let pool = PoolConfig::new().max_size(limits::JOBS_AT_ONCE);
                let transport = transport.map_err(why)?.pool_config(pool);
                let builder = transport.timeout(Some(step));
                Way::Smtp(Smtp { pool: Mutex::new(builder.clone().build()), builder })
            }
        };
        Ok(Self { from, way, step })
    }

    /// When this returns Ok the mail server has taken the mail over, or it is on the disk.
    pub(super) async fn send(&self, letter: &Letter, now: i64) -> Result<(), Fault> {
        let message = letter::message(letter, &self.from, now)?;
        match &self.way {
            Way::Directory(directory) => {
                let name = format!("{now}-{}.eml", letter.id);
                let kept = keep(directory, &name, &message.formatted()).await;
                kept.map_err(|error| Fault::Later(format!("{}: {error}", directory.display())))
            }
            Way::Smtp(smtp) => {
                let longest = self.step * limits::MAIL_STEPS;
                let pool = smtp.lock().clone();
                match tokio::time::timeout(longest, pool.send(message)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) if error.status() == Some(OUT_OF_STEP) => {
                        *smtp.lock() = smtp.builder.clone().build();
                        Err(Fault::Away(error.to_string()))
                    }
                    Ok(Err(error)) if error.status().is_some_and(is_of_the_server) => {
                        Err(Fault::Away(error.to_string()))
                    }
                    Ok(Err(error)) if error.is_permanent() => {
                        Err(Fault::Refused(error.to_string()))
                    }
                    Ok(Err(error)) if error.is_transient() => Err(Fault::Later(error.to_string())),
                    Ok(Err(error)) => Err(Fault::Away(error.to_string())),
                    Err(_) => {
                        *smtp.lock() = smtp.builder.clone().build();
                        Err(Fault::Away("the mail server does not answer".into()))
                    }
                }
            }
        }
    }
}

fn is_of_the_server(code: Code) -> bool {
    OF_THE_SERVER.contains(&code.into())
}

impl Smtp {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under its name when it is whole, never before. The oldest mails give way.
async fn keep(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(directory).await?;
    let unfinished = directory.join(format!(".{name}"));
    fs::write(&unfinished, bytes).await?;
    fs::rename(&unfinished, directory.join(name)).await?;
    let mut names = Vec::new();
    let mut entries = fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        // What begins with a dot is somebody else's, and not finished.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            names.push(entry.file_name());
        }
    }
    names.sort_unstable();
    let excess = names.len().saturating_sub(limits::MAILS_KEPT_MAX);
    for old in &names[..excess] {
        match fs::remove_file(directory.join(old)).await {
            // Who writes beside us makes room, too.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[tokio::test]
    async fn mails_that_are_kept_at_once_in_a_full_directory_do_not_meet() {
        let directory = std::env::temp_dir().join(format!("natter-kept-{}", rand::random::<u64>()));
        std::fs::create_dir_all(&directory).unwrap();
        for n in 0..limits::MAILS_KEPT_MAX {
            std::fs::write(directory.join(format!("1-{n:04}.eml")), "old").unwrap();
        }
        let names: Vec<String> = (0..200).map(|n| format!("2-{n:04}.eml")).collect();
        let kept = names.iter().map(|name| keep(&directory, name, b"new"));
        for kept in futures_util::future::join_all(kept).await {
            kept.unwrap();
        }
        for name in &names {
            assert!(directory.join(name).exists(), "{name}");
        }
        let left = std::fs::read_dir(&directory).unwrap().count();
        assert!(left <= limits::MAILS_KEPT_MAX, "{left}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
