//! THE SIMULATION: the real client and the real server, each with its real SQLite, over a network
//! and by clocks that exist only here. A seed says everything that is otherwise chance: who writes
//! when, how long a packet takes, which line hangs, at which sync of its disk the server dies. So a
//! run that fails fails again, and hundreds of seconds take a few.
//!
//! `docs/simulation.md` tells what is simulated, what is not, and what the runs have shown.

mod ground;
mod journal;
pub mod limits;
mod many;
mod network;
mod people;
mod plan;
mod run;
mod server_host;
mod trace;
mod world;

pub use many::{Mechanism, Order, many, one};
pub use run::Outcome;
