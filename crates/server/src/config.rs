//! What an operator may set: in `natter.toml`, by environment variables, by flags. Every setting
//! has a default that works on one machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::error::Error;
use crate::keys::{self, Key, Kind, Secret};
use crate::limits;
use crate::peer::Network;
use crate::rate::Rate;
use crate::spans;

/// The rows of one part of the settings: what a setting means, its field, its name in the file
/// where that is another, its type, its default, how it is written, and an example where the
/// default is nothing. From it come the struct, its default and its rows of [`KEYS`].
macro_rules! settings {
    ($(#[doc = $about:literal])+ $(#[derive($extra:ident)])?
     $name:ident, $keys:ident, $prefix:literal {
        $($(#[doc = $help:literal])+ $(#[serde($serde:meta)])? $field:ident $([$key:literal])?:
          $type:ty = $default:expr, $kind:ident $($example:literal)?;)+
    } $($part:ident: $part_type:ty),*) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
        $(#[derive($extra)])?
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $help])+ $(#[serde($serde)])? $(#[serde(rename = $key)])?
              pub $field: $type,)+
            $(pub $part: $part_type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ $($part: <$part_type>::default(),)* }
            }
        }

        const $keys: &[Key] = &[$(Key {
            name: settings!(@name $prefix $field $($key)?),
            kind: Kind::$kind,
            help: concat!($($help),+),
            example: concat!("" $(, $example)?),
        }),+];
    };
    (@name $prefix:literal $field:ident $key:literal) => { concat!($prefix, $key) };
    (@name $prefix:literal $field:ident) => { concat!($prefix, stringify!($field)) };
}

settings! {
    /// The settings of one server process.
    Config, TOP, "" {
        /// Address and port for everything; port 0 takes a free one.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7_700)), Text;
        /// The certificate for TLS, in PEM, with those that lead to its root. None: no TLS. Read
        /// again on SIGHUP.
        tls_cert: Option<PathBuf> = None, Text r#""/etc/natter/tls/fullchain.pem""#;
        /// The private key of the certificate, in PEM.
        tls_key: Option<PathBuf> = None, Text r#""/etc/natter/tls/privkey.pem""#;
        /// Directory of the embedded database. Made if it is missing, for this user only.
        data: PathBuf = PathBuf::from("natter-data"), Text;
        /// Database URLs, the first is the directory of people. None: SQLite in `data`.
        #[serde(deserialize_with = "keys::texts")]
        database: Vec<Secret> = Vec::new(), Secrets r#"["postgres://natter:PASSWORD@db/natter"]"#;
        /// Redis 7 or newer, which the processes of one system share. Several URLs: servers of one
        /// Redis Cluster, or one Redis and its copies. `rediss://` is with TLS, and trusts what the
        /// system trusts. None: this process is alone.
        #[serde(deserialize_with = "keys::texts")]
        redis: Vec<Secret> = Vec::new(), Secrets r#"["redis://:PASSWORD@redis"]"#;
        /// Which roles this process plays: auth (accounts, sessions, tickets: the HTTP calls),
        /// gateway (the WebSockets), notify (mail to those who are away).
        roles ["role"]: Roles = Roles::default(), List;
        /// How clients reach this gateway, as `ws://HOST[:PORT]` or `wss://…`. None: from the Host
        /// header of the call; with `redis`, the address that it listens on.
        public_url: Option<String> = None, Text r#""wss://gateway-1.example.org""#;
        /// Where the links in mails lead to, as `https://HOST`. None: to the address we listen on.
        site_url: Option<String> = None, Text r#""https://chat.example.org""#;
        /// The mail server, as `smtp://HOST[:PORT]` or `smtps://NAME:PASSWORD@HOST`;
        /// `?tls=required` insists on STARTTLS. None: mails are kept in the directory `mail` of
        /// `data`.
        smtp: Option<Secret> = None, Secret r#""smtps://natter:PASSWORD@mail.example.org""#;
        /// Who mails are from: `NAME <ADDRESS>`.
        mail_from: String = "natter <natter@localhost>".to_owned(), Text;
        /// The RabbitMQ between the relays and the workers of the notify roles, as
        /// `amqps://NAME:PASSWORD@HOST[:PORT]/VHOST`, or `amqp://…` without TLS. None: each does
        /// what it claims itself.
        amqp: Option<Secret> = None, Secret r#""amqps://natter:PASSWORD@queue/natter""#;
        /// What the names of the queues in that RabbitMQ begin with. Servers of one name share the
        /// work.
        amqp_queue: String = "natter".to_owned(), Text;
        /// Networks that webhooks and pushes may go to although they are this machine's own,
        /// private or reserved, as `127.0.0.1` or `10.0.0.0/8`; only there without TLS. None: they
        /// go to public addresses by `https://`, and nowhere else.
        #[serde(deserialize_with = "keys::texts")]
        doors_opened: Vec<String> = Vec::new(), List r#"["10.0.0.0/8"]"#;
        /// The handle of somebody who becomes a friend of everybody who signs up. None: nobody.
        greeter: Option<String> = None, Text r#""example""#;
        /// Web pages that may connect, exactly as browsers write them (`https://chat.example.org`).
        /// Native clients send no Origin and are not asked for one.
        #[serde(deserialize_with = "keys::texts")]
        origins: Vec<String> = Vec::new(), List r#"["https://chat.example.org"]"#;
        /// Proxies before us, as `127.0.0.1` or `10.0.0.0/8`: of whom `X-Forwarded-For` is
        /// believed, so that rates count people and not the proxy. From everybody else it is not
        /// looked at.
        #[serde(deserialize_with = "keys::texts")]
        trusted_proxies: Vec<String> = Vec::new(), List r#"["127.0.0.1"]"#;
        /// Sockets at once. One more is closed as soon as it is accepted.
        connections_max: usize = 12_000, Number;
        /// How much is logged to standard error: `error`, `warn`, `info`, `debug`, `trace`, or for
        /// parts of the program `info,server=debug`.
        log: String = "info".to_owned(), Text;
        /// How logs are written: `human`, or `json` with one object a line.
        log_format: LogFormat = LogFormat::Human, Text;
        /// The collector of OpenTelemetry that is told the way of messages through the processes,
        /// by OTLP over HTTP, as `http://HOST[:4318]`. None: nobody is told.
        otlp: Option<String> = None, Text r#""http://localhost:4318""#;
        /// One message in so many is followed.
        otlp_one_in: u32 = 100, Number;
    } rates: Rates, timers: Timers
}

