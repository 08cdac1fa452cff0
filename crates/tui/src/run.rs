//! The loop: what the terminal, the line and the clock say goes into `update`, what comes out is
//! done, and what has changed is drawn. The only place that waits.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::{Client, Event};
use ratatui::layout::{Position, Rect};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::clipboard;
use crate::decode::Told;
use crate::effect::{Answer, Effect, Exit, Input, Trouble};
use crate::history;
use crate::keyboard::Keyboard;
use crate::keys::Key;
use crate::limits::{CALLS_MAX, EVENTS_PER_FRAME_MAX, SUSPENDED_MS};
use crate::model::{Colors, Model, Tone, unread};
use crate::outside;
use crate::perform;
use crate::settings::Settings;
use crate::terminal::{self, Screen};
use crate::update::update;
use crate::view;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A call to the gateway panicked; the terminal was given back.
    #[error("a fault of this program's: {0}")]
    Fault(String),
}

/// How the screen behaves.
#[derive(Debug, Clone)]
pub struct Options {
    pub settings: Settings,
    /// What is wrong with the file of settings, in words; empty = nothing.
    pub mistakes: String,
    pub colors: Colors,
    /// Where the `:` history is kept; None: only until the screen ends.
    pub history: Option<PathBuf>,
    /// Open this conversation at the start.
    pub open: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            mistakes: String::new(),
            colors: colors(),
            history: None,
            open: None,
        }
    }
}

/// As the environment tells: `NO_COLOR`, and `COLORTERM` of terminals with true colours.
fn colors() -> Colors {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    match (set("NO_COLOR").is_empty(), set("COLORTERM").as_str()) {
        (false, _) => Colors::None,
        (true, "truecolor" | "24bit") => Colors::True,
        (true, _) => Colors::Table,
    }
}

/// The clock of the screen: countdowns, typing, drafts.
const TICK: Duration = Duration::from_secs(1);

/// Everything the loop holds.
struct Loop {
    client: Client,
    model: Model,
    screen: Screen,
    calls: JoinSet<Answer>,
    title: String,
    shape: Option<view::CursorShape>,
    exit: Option<Exit>,
    /// The terminal is to be given to somebody else.
    away: Option<Away>,
    /// The desktop has shown no notification, and that was told.
    desktop_failed: bool,
    /// The terminal has changed its size since the last frame: it may have forgotten what it shows.
    resized: bool,
}

/// Why the terminal is given to somebody else for a time.
enum Away {
    Suspend,
    /// The user's editor, with this text.
    Edit(String),
}

/// Shows the client on this terminal until the user quits, the terminal goes away, or a signal ends
/// it.
///
/// `events` is the receiver that came with `client`. The terminal is given back in every case, also
/// after a panic.
///
/// # Errors
/// There is no terminal, or it fails; a terminal that is merely gone is an ordinary end.
pub async fn run(
    client: Client,
    mut events: mpsc::Receiver<Event>,
    options: Options,
) -> Result<Exit> {
    let (screen, guard) = terminal::enter()?;
    let mut here = start(client, screen, &options).await;
    here.model.history = options.history.as_deref().map_or_else(Vec::new, history::read);
    let ended = turn(&mut here, &mut events).await;
    here.calls.shutdown().await;
    if let Some(path) = &options.history {
        // a history that is not kept is no reason to fail
        let _ = history::add(path, here.model.own_history());
    }
    drop(guard);
    match ended {
        Ok(exit) => Ok(exit),
        // the terminal was closed under us
        Err(Error::Terminal(error)) if is_gone(&error) => Ok(Exit::Quit),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, NotConnected, UnexpectedEof};
    // 5 is EIO, what a terminal without its other end says; std has no name for it
    matches!(error.kind(), BrokenPipe | NotConnected | UnexpectedEof)
        || error.raw_os_error() == Some(5)
}

async fn start(client: Client, screen: Screen, options: &Options) -> Loop {
    let size = screen.size().unwrap_or_default();
    let zone = jiff::tz::TimeZone::system();
    let mut model = Model::new(client.me(), now_ms(), zone, size.width, size.height);
    model.colors = options.colors;
    model.settings = options.settings.clone();
    model.line = client.line();
    model.figures = client.figures();
    // what was asked for opens, not the newest
    model.begun = options.open.is_some();
    let mut here = Loop {
        client,
        model,
        screen,
        calls: JoinSet::new(),
        title: String::new(),
        shape: None,
        exit: None,
        away: None,
        desktop_failed: false,
        resized: false,
    };
    perform_all(&mut here, vec![Effect::LoadAll]).await;
    if let Some(conv_id) = options.open {
        let effects = crate::update::go::open(&mut here.model, conv_id);
        perform_all(&mut here, effects).await;
    }
    if !options.mistakes.is_empty() {
        here.model.tell(Tone::Warn, options.mistakes.clone());
    }
    here
}

