//! Where a run under faults takes a part of the line out: `NATTER_SEAM=no_resend=1`. Only builds
//! with debug assertions look; in a release there is nothing of it.

#[cfg(debug_assertions)]
use std::sync::LazyLock;

#[cfg(debug_assertions)]
fn is_set(name: &str) -> bool {
    let text = std::env::var("NATTER_SEAM").unwrap_or_default();
    text.split(',').any(|part| part.split_once('=').is_some_and(|(found, _)| found == name))
}

/// `true`: what was under way when a line broke is not sent again on the next one.
pub(crate) fn has_no_resend() -> bool {
    #[cfg(debug_assertions)]
    {
        static SET: LazyLock<bool> = LazyLock::new(|| is_set("no_resend"));
        *SET
    }
    #[cfg(not(debug_assertions))]
    false
}

/// `true`: nobody asks for what is missing.
pub(crate) fn has_no_gap_fill() -> bool {
    #[cfg(debug_assertions)]
    {
        static SET: LazyLock<bool> = LazyLock::new(|| is_set("no_gap_fill"));
        *SET
    }
    #[cfg(not(debug_assertions))]
    false
}
