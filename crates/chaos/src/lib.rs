//! THE FAULTS: breaks a running system on purpose, while people use it, and proves that nothing was
//! lost. `docs/faults.md` is the table of what is broken and what must hold.
//!
//! The system is real: processes of the binary, PostgreSQL, Redis. The people are the real client.
//! A run is judged by `bench::check` from their journals and the databases; without enough load
//! before the fault it proves nothing and says so.

mod cluster;
pub mod faults;
pub mod found;
mod limits;
mod page;
mod run;
mod sample;
mod scenes;
mod stage;
mod talk;

pub use cluster::Setup;
pub use page::{page, record};
pub use run::{Played, at_random, play_all};
pub use stage::{Form, LONG, Outcome, SHORT};
