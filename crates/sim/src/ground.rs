//! THE GROUND under a simulation: what a program asks the C library for and gets from the machine
//! it runs on. Time, randomness, the order of threads, and how long a disk takes are none of a
//! seed's business, so this program has its own of all four, under the names of the C library. The
//! linker prefers them, and the rooms that are simulated know nothing of it.
//!
//! Only the thread that directs a simulation and the threads that come from it live on this ground.
//! For all others each of these functions is what it always was.
//!
//! Threads: the director goes on only while all the others wait. Whoever wakes one of them (a
//! statement for the thread of a SQLite connection, say) goes on when it waits again. So such a
//! statement is done inside the poll that begins it, and no order depends on the machine.

#![expect(unsafe_code, reason = "these names belong to the C library, which is C")]

use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_int, c_long, c_uint, c_void};
use std::ptr::null;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize};
use std::time::Duration;

use libc::{clockid_t, pthread_attr_t, pthread_t, size_t, ssize_t, timespec};

/// When each simulation begins, by its own clocks: nanoseconds since the machine was switched on …
const BEGIN: u64 = 1_000_000_000_000;
/// … which was so many nanoseconds after 1970.
const SWITCHED_ON: u64 = 1_767_225_600_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It has nothing to do with a simulation.
    None,
    /// It directs one.
    Director,
    /// It comes from one.
    Worker,
}

/// Nanoseconds since the beginning; None: nobody knows at the moment.
type Clock = fn() -> Option<u64>;

thread_local! {
    static PART: Cell<Part> = const { Cell::new(Part::None) };
    /// Where the director reads its clock.
    static CLOCK: Cell<Option<Clock>> = const { Cell::new(None) };
    /// What is to be told of each sync of the director's own files.
    static ON_SYNC: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Nanoseconds by the monotonic clock of the simulation, as they were last read.
static NOW: AtomicU64 = AtomicU64::new(BEGIN);
/// The state of the generator of random bytes.
static DICE: AtomicU64 = AtomicU64::new(0);
/// Workers that do not wait. The director does not go on before it is 0.
static RUNNING: AtomicI32 = AtomicI32::new(0);
/// Who waits for which word.
static WAITERS: Waiters =
    Waiters { locked: AtomicBool::new(false), all: UnsafeCell::new(Vec::new()) };

struct Waiters {
    locked: AtomicBool,
    all: UnsafeCell<Vec<Waiter>>,
}

// SAFETY: `all` is touched only by who holds `locked`.
unsafe impl Sync for Waiters {}

struct Waiter {
    word: usize,
    /// Nanoseconds by the monotonic clock.
    until: Option<u64>,
    part: Part,
    call: Arc<AtomicU32>,
}

/// What a waiter is called with.
const ASLEEP: u32 = 0;
const WOKEN: u32 = 1;
const TOO_LATE: u32 = 2;

// ── directing ───────────────────────────────────────────────────────────────────────────────────

/// The calling thread directs a simulation as long as this lives. There is one at a time.
pub(crate) struct Ground(());

impl Ground {
    /// `on_sync` is told of each sync of a file of the director's own.
    pub(crate) fn enter(seed: u64, clock: Clock, on_sync: fn()) -> Self {
        DICE.store(seed, SeqCst);
        NOW.store(BEGIN, SeqCst);
        PART.set(Part::Director);
        CLOCK.set(Some(clock));
        ON_SYNC.set(Some(on_sync));
        Self(())
    }

    /// It is so late. Whoever has waited long enough is called.
    pub(crate) fn time_is(&self, since_begin: Duration) {
        let now = BEGIN + since_begin.as_nanos() as u64;
        let now = NOW.fetch_max(now, SeqCst).max(now);
        while let Some(call) = WAITERS.take_late(now) {
            wake_up(&call, TOO_LATE);
            settle();
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        settle();
        ON_SYNC.set(None);
        CLOCK.set(None);
        PART.set(Part::None);
    }
}

impl Waiters {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<Waiter>) -> T) -> T {
        while self.locked.swap(true, SeqCst) {
            std::hint::spin_loop();
        }
        // SAFETY: nobody else has the lock, and nothing in `work` asks for it.
        let done = work(unsafe { &mut *self.all.get() });
        self.locked.store(false, SeqCst);
        done
    }

    /// The first one whose time is over. A worker counts as running from here on.
    fn take_late(&self, now: u64) -> Option<Arc<AtomicU32>> {
        self.with(|all| {
            let late = |waiter: &Waiter| waiter.until.is_some_and(|until| until <= now);
            let at = all.iter().position(late)?;
            Some(taken(all, at))
        })
    }
}

