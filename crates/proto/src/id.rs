//! Numbers that say where a thing lives: 41 bits of time, 10 bits of logical shard, 12 bits to tell
//! twins apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// Logical shards. A conversation lives whole on one of them; configuration maps them to databases.
pub const SHARDS: u16 = 1 << SHARD_BITS;
/// 2025-01-01T00:00:00Z in unix milliseconds: ids count from here and last until the year 2094.
const EPOCH_MS: i64 = 1_735_689_600_000;
const SHARD_BITS: u32 = 10;
const TWIN_BITS: u32 = 12;

/// A new id on `shard` (taken modulo [`SHARDS`]) made at `now_ms`.
///
/// Unique within a process for 4,096 ids a millisecond; two processes may collide, so a caller
/// inserts the id under a primary key and draws another on conflict.
pub fn new(shard: u16, now_ms: i64) -> i64 {
    static TWIN: AtomicU64 = AtomicU64::new(0);
    if TWIN.load(Ordering::Relaxed) == 0 {
        // Processes that start together must not count together.
        let _ = TWIN.compare_exchange(
            0,
            u64::from(rand::random::<u32>()) + 1,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
    let twin = TWIN.fetch_add(1, Ordering::Relaxed) & ((1 << TWIN_BITS) - 1);
    let time = (now_ms - EPOCH_MS).clamp(1, (1 << 41) - 1);
    (time << (SHARD_BITS + TWIN_BITS)) | (i64::from(shard % SHARDS) << TWIN_BITS) | twin as i64
}

/// The logical shard that an id names.
pub fn shard_of(id: i64) -> u16 {
    ((id >> TWIN_BITS) as u64 % u64::from(SHARDS)) as u16
}

/// The logical shard of the direct conversation of two people: the same whoever opens it, so that
/// one unique index on one shard is enough to keep it single.
pub fn direct_shard(a: i64, b: i64) -> u16 {
    let (lo, hi) = (a.min(b) as u64, a.max(b) as u64);
    // Two rounds of a multiplicative hash (Fibonacci hashing, Knuth TAOCP 3, 6.4): ids made in the
    // same millisecond must not meet on one shard. The rule is stored in every id and can never
    // change.
    let mixed = (lo.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hi).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 54) as u16
}

/// A random number above 0, as `client_key` and nonces want it.
pub fn random_key() -> i64 {
    rand::random_range(1..=i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_remembers_its_shard_and_sorts_by_time() {
        for shard in [0, 1, 511, 1023] {
            let early = new(shard, 1_800_000_000_000);
            let late = new(shard, 1_800_000_000_001);
            assert_eq!((shard_of(early), shard_of(late)), (shard, shard));
            assert!(0 < early && early < late);
        }
    }

    #[test]
    fn both_partners_find_the_same_shard_and_shards_are_used_evenly() {
        let mut used = vec![0_u32; usize::from(SHARDS)];
        for n in 0..50_000 {
            let (a, b) = (new(0, 1_800_000_000_000 + n / 4), new(7, 1_800_000_100_000 + n));
            assert_eq!(direct_shard(a, b), direct_shard(b, a));
            used[usize::from(direct_shard(a, b))] += 1;
        }
        let (least, most) = (used.iter().min().unwrap(), used.iter().max().unwrap());
        assert!(*least > 10 && *most < 110, "50,000 over 1,024 shards: {least}..{most}");
    }

    #[test]
    fn a_clock_before_our_epoch_still_gives_a_positive_id() {
        assert!(new(3, 0) > 0);
    }
}