settings! {
    /// How often somebody may do something, before he is told to wait.
    #[derive(Copy)]
    Rates, RATES, "rates." {
        /// Signup, login and password calls from one address (IPv6: one /64).
        auth_address: Rate = Rate { burst: 20, per_minute: 30 }, Rate;
        /// Signup, login and password calls from this machine itself.
        auth_loopback: Rate = Rate { burst: 10_000, per_minute: 60_000 }, Rate;
        /// Tries at the password of one account.
        auth_account: Rate = Rate { burst: 10, per_minute: 10 }, Rate;
        /// Mails with a link to a new password that one address asks for. (For one account there is
        /// one in five minutes, whoever asks.)
        resets: Rate = Rate { burst: 5, per_minute: 2 }, Rate;
        /// Tickets of one user: one for each connection that he opens.
        tickets: Rate = Rate { burst: 300, per_minute: 1_200 }, Rate;
        /// Sends of one connection. A person types one message in a few seconds; scripts pipe a
        /// log. The default lets through what a pipe writes at once, and a steady 100 a second: the
        /// writer groups them anyway.
        sends: Rate = Rate { burst: 400, per_minute: 6_000 }, Rate;
        /// Cursors, typing, pings, questions about people: they cost next to nothing.
        light: Rate = Rate { burst: 1_000, per_minute: 30_000 }, Rate;
        /// Pages of history, and changes of old messages.
        pages: Rate = Rate { burst: 200, per_minute: 3_000 }, Rate;
        /// Searches, and everything that changes people or groups.
        heavy: Rate = Rate { burst: 30, per_minute: 300 }, Rate;
    }
}

settings! {
    /// How long things may take, in milliseconds.
    #[derive(Copy)]
    Timers, TIMERS, "timers." {
        /// From the WebSocket to the Hello.
        hello_ms: u64 = 5_000, Number;
        /// Without a sign of life from a client.
        silence_ms: u64 = proto::limits::SILENCE_MS, Number;
        /// For a client to take what is written to it.
        write_ms: u64 = 10_000, Number;
        /// From the redirect to the WebSocket.
        ticket_ms: u64 = 30_000, Number;
        /// A user whose last connection ended is told offline after this.
        presence_grace_ms: u64 = 5_000, Number;
        /// Every connection compares what it was given with the store this often.
        position_check_ms: u64 = 300_000, Number;
        /// A gateway that has not been heard of for so long is taken for dead by the others, and
        /// ends its own connections when it finds that it was stopped for so long.
        lease_ms: u64 = 15_000, Number;
        /// Draining clients are asked to come back at a random moment within this.
        reconnect_within_ms: u64 = 5_000, Number;
        /// Connecting to a mail server or to what else jobs call. A whole mail may take three times
        /// that.
        mail_step_ms: u64 = 20_000, Number;
        /// A job belongs to who does it for so long; after that somebody else may do it. Longer
        /// than a whole mail.
        mail_lease_ms: i64 = 5 * 60_000, Number;
        /// From a first try that failed to the second; each further pause is four times as long, up
        /// to 64 times.
        mail_retry_ms: i64 = 60_000, Number;
    }
}

