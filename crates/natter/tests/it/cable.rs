//! A server behind a cable of its own: a network namespace. What the proxy of the faults cuts above
//! TCP is lost here below it, packet by packet, and nobody is told.

use std::process::Command;
use std::time::Instant;

use crate::terminal::Terminal;
use crate::world::{PATIENCE, Server, World};

/// Two ends of a cable, the far one in a network namespace. Gone when this is dropped.
struct Cable {
    namespace: String,
    /// Of the server, at the far end.
    address: String,
}

impl Cable {
    /// The addresses are from the range that is kept for tests of networks (RFC 2544), and differ
    /// from process to process.
    fn lay() -> Self {
        let process = std::process::id();
        let namespace = format!("natter{process}");
        let net = format!("198.18.{}", process >> 6 & 255);
        let (near, far) = ((process & 63) * 4 + 1, (process & 63) * 4 + 2);
        let cable = Self { namespace, address: format!("{net}.{far}") };
        let (ns, host) = (cable.namespace.as_str(), format!("nt{process}"));
        ip(&format!("netns add {ns}"));
        ip(&format!("link add {host} type veth peer name far netns {ns}"));
        ip(&format!("addr add {net}.{near}/30 dev {host}"));
        ip(&format!("link set {host} up"));
        ip(&format!("-n {ns} addr add {net}.{far}/30 dev far"));
        cable.put_back();
        cable
    }

    fn pull(&self) {
        ip(&format!("-n {} link set far down", self.namespace));
    }

    fn put_back(&self) {
        ip(&format!("-n {} link set far up", self.namespace));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The cable goes with the namespace in which it ends.
        Command::new("ip").args(["netns", "del", &self.namespace]).status().ok();
    }
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().expect("ip of iproute2");
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

/// How often the kernel has sent something again on established connections to this port, as it
/// stands (`retrnsmt` of `/proc/net/tcp`).
fn sent_again(port: u16) -> u32 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let here = rows.filter(|row| row[2].ends_with(&format!(":{port:04X}")) && row[3] == "01");
    here.map(|row| u32::from_str_radix(row[6], 16).unwrap()).sum()
}

#[test]
fn what_is_written_while_the_cable_is_out_arrives_once_when_it_is_back() {
    // Only root may lay cables.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (world, cable) = (World::new(), Cable::lay());
    let server = Server::start_behind(&world, &cable.namespace, &cable.address);
    let port: u16 = server.address().rsplit_once(':').unwrap().1.parse().unwrap();
    world.signup("ann", &server.url);
    world.signup("bob", &server.url);
    let mut bob = world.start("bob", &["tail", "--json"]);
    world.natter("ann", &["send", "bob", "before"]);
    assert!(bob.line().contains("before"));
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("before");
    ann.sees("● connected");
    for round in 1..=3 {
        cable.pull();
        write(&mut ann, &format!("in the dark {round}"));
        let begin = Instant::now();
        while sent_again(port) < 2 {
            assert!(begin.elapsed() < PATIENCE, "the kernel does not send it again");
            std::thread::yield_now();
        }
        assert!(ann.shows(&format!("in the dark {round}")), "it is on her screen");
        cable.put_back();
        let line = bob.line();
        assert!(line.contains(&format!("in the dark {round}")), "round {round}: {line}");
    }
    write(&mut ann, "the end");
    let line = bob.line();
    assert!(line.contains("the end"), "nothing came twice: {line}");
    ann.keys("q");
    ann.ends();
}

/// Writes a line, and leaves the box.
fn write(ann: &mut Terminal, text: &str) {
    ann.keys("i");
    ann.sees("INSERT");
    ann.keys(&format!("{text}\r"));
    ann.wait("an empty box", |state| state.parser.screen().contents().matches(text).count() == 1);
    ann.keys("\x1b");
    ann.sees("i writes");
}
