//! What breaks when, and for how long: all by the chance of the seed.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use turmoil::Sim;

use crate::limits;
use crate::people::Person;
use crate::world::{SERVER, World};

/// What can break.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The server is killed between two things that it does …
    Kill,
    /// … or in the midst of one: when it has written or synced so many more times.
    LastBreaths(u64),
    /// The server ends in order and is started again.
    Restart,
    /// The client of this person is killed.
    KillClient(usize),
    /// All lines of this person break.
    Cut(usize),
    /// All lines of all break.
    CutAll,
    /// Nothing comes through between this person and the server any more, and what was on its way
    /// never will.
    Part(usize),
    /// The same, in one direction.
    Up(usize),
    Down(usize),
    /// Nothing comes through, and everything later.
    Hold(usize),
    /// Every packet of this person takes so many milliseconds.
    Slow(usize, u64),
}

/// How it is whole again.
#[derive(Debug, Clone, Copy)]
enum Mend {
    StartServer,
    StartClient(usize),
    Link(usize, Fault),
}

/// What is broken now, and what breaks next.
pub(crate) struct Plan {
    next: Duration,
    end: Duration,
    mends: Vec<(Duration, Mend)>,
    server_is_down: bool,
    /// Of each person: is something of his broken?
    busy: Vec<bool>,
    /// Rounds of last words.
    rounds: u64,
    pub(crate) faults: u64,
}

impl Plan {
    /// Between these two moments things break.
    pub(crate) fn new(begin: Duration, end: Duration, people: usize) -> Self {
        let (mends, busy) = (Vec::new(), vec![false; people]);
        Self { next: begin, end, mends, server_is_down: false, busy, rounds: 0, faults: 0 }
    }

    /// What is due, after each step.
    pub(crate) fn go_on(&mut self, world: &World, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        self.bury(world, sim, now);
        while let Some(at) = self.mends.iter().position(|(at, _)| *at <= now || now >= self.end) {
            let (_, mend) = self.mends.remove(at);
            self.mend(world, sim, mend);
        }
        if self.rounds == 0 && now + limits::LAST_STORM >= self.end {
            self.last_words(world);
        }
        if now >= self.next && now < self.end {
            self.next = now + by_chance(limits::PEACE_MS_MAX);
            let fault = self.draw();
            self.break_it(world, sim, fault, now);
        }
    }

    /// Last words are said while everybody comes back at once: what nobody hears then is followed
    /// by nothing that would show it. false: there were enough.
    pub(crate) fn last_words(&mut self, world: &World) -> bool {
        if self.rounds >= limits::LAST_WORDS {
            return false;
        }
        self.rounds += 1;
        world.note("fault", "last words");
        world.people.iter().for_each(|person| cut(person));
        world.last_words.send_replace(self.rounds);
        true
    }

    /// Is everything whole?
    pub(crate) fn is_whole(&self) -> bool {
        self.mends.is_empty() && !self.server_is_down
    }

    /// A server that died, or has ended, is down until it is started again.
    fn bury(&mut self, world: &World, sim: &mut Sim<'_>, now: Duration) {
        if self.server_is_down {
            return;
        }
        let died = world.lives.now().is_over();
        if died {
            world.note(SERVER, "dies");
            sim.crash(SERVER);
        }
        if died || !sim.is_host_running(SERVER) {
            self.server_is_down = true;
            self.mends.push((now + by_chance(limits::BROKEN_MS_MAX / 2), Mend::StartServer));
        }
    }

    fn draw(&self) -> Fault {
        let mut rng = rand::rng();
        let n = rng.random_range(0..self.busy.len());
        match rng.random_range(0..15) {
            0 | 1 => Fault::Kill,
            2 | 3 => Fault::LastBreaths(rng.random_range(1..=limits::LAST_BREATHS_MAX)),
            4 => Fault::Restart,
            5 | 6 => Fault::KillClient(n),
            7 | 8 => Fault::Cut(n),
            9 => Fault::Part(n),
            10 => Fault::Up(n),
            11 => Fault::Down(n),
            12 => Fault::Hold(n),
            13 => Fault::CutAll,
            _ => Fault::Slow(n, rng.random_range(20..=900)),
        }
    }

    fn break_it(&mut self, world: &World, sim: &mut Sim<'_>, fault: Fault, now: Duration) {
        let until = now + by_chance(limits::BROKEN_MS_MAX);
        match fault {
            Fault::Kill | Fault::LastBreaths(_) | Fault::Restart if self.server_is_down => return,
            Fault::Kill => world.lives.now().die(),
            Fault::LastBreaths(breaths) => world.lives.now().let_die_after(breaths),
            Fault::Restart => drop(world.lives.stop.send_replace(true)),
            Fault::Cut(n) => cut(&world.people[n]),
            Fault::CutAll => world.people.iter().for_each(|person| cut(person)),
            Fault::KillClient(n)
            | Fault::Part(n)
            | Fault::Up(n)
            | Fault::Down(n)
            | Fault::Hold(n)
            | Fault::Slow(n, _)
                if self.busy[n] =>
            {
                return;
            }
            Fault::KillClient(n) => {
                kill_client(sim, &world.people[n]);
                self.keep_broken(until, n, Mend::StartClient(n));
            }
            Fault::Part(n) | Fault::Up(n) | Fault::Down(n) | Fault::Hold(n) | Fault::Slow(n, _) => {
                break_link(sim, world.people[n].name, fault);
                self.keep_broken(until, n, Mend::Link(n, fault));
            }
        }
        self.faults += 1;
        world.note("fault", &format!("{fault:?}"));
    }

    fn keep_broken(&mut self, until: Duration, n: usize, mend: Mend) {
        self.busy[n] = true;
        self.mends.push((until, mend));
    }

    fn mend(&mut self, world: &World, sim: &mut Sim<'_>, mend: Mend) {
        world.note("mend", &format!("{mend:?}"));
        match mend {
            Mend::StartServer => {
                self.server_is_down = false;
                world.lives.stop.send_replace(false);
                sim.bounce(SERVER);
            }
            Mend::StartClient(n) => {
                self.busy[n] = false;
                sim.bounce(world.people[n].name);
            }
            Mend::Link(n, fault) => {
                self.busy[n] = false;
                mend_link(sim, world.people[n].name, fault);
            }
        }
    }
}

fn by_chance(most_ms: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(1..=most_ms))
}

fn cut(person: &Person) {
    person.cuts.send_modify(|cuts| *cuts += 1);
}

fn kill_client(sim: &mut Sim<'_>, person: &Arc<Person>) {
    person.died();
    sim.crash(person.name);
}

fn break_link(sim: &Sim<'_>, name: &str, fault: Fault) {
    match fault {
        Fault::Part(_) => sim.partition(name, SERVER),
        Fault::Up(_) => sim.partition_oneway(name, SERVER),
        Fault::Down(_) => sim.partition_oneway(SERVER, name),
        Fault::Hold(_) => sim.hold(name, SERVER),
        Fault::Slow(_, ms) => sim.set_link_latency(name, SERVER, Duration::from_millis(ms)),
        _ => {}
    }
}

fn mend_link(sim: &Sim<'_>, name: &str, fault: Fault) {
    match fault {
        Fault::Part(_) => sim.repair(name, SERVER),
        Fault::Up(_) => sim.repair_oneway(name, SERVER),
        Fault::Down(_) => sim.repair_oneway(SERVER, name),
        Fault::Hold(_) => sim.release(name, SERVER),
        Fault::Slow(..) => sim.set_link_latency(name, SERVER, limits::STEP),
        _ => {}
    }
}
