//! What a server logs, and what it never does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::world::{PASSWORD, PATIENCE, Running, World};

const WRONG: &str = "wrong horse battery staple";
const NEW: &str = "new-horse-battery-9";
const BODY: &str = "the launch is at nine, tell nobody";

/// One HTTP call, as no client of ours would make it. The whole answer.
fn http(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let form = "content-type: application/x-www-form-urlencoded";
    let len = body.len();
    let tail = format!("host: {address}\r\nconnection: close\r\n{form}\r\ncontent-length: {len}");
    write!(stream, "{head}\r\n{tail}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The secret of the link in the newest mail of this kind, once it is there.
fn link(world: &World, data: &Path, kind: &str) -> String {
    let begin = Instant::now();
    loop {
        for name in std::fs::read_dir(data.join("mail")).into_iter().flatten().flatten() {
            let data = data.display().to_string();
            let shown = world.natter("ann", &["mail", "1", "--data", &data]);
            let mark = format!("/v1/{kind}/");
            if let Some((_, rest)) = shown.split_once(&mark) {
                return rest.split_whitespace().next().unwrap().to_owned();
            }
            drop(name);
        }
        assert!(begin.elapsed() < PATIENCE, "no mail with a link to {kind}");
    }
}

fn ok(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[test]
fn a_log_at_its_loudest_has_no_password_token_ticket_link_or_message_in_it() {
    let world = World::new();
    let (data, log) = (world.home.path().join("served"), world.home.path().join("log"));
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.env("NATTER_LOG_FORMAT", "json").arg("--data").arg(&data);
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut server = Running::start(command);
    let url = server.line().strip_prefix("listening on ").unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap();

    world.signup("bob", &url);
    let args =
        ["--profile", "ann", "--server", &url, "signup", "ann", "--email", "ann@example.org"];
    let run = world.run(&[&args[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(run.code, 0, "{run:?}");
    let wrong = ["--profile", "x", "--server", &url, "login", "ann", "--password-stdin"];
    assert_eq!(world.run(&wrong, &format!("{WRONG}\n")).code, 5);
    world.natter("ann", &["send", "bob", BODY]);
    assert!(world.natter("bob", &["history", "ann"]).contains(BODY));
    let session = world.home.path().join("data/natter/ann/session.json");
    let session: Value = serde_json::from_slice(&std::fs::read(session).unwrap()).unwrap();
    let token = session["token"].as_str().unwrap().to_owned();

    let bearer = format!("GET /v1/connect HTTP/1.1\r\nauthorization: Bearer {token}");
    let redirect = http(address, &bearer, "");
    let ticket = redirect.split_once("ticket=").unwrap().1.lines().next().unwrap().to_owned();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET /v1/ws?ticket={ticket} HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n\r\n").unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");

    let confirm = link(&world, &data, "confirm");
    ok(&http(address, &format!("POST /v1/confirm/{confirm} HTTP/1.1"), ""));
    ok(&http(address, "POST /v1/forgot HTTP/1.1", "email=ann%40example.org"));
    let reset = link(&world, &data, "reset");
    ok(&http(address, &format!("GET /v1/reset/{reset} HTTP/1.1"), ""));
    ok(&http(address, &format!("POST /v1/reset/{reset} HTTP/1.1"), &format!("password={NEW}")));
    server.signal(rustix::process::Signal::TERM);
    assert!(server.child.wait().unwrap().success());

    let log = std::fs::read_to_string(log).unwrap();
    let said: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for field in ["timestamp", "level", "target"] {
        assert!(said.iter().all(|line| line[field].is_string()), "{field}");
    }
    for message in ["signed up", "connected", "set a new password by mail"] {
        assert!(said.iter().any(|line| line["message"] == message), "{message} is not logged");
    }
    assert!(said.iter().any(|line| line["level"] == "DEBUG"), "this is not all");
    let secrets = [PASSWORD, WRONG, NEW, BODY, &token, &ticket, &confirm, &reset];
    for (secret, what) in secrets.iter().zip([
        "the password",
        "a wrong password",
        "the new password",
        "a message",
        "the session's token",
        "a ticket",
        "a confirmation link",
        "a reset link",
    ]) {
        let found = log.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{what} is in the log: {found:?}");
    }
}
