//! THE ROLES: auth (who you are), gateway (live connections), notify (mail), and what they stand
//! on. `docs/flows` tells the journeys.
//!
//! What must not happen: the roles do not name each other, and bus and cache name none.
//! Only `run.rs` names all. SQL is the store's, the bytes of a frame are `proto`'s.

mod auth;
mod bus;
mod cache;
mod clock;
mod config;
mod counters;
mod error;
mod gateway;
mod html;
pub mod limits;
mod listen;
mod notify;
mod outbound;
mod process;
mod rate;
mod run;
mod token;

pub use config::{Config, Rates, Roles, Timers};
pub use error::Error;
pub use rate::Rate;
pub use run::{Server, run, start};
