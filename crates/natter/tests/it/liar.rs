//! A server that lies. Its frames are right, its texts are what no honest server would pass on, and
//! they come while the screen is live: the doors that a database which was written to beside its
//! server does not open. The attacks are those of `hostile.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{SinkExt, StreamExt};
use proto::client_frame::Body as Asked;
use proto::server_frame::Body;
use proto::{
    CaughtUp, Codec, Conversation, ConversationKind, Error, ErrorCode, Found, Goodbye, Hop,
    HopKind, Journey, Member, Message, MessageKind, Page, Paint, Person, Pong, Reaction, Relation,
    Role, Typing, frame,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::Message as Packet;

use crate::hostile::{ATTACKS, assert_own, foreign, handle, is_plain, title};
use crate::terminal::{Terminal, contains};
use crate::world::{Server, World};

/// What the test has it say that no client has read yet.
const SAID_MAX: usize = 1_024;
const NOW: i64 = 1_800_000_000_000;
/// The ids of what the attacks are the names of begin here.
const PEOPLE: i64 = 100;
const DIRECTS: i64 = 1_000;
const GROUPS: i64 = 2_000;

struct Liar {
    say: mpsc::Sender<Body>,
    refuses: Arc<AtomicBool>,
    /// Ends the server.
    _runtime: tokio::runtime::Runtime,
}

impl Liar {
    /// At the address that a profile of `me` knows.
    fn start(address: SocketAddr, me: i64) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (say, said) = mpsc::channel(SAID_MAX);
        let refuses = Arc::new(AtomicBool::new(false));
        let (said, refusing) = (Arc::new(Mutex::new(said)), Arc::clone(&refuses));
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let refuses = refusing.load(Ordering::Relaxed);
                tokio::spawn(meet(stream, address, me, refuses, Arc::clone(&said)));
            }
        });
        Self { say, refuses, _runtime: runtime }
    }

    fn say(&self, body: Body) {
        self.say.blocking_send(body).expect("it runs");
    }

    fn message(&self, conv_id: i64, seq: i64, n: usize, kind: MessageKind) {
        self.say(Body::Message(message(conv_id, seq, n, kind)));
    }
}

/// A ticket, or a line.
async fn meet(
    mut stream: TcpStream,
    address: SocketAddr,
    me: i64,
    refuses: bool,
    said: Arc<Mutex<mpsc::Receiver<Body>>>,
) {
    let mut head = [0; 12];
    while stream.peek(&mut head).await.unwrap() < head.len() {}
    if head.starts_with(b"GET /v1/ws") {
        let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        return talk(socket, me, &mut *said.lock().await).await;
    }
    let problem = serde_json::json!({
        "type": "about:blank", "title": ATTACKS[3], "status": 401,
        "detail": format!("why {}", ATTACKS[0]),
    })
    .to_string();
    let answer = match refuses {
        true => format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{problem}",
            problem.len()
        ),
        false => format!(
            "HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 0\r\n\
             location: ws://{address}/v1/ws?ticket=t\r\n\r\n"
        ),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    // what it asked is read, so that the answer is not lost with a reset
    let mut rest = [0; 4_096];
    let _ = stream.try_read(&mut rest);
}

