//! Counts the fragments of a WebSocket message before the WebSocket layer gathers them, because
//! that layer bounds only their bytes: a message of ten thousand empty pieces would pass it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Life;
use crate::limits;
use crate::listen::Socket;

/// Why a read failed: the message has more than [`limits::FRAGMENTS_MAX`] pieces.
#[derive(Debug, thiserror::Error)]
#[error("a message in too many fragments")]
pub(crate) struct TooManyFragments;

/// A socket after its upgrade, watched.
pub(crate) struct Watched {
    socket: Socket,
    /// What HTTP had read already.
    early: Bytes,
    scan: Scan,
    /// Nothing is written after it.
    life: Option<Life>,
}

impl Watched {
    pub(crate) fn new(socket: Socket, early: Bytes, life: Option<Life>) -> Self {
        Self {
            socket,
            // Bytes without content would keep HTTP's whole read buffer for as long as this lives.
            early: if early.is_empty() { Bytes::new() } else { early },
            scan: Scan::default(),
            life,
        }
    }
}

impl Watched {
    fn check_life(&self) -> io::Result<()> {
        match self.life.as_ref().is_some_and(Life::is_over) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.early.is_empty() {
            std::task::ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        } else {
            let len = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..len]);
            self.early.advance(len);
        }
        if self.scan.read(&buf.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::other(TooManyFragments)))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_life()?;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_life()?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_life()?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Follows the frame headers of RFC 6455, section 5.2, in whatever pieces they come.
#[derive(Default)]
struct Scan {
    header: [u8; 14],
    have: usize,
    payload_left: u64,
    fragments: u32,
}

impl Scan {
    /// `false`: too many fragments.
    fn read(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len() as u64);
            self.payload_left -= skipped;
            bytes = &bytes[skipped as usize..];
            while self.payload_left == 0 && !bytes.is_empty() {
                self.header[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                if self.have >= 2 && self.have == self.header_len() {
                    self.payload_left = self.payload_len();
                    self.have = 0;
                    self.count();
                }
            }
        }
        self.fragments <= limits::FRAGMENTS_MAX
    }

    fn header_len(&self) -> usize {
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let length = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    fn payload_len(&self) -> u64 {
        let h = &self.header;
        match h[1] & 0x7F {
            126 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            127 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            short => u64::from(short),
        }
    }

    fn count(&mut self) {
        let (last, control) = (self.header[0] & 0x80 != 0, self.header[0] & 0x08 != 0);
        match (last, control) {
            (_, true) => {}
            (true, false) => self.fragments = 0,
            (false, false) => self.fragments += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_PIECE: [u8; 6] = [0x00, 0x80, 1, 2, 3, 4];

    #[test]
    fn whole_messages_of_any_length_pass_in_any_pieces() {
        let mut stream = Vec::new();
        for _ in 0..100 {
            stream.extend([0x82, 0x83, 1, 2, 3, 4, 9, 9, 9]);
            stream.extend([0x82, 0xFE, 0x01, 0x00, 1, 2, 3, 4]);
            stream.extend([0; 256]);
            stream.extend([0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]);
            stream.extend(vec![0; 65_536]);
        }
        for size in [1, 2, 3, 7, 4_096] {
            let mut scan = Scan::default();
            assert!(stream.chunks(size).all(|piece| scan.read(piece)), "pieces of {size}");
            assert_eq!((scan.have, scan.payload_left, scan.fragments), (0, 0, 0));
        }
    }

    #[test]
    fn pings_between_fragments_do_not_count_and_the_last_one_starts_anew() {
        let mut scan = Scan::default();
        for _ in 0..3 {
            for _ in 0..limits::FRAGMENTS_MAX {
                assert!(scan.read(&EMPTY_PIECE) && scan.read(&[0x89, 0x80, 1, 2, 3, 4]));
            }
            assert!(scan.read(&[0x80, 0x80, 1, 2, 3, 4]));
        }
    }

    #[test]
    fn one_fragment_too_many_is_seen() {
        let mut scan = Scan::default();
        assert!((0..limits::FRAGMENTS_MAX).all(|_| scan.read(&EMPTY_PIECE)));
        assert!(!scan.read(&EMPTY_PIECE));
    }
}
