//! argon2id, off the async threads, a few at a time: 25 to 36 ms and 19 MiB each is what makes it
//! good, and what would make it an attack on us if anybody could ask for any number at once.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use crate::counters::Counters;
use crate::limits;

/// Hashed where nobody has the handle, so that a wrong name takes as long as a wrong password.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password"));

/// What a thread for passwords is asked to do.
type Work = Box<dyn FnOnce() + Send>;

/// Where passwords wait for their turn.
pub(super) struct Gate {
    waiting: mpsc::Sender<Work>,
    counters: Arc<Counters>,
}

impl Gate {
    /// With threads of its own, for half of the cores. A thread keeps the memory of its last run,
    /// so they must be few; those of the runtime are not.
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let (waiting, queue) = mpsc::channel::<Work>(limits::PASSWORDS_WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let cores = available_parallelism().map_or(1, usize::from);
        for _ in 0..(cores / 2).max(1) {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || work(&queue));
        }
        // Made ahead, so that the first wrong name does not take twice as long.
        tokio::task::spawn_blocking(|| LazyLock::force(&NOBODY));
        Self { waiting, counters }
    }

    /// The PHC string to be stored.
    pub(super) async fn hash(&self, password: String) -> Result<String, Problem> {
        self.run(move || hash_now(&password)).await
    }

    /// Is it this password? `stored` is `None` where nobody has the handle: the same work, and no.
    pub(super) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Problem> {
        self.run(move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(|| NOBODY.clone());
            verify_now(&password, &stored) && known
        })
        .await
    }

    /// Runs the work when its turn comes, even if the caller has gone meanwhile.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (done, result) = oneshot::channel();
        let work = move || drop(done.send(work()));
        self.waiting.try_send(Box::new(work)).map_err(|_| Problem::too_fast(1_000))?;
        // Here and not by those who ask, so that no run can be forgotten in the count.
        self.counters.passwords.add(1);
        Ok(result.await.expect("hashing does not panic and is never cancelled"))
    }
}

/// Works until nobody can ask any more.
fn work(queue: &Mutex<mpsc::Receiver<Work>>) {
    yield_to_messages();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match next {
            Some(work) => work(),
            None => return,
        }
    }
}

/// Whoever chats goes before whoever logs in. Only Linux gives a thread a priority of its own; it
/// may always be lowered.
fn yield_to_messages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(limits::PASSWORDS_NICE) {
        tracing::warn!(%error, "logins have the priority of messages");
    }
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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_flood_of_logins_leaves_the_processor_to_messages() {
        let messages = rustix::process::getpriority_process(None).unwrap();
        let gate = Gate::new(Arc::default());
        // Runs on a thread of the gate.
        let logins = gate.run(|| rustix::process::getpriority_process(None)).await;
        assert_eq!(logins.ok(), Some(Ok((messages + limits::PASSWORDS_NICE).min(19))));
    }
}
