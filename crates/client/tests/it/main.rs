//! The line as its users meet it: a real server, real sockets, a real disk.

mod chat;
mod cut;
mod offline;
mod profile;
mod world;