/// Every setting there is, in the order of the file.
pub fn keys() -> Vec<Key> {
    [TOP, RATES, TIMERS].concat()
}

/// What this process does. More than one is usual; all is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "RoleNames", into = "Vec<&'static str>")]
pub struct Roles {
    /// Accounts, sessions, tickets: the HTTP calls.
    pub auth: bool,
    /// The WebSockets.
    pub gateway: bool,
    /// Mail to those who are away.
    pub notify: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { auth: true, gateway: true, notify: true }
    }
}

#[derive(Deserialize)]
struct RoleNames(#[serde(deserialize_with = "keys::texts")] Vec<String>);

impl TryFrom<RoleNames> for Roles {
    type Error = String;

    fn try_from(RoleNames(names): RoleNames) -> Result<Self, String> {
        let mut roles = Self { auth: false, gateway: false, notify: false };
        for name in names {
            match name.as_str() {
                "auth" => roles.auth = true,
                "gateway" => roles.gateway = true,
                "notify" => roles.notify = true,
                _ => return Err(format!("{name} is none of the roles auth, gateway, notify")),
            }
        }
        Ok(roles)
    }
}

impl From<Roles> for Vec<&'static str> {
    fn from(roles: Roles) -> Self {
        let named = [("auth", roles.auth), ("gateway", roles.gateway), ("notify", roles.notify)];
        named.into_iter().filter_map(|(name, plays)| plays.then_some(name)).collect()
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Human,
    Json,
}

impl Config {
    /// The settings in the text of a `natter.toml`. The error says in which line it is wrong.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::layered(text, &[])
    }

    /// The settings in the text of a `natter.toml`, and over them what flags and variables say,
    /// each with its name and its text.
    pub fn layered(text: &str, set: &[(Key, String, String)]) -> Result<Self, Error> {
        // Alone first: only the text itself knows its lines.
        let file: Result<Self, _> = toml::from_str(text);
        file.map_err(|error| Error::Config(in_line(text, &error)))?;
        let mut table: Table =
            toml::from_str(text).map_err(|e| Error::Config(in_line(text, &e)))?;
        for (key, origin, text) in set {
            let wrong = |why: &str| Error::Config(format!("{origin}: {}", why.trim_end()));
            let one = key.table(text).map_err(|why| wrong(&why))?;
            let alone: Result<Self, _> = one.clone().try_into();
            alone.map_err(|error| wrong(error.message()))?;
            keys::lay_over(&mut table, one);
        }
        let config: Self = table.try_into().map_err(|e| Error::Config(e.message().to_owned()))?;
        config.check()?;
        Ok(config)
    }

    /// As a `natter.toml` with every key and its meaning; what is as it is by default is commented
    /// out. Secrets are not shown.
    pub fn to_toml(&self) -> String {
        keys::print(&keys(), &self.table(), &Self::default().table())
    }

    /// Every key as a table in Markdown.
    pub fn document() -> String {
        keys::document(&keys(), &Self::default().table())
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("every setting has a form in TOML")
    }

    /// What can be said to be wrong before anything starts.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::Config(why.to_owned()));
        if !(self.roles.auth || self.roles.gateway || self.roles.notify) {
            return wrong("no role is left (setting `roles`)");
        }
        let networks =
            [("trusted_proxies", &self.trusted_proxies), ("doors_opened", &self.doors_opened)];
        for (setting, texts) in networks {
            if let Some(text) = texts.iter().find(|text| Network::parse(text).is_none()) {
                return wrong(&format!("{text:?} is no network (setting `{setting}`)"));
            }
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
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return wrong("TLS needs both settings, `tls_cert` and `tls_key`");
        }
        self.check_cluster()?;
        let mail_ms = u64::from(limits::MAIL_STEPS).saturating_mul(self.timers.mail_step_ms);
        if self.timers.mail_lease_ms.unsigned_abs() <= mail_ms || self.timers.mail_retry_ms < 1 {
            return wrong("a mail takes longer than its lease (setting `timers.mail_lease_ms`)");
        }
        if let Some(url) = &self.otlp
            && !spans::is_collector(url)
        {
            return wrong("a collector is reached by http:// (setting `otlp`)");
        }
        if self.otlp_one_in == 0 {
            return wrong("of no messages none can be followed (setting `otlp_one_in`)");
        }
        if self.connections_max == 0 {
            return wrong("nobody could connect (setting `connections_max`)");
        }
        Ok(())
    }

    /// What several processes that are one system need.
    fn check_cluster(&self) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::Config(why.to_owned()));
        if self.redis.is_empty() {
            return Ok(());
        }
        if self.database.iter().all(|url| url.starts_with("sqlite:")) {
            return wrong("several processes need one PostgreSQL (setting `database`)");
        }
        let is_found = self.public_url.is_some() || !self.listen.ip().is_unspecified();
        if self.roles.gateway && !is_found {
            return wrong("nobody can be sent to this gateway (setting `public_url`)");
        }
        if self.timers.lease_ms == 0 {
            return wrong("every gateway would be taken for dead (setting `timers.lease_ms`)");
        }
        Ok(())
    }

    /// `ws` or `http`, with an `s` behind it where we speak TLS.
    pub(crate) fn scheme(&self, plain: &str) -> String {
        let tls = if self.tls_cert.is_some() { "s" } else { "" };
        format!("{plain}{tls}")
    }

    /// The databases to open: those that are set, or the embedded one.
    pub fn databases(&self) -> Vec<Secret> {
        if self.database.is_empty() {
            return vec![sqlite_url(&self.data).into()];
        }
        self.database.clone()
    }
}

