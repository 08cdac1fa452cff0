//! The whole product from outside: real processes, real sockets, a real terminal.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod admin;
mod bench;
#[cfg(target_os = "linux")]
mod cable;
#[cfg(target_os = "linux")]
mod chaos;
mod check;
#[cfg(target_os = "linux")]
mod cluster;
mod commands;
mod corpora;
mod deploy;
mod first_run;
#[cfg(target_os = "linux")]
mod full_disk;
mod hostile;
mod liar;
mod logs;
mod mail;
mod newcomer;
mod notices;
mod outside;
mod picture;
mod queue_tls;
mod screen;
mod settings;
mod shard_away;
mod smtp;
#[cfg(target_os = "linux")]
mod synced;
#[cfg(target_os = "linux")]
mod talk;
mod terminal;
mod tls;
mod workers;
mod world;
