//! The server as its users meet it: a real one on a free port, real sockets, a real database.

mod harness;
mod story;
