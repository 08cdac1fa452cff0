//! A hostile server, and every door through which a text of others could reach a terminal: the
//! conversations, their list, finder, search, details, completion, the box, the clipboard, the
//! window's title, what commands print, and logs. What comes live is in `liar.rs`.
//!
//! An honest server takes none of these texts. Here they are put into its database beside it.

use std::collections::BTreeSet;
use std::path::Path;

use proto::clean;
use store::{Batch, NewMessage, NewUser, SendOutcome, Session, Store};

use crate::terminal::{Terminal, contains};
use crate::world::{PASSWORD, Running, Server, World};

/// What they try. The parameters are such as natter never writes itself.
pub(crate) const ATTACKS: [&str; 16] = [
    "\x1b]0;owned\x07",
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b]8;;http://owned.example/\x1b\\owned",
    "\x1b]777;notify;owned;owned\x07",
    "\x1b]9;owned\x07",
    "\x1b[38;2;6;6;6mowned",
    "\x1b[6nowned",
    "\x1bcowned",
    "\u{9b}31mowned\u{9d}0;owned\u{9c}",
    "\u{202e}denwo\u{2066}\u{200f}",
    "\x08\x08\x08owned\x7f\x0e\x00",
    "\u{e006f}\u{e0077}\u{200b}\u{feff}\u{ad}\u{3164}",
    "\x1bP$q\x1b\\owned\x1b_owned\x1b\\",
    "\r\x1b[2Kowned\n\n\u{2028}owned",
    "\x1b[?1000h\x1b[?1006howned",
    "\t\x0b\x0cowned\u{85}\u{f8ff}\u{fff9}",
];
const NOW: i64 = 1_700_000_000_000;

pub(crate) fn handle(n: usize) -> String {
    format!("s{n:02}{}", ATTACKS[n])
}

pub(crate) fn title(n: usize) -> String {
    format!("t{n:02}{}", ATTACKS[n])
}

/// Bob and ann; and a stranger for each attack, who writes to bob, has a group with both, and is
/// mostly a friend of his.
fn strangers() -> (World, Server) {
    let world = World::new();
    let server = Server::start(&world);
    world.signup("ann", &server.url);
    world.signup("bob", &server.url);
    let (address, data) = (server.address().to_owned(), server.data.clone());
    server.kill();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&data));
    let server = Server::start_at(&world, &address, &data);
    (world, server)
}

async fn fill(data: &Path) {
    let url = format!("sqlite:{}", data.join("natter.db").display());
    let store = Store::open(&[url], &store::Options::default()).await.unwrap();
    let bob = store.user_ids(&["bob"]).await.unwrap()[0];
    let ann = store.user_ids(&["ann"]).await.unwrap()[0];
    let (conv_id, _) = store.open_direct(ann, bob, NOW).await.unwrap();
    write(&store, conv_id, ann, "hello", NOW).await;
    store.befriend(ann, bob, NOW).await.unwrap();
    store.accept(bob, ann, NOW).await.unwrap();
    for (n, attack) in ATTACKS.iter().enumerate() {
        let session = Session {
            token_hash: vec![n as u8; 32],
            user_id: bob,
            device: format!("device owned {attack}"),
            created_at: NOW,
            used_at: NOW,
            expires_at: i64::MAX,
        };
        store.create_session(&session, None).await.unwrap();
        let user_id = proto::id::new(0, NOW + n as i64);
        let name = format!("owned {n} {attack}");
        let pass_hash = "nobody logs in here".to_owned();
        let user = NewUser { user_id, handle: handle(n), name, email: None, pass_hash };
        store.create_user(&user, NOW).await.unwrap();
        store.befriend(user_id, bob, NOW).await.unwrap();
        if n % 4 > 0 {
            store.accept(bob, user_id, NOW).await.unwrap();
        }
        let (direct, _) = store.open_direct(user_id, bob, NOW).await.unwrap();
        let group = store.create_group(user_id, &title(n), &[bob, ann], 0, NOW).await.unwrap();
        for conv_id in [direct, group.conv_id] {
            write(&store, conv_id, user_id, attack, NOW + n as i64).await;
        }
    }
    store.close().await;
}

