//! Which server of a Redis Cluster has a key: CRC-16 of the key, or of the part of it between the
//! first braces, modulo 16,384.

pub(super) const SLOTS: usize = 16_384;
const NOBODY: u16 = u16::MAX;

/// The number of the server that has each slot.
#[derive(Debug, Default)]
pub(super) enum Slots {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// There is one server, and it has everything.
    One,
    Many(Box<[u16]>),
}

impl Slots {
    pub(super) fn many() -> Self {
        Self::Many(vec![NOBODY; SLOTS].into())
    }

    /// Slots `first..=last` are with the server of this number.
    pub(super) fn give(&mut self, first: usize, last: usize, server: usize) {
        if let Self::Many(servers) = self
            && first <= last
            && let Some(range) = servers.get_mut(first..=last)
        {
            range.fill(u16::try_from(server).unwrap_or(NOBODY));
        }
    }

    pub(super) fn are_all_given(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::One => true,
            Self::Many(servers) => !servers.contains(&NOBODY),
        }
    }

    pub(super) fn server_of(&self, key: &[u8]) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::One => Some(0),
            Self::Many(servers) => {
                let server = servers[slot_of(key)];
                (server != NOBODY).then_some(usize::from(server))
            }
        }
    }
}

fn slot_of(key: &[u8]) -> usize {
    usize::from(crc16(tag_of(key))) % SLOTS
}

fn tag_of(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|b| *b == b'{') else {
        return key;
    };
    match key[open + 1..].iter().position(|b| *b == b'}') {
        None | Some(0) => key,
        Some(length) => &key[open + 1..open + 1 + length],
    }
}

/// CRC-16/XMODEM, as the specification of Redis Cluster wants it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_are_those_of_redis_cluster() {
        // The check value of the specification, and two keys as CLUSTER KEYSLOT answers.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"natter:{foo}:x"), 12_182);
        assert_eq!(tag_of(b"a{}b"), b"a{}b");
        assert_eq!(tag_of(b"a{b"), b"a{b");
    }

    #[test]
    fn a_slot_that_nobody_has_is_known_to_be_so() {
        let mut slots = Slots::many();
        slots.give(0, SLOTS - 2, 0);
        assert!(!slots.are_all_given());
        slots.give(SLOTS - 1, SLOTS - 1, 1);
        assert!(slots.are_all_given());
        slots.give(0, SLOTS, 1);
        assert_eq!(slots.server_of(b"foo"), Some(0), "a range past the end is none");
    }
}
