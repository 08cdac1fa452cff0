//! The keyboard: a thread that waits for the terminal, because a terminal cannot be read without
//! waiting.
//!
//! crossterm's own stream is not used: on a terminal whose other end was closed it reads for ever,
//! and would take the program with it. Here the end is looked for before each read, and the screen
//! lives on another thread. Its feature `use-dev-tty` is on, because without it crossterm forgets
//! keys that arrive in the same moment as a change of size.

use std::io::{self, PipeReader, PipeWriter};
use std::thread;
use std::time::Duration;

use crossterm::event::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use crate::effect::Input;
use crate::keys;
use crate::limits::KEYBOARD_QUEUE;

/// crossterm does not look at all when it is given no time.
const A_MOMENT: Duration = Duration::from_millis(1);

/// What was pressed, until this is dropped; then the thread ends and leaves the terminal to others.
pub(crate) struct Keyboard {
    /// None: the terminal is gone.
    pub inputs: mpsc::Receiver<Input>,
    _end: PipeWriter,
}

/// Starts reading.
pub(crate) fn start() -> io::Result<Keyboard> {
    let (ended, end) = io::pipe()?;
    let (sender, inputs) = mpsc::channel(KEYBOARD_QUEUE);
    thread::Builder::new().name("keyboard".into()).spawn(move || {
        // an error is the end too: the sender is dropped, and the loop sees it
        let _ = read_all(&ended, &sender);
    })?;
    Ok(Keyboard { inputs, _end: end })
}

fn read_all(ended: &PipeReader, sender: &mpsc::Sender<Input>) -> io::Result<()> {
    loop {
        wait(ended, None)?;
        loop {
            // nothing waits: only the ends are looked for
            wait(ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            if !crossterm::event::poll(A_MOMENT)? {
                break;
            }
            for input in inputs_of(crossterm::event::read()?) {
                // a full queue holds the thread, not the keys: the terminal keeps those
                sender.blocking_send(input).map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
        }
    }
}

/// Waits for keys. An error: the terminal was closed, or nobody wants to know any more.
fn wait(ended: &PipeReader, timeout: Option<&Timespec>) -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
    match poll(&mut watched, timeout) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let closed = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    match watched[0].revents().intersects(closed) || !watched[1].revents().is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(()),
    }
}

fn inputs_of(event: Event) -> Vec<Input> {
    match event {
        Event::Key(key) if key.is_release() => Vec::new(),
        Event::Key(key) => keys::from_terminal(&key).into_iter().map(Input::Key).collect(),
        Event::Paste(text) => vec![Input::Paste(text)],
        Event::Resize(columns, rows) => vec![Input::Size { columns, rows }],
        Event::FocusGained => vec![Input::Focus(true)],
        Event::FocusLost => vec![Input::Focus(false)],
        Event::Mouse(_) => Vec::new(),
    }
}