/// A text with a mention and a link, a reply to it, and a reaction.
async fn write(store: &Store, conv_id: i64, sender_id: i64, attack: &str, now: i64) {
    let bob = store.user_ids(&["bob"]).await.unwrap()[0];
    let text = format!("owned {attack} @bob https://owned.example/{attack} `{attack}`\n> {attack}");
    let mut batch = Batch::default();
    for reply_seq in [0, 1] {
        batch.sends.push(NewMessage {
            conv_id,
            sender_id,
            client_key: proto::id::random_key(),
            reply_seq,
            body: text.clone(),
            mentions: vec![bob],
        });
    }
    for sent in store.commit(0, &batch, now).await.unwrap().sends {
        let SendOutcome::Stored { seq, .. } = sent else { panic!("{sent:?}") };
        store.react(sender_id, conv_id, seq, attack, false).await.unwrap();
    }
}

/// Everything in what a terminal received that natter does not write by itself.
pub(crate) fn foreign(raw: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(raw);
    let mut found = BTreeSet::new();
    let mut rest = text.as_ref();
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '\x1b' => sequence(rest).unwrap_or_else(|| {
                found.insert(rest.chars().take(40).collect());
                1
            }),
            '\r' | '\n' | '\x07' => 1,
            c => {
                if !is_plain(c) {
                    found.insert(format!(
                        "{c:?} of {:?}",
                        rest.chars().take(40).collect::<String>()
                    ));
                }
                c.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    found
}

/// The length of a sequence of natter's own.
fn sequence(text: &str) -> Option<usize> {
    let body = &text[1..];
    if let Some(body) = body.strip_prefix("Ptmux;\x1b") {
        return Some(
            "\x1bPtmux;\x1b".len() + sequence(body)? + body[sequence(body)?..].find("\x1b\\")? + 2,
        );
    }
    if let Some(osc) = body.strip_prefix(']') {
        let end = osc.find(['\x07', '\x1b'])?;
        let (words, after) = osc.split_at(end);
        let closed = if after.starts_with('\x07') { 1 } else { 2 };
        let known = match words.split_once(';')? {
            ("0", title) => title.starts_with("natter"),
            ("777", rest) => rest.starts_with("notify;") && !rest.starts_with("notify;owned"),
            ("9", rest) => !rest.starts_with("owned"),
            ("52", rest) => rest != "c;b3duZWQ=" && rest.chars().all(|c| c.is_ascii_graphic()),
            _ => false,
        };
        return (known && words.chars().all(is_plain)).then_some(2 + end + closed);
    }
    let parameters = body.strip_prefix('[')?;
    let end = parameters.find(|c: char| c.is_ascii_alphabetic() || !c.is_ascii())?;
    let last = parameters[end..].chars().next().filter(char::is_ascii)?;
    let strange = ["38;2;6;6;6m", "6n", "?1000h", "?1006h"].contains(&&parameters[..=end]);
    (!strange && "HmhlJKqtcuABCDGX".contains(last)).then_some(3 + end)
}

/// Shown as it is: no control character, nothing that hides or reorders.
pub(crate) fn is_plain(c: char) -> bool {
    let around = format!("a{c}");
    !c.is_control() && clean::line(&around) == around
}

pub(crate) fn assert_own(screen: &Terminal) {
    // What was read last may end in the middle of a sequence.
    let raw = screen.wait_for("the rest of a sequence", |state| {
        let whole = state.raw.iter().rposition(|byte| *byte == 0x1b).is_none_or(|at| {
            let last = String::from_utf8_lossy(&state.raw[at..]);
            last.starts_with("\x1b\\") || sequence(&last).is_some()
        });
        whole.then(|| state.raw.clone())
    });
    assert_eq!(foreign(&raw), BTreeSet::new(), "this reached the terminal");
}

#[test]
fn what_is_foreign_is_found() {
    for attack in ATTACKS {
        let raw = format!("\x1b[1;1H\x1b[38;5;6mann{attack}bob\x1b[0m");
        assert!(!foreign(raw.as_bytes()).is_empty(), "{attack:?}");
    }
    let own = "\x1b[?1049h\x1b[2 q\x1b]0;natter (3)\x07\x1b[38;5;6m日本 👩‍👩‍👧 ❤️\x1b[0m\
               \x1b]52;c;YQ==\x1b\\\
               \x1bPtmux;\x1b\x1b]777;notify;natter;hello\x07\x1b\\";
    assert_eq!(foreign(own.as_bytes()), BTreeSet::new());
}

#[test]
fn no_text_of_a_stranger_is_more_than_a_text_on_the_screen() {
    let (world, _server) = strangers();
    let mut bob = Terminal::open(&world, "bob", 60, 120);
    bob.sees("● connected");
    for n in 1..=2 * ATTACKS.len() + 1 {
        bob.keys(&format!("{n}gt:place {n}."));
        bob.sees(&format!(":place {n}."));
        bob.keys("\x03K");
        bob.sees("in this conversation, by");
        bob.keys("\x03:members\r\x03");
    }
    for (keys, seen) in [
        ("fowned\t", "everybody"),
        ("", "owned 6 ␛[6nowned"),
        ("\x03:friends\r", "friends"),
        ("\x03:search owned\r", "on this machine"),
        ("q:search! owned\r", "that is all"),
        ("q/owned\r", "owned"),
        (":mentions\r", "mentions of you"),
        ("q:ls\r", "conversations"),
        ("q:b \t", "of 33"),
        ("\x03:msg s\t", "of 16"),
        ("\x03gx", "gx again opens"),
        ("\"+yyyy:set\r", "settings"),
        ("qp", "INSERT"),
        // what the registers hold, in NORMAL and in INSERT
        ("\x1b\"", "╭"),
        ("ayyi", "INSERT"),
        ("\x12", "╭"),
        ("a\x1b\x1b+", "react to"),
        ("\x1b\x17h", "CONVERSATIONS"),
        ("?", "keys and commands"),
    ] {
        bob.keys(keys);
        bob.sees(seen);
    }
    assert_own(&bob);
    let raw = bob.seen.state.lock().unwrap().raw.clone();
    assert!(contains(&raw, "\x1b]52;c;"), "the clipboard was one of the doors");
}

#[test]
fn commands_print_no_text_of_a_stranger_that_is_more_than_a_text() {
    let (world, server) = strangers();
    let printed = |args: &[&str]| {
        let text = world.natter("bob", args);
        let strange = |c: &char| *c != '\n' && !is_plain(*c);
        assert_eq!(text.chars().find(strange), None, "natter {args:?} printed {text:?}");
        text
    };
    for (args, has) in [
        (&["chats"][..], "t15"),
        (&["friends"], "s15"),
        (&["find", "owned"], "owned"),
        (&["status"], "gaps 0"),
        (&["sessions"], "device owned"),
    ] {
        assert!(printed(args).contains(has), "{args:?}");
        printed(&[args, &["--json"]].concat());
    }
    for n in 0..ATTACKS.len() {
        let group = format!("+{}", clean::line(&title(n)));
        assert!(printed(&["history", &group]).contains("owned"));
        if n % 4 == 0 {
            assert!(printed(&["group", "members", &group]).contains("bob"));
            assert!(printed(&["history", &group, "--json"]).contains("owned"));
        }
    }
    let mut tail = world.start("bob", &["tail"]);
    world.natter("ann", &["send", "bob", "live"]);
    while {
        let line = tail.line();
        assert!(line.chars().all(is_plain), "{line:?}");
        !line.contains("live")
    } {}
    // what is refused is told, and repeats what it was asked for
    for attack in ATTACKS.iter().step_by(3).filter(|attack| !attack.contains('\0')) {
        let run = world.run(&["--profile", "bob", "send", &format!("x{attack}"), "hello"], "");
        assert_eq!(run.code, 6, "{run:?}");
        assert!(run.err.chars().all(|c| c == '\n' || is_plain(c)), "{:?}", run.err);
    }
    drop(server);
}

#[test]
fn a_log_has_no_text_of_a_stranger_that_is_more_than_a_text() {
    use std::io::{Read, Write};
    let (world, server) = strangers();
    let (data, log) = (server.data.clone(), world.home.path().join("log"));
    server.stop();
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.arg("--data").arg(&data).stderr(std::fs::File::create(&log).unwrap());
    let mut server = Running::start(command);
    let url = server.line().strip_prefix("listening on ").unwrap().to_owned();
    for attack in ATTACKS.iter().filter(|attack| !attack.contains('\0')) {
        let who = format!("who{attack}");
        let args = ["--profile", "x", "--server", &url, "login", &who, "--password-stdin"];
        assert_ne!(world.run(&args, &format!("{PASSWORD}\n")).code, 0);
        let mut stream =
            std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        let head =
            format!("GET /v1/{attack} HTTP/1.1\r\nhost: x{attack}\r\nuser-agent: {attack}\r\n");
        write!(stream, "{head}connection: close\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.signal(rustix::process::Signal::TERM);
    server.child.wait().unwrap();
    let log = std::fs::read(&log).unwrap();
    assert!(log.len() > 1_000, "it logged");
    let strange = String::from_utf8(log).unwrap();
    let strange: Vec<&str> =
        strange.lines().filter(|line| !line.chars().all(is_plain)).take(3).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
