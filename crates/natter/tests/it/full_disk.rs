//! A disk that is really full: a small one of its own, in a mount namespace that ends with the
//! server. Where one may not simply mount, a user namespace allows it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::world::{Server, World};

/// More than the reserve that the server keeps free, and little to fill.
const DISK: &str = "size=96m";
/// A drain that has nothing to wait for. Where it is cut by force it has taken ten seconds.
const DRAIN_MAX: Duration = Duration::from_secs(9);

#[test]
fn a_full_disk_refuses_messages_lets_people_read_and_ends_when_it_is_told_to() {
    let world = World::new();
    let mut server = Server::start_on_a_disk(&world, DISK);
    world.signup("ann", &server.url);
    world.signup("bob", &server.url);
    world.natter("ann", &["send", "bob", "before"]);

    let ballast = fill(&inside(&server));
    let waiting = write_until_it_waits(&world);
    assert!(world.natter("bob", &["history", "ann"]).contains("before"));
    read_in_vain(&world);

    std::fs::remove_file(&ballast).unwrap();
    world.natter("ann", &["send", "bob", "after"]);
    let history = world.natter("bob", &["history", "ann"]);
    let at = |text: &str| history.find(text).unwrap_or_else(|| panic!("{text}: {history}"));
    assert!(at("before") < at(&waiting) && at(&waiting) < at("after"), "{history}");

    fill(&inside(&server));
    write_until_it_waits(&world);
    read_in_vain(&world);
    let mut log = server.take_log();
    let since = Instant::now();
    assert!(server.stop(), "SIGTERM ends it well");
    let took = since.elapsed();
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert!(took < DRAIN_MAX && !said.contains("took too long"), "{took:?}: {said}");
}

/// What waits in the client's outbox in the end. A few small messages may still fit before.
fn write_until_it_waits(world: &World) -> String {
    for n in 1..100 {
        let text = format!("number {n} waits");
        let send = world.run(&["--profile", "ann", "--timeout", "2", "send", "bob", &text], "");
        if send.code == 4 {
            return text;
        }
        assert_eq!(send.code, 0, "{send:?}");
    }
    panic!("a full disk takes everything")
}

/// The cursor of who reads is not written, and waits in the server.
fn read_in_vain(world: &World) {
    let read = world.run(&["--profile", "bob", "--timeout", "2", "read", "ann"], "");
    assert_eq!(read.code, 4, "{read:?}");
}

/// The data of the server, as it sees them.
fn inside(server: &Server) -> PathBuf {
    let data = server.data.strip_prefix("/").unwrap();
    Path::new("/proc").join(server.pid().to_string()).join("root").join(data)
}

/// Writes until nothing more fits.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("ballast");
    let mut file = File::create(&path).unwrap();
    for bytes in [1 << 20, 4_096, 1] {
        let chunk = vec![0_u8; bytes];
        loop {
            match file.write_all(&chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    path
}
