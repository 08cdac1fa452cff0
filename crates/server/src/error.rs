//! Why the server did not start, or did not end well. What goes wrong with one client is told to
//! that client.

use std::net::SocketAddr;

/// What an operator is told. The sentence names the setting to look at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}: {source} (setting `listen`)")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot make the data directory {path}: {source} (setting `data`)")]
    Data { path: String, source: std::io::Error },
    #[error("{0}")]
    Config(String),
    /// Whoever was told that something is stored was told the truth.
    #[error("{task} has died and this process ends with it: {why}")]
    Died { task: &'static str, why: String },
    #[error("the database: {0}")]
    Store(#[from] store::Error),
}
