//! What an operator may set, in `natter.toml`. Every field has a default that works on one machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::rate::Rate;

/// The settings of one server process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port for everything; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the embedded database. Made if it is missing, for this user only.
    pub data: PathBuf,
    /// Database URLs, the first is the directory of people. Empty: SQLite in `data`.
    pub database: Vec<String>,
    /// Which roles this process plays.
    pub roles: Roles,
    /// How clients reach this gateway, as `ws://HOST[:PORT]` or `wss://…`. Unset: from the Host
    /// header of the call.
    pub public_url: Option<String>,
    /// Where the links in mails lead to, as `https://HOST`. Unset: to the address we listen on.
    pub site_url: Option<String>,
    /// The mail server, as `smtp://HOST[:PORT]` or `smtps://NAME:PASSWORD@HOST`; `?tls=required`
    /// insists on STARTTLS. Unset: mails are kept in the directory `mail` of `data`.
    pub smtp: Option<String>,
    /// Who mails are from: `NAME <ADDRESS>`.
    pub mail_from: String,
    /// The handle of somebody who becomes a friend of everybody who signs up. Unset: nobody.
    pub greeter: Option<String>,
    /// Web pages that may connect, exactly as browsers write them (`https://chat.example.org`).
    /// Native clients send no Origin and are not asked for one.
    pub origins: Vec<String>,
    /// Sockets at once. One more is closed as soon as it is accepted.
    pub connections_max: usize,
    pub rates: Rates,
    pub timers: Timers,
}

/// What this process does. More than one is usual; all is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Accounts, sessions, tickets: the HTTP calls.
    pub auth: bool,
    /// The WebSockets.
    pub gateway: bool,
    /// Mail to those who are away.
    pub notify: bool,
}

/// How often somebody may do something, before he is told to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Signup, login and password calls from one address (IPv6: one /64).
    pub auth_address: Rate,
    /// … from this machine itself.
    pub auth_loopback: Rate,
    /// Tries at the password of one account.
    pub auth_account: Rate,
    /// Tickets of one user: one for each connection that he opens.
    pub tickets: Rate,
    /// Sends of one connection. A person types one message in a few seconds; scripts pipe a log.
    /// The default lets through what a pipe writes at once, and a steady 100 a second: the writer
    /// groups them anyway.
    pub sends: Rate,
    /// Cursors, typing, pings, questions about people: they cost next to nothing.
    pub light: Rate,
    /// Pages of history, and changes of old messages.
    pub pages: Rate,
    /// Searches, and everything that changes people or groups.
    pub heavy: Rate,
}

/// How long things may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timers {
    /// From the WebSocket to the Hello.
    pub hello_ms: u64,
    /// Without a sign of life from a client.
    pub silence_ms: u64,
    /// For a client to take what is written to it.
    pub write_ms: u64,
    /// From the redirect to the WebSocket.
    pub ticket_ms: u64,
    /// A user whose last connection ended is told offline after this.
    pub presence_grace_ms: u64,
    /// Every connection compares what it was given with the store this often.
    pub position_check_ms: u64,
    /// Draining clients are asked to come back at a random moment within this.
    pub reconnect_within_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7_700)),
            data: PathBuf::from("natter-data"),
            database: Vec::new(),
            roles: Roles::default(),
            public_url: None,
            site_url: None,
            smtp: None,
            mail_from: "natter <natter@localhost>".to_owned(),
            greeter: None,
            origins: Vec::new(),
            connections_max: 12_000,
            rates: Rates::default(),
            timers: Timers::default(),
        }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self { auth: true, gateway: true, notify: true }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            auth_address: Rate { burst: 20, per_minute: 30 },
            auth_loopback: Rate { burst: 10_000, per_minute: 60_000 },
            auth_account: Rate { burst: 10, per_minute: 10 },
            tickets: Rate { burst: 300, per_minute: 1_200 },
            sends: Rate { burst: 400, per_minute: 6_000 },
            light: Rate { burst: 1_000, per_minute: 30_000 },
            pages: Rate { burst: 200, per_minute: 3_000 },
            heavy: Rate { burst: 30, per_minute: 300 },
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hello_ms: 5_000,
            silence_ms: proto::limits::SILENCE_MS,
            write_ms: 10_000,
            ticket_ms: 30_000,
            presence_grace_ms: 5_000,
            position_check_ms: 300_000,
            reconnect_within_ms: 5_000,
        }
    }
}

impl Config {
    /// The settings in the text of a `natter.toml`. The error says where it is wrong.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// What can be said to be wrong before anything starts.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::Config(why.to_owned()));
        if !(self.roles.auth || self.roles.gateway || self.roles.notify) {
            return wrong("no role is left (setting `roles`)");
        }
        if let Some(url) = &self.public_url
            && !(url.starts_with("ws://") || url.starts_with("wss://"))
        {
            return wrong("a gateway is reached by ws:// or wss:// (setting `public_url`)");
        }
        if let Some(url) = &self.site_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return wrong("a site is reached by http:// or https:// (setting `site_url`)");
        }
        if self.connections_max == 0 {
            return wrong("nobody could connect (setting `connections_max`)");
        }
        Ok(())
    }

    /// The databases to open: those that are set, or the embedded one.
    pub fn databases(&self) -> Vec<String> {
        if self.database.is_empty() {
            return vec![sqlite_url(&self.data)];
        }
        self.database.clone()
    }
}

fn sqlite_url(data: &Path) -> String {
    format!("sqlite:{}", data.join("natter.db").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::from_toml("").unwrap(), Config::default());
    }

    #[test]
    fn one_setting_leaves_the_others_alone() {
        let text = "listen = '0.0.0.0:80'\n[rates]\nsends = { burst = 9, per_minute = 9 }\n";
        let config = Config::from_toml(text).unwrap();
        assert_eq!(config.listen.port(), 80);
        assert_eq!(config.rates.sends, Rate { burst: 9, per_minute: 9 });
        assert_eq!(config.timers, Timers::default());
    }

    #[test]
    fn a_misspelt_setting_is_told() {
        for bad in ["lissten = 1", "public_url = 'http://x'", "connections_max = 0"] {
            assert!(Config::from_toml(bad).is_err(), "{bad}");
        }
    }
}
