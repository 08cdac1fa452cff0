//! The server as its users meet it: a real one on a free port, real sockets, a real database.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod accounts;
mod browser;
mod bus;
mod changes;
mod docs;
mod figures;
mod groups;
mod harness;
mod hostile;
mod lost_bells;
mod mail;
mod nudges;
mod offline;
mod operate;
mod pages;
mod people;
mod presence;
mod queue_away;
mod settings;
mod slow;
mod story;
mod tickets;
mod traces;
