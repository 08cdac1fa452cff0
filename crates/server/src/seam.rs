//! Where a run under faults can break this process at the very place that no signal from outside
//! hits: `NATTER_SEAM=die_after_commit=40` or `NATTER_SEAM=deaf_to_every=10`. Only builds with
//! debug assertions look; in a release there is nothing of it.

#[cfg(debug_assertions)]
use std::sync::LazyLock;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// What is set, and how often its place was passed.
#[cfg(debug_assertions)]
struct Seam {
    name: String,
    every: u64,
    passed: AtomicU64,
}

#[cfg(debug_assertions)]
static SEAM: LazyLock<Option<Seam>> = LazyLock::new(|| {
    let text = std::env::var("NATTER_SEAM").ok()?;
    let (name, every) = text.split_once('=')?;
    let every = every.parse().ok().filter(|every| *every > 0)?;
    Some(Seam { name: name.to_owned(), every, passed: AtomicU64::new(0) })
});

/// Is it this place's turn?
#[cfg(debug_assertions)]
fn is_due(name: &str) -> bool {
    let seam = SEAM.as_ref().filter(|seam| seam.name == name);
    seam.is_some_and(|seam| {
        (seam.passed.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(seam.every)
    })
}

/// Messages are committed and nobody has been told: the worst moment to die.
pub(crate) fn committed() {
    #[cfg(debug_assertions)]
    if is_due("die_after_commit") {
        std::process::abort();
    }
}

/// `true`: this word of another gateway is lost.
pub(crate) fn is_deaf() -> bool {
    #[cfg(debug_assertions)]
    return is_due("deaf_to_every");
    #[cfg(not(debug_assertions))]
    false
}
