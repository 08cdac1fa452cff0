//! The server: one life after the other, each on the disk that the one before has left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use server::{Config, Handed, Wire};
use tokio::sync::{mpsc, watch};
use turmoil::net::TcpListener;

use crate::limits;
use crate::network::Served;
use crate::world::{PORT, SERVER, World};

/// A process of the server.
pub(crate) struct Life {
    over: AtomicBool,
    /// Writes and syncs that are left to it. Negative: it was not told to die.
    breaths: AtomicI64,
    data: PathBuf,
    /// Where its disk is kept as it was when it died.
    kept: PathBuf,
}

/// The lives so far.
pub(crate) struct Lives {
    disks: PathBuf,
    number: AtomicU64,
    now: Mutex<Arc<Life>>,
    /// true: the server is to end in order.
    pub(crate) stop: watch::Sender<bool>,
}

impl Life {
    fn new(disks: &Path, number: u64) -> Arc<Self> {
        Arc::new(Self {
            over: AtomicBool::new(false),
            breaths: AtomicI64::new(-1),
            data: disks.join(number.to_string()),
            kept: disks.join((number + 1).to_string()),
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// It will die after so many more writes and syncs.
    pub(crate) fn let_die_after(&self, breaths: u64) {
        self.breaths.store(breaths as i64, Ordering::SeqCst);
    }

    /// A write or a sync.
    pub(crate) fn breathe(&self) {
        if self.breaths.load(Ordering::SeqCst) > 0
            && self.breaths.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.die();
        }
    }

    /// From here on it changes nothing that anybody sees: neither lines nor the disk that is left.
    pub(crate) fn die(&self) {
        if !self.over.swap(true, Ordering::SeqCst) {
            copy(&self.data, &self.kept).expect("the disk of a simulation can be copied");
        }
    }
}

/// The files of a directory as they are. The index of a WAL is made anew by who opens it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    // The WAL first: what is copied from it to the database meanwhile is in it, too.
    let mut files: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    files.reverse();
    for file in files.iter().filter(|file| !file.to_string_lossy().ends_with("-shm")) {
        if let Some(name) = file.file_name()
            && file.is_file()
        {
            fs::copy(file, to.join(name))?;
        }
    }
    Ok(())
}

impl Lives {
    pub(crate) fn new(disks: &Path) -> Self {
        let (stop, _) = watch::channel(false);
        let now = Mutex::new(Life::new(disks, 0));
        Self { disks: disks.to_owned(), number: AtomicU64::new(0), now, stop }
    }

    pub(crate) fn now(&self) -> Arc<Life> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the database of the life that is now lies.
    pub(crate) fn data(&self) -> PathBuf {
        self.now().data.clone()
    }

    /// What the last one has left, when it is over.
    pub(crate) fn left(&self) -> PathBuf {
        self.now().kept.clone()
    }

    /// The next life, on what the one before has left.
    fn begin(&self) -> Arc<Life> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_over() {
            let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
            *now = Life::new(&self.disks, number);
        }
        Arc::clone(&now)
    }
}

/// One life, until it is stopped, or dropped.
pub(crate) async fn live(world: Arc<World>) -> turmoil::Result {
    let life = world.lives.begin();
    world.note(SERVER, "starts");
    let mut stopped = world.lives.stop.subscribe();
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (taken, streams) = mpsc::channel(limits::STREAMS_MAX);
    let address = ([0, 0, 0, 0], PORT).into();
    let mut config = Config {
        data: life.data.clone(),
        public_url: Some(format!("ws://{SERVER}:{PORT}")),
        ..Config::default()
    };
    // Mail has a disk of its own and nothing to do with what is judged here.
    config.roles.notify = false;
    config.timers.position_check_ms = world.position_check_ms;
    let mut server = server::start_on(config, Some(Handed { address, streams })).await?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, from) = accepted?;
                let wire: Box<dyn Wire> = Box::new(Served { stream, life: Arc::clone(&life) });
                // A full queue is a full backlog: it is not accepted.
                let _ = taken.try_send((wire, from));
            }
            ended = server.ended() => return Ok(ended?),
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
    drop(listener);
    server.stop().await?;
    world.note(SERVER, "has ended");
    Ok(())
}
