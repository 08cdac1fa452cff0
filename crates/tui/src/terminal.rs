//! The terminal: entered once, left in whatever way the program ends.
//!
//! `ratatui::restore` undoes raw mode and the alternate screen only; bracketed paste, focus events
//! and the shape of the cursor are ours to undo.

use std::io::{self, IsTerminal, Stdout, stdout};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{SetCursorStyle, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::view::CursorShape;

/// Never dropped: ratatui's own drop complains on standard error when it cannot show the cursor,
/// and where the terminal was closed that complaint is a panic. `leave` shows the cursor.
pub(crate) type Screen = ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>;

/// The terminal is ours: the panic hook must give it back.
static ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Gives the terminal back when it is dropped.
pub(crate) struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// Takes the terminal over.
///
/// # Errors
/// Input or output is no terminal, or the terminal does not answer.
pub(crate) fn enter() -> io::Result<(Screen, Guard)> {
    if !io::stdin().is_terminal() || !stdout().is_terminal() {
        return Err(io::Error::other(
            "the screen needs a terminal; see `natter --help` for scripts",
        ));
    }
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // first the terminal, else nobody can read what follows
            leave();
            before(info);
        }));
    });
    ENTERED.store(true, Ordering::SeqCst);
    let guard = Guard(());
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    let screen = Terminal::new(CrosstermBackend::new(stdout()))?;
    Ok((ManuallyDrop::new(screen), guard))
}

/// Undoes all of `enter`, once. A terminal that is gone cannot be helped, so errors are nobody's
/// business.
fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = execute!(
        stdout(),
        SetCursorStyle::DefaultUserShape,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

pub(crate) fn set_cursor_shape(shape: CursorShape) -> io::Result<()> {
    match shape {
        CursorShape::Bar => execute!(stdout(), SetCursorStyle::SteadyBar),
        CursorShape::Block => execute!(stdout(), SetCursorStyle::SteadyBlock),
    }
}

/// The window's title; cleaned here too, because it does not pass through ratatui.
pub(crate) fn set_title(title: &str) -> io::Result<()> {
    execute!(stdout(), SetTitle(proto::clean::line(title)))
}

pub(crate) fn ring() -> io::Result<()> {
    execute!(stdout(), crossterm::style::Print('\u{7}'))
}
