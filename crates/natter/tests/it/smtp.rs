//! Mails to a mail server with TLS and a login, and what becomes of them when its certificate, or
//! our password, is not what it should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::outside::Outside;
use crate::tls::Authority;
use crate::world::{PASSWORD, PATIENCE, Running, World};

/// A world with somebody who signs certificates, whom its servers trust.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) authority: Authority,
    servers: u32,
}

/// A `natter serve` that was told of a mail server.
pub(crate) struct Sender {
    pub(crate) address: String,
    _running: Running,
}

impl Site {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let authority = Authority::new("authority", world.home.path());
        Self { world, authority, servers: 0 }
    }

    pub(crate) fn certificate(&self, by: &Authority, name: &str, until_year: i32) -> [String; 2] {
        let [cert, key] = ["mail.pem", "mail.key"].map(|file| self.world.home.path().join(file));
        by.issue_for(&[name], until_year, &cert, &key);
        [cert, key].map(|path| path.display().to_string())
    }

    pub(crate) fn serve(&mut self, args: &[&str]) -> Sender {
        self.servers += 1;
        let data = self.world.home.path().join(format!("served{}", self.servers));
        let mut command = self.world.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(&data).args(args).env("SSL_CERT_FILE", &self.authority.file);
        // A try that fails is soon followed by the next.
        command.args(["--timers-mail-retry-ms", "50", "--log", "error"]);
        let mut running = Running::start(command);
        let line = running.line();
        let address = line.strip_prefix("listening on http://").expect(&line).to_owned();
        Sender { address, _running: running }
    }

    /// A mail server with these arguments is sent nothing; what should go to it waits.
    fn gets_nothing(&mut self, case: &str, args: &[&str], scheme: &str) {
        let server = Outside::start("smtpd.py", args);
        let query = if scheme == "smtp" { "?tls=required" } else { "" };
        let url = format!("{scheme}://natter:secret@localhost:{}{query}", server.port);
        let sender = self.serve(&["--smtp", &url]);
        self.signs_up(&sender, &format!("user{}", self.servers));
        sender.waits_for(AWAY, 2);
        assert_eq!(sender.figure(GIVEN_UP), 0, "{case}: it may be mended");
        let told = server.end();
        assert!(told.is_empty(), "{case}: {told:?}");
    }

    /// Somebody signs up with an address: a mail has to go out.
    pub(crate) fn signs_up(&self, sender: &Sender, handle: &str) {
        let (url, address) =
            (format!("http://{}", sender.address), format!("{handle}@example.org"));
        let who = ["--profile", handle, "--server", &url, "signup", handle, "--email", &address];
        let run =
            self.world.run(&[&who[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
        assert_eq!(run.code, 0, "{run:?}");
    }
}

impl Sender {
    fn figure(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect(name).parse().unwrap()
    }

    pub(crate) fn waits_for(&self, name: &str, at_least: u64) {
        let begin = Instant::now();
        while self.figure(name) < at_least {
            assert!(begin.elapsed() < PATIENCE, "{name} stays {}", self.figure(name));
            std::thread::yield_now();
        }
    }
}

const AWAY: &str = "natter_mails_put_off_total{why=\"unreachable\"}";
const GIVEN_UP: &str = "natter_mails_given_up_total";

#[test]
fn mails_go_out_by_tls_and_with_a_login() {
    let mut site = Site::new();
    let [cert, key] = site.certificate(&site.authority, "localhost", 4096);
    let login = ["--login", "natter", "a b:c"];
    for (implicit, scheme, query) in [
        (true, "smtps", ""),
        (false, "smtp", "?tls=required"),
        (false, "smtp", "?tls=opportunistic"),
    ] {
        let mut args = vec!["take", "--tls", &cert, &key];
        args.extend(login);
        args.extend(implicit.then_some("--implicit"));
        let server = Outside::start("smtpd.py", &args);
        let url = format!("{scheme}://natter:a%20b%3Ac@localhost:{}{query}", server.port);
        let sender = site.serve(&["--smtp", &url]);
        let handle = format!("user{}", site.servers);
        site.signs_up(&sender, &handle);
        let mail = server.next();
        assert_eq!((&mail["tls"], &mail["login"]), (&true.into(), &true.into()), "{url}: {mail}");
        assert_eq!(mail["to"][0], format!("{handle}@example.org"));
        assert!(server.end().is_empty());
    }
}

#[test]
fn a_mail_server_that_is_not_who_it_should_be_gets_no_mail_and_no_password() {
    let mut site = Site::new();
    let stranger = Authority::new("stranger", site.world.home.path());
    for (case, is_strange, name, until_year, implicit) in [
        ("signed by a stranger", true, "localhost", 4096, true),
        ("of another name", false, "example.org", 4096, false),
        ("too old", false, "localhost", 2001, true),
    ] {
        let by = if is_strange { &stranger } else { &site.authority };
        let [cert, key] = site.certificate(by, name, until_year);
        let mut args = vec!["take", "--tls", &cert, &key, "--login", "natter", "secret"];
        args.extend(implicit.then_some("--implicit"));
        let scheme = if implicit { "smtps" } else { "smtp" };
        site.gets_nothing(case, &args, scheme);
    }
    site.gets_nothing("no TLS at all", &["take"], "smtp");
}

#[test]
fn a_password_that_the_mail_server_does_not_want_is_tried_again_when_it_may_have_been_mended() {
    let mut site = Site::new();
    let [cert, key] = site.certificate(&site.authority, "localhost", 4096);
    let args = ["take", "--tls", &cert, &key, "--login", "natter", "another", "--implicit"];
    site.gets_nothing("a wrong password", &args, "smtps");
}