fn taken(all: &mut Vec<Waiter>, at: usize) -> Arc<AtomicU32> {
    let waiter = all.remove(at);
    RUNNING.fetch_add(i32::from(waiter.part == Part::Worker), SeqCst);
    waiter.call
}

fn wake_up(call: &AtomicU32, word: u32) {
    call.store(word, SeqCst);
    real_futex(call.as_ptr().cast(), libc::FUTEX_WAKE, 1);
}

/// A worker waits from here on, or has ended.
fn at_rest() {
    if RUNNING.fetch_sub(1, SeqCst) == 1 {
        real_futex(RUNNING.as_ptr().cast(), libc::FUTEX_WAKE, 1);
    }
}

/// The director waits until all workers do.
fn settle() {
    loop {
        let running = RUNNING.load(SeqCst);
        if running <= 0 {
            return;
        }
        real_futex(RUNNING.as_ptr().cast(), libc::FUTEX_WAIT, running as u32);
    }
}

// ── the real ones ───────────────────────────────────────────────────────────────────────────────

type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;
type Create = unsafe extern "C" fn(
    *mut pthread_t,
    *const pthread_attr_t,
    extern "C" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> c_int;

/// What bears this name in the C library. Kept in a plain number: whatever would wait for another
/// thread that is looking would wait by what is looked for.
fn real(name: &'static CStr, kept: &AtomicUsize) -> usize {
    let mut found = kept.load(SeqCst);
    if found == 0 {
        // SAFETY: the name ends with a zero.
        found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize;
        assert!(found != 0, "the C library has no {name:?}");
        kept.store(found, SeqCst);
    }
    found
}

fn real_syscall() -> Syscall {
    static KEPT: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: `syscall` has this type.
    unsafe { std::mem::transmute::<usize, Syscall>(real(c"syscall", &KEPT)) }
}

fn real_create() -> Create {
    static KEPT: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: `pthread_create` has this type.
    unsafe { std::mem::transmute::<usize, Create>(real(c"pthread_create", &KEPT)) }
}

fn real_futex(word: *mut c_void, what: c_int, value: u32) -> c_long {
    let nothing: *const timespec = null();
    // SAFETY: the kernel looks only at the word, which lives.
    unsafe {
        real_syscall()(libc::SYS_futex, word, what | libc::FUTEX_PRIVATE_FLAG, value, nothing)
    }
}

fn fail(error: c_int) -> c_int {
    // SAFETY: errno belongs to this thread.
    unsafe { *libc::__errno_location() = error };
    -1
}

// ── time ────────────────────────────────────────────────────────────────────────────────────────

fn now() -> u64 {
    // The clock is read with the clock; whoever asks meanwhile gets what was known before.
    if let Some(clock) = CLOCK.take() {
        if let Some(since_begin) = clock() {
            NOW.fetch_max(BEGIN + since_begin, SeqCst);
        }
        CLOCK.set(Some(clock));
    }
    NOW.load(SeqCst)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let is_cpu = matches!(clock, libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID);
    if PART.get() == Part::None || is_cpu {
        // SAFETY: handed on as it came.
        return unsafe { real_syscall()(libc::SYS_clock_gettime, clock, time) } as c_int;
    }
    let nanoseconds = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => SWITCHED_ON + now(),
        _ => now(),
    };
    let tv_sec = (nanoseconds / 1_000_000_000) as libc::time_t;
    let tv_nsec = (nanoseconds % 1_000_000_000) as c_long;
    // SAFETY: whoever asks has a place for the answer.
    unsafe { time.write(timespec { tv_sec, tv_nsec }) };
    0
}

// ── randomness ──────────────────────────────────────────────────────────────────────────────────

/// splitmix64.
fn roll() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = DICE.fetch_add(STEP, SeqCst).wrapping_add(STEP);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(bytes: *mut c_void, len: size_t, flags: c_uint) -> ssize_t {
    if PART.get() == Part::None {
        // SAFETY: handed on as it came.
        return unsafe { real_syscall()(libc::SYS_getrandom, bytes, len, flags) } as ssize_t;
    }
    // SAFETY: whoever asks has a place for so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), len) };
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&roll().to_le_bytes()[..part.len()]);
    }
    len as ssize_t
}

// ── the disk ────────────────────────────────────────────────────────────────────────────────────

