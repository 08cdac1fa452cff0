//! argon2id, off the async threads, a few at a time: 25 to 36 ms and 19 MiB each is what makes it
//! good, and what would make it an attack on us if anybody could ask for any number at once.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::limits;

/// Hashed where nobody has the handle, so that a wrong name takes as long as a wrong password.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password"));

/// Where passwords wait for their turn.
pub(super) struct Gate {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Gate {
    pub(super) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        // Made ahead, so that the first wrong name does not take twice as long.
        tokio::task::spawn_blocking(|| LazyLock::force(&NOBODY));
        Self {
            running: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: Semaphore::new(limits::PASSWORDS_WAITING_MAX),
        }
    }

    /// The PHC string to be stored.
    pub(super) async fn hash(&self, password: String) -> Result<String, Problem> {
        let turn = self.turn().await?;
        Ok(run(turn, move || hash_now(&password)).await)
    }

    /// Is it this password? `stored` is `None` where nobody has the handle: the same work, and no.
    pub(super) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Problem> {
        let turn = self.turn().await?;
        let work = move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| NOBODY.clone());
            verify_now(&password, &stored) && known
        };
        Ok(run(turn, work).await)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let _place = self.waiting.try_acquire().map_err(|_| Problem::too_fast(1_000))?;
        let turn = Arc::clone(&self.running).acquire_owned().await;
        Ok(turn.expect("this semaphore is never closed"))
    }
}

/// Runs the work with its turn, which it keeps to its end even if the caller has gone meanwhile.
async fn run<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let worked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    worked.await.expect("hashing does not panic and is never cancelled")
}

fn hash_now(password: &str) -> String {
    // The defaults of this crate are OWASP's minimum: argon2id, 19 MiB, two passes, one lane. A
    // test holds that.
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("the default parameters are valid and the machine has randomness")
        .to_string()
}

fn verify_now(password: &str, stored: &str) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else {
        tracing::error!("a stored password hash cannot be read");
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_kept_as_argon2id_with_19_mib_and_two_passes() {
        let stored = hash_now("correct horse");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify_now("correct horse", &stored));
        assert!(!verify_now("correct horsf", &stored));
        assert_ne!(stored, hash_now("correct horse"));
    }
}
