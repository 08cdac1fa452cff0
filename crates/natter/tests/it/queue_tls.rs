//! Jobs that go to a RabbitMQ through TLS, and what is said when its certificate does not hold.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::outside::Outside;
use crate::smtp::Site;
use crate::tls::Authority;
use crate::world::Run;

/// A RabbitMQ of this test's own that has a certificate. It ends when its input does.
struct Rabbit {
    plain: u16,
    secured: u16,
    data: PathBuf,
    minder: Child,
}

impl Rabbit {
    fn start(site: &Site, name: &str) -> Self {
        let [cert, key] = site.certificate(&site.authority, name, 4096);
        let held = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.map(|listener| listener.local_addr().unwrap().port());
        let data = site.world.home.path().join("rabbitmq");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/src/rabbitmq.sh");
        let bin = std::env::var("NATTER_TEST_RABBITMQ_BIN").expect("`cargo xtask test` sets it");
        let mut command = Command::new("sh");
        command.arg(script).env("BIN", bin).env("DATA", &data).env("CERT", cert).env("KEY", key);
        for (name, port) in ["PORT", "TLS_PORT", "NODE_PORT", "EPMD_PORT"].iter().zip(ports) {
            command.env(name, port.to_string());
        }
        let mut minder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(minder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "ready", "its log is in {}", data.display());
        Self { plain: ports[0], secured: ports[1], data, minder }
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        drop(self.minder.stdin.take());
        self.minder.wait().ok();
        assert!(!self.data.exists(), "what it kept is gone");
    }
}

/// What the operator's command says of that RabbitMQ.
fn list(site: &Site, trusted: &Authority, scheme: &str, host: &str, port: u16) -> Run {
    let url = format!("{scheme}://guest:guest@{host}:{port}/%2f");
    let data = site.world.home.path().join("served1");
    let mut command = site.world.command(&["admin", "notify", "list", "--amqp", &url, "--data"]);
    // The same pauses as the server's: they are in the names of the queues.
    command.arg(data).args(["--timers-mail-retry-ms", "50"]);
    let done = command.env("SSL_CERT_FILE", &trusted.file).output().unwrap();
    let [out, err] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    Run { code: done.status.code().unwrap(), out, err }
}

#[test]
fn jobs_go_to_rabbitmq_by_tls_and_not_to_one_that_is_not_who_it_should_be() {
    let mut site = Site::new();
    let rabbit = Rabbit::start(&site, "localhost");
    let stranger = Authority::new("stranger", site.world.home.path());
    let server = Outside::start("smtpd.py", &["take"]);
    let smtp = format!("smtp://127.0.0.1:{}", server.port);
    let amqp = format!("amqps://guest:guest@localhost:{}/%2f", rabbit.secured);
    let sender = site.serve(&["--smtp", &smtp, "--amqp", &amqp]);
    site.signs_up(&sender, "ann");
    assert_eq!(server.next()["to"][0], "ann@example.org");
    sender.waits_for("natter_jobs_published_total", 1);

    let told = list(&site, &site.authority, "amqps", "localhost", rabbit.secured);
    assert!(told.code == 0 && told.out.contains("in RabbitMQ: "), "{told:?}");
    for (case, trusted, scheme, host, port, why) in [
        ("a stranger", &stranger, "amqps", "localhost", rabbit.secured, "UnknownIssuer"),
        ("another name", &site.authority, "amqps", "127.0.0.1", rabbit.secured, "not valid for"),
        ("no TLS there", &site.authority, "amqps", "localhost", rabbit.plain, "TLS: "),
        ("TLS there", &site.authority, "amqp", "localhost", rabbit.secured, "`amqp`"),
    ] {
        let told = list(&site, trusted, scheme, host, port);
        assert_eq!(told.code, 4, "{case}: {told:?}");
        assert!(told.err.contains(why) && !told.err.contains("guest"), "{case}: {told:?}");
        println!("{case}: {}", told.err.trim_end());
    }
}
