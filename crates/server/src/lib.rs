//! THE ROLES: auth (who you are), gateway (live connections), and what they stand on.
//! `docs/flows/connect.md` and `docs/flows/send.md` tell the two main journeys.
//!
//! What must not happen: auth and gateway do not name each other, and bus and cache name neither.
//! Only `run.rs` names all. SQL is the store's, the bytes of a frame are `proto`'s.

mod auth;
mod bus;
mod cache;
mod clock;
mod config;
mod counters;
mod error;
mod gateway;
pub mod limits;
mod listen;
mod outbound;
mod rate;
mod run;

pub use config::{Config, Rates, Roles, Timers};
pub use error::Error;
pub use rate::Rate;
pub use run::{Server, run, start};
