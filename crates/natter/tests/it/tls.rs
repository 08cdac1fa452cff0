//! A server with a certificate, and clients that trust who signed it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;

use crate::world::{PASSWORD, PATIENCE, Running, World};

/// Who signs certificates, in a file that clients are told to trust.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str, directory: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = directory.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Puts a certificate for this machine, and its key, where the server looks for them.
    fn issue(&self, cert: &Path, key: &Path) {
        self.issue_for(&["localhost", "127.0.0.1"], 4096, cert, key);
    }

    /// … for these names, and good until this year begins.
    pub(crate) fn issue_for(&self, names: &[&str], until_year: i32, cert: &Path, key: &Path) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        params.distinguished_name.push(DnType::CommonName, "the server");
        let pair = KeyPair::generate().unwrap();
        std::fs::write(key, pair.serialize_pem()).unwrap();
        std::fs::write(cert, params.signed_by(&pair, &self.issuer).unwrap().pem()).unwrap();
    }
}

/// A server on a port of its own, its log in a file.
struct Secure {
    world: World,
    running: Running,
    url: String,
    cert: PathBuf,
    key: PathBuf,
    log: PathBuf,
}

impl Secure {
    fn start(world: World, authority: &Authority) -> Self {
        let home = world.home.path().to_owned();
        let [cert, key, log] = ["cert.pem", "key.pem", "log"].map(|name| home.join(name));
        authority.issue(&cert, &key);
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(home.join("served"));
        command.arg("--tls-cert").arg(&cert).arg("--tls-key").arg(&key);
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut running = Running::start(command);
        let line = running.line();
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?}"));
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
        Self { url: url.to_owned(), world, running, cert, key, log }
    }

    /// `natter ARGS` of a person who trusts this authority.
    fn natter(&self, trusted: &Authority, profile: &str, args: &[&str]) -> Command {
        let mut command = self.world.command(&[&["--profile", profile], args].concat());
        command.env("SSL_CERT_FILE", &trusted.file).stdin(Stdio::null());
        command
    }

    fn signup(&self, trusted: &Authority, handle: &str) -> i32 {
        let password = self.world.home.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        let args = ["--server", &self.url, "signup", handle, "--password-stdin"];
        let mut command = self.natter(trusted, handle, &args);
        command.stdin(std::fs::File::open(password).unwrap());
        command.stdout(Stdio::null()).status().unwrap().code().unwrap()
    }

    /// SIGHUP, and waits until the log says what came of it.
    fn reload(&self, wanted: &str) {
        let already = self.said(wanted);
        self.running.signal(Signal::HUP);
        let begin = Instant::now();
        while self.said(wanted) == already {
            assert!(begin.elapsed() < PATIENCE, "the log never says {wanted:?}");
            std::thread::yield_now();
        }
    }

    fn said(&self, wanted: &str) -> usize {
        std::fs::read_to_string(&self.log).unwrap().matches(wanted).count()
    }
}

const RELOADED: &str = "the certificate that is on the disk now";
const KEPT: &str = "the certificate from before stays";

#[test]
fn a_certificate_is_replaced_while_people_talk_and_a_bad_one_is_not_taken() {
    let world = World::new();
    let first = Authority::new("first", world.home.path());
    let second = Authority::new("second", world.home.path());
    let server = Secure::start(world, &first);
    assert_eq!((server.signup(&first, "ann"), server.signup(&first, "bob")), (0, 0));
    assert_eq!(server.signup(&second, "eve"), 4, "an authority that did not sign is not believed");

    let mut tail = Running::start(server.natter(&first, "bob", &["tail"]));
    let said = |trusted: &Authority, text: &str| {
        let mut send = server.natter(trusted, "ann", &["--timeout", "30", "send", "bob", text]);
        let done = send.stderr(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{text}: {done:?}");
    };
    said(&first, "one");
    assert!(tail.line().ends_with("ann: one"));

    second.issue(&server.cert, &server.key);
    server.reload(RELOADED);
    assert_eq!(server.signup(&first, "carl"), 4, "new connections get the new certificate");
    said(&second, "two");
    assert!(tail.line().ends_with("ann: two"), "an open connection goes on");

    std::fs::write(&server.cert, "no certificate\n").unwrap();
    server.reload(KEPT);
    first.issue(&server.cert, &server.world.home.path().join("another-key.pem"));
    server.reload(KEPT);
    said(&second, "three");
    assert!(tail.line().ends_with("ann: three"));
}

#[test]
fn a_server_does_not_start_with_half_a_certificate_or_a_wrong_key() {
    let world = World::new();
    let home = world.home.path();
    let [cert, key, other] = ["cert.pem", "key.pem", "other.pem"].map(|name| home.join(name));
    let authority = Authority::new("authority", home);
    authority.issue(&cert, &key);
    authority.issue(&home.join("unused.pem"), &other);
    let [cert, other] = [&cert, &other].map(|path| path.display().to_string());
    let data = home.join("data").display().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--tls-cert", &cert];
    let half = world.run(&serve, "");
    assert!(half.code == 1 && half.err.contains("`tls_key`"), "{half:?}");
    let wrong = world.run(&[&serve[..], &["--tls-key", &other]].concat(), "");
    assert!(wrong.code == 1 && wrong.err.contains("cert.pem"), "{wrong:?}");
}