async fn turn(here: &mut Loop, events: &mut mpsc::Receiver<Event>) -> Result<Exit> {
    let mut keyboard = Keyboard::start()?;
    let mut signals = Signals::new()?;
    let mut clock = ticking();
    loop {
        draw(here)?;
        let pause = crate::update::pause_ms(&here.model).map(i64::unsigned_abs);
        tokio::select! {
            told = keyboard.told.recv() => match told {
                Some(told) => take_told(here, told, &mut keyboard.told).await?,
                None => return Ok(last_words(here).await),
            },
            event = events.recv() => match event {
                Some(event) => take_events(here, event, events).await,
                None => return Ok(last_words(here).await),
            },
            Some(answer) = here.calls.join_next() => {
                take(here, Input::Answer(answer.map_err(|e| Error::Fault(e.to_string()))?)).await;
            }
            _ = signals.resized.recv() => {
                let (columns, rows) = crossterm::terminal::size()?;
                take(here, Input::Size { columns, rows }).await;
            }
            // somebody had stopped us from outside, and the shell has used the terminal since
            _ = signals.continued.recv() => retake(here).await?,
            _ = clock.tick() => {}
            // unfinished keys do not wait for the next tick
            () = tokio::time::sleep(Duration::from_millis(pause.unwrap_or(0))),
                if pause.is_some() => {}
            () = signals.ends.any() => return Ok(last_words(here).await),
        }
        if let Some(away) = here.away.take() {
            keyboard.stop();
            terminal::give_back();
            match away {
                Away::Suspend => rest(&mut signals).await?,
                Away::Edit(text) => edit(here, events, &mut signals, &text).await,
            }
            // those that came meanwhile were for the one who had the terminal
            signals = Signals::new()?;
            keyboard = Keyboard::start()?;
            retake(here).await?;
        }
        let figures = here.client.figures();
        take(here, Input::Tick { now: now_ms(), figures }).await;
        if let Some(exit) = here.exit {
            return Ok(exit);
        }
    }
}

/// The terminal is ours again, whatever was done to it.
async fn retake(here: &mut Loop) -> io::Result<()> {
    terminal::take()?;
    (here.shape, here.title) = (None, String::new());
    let (columns, rows) = crossterm::terminal::size()?;
    take(here, Input::Size { columns, rows }).await;
    Ok(())
}

/// Stops this process, and those it was started with, as `^Z` does; goes on with the shell's `fg`.
async fn rest(signals: &mut Signals) -> io::Result<()> {
    rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
    // Where nobody could wake us the system does not stop us either.
    let _ = timeout(Duration::from_millis(SUSPENDED_MS), signals.continued.recv()).await;
    Ok(())
}

/// The user's editor has the terminal; the line goes on.
async fn edit(
    here: &mut Loop,
    events: &mut mpsc::Receiver<Event>,
    signals: &mut Signals,
    text: &str,
) {
    let mut editing = match outside::edit(text) {
        Ok(editing) => editing,
        Err(error) => {
            let text = Err(format!("the editor cannot be started: {error}"));
            return take(here, Input::Answer(Answer::Edited { text })).await;
        }
    };
    let ended = loop {
        tokio::select! {
            ended = editing.child.wait() => break ended,
            Some(event) = events.recv() => take_events(here, event, events).await,
            // ^C and ^\ in the editor are the editor's
            () = signals.ends.ordered() => {
                last_words(here).await;
                return;
            }
        }
    };
    let text = editing.finish(ended);
    take(here, Input::Answer(Answer::Edited { text })).await;
}

/// What the system and other programs tell this one.
struct Signals {
    resized: Signal,
    continued: Signal,
    ends: Ends,
}

/// Those that end a program.
struct Ends {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let continued = rustix::process::Signal::CONT.as_raw();
        let ends = Ends {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        };
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(continued))?,
            ends,
        })
    }
}

