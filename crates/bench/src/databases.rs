//! Databases of a PostgreSQL that the user has named, made for a run and gone after it.

use std::process::{Command, Stdio};

use crate::{Error, Result};

pub(crate) struct Databases {
    /// The one that was named, from where the others are made.
    url: String,
    made: Vec<String>,
}

impl Databases {
    /// `url`: `postgres://USER@HOST:PORT/DATABASE`, of somebody who may create databases.
    pub(crate) fn of(url: &str) -> Result<Self> {
        let databases = Self { url: url.to_owned(), made: Vec::new() };
        databases.run("SHOW server_version")?;
        Ok(databases)
    }

    /// The URL of an empty one.
    pub(crate) fn create(&mut self) -> Result<String> {
        let name = format!("natter_bench_{:016x}", rand::random::<u64>());
        self.run(&format!("CREATE DATABASE {name}"))?;
        self.made.push(name.clone());
        let (server, _) = self.url.rsplit_once('/').unwrap_or((&self.url, ""));
        Ok(format!("{server}/{name}"))
    }

    /// Where PostgreSQL listens.
    pub(crate) fn port(&self) -> u16 {
        let (server, _) = self.url.rsplit_once('/').unwrap_or((&self.url, ""));
        server.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5_432)
    }

    fn run(&self, sql: &str) -> Result<()> {
        let failed = |why: String| Error::Child { what: "psql".to_owned(), why };
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &self.url, "-c", sql]);
        let done = psql.stdin(Stdio::null()).output();
        let done = done.map_err(|e| failed(format!("{e}; install postgresql-client")))?;
        match done.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&done.stderr).into_owned())),
        }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for name in &self.made {
            // What cannot be removed has a name that says whose it was.
            let _ = self.run(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}
