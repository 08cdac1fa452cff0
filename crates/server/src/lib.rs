//! THE ROLES: auth (who you are), gateway (live connections), notify (mail), and what they stand
//! on. `docs/flows` tells the journeys.
//!
//! What must not happen: the roles do not name each other, and bus, cache and queue name none.
//! Only `run.rs` names all. SQL is the store's, the bytes of a frame are `proto`'s.

mod amqp;
mod auth;
mod bus;
mod cache;
mod clock;
mod config;
mod counters;
mod error;
mod gateway;
mod html;
mod keys;
pub mod limits;
mod links;
mod listen;
mod notify;
mod outbound;
mod outward;
mod peer;
mod process;
mod queue;
mod rate;
mod run;
mod seam;
mod spans;
mod tasks;
mod tls;
mod token;

// The tests of a task that dies need the inside of a writer and the outside of a whole server.
#[cfg(test)]
extern crate self as server;
#[cfg(test)]
#[path = "../tests/it/harness.rs"]
#[expect(dead_code, reason = "only some of these helpers are needed here")]
mod harness;

pub use config::{Config, LogFormat, Rates, Roles, Timers, keys};
pub use error::Error;
pub use keys::{Key, Kind, Secret};
pub use links::inspect::{RedisSeen, inspect_redis};
pub use listen::{Handed, Wire};
pub use rate::Rate;
pub use run::{Server, check_files, check_queue, look_into_queue, run, start, start_on};
