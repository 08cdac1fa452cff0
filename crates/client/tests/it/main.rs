//! The line as its users meet it: a real server, real sockets, a real disk.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod chat;
mod cut;
mod half;
mod offline;
mod profile;
mod world;