/// What is wrong, and where. Never the line itself: it may hold a password.
fn in_line(text: &str, error: &toml::de::Error) -> String {
    let why = error.message().trim_end();
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
            format!("line {line}: {why}")
        }
        None => why.to_owned(),
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
    fn a_misspelt_setting_is_told_with_its_line_and_never_its_text() {
        for (bad, wanted) in [
            ("\nlissten = 1", "line 2: unknown field `lissten`"),
            ("[timers]\nhello_ms = 'soon'", "line 2: invalid type"),
            ("role = ['cook']", "line 1: cook is none of the roles"),
            ("role = []", "no role is left"),
            ("public_url = 'http://x'", "`public_url`"),
            ("connections_max = 0", "`connections_max`"),
            ("[timers]\nmail_lease_ms = 9", "`timers.mail_lease_ms`"),
            ("data = 'a'\nsmtp = 'smtp://a:hunter2@b", "line 2: "),
            ("database = 'postgres://a:hunter2@b'\nsmtp = 1", "line 2: "),
            ("log = 1\nsmtp = 'smtp://a:hunter2@b'", "line 1: "),
            ("database = [['hunter2']]", "line 1: expected a text or a list of texts"),
        ] {
            let why = Config::from_toml(bad).unwrap_err().to_string();
            assert!(why.contains(wanted), "{bad}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_printed_file_says_what_was_set() {
        assert_eq!(Config::from_toml(&Config::default().to_toml()).unwrap(), Config::default());
        let text = "listen = '0.0.0.0:80'\nrole = ['notify']\n[rates]\nheavy = { burst = 1, \
                    per_minute = 2 }\n[timers]\nhello_ms = 9\n";
        let config = Config::from_toml(text).unwrap();
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn every_commented_line_of_the_file_may_be_switched_on() {
        let lines = Config::default().to_toml();
        let on = |line: &str| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") => key.to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = lines.lines().map(on).collect();
        let config = Config::from_toml(&text.join("\n")).unwrap();
        assert_eq!((config.rates, config.timers), (Rates::default(), Timers::default()));
        assert_eq!(config.database[0].to_string(), "postgres://natter:…@db/natter");
    }

    #[test]
    fn a_wrong_flag_or_variable_is_told_by_its_name() {
        let set = |name: &str, text: &str| {
            let key = keys().into_iter().find(|key| key.name == name).unwrap();
            let set = [(key, format!("--{}", key.flag()), text.to_owned())];
            Config::layered("connections_max = 7", &set)
        };
        for (name, text, wanted) in [
            ("listen", "here", "--listen: invalid socket address syntax"),
            ("rates.sends", "9", "--rates-sends: not a rate"),
            ("timers.hello_ms", "soon", "--timers-hello-ms: not a number"),
            ("connections_max", "-1", "--connections-max: "),
            ("role", "auth,cook", "--role: cook is none of the roles"),
        ] {
            let why = set(name, text).unwrap_err().to_string();
            assert!(why.contains(wanted), "{name}: {why}");
        }
        let config = set("rates.sends", "9/60").unwrap();
        assert_eq!(config.rates.sends, Rate { burst: 9, per_minute: 60 });
        assert_eq!(config.connections_max, 7);
    }
}