async fn talk(
    mut socket: tokio_tungstenite::WebSocketStream<TcpStream>,
    me: i64,
    said: &mut mpsc::Receiver<Body>,
) {
    loop {
        let mut last = false;
        let frames = tokio::select! {
            packet = socket.next() => {
                let Some(Ok(Packet::Binary(bytes))) = packet else { return };
                let asked = Codec::Protobuf.read_client(&bytes).unwrap();
                let body = asked.body.expect("a question");
                answers(body, me).into_iter().map(|body| frame::answer(asked.r#ref, body)).collect()
            }
            body = said.recv() => match body {
                Some(body) => {
                    last = matches!(body, Body::Goodbye(_));
                    vec![frame::push(body)]
                }
                None => return,
            },
        };
        for frame in frames {
            let bytes = Codec::Protobuf.write_server(&frame);
            if socket.send(Packet::Binary(bytes.into())).await.is_err() {
                return;
            }
        }
        if last {
            return;
        }
    }
}

fn answers(asked: Asked, me: i64) -> Vec<Body> {
    match asked {
        Asked::Hello(_) => {
            let each = || 0..ATTACKS.len();
            let paint = Paint {
                me: Some(Person { user_id: me, handle: "bob".into(), ..Person::default() }),
                people: each().map(person).collect(),
                conversations: each().flat_map(|n| [direct(n), group(n, me)]).collect(),
                ..Paint::default()
            };
            vec![Body::Paint(paint), Body::CaughtUp(CaughtUp::default())]
        }
        Asked::Ping(ping) => vec![Body::Pong(Pong { nonce: ping.nonce, now: NOW })],
        Asked::Read(_) | Asked::Delivered(_) | Asked::Typing(_) => Vec::new(),
        Asked::Members(of) => vec![Body::Conversation(group((of.conv_id - GROUPS) as usize, me))],
        Asked::Journey(of) => vec![Body::Journey(journey(of.conv_id, of.seq))],
        Asked::Find(_) => {
            vec![Body::Found(Found { people: (0..ATTACKS.len()).map(person).collect() })]
        }
        Asked::Accept(of) => vec![Body::Person(person((of.user_id - PEOPLE) as usize))],
        Asked::History(of) => vec![Body::Page(Page { conv_id: of.conv_id, ..Page::default() })],
        _ => vec![Body::Error(Error {
            code: ErrorCode::Forbidden.into(),
            text: format!("no, because {}", ATTACKS[1]),
            retry_after_ms: 0,
        })],
    }
}

fn person(n: usize) -> Person {
    let relation = if n.is_multiple_of(4) { Relation::Asks } else { Relation::Friend };
    Person {
        user_id: PEOPLE + n as i64,
        handle: handle(n),
        name: format!("name {}", ATTACKS[n]),
        relation: relation.into(),
        online: true,
        ..Person::default()
    }
}

fn direct(n: usize) -> Conversation {
    Conversation {
        conv_id: DIRECTS + n as i64,
        kind: ConversationKind::Direct.into(),
        friend_id: PEOPLE + n as i64,
        last_at: NOW - n as i64,
        ..Conversation::default()
    }
}

fn group(n: usize, me: i64) -> Conversation {
    let member = |user_id, n: usize| Member {
        user_id,
        handle: handle(n),
        name: format!("name {}", ATTACKS[n]),
        role: Role::Member.into(),
        ..Member::default()
    };
    Conversation {
        conv_id: GROUPS + n as i64,
        kind: ConversationKind::Group.into(),
        title: title(n),
        last_at: NOW - 100 - n as i64,
        member_count: 2,
        members: vec![member(me, n), member(PEOPLE + n as i64, n)],
        ..Conversation::default()
    }
}

fn message(conv_id: i64, seq: i64, n: usize, kind: MessageKind) -> Message {
    Message {
        conv_id,
        seq,
        sender_id: PEOPLE + n as i64,
        sent_at: NOW + seq,
        kind: kind.into(),
        body: format!("text {}", ATTACKS[n]),
        reactions: vec![Reaction { emoji: ATTACKS[n].into(), user_ids: vec![PEOPLE + n as i64] }],
        ..Message::default()
    }
}

fn journey(conv_id: i64, seq: i64) -> Journey {
    let kinds = [HopKind::Waiting, HopKind::DeliveredTo, HopKind::ReadBy, HopKind::MailedTo];
    let people = PEOPLE..PEOPLE + ATTACKS.len() as i64;
    let hop = |(kind, user_id): (HopKind, i64)| Hop {
        kind: kind.into(),
        at: NOW,
        user_id,
        ..Hop::default()
    };
    Journey { conv_id, seq, hops: kinds.into_iter().cycle().zip(people).map(hop).collect() }
}

/// What a group tells of itself.
const EVENTS: [MessageKind; 7] = [
    MessageKind::Joined,
    MessageKind::Left,
    MessageKind::Renamed,
    MessageKind::Kicked,
    MessageKind::Created,
    MessageKind::Appointed,
    MessageKind::Deleted,
];

/// Bob's profile, and a liar where his server was.
fn lied_to() -> (World, Liar) {
    let world = World::new();
    let server = Server::start(&world);
    world.signup("bob", &server.url);
    let address = server.address().parse().unwrap();
    server.kill();
    let session = world.home.path().join("data/natter/bob/session.json");
    let session: serde_json::Value =
        serde_json::from_slice(&std::fs::read(session).unwrap()).unwrap();
    let me = session["user_id"].as_i64().expect("who he is");
    (world, Liar::start(address, me))
}

#[test]
fn what_comes_live_from_a_server_that_lies_is_no_more_than_a_text_on_the_screen() {
    let (world, liar) = lied_to();
    let mut bob = Terminal::open(&world, "bob", 60, 120);
    bob.sees("● connected");
    for n in 0..ATTACKS.len() {
        let (direct, group) = (DIRECTS + n as i64, GROUPS + n as i64);
        let (who, here) = (format!("s{n:02}"), format!("+t{n:02}"));
        bob.keys(&format!(":b {who}\t\r"));
        bob.sees(&format!(" {who}"));
        liar.say(Body::Typing(Typing { conv_id: direct, user_id: PEOPLE + n as i64 }));
        bob.sees("is typing…");
        assert!(bob.shows(&who));
        liar.message(direct, 1, n, MessageKind::Text);
        bob.sees("▌ text");
        // who reacted, and the way it went
        bob.keys("K");
        bob.sees("number 1 in this conversation");
        bob.keys(&format!("q:b {here}\t\r"));
        bob.sees(&format!(">  {here}"));
        for (seq, kind) in (1..).zip(EVENTS) {
            liar.message(group, seq, n, kind);
        }
        liar.message(group, 8, n, MessageKind::Text);
        for told in ["added", "left", "named", "removed", "made", "gave", "▌ text"] {
            bob.sees(told);
        }
        bob.keys(":members\r");
        bob.sees("─ members ─");
        bob.keys("q");
    }
    for (keys, seen) in [
        // requests in the list, and what accepting one tells
        ("\x17hG", "REQUESTS"),
        ("a", "friend"),
        // what was refused, in the status line, on the message, and in its details
        ("\x1b+1", "no, because"),
        ("ihello\r", "✗ not sent"),
        ("\x1bK", "the server refused it: no, because"),
        ("q:log\r", "─ log ─"),
        ("q:add s01\r", "no, because"),
    ] {
        bob.keys(keys);
        bob.sees(seen);
    }
    assert_own(&bob);
    // the server goes, and says why; then it does not let him in any more
    liar.say(Body::Goodbye(Goodbye {
        text: format!("bye {}", ATTACKS[2]),
        reconnect_within_ms: 60_000,
        ..Goodbye::default()
    }));
    bob.sees("reconnecting");
    bob.keys("\x03:status\r");
    bob.sees("because: bye");
    bob.keys("q");
    liar.refuses.store(true, Ordering::Relaxed);
    bob.keys(":reconnect\r");
    bob.sees("signed out: why");
    assert_own(&bob);
}

#[test]
fn a_notification_of_a_stranger_is_no_more_than_a_text_in_any_terminal() {
    use std::os::unix::fs::PermissionsExt;
    let (world, liar) = lied_to();
    let config = world.home.path().join("config/natter");
    std::fs::create_dir_all(&config).unwrap();
    let shown = world.home.path().join("shown");
    let desktop = world.home.path().join("notify-send");
    std::fs::write(&desktop, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\n", shown.display()))
        .unwrap();
    std::fs::set_permissions(&desktop, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", world.home.path().display(), std::env::var("PATH").unwrap());
    let mut seq = 0;
    for (notify, variable, begins) in [
        ("terminal", ("LANG", "C.UTF-8"), "\x1b]777;notify;s"),
        ("terminal", ("TERM_PROGRAM", "iTerm.app"), "\x1b]9;s"),
        ("terminal", ("TMUX", "/tmp/tmux,1,0"), "\x1bPtmux;\x1b\x1b]777;notify;s"),
        ("desktop", ("PATH", path.as_str()), ""),
        ("bell", ("LANG", "C.UTF-8"), "\x07"),
    ] {
        let settings = format!("notify = \"{notify}\"\nshow_text = true\n");
        std::fs::write(config.join("config.toml"), settings).unwrap();
        let mut bob = Terminal::open_with(&world, "bob", 24, 100, &[variable]);
        bob.sees("● connected");
        bob.keys("\x1b[O:\x15");
        bob.sees("Tab shows the commands");
        bob.keys("\x1b");
        seq += 1;
        for n in 0..ATTACKS.len() {
            liar.message(DIRECTS + n as i64, seq, n, MessageKind::Text);
            liar.message(GROUPS + n as i64, seq, n, MessageKind::Text);
        }
        let all = 2 * ATTACKS.len();
        match notify {
            "desktop" => bob.wait("each of them on the desktop", |_| {
                std::fs::read_to_string(&shown)
                    .is_ok_and(|text| text.matches("--app-name").count() == all)
            }),
            _ => bob.wait("each of them", |state| {
                String::from_utf8_lossy(&state.raw).matches(begins).count() >= all
            }),
        }
        // of how many there is something, in the window's title: a number
        bob.wait("the title", |state| contains(&state.raw, "\x1b]0;natter ("));
        assert_own(&bob);
        bob.keys("ZZ");
        bob.ends();
    }
    let shown = std::fs::read_to_string(&shown).unwrap();
    assert!(shown.chars().all(|c| c == '\n' || is_plain(c)), "{shown:?}");
    assert!(shown.contains("s07") && foreign(shown.as_bytes()).is_empty(), "{shown:?}");
}
