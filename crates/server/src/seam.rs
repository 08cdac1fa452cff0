//! Where a run under faults can break this process at the very place that no signal from outside
//! hits: `NATTER_SEAM=die_after_commit=40` or `NATTER_SEAM=deaf_to_every=10,no_gap_fill=1`. Only
//! builds with debug assertions look; in a release there is nothing of it.

#[cfg(debug_assertions)]
use std::sync::LazyLock;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// A place, and how often it was passed.
#[cfg(debug_assertions)]
struct Seam {
    /// None: nothing is set for it.
    every: LazyLock<Option<u64>>,
    passed: AtomicU64,
}

#[cfg(debug_assertions)]
macro_rules! seam {
    ($name:literal) => {{
        static SEAM: Seam = Seam { every: LazyLock::new(|| set($name)), passed: AtomicU64::new(0) };
        &SEAM
    }};
}

/// What is set for this name.
#[cfg(debug_assertions)]
fn set(name: &str) -> Option<u64> {
    let text = std::env::var("NATTER_SEAM").ok()?;
    let mut parts = text.split(',').filter_map(|part| part.split_once('='));
    let (_, number) = parts.find(|(found, _)| *found == name)?;
    number.parse().ok().filter(|every| *every > 0)
}

/// Is it this place's turn?
#[cfg(debug_assertions)]
fn is_due(seam: &Seam) -> bool {
    seam.every.is_some_and(|every| {
        (seam.passed.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every)
    })
}

/// Messages are committed and nobody has been told: the worst moment to die.
pub(crate) fn committed() {
    #[cfg(debug_assertions)]
    if is_due(seam!("die_after_commit")) {
        std::process::abort();
    }
}

/// `true`: this word of another gateway is lost.
pub(crate) fn is_deaf() -> bool {
    #[cfg(debug_assertions)]
    return is_due(seam!("deaf_to_every"));
    #[cfg(not(debug_assertions))]
    false
}

/// `true`: this word within this process is lost.
pub(crate) fn is_deaf_here() -> bool {
    #[cfg(debug_assertions)]
    return is_due(seam!("deaf_here_to_every"));
    #[cfg(not(debug_assertions))]
    false
}

/// `true`: nobody looks for what is missing before a message.
pub(crate) fn has_no_gap_fill() -> bool {
    #[cfg(debug_assertions)]
    return is_due(seam!("no_gap_fill"));
    #[cfg(not(debug_assertions))]
    false
}

/// `true`: a connection subscribes when it has read the store, and not before.
pub(crate) fn subscribes_late() -> bool {
    #[cfg(debug_assertions)]
    return is_due(seam!("late_subscription"));
    #[cfg(not(debug_assertions))]
    false
}
