//! The whole product from outside: real processes, real sockets, a real terminal.

mod bench;
mod commands;
mod first_run;
mod kill;
mod mail;
mod screen;
mod world;