/// A simulated machine loses no power, so what is written is kept. It may die here, though.
fn sync(file: c_int, number: c_long) -> c_int {
    match PART.get() {
        // SAFETY: handed on as it came.
        Part::None => unsafe { real_syscall()(number, file) as c_int },
        Part::Worker => 0,
        Part::Director => {
            if let Some(told) = ON_SYNC.get() {
                told();
            }
            0
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    sync(file, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(file, libc::SYS_fdatasync)
}

// ── threads ─────────────────────────────────────────────────────────────────────────────────────

/// Locks and channels wait and wake by this one.
///
/// The C library declares it with any number of arguments. Where it runs, those come as these do.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    const WAIT: c_int = libc::FUTEX_WAIT;
    const WAIT_UNTIL: c_int = libc::FUTEX_WAIT_BITSET;
    let what = b as c_int & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let part = PART.get();
    match (number, what) {
        (libc::SYS_futex, libc::FUTEX_WAKE) => c_long::from(wake(a, c as u32 as i32, part)),
        (libc::SYS_futex, WAIT | WAIT_UNTIL) if part != Part::None => {
            // SAFETY: whoever waits says until when, or nothing.
            let time = unsafe { (d as *const timespec).as_ref() };
            let time = time.map(|t| t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64);
            let until = if what == WAIT { time.map(|long| now() + long) } else { time };
            c_long::from(wait(a, c as u32, until, part))
        }
        (libc::SYS_getrandom, _) if part != Part::None => {
            // SAFETY: as it came.
            unsafe { getrandom(a as *mut c_void, b, c as c_uint) as c_long }
        }
        // SAFETY: handed on as it came.
        _ => unsafe { real_syscall()(number, a, b, c, d, e, f) },
    }
}

fn wait(word: usize, expected: u32, until: Option<u64>, part: Part) -> c_int {
    if part == Part::Director {
        settle();
    }
    let call = Arc::new(AtomicU32::new(ASLEEP));
    let waits = WAITERS.with(|all| {
        // SAFETY: whoever waits for a word has it.
        let found = unsafe { &*(word as *const AtomicU32) }.load(SeqCst);
        // The director's time does not go on while it waits: it is over at once.
        if found != expected || (part == Part::Director && until.is_some()) {
            return Err(if found == expected { libc::ETIMEDOUT } else { libc::EAGAIN });
        }
        all.push(Waiter { word, until, part, call: Arc::clone(&call) });
        Ok(())
    });
    if let Err(why) = waits {
        return fail(why);
    }
    if part == Part::Worker {
        at_rest();
    }
    while call.load(SeqCst) == ASLEEP {
        real_futex(call.as_ptr().cast(), libc::FUTEX_WAIT, ASLEEP);
    }
    if part == Part::Director {
        settle();
    }
    match call.load(SeqCst) {
        TOO_LATE => fail(libc::ETIMEDOUT),
        _ => 0,
    }
}

/// How many were woken: first those on this ground, in the order in which they came.
fn wake(word: usize, most: i32, part: Part) -> c_int {
    let mut woken = 0;
    while woken < most {
        let next = WAITERS.with(|all| {
            let at = all.iter().position(|waiter| waiter.word == word)?;
            Some(taken(all, at))
        });
        let Some(call) = next else {
            break;
        };
        wake_up(&call, WOKEN);
        woken += 1;
    }
    let left = most - woken;
    if left > 0 {
        woken += real_futex(word as *mut c_void, libc::FUTEX_WAKE, left as u32) as c_int;
    }
    if part == Part::Director {
        settle();
    }
    woken
}

/// What a new thread is to do.
struct Beginning {
    run: extern "C" fn(*mut c_void) -> *mut c_void,
    with: *mut c_void,
}

extern "C" fn work(beginning: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` has made it for this thread alone.
    let beginning = unsafe { Box::from_raw(beginning.cast::<Beginning>()) };
    PART.set(Part::Worker);
    let ended = (beginning.run)(beginning.with);
    PART.set(Part::None);
    at_rest();
    ended
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    how: *const pthread_attr_t,
    run: extern "C" fn(*mut c_void) -> *mut c_void,
    with: *mut c_void,
) -> c_int {
    let part = PART.get();
    if part == Part::None {
        // SAFETY: handed on as it came.
        return unsafe { real_create()(thread, how, run, with) };
    }
    RUNNING.fetch_add(1, SeqCst);
    let beginning = Box::into_raw(Box::new(Beginning { run, with }));
    // SAFETY: the new thread takes `beginning` over.
    let failed = unsafe { real_create()(thread, how, work, beginning.cast()) };
    if failed != 0 {
        // SAFETY: there is no such thread.
        drop(unsafe { Box::from_raw(beginning) });
        at_rest();
    }
    if part == Part::Director {
        settle();
    }
    failed
}

/// How long the simulation has run.
pub(crate) fn since_begin() -> Duration {
    Duration::from_nanos(now() - BEGIN)
}

/// The time of day there.
pub(crate) fn unix_ms() -> i64 {
    ((SWITCHED_ON + now()) / 1_000_000) as i64
}
