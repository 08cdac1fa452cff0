//! Where a run under faults takes a part of this room out, or makes the disk slow:
//! `NATTER_SEAM=no_dedupe=1,slow_disk_ms=20`. Only builds with debug assertions look; in a release
//! there is nothing of it.

#[cfg(debug_assertions)]
use std::sync::LazyLock;
#[cfg(debug_assertions)]
use std::time::Duration;

/// What is set for this name.
#[cfg(debug_assertions)]
fn set(name: &str) -> Option<u64> {
    let text = std::env::var("NATTER_SEAM").ok()?;
    let parts = text.split(',').filter_map(|part| part.split_once('='));
    parts.filter(|(found, _)| *found == name).find_map(|(_, number)| number.parse().ok())
}

/// `true`: nobody remembers which key became which message.
pub(crate) fn has_no_dedupe() -> bool {
    #[cfg(debug_assertions)]
    {
        static SET: LazyLock<bool> = LazyLock::new(|| set("no_dedupe").is_some());
        *SET
    }
    #[cfg(not(debug_assertions))]
    false
}

/// SQLite is called after a wait by chance, so that something else can happen before.
pub(crate) async fn slow_disk() {
    #[cfg(debug_assertions)]
    {
        static MS: LazyLock<Option<u64>> = LazyLock::new(|| set("slow_disk_ms"));
        if let Some(ms) = *MS {
            let wait = proto::id::random_key().unsigned_abs() % (1_000 * ms + 1);
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
    }
}
