//! The keyboard: a thread that waits for the terminal, because a terminal cannot be read without
//! waiting.
//!
//! The end of the terminal is looked for before each read: on one whose other end was closed, a
//! read would come back at once and for ever.

use std::io::{self, PipeReader, PipeWriter};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use crate::decode::{Decoder, Told};
use crate::limits::{ESC_WAIT_MS, KEYBOARD_QUEUE, READ_BYTES};

/// What was pressed, until it is stopped; then the thread has ended and the terminal is others'.
pub(crate) struct Keyboard {
    /// None: the terminal is gone.
    pub told: mpsc::Receiver<Told>,
    end: PipeWriter,
    thread: JoinHandle<()>,
}

impl Keyboard {
    /// Starts reading.
    pub(crate) fn start() -> io::Result<Self> {
        let (ended, end) = io::pipe()?;
        let (sender, told) = mpsc::channel(KEYBOARD_QUEUE);
        let reading = move || {
            // an error is the end too: the sender is dropped, and the loop sees it
            let _ = read_all(&ended, &sender);
        };
        let thread = thread::Builder::new().name("keyboard".into()).spawn(reading)?;
        Ok(Self { told, end, thread })
    }

    /// Reads no further, and waits for the thread: what is typed from here on is for somebody else.
    pub(crate) fn stop(self) {
        // both ends that the thread may be waiting at
        drop(self.end);
        drop(self.told);
        // a thread that panicked does not read either
        let _ = self.thread.join();
    }
}

fn read_all(ended: &PipeReader, sender: &mpsc::Sender<Told>) -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let mut decoder = Decoder::default();
    let mut bytes = [0; READ_BYTES];
    loop {
        let told = match wait(ended, decoder.is_waiting())? {
            true => match rustix::io::read(stdin, &mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => decoder.feed(&bytes[..len]),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
            false => decoder.settle(),
        };
        for one in told {
            // a full queue holds the thread, not the keys: the terminal keeps those
            sender.blocking_send(one).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
    }
}

/// Waits for bytes; false: `shortly`, and none came. An error: the terminal was closed, or nobody
/// wants to know any more.
fn wait(ended: &PipeReader, shortly: bool) -> io::Result<bool> {
    let stdin = rustix::stdio::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
    let moment = Timespec { tv_sec: 0, tv_nsec: ESC_WAIT_MS * 1_000_000 };
    loop {
        match poll(&mut watched, shortly.then_some(&moment)) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let closed = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    match watched[0].revents().intersects(closed) || !watched[1].revents().is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(true),
    }
}