impl Ends {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }

    /// Those that no key sends.
    async fn ordered(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn ticking() -> Interval {
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}

/// The program ends without being asked to: what is in the box still goes to the disk.
async fn last_words(here: &mut Loop) -> Exit {
    let effects = crate::update::leave(&mut here.model);
    perform_all(here, effects).await;
    here.exit.unwrap_or(Exit::Quit)
}

/// The key and what was pressed behind it, before the next frame; nothing after the one that ends
/// the screen or gives the terminal away.
async fn take_told(
    here: &mut Loop,
    first: Told,
    more: &mut mpsc::Receiver<Told>,
) -> io::Result<()> {
    let mut next = Some(first);
    for taken in 1..=EVENTS_PER_FRAME_MAX {
        let input = match next {
            Some(Told::Key(key)) => Some(Input::Key(key)),
            Some(Told::Paste(text)) => Some(Input::Paste(text)),
            Some(Told::Focus(focused)) => Some(Input::Focus(focused)),
            Some(Told::Kitty) => {
                terminal::speak_kitty()?;
                None
            }
            Some(Told::Attributes) => {
                terminal::answered();
                None
            }
            None => break,
        };
        if let Some(input) = input {
            provoked(&input);
            take(here, input).await;
        }
        // what is taken out of the queue here must be done here: the last turn takes nothing more
        let ours = here.exit.is_none() && here.away.is_none() && taken < EVENTS_PER_FRAME_MAX;
        next = if ours { more.try_recv().ok() } else { None };
    }
    Ok(())
}

/// For the test that a panic gives the terminal back: builds for development panic at F12 when the
/// environment wants it.
fn provoked(input: &Input) {
    let at_f12 = cfg!(debug_assertions) && matches!(input, Input::Key(Key::F(12)));
    assert!(!at_f12 || std::env::var_os("NATTER_PANIC_AT_F12").is_none(), "F12 was pressed");
}

/// The event and what lies ready behind it, before the next frame.
async fn take_events(here: &mut Loop, first: Event, events: &mut mpsc::Receiver<Event>) {
    take(here, Input::Client(first)).await;
    for _ in 1..EVENTS_PER_FRAME_MAX {
        match events.try_recv() {
            Ok(event) => take(here, Input::Client(event)).await,
            Err(_) => break,
        }
    }
}

async fn take(here: &mut Loop, input: Input) {
    here.resized |= matches!(input, Input::Size { .. });
    let effects = update(&mut here.model, input);
    perform_all(here, effects).await;
}

/// Does the effects in order, and those that their answers lead to.
///
/// The disk is waited for: what it does takes a moment, and a message that was written must be on
/// it before the next key. The gateway is not.
async fn perform_all(here: &mut Loop, effects: Vec<Effect>) {
    let mut waiting: std::collections::VecDeque<Effect> = effects.into();
    while let Some(effect) = waiting.pop_front() {
        let answer = match effect {
            Effect::Exit(exit) => {
                here.exit = Some(exit);
                None
            }
            Effect::Bell => {
                // a terminal that cannot ring is found out by the next frame
                let _ = terminal::ring();
                None
            }
            Effect::Notify { desktop, title, text } => notify(here, desktop, &title, &text),
            Effect::Edit { text } => {
                here.away = Some(Away::Edit(text));
                None
            }
            Effect::Suspend => {
                here.away = Some(Away::Suspend);
                None
            }
            Effect::Redraw => {
                (here.resized, here.shape) = (true, None);
                None
            }
            Effect::Copy { text } => {
                let _ = clipboard::copy(&text);
                None
            }
            Effect::Ask(ask) if here.calls.len() >= CALLS_MAX => {
                let why = "too many calls are under way; try again".to_string();
                Some(Answer::Asked { ask, got: Err(Trouble::Refused(why)) })
            }
            Effect::Ask(ask) => {
                here.calls.spawn(perform::ask(here.client.clone(), ask));
                None
            }
            local => perform::local(&here.client, local).await,
        };
        if let Some(answer) = answer {
            waiting.extend(update(&mut here.model, Input::Answer(answer)));
        }
    }
}

/// Rings where nothing else is there; says so once.
fn notify(here: &mut Loop, desktop: bool, title: &str, text: &str) -> Option<Answer> {
    let shown = match desktop {
        true => outside::notify(title, text),
        false => terminal::notify(title, text),
    };
    let Err(error) = shown else {
        return None;
    };
    let _ = terminal::ring();
    let told = std::mem::replace(&mut here.desktop_failed, true);
    (!told).then(|| Answer::Failed { why: format!("no notifications here ({error}): it rings") })
}

fn draw(here: &mut Loop) -> io::Result<()> {
    if !std::mem::take(&mut here.model.stale) {
        return Ok(());
    }
    if std::mem::take(&mut here.resized) {
        // Everything is drawn again, also when the size is the same as before: it may have been
        // another one for a moment. `clear` would ask the terminal where its cursor is, and wait.
        let size = here.screen.size()?;
        here.screen.resize(Rect::from((Position::ORIGIN, size)))?;
    }
    here.screen.draw(|frame| view::draw(&here.model, frame))?;
    let shape = view::cursor_shape(&here.model);
    if here.shape.replace(shape) != Some(shape) {
        terminal::set_cursor_shape(shape)?;
    }
    let title = window_title(&here.model);
    if here.title != title {
        terminal::set_title(&title)?;
        here.title = title;
    }
    Ok(())
}

/// Without any text of others: a window's title is read by other programs.
fn window_title(model: &Model) -> String {
    match model.conversations.iter().map(unread).sum::<i64>() {
        0 => "natter".into(),
        count => format!("natter ({count})"),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
