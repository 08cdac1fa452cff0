//! The screen in a real terminal: two people, one server.

use portable_pty::CommandBuilder;

use crate::terminal::{Terminal, contains, restored};
use crate::world::{PATIENCE, Server, World, two};

#[test]
fn two_people_talk_on_two_screens() {
    let (world, _server) = two();
    world.natter("ann", &["send", "bob", "hello from the shell"]);
    let mut bob = Terminal::open(&world, "bob", 30, 100);
    bob.sees("hello from the shell");
    bob.sees("● connected");
    let mut ann = Terminal::open(&world, "ann", 30, 100);
    ann.sees("hello from the shell");
    ann.keys("ihello from the screen\r");
    bob.sees("hello from the screen");
    ann.sees("✓✓ read");
    bob.keys("ime too\r");
    ann.sees("me too");
    for mut screen in [ann, bob] {
        screen.keys("\x1b");
        screen.sees("q quit");
        screen.keys("q");
        restored(&screen.ends());
    }
}

/// What the screen begins with, here only.
const ASKED: &str = "\x1b[?u\x1b[c";

#[test]
fn the_screen_lives_through_a_restart_of_the_server_and_through_any_size() {
    let (world, server) = two();
    world.natter("ann", &["send", "bob", "before"]);
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("● connected");
    let (address, data) = (server.address().to_owned(), server.data.clone());
    server.kill();
    ann.sees("reconnecting");
    ann.keys("iwritten while the server was away\r");
    ann.sees("…");
    let _server = Server::start_at(&world, &address, &data);
    ann.sees("● connected");
    ann.sees("✓ kept");
    for (rows, cols) in [(1, 1), (5, 20), (10, 40), (50, 200), (24, 80)] {
        ann.resize(rows, cols);
    }
    ann.sees("written while the server was away");
    let history = world.natter("bob", &["history", "ann", "--json"]);
    assert_eq!(history.lines().count(), 2, "{history}");
    ann.keys("\x1b");
    ann.sees("q quit");
    ann.keys("q");
    ann.ends();
}

#[test]
fn every_signal_that_ends_it_gives_the_terminal_back() {
    use rustix::process::Signal;
    let (world, _server) = two();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut ann = Terminal::open(&world, "ann", 24, 80);
        ann.sees("● connected");
        ann.keys("\x1b[?1u\x1b[?62c");
        ann.wait("kitty", |state| contains(&state.raw, "\x1b[>1u"));
        assert!(!ann.is_cooked(), "{signal:?}: raw while it runs");
        rustix::process::kill_process(ann.pid(), signal).unwrap();
        ann.wait("end", |state| state.closed);
        restored(&ann.seen.state.lock().unwrap().raw);
        assert!(ann.is_cooked(), "{signal:?}: lines and echo again");
        ann.child.wait().expect("it ends");
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let (world, _server) = two();
    let panics = [("NATTER_PANIC_AT_F12", "1")];
    let mut ann = Terminal::open_with(&world, "ann", 24, 80, &panics);
    ann.sees("● connected");
    ann.keys("\x1b[?1u\x1b[?62c");
    ann.wait("kitty", |state| contains(&state.raw, "\x1b[>1u"));
    ann.keys("\x1b[24~");
    ann.wait("end", |state| state.closed);
    assert!(!ann.child.wait().expect("it ends").success());
    let raw = ann.seen.state.lock().unwrap().raw.clone();
    restored(&raw);
    let text = String::from_utf8_lossy(&raw);
    let told = text.find("F12 was pressed").expect("the panic is told");
    assert!(text.rfind("\x1b[?1049l").is_some_and(|left| left < told), "on the main screen");
    assert!(ann.is_cooked());
}

#[test]
fn the_keyboard_protocol_is_asked_for_and_never_waited_for() {
    let (world, _server) = two();
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    // a terminal that does not answer
    ann.sees("● connected");
    ann.wait("question", |state| contains(&state.raw, ASKED));
    assert!(!contains(&ann.seen.state.lock().unwrap().raw, "\x1b[>1u"));
    // two Esc that arrive together are two: out of INSERT, out of the box
    ann.keys(":msg bob hello\r");
    ann.sees("✓");
    ann.keys("ia draft");
    ann.sees("INSERT");
    ann.keys("\x1b\x1b");
    ann.wait("messages", |state| {
        let screen = state.parser.screen().contents();
        !screen.contains("INSERT") && !screen.contains("NORMAL")
    });
    // one that does, late, and says Shift-Enter in its own way
    ann.keys("\x1b[?1u\x1b[?62c");
    ann.wait("kitty", |state| contains(&state.raw, "\x1b[>1u"));
    ann.keys("A\x1b[13;2usecond line");
    ann.sees("second line");
    ann.keys("\x1b[27u\x1b[27uq");
    restored(&ann.ends());
}

#[test]
fn no_key_is_lost_of_many_that_come_at_once() {
    let (world, _server) = two();
    world.natter("bob", &["send", "ann", "write to me"]);
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("write to me");
    // more than one frame takes, and not as a paste
    let words: String = (1..=300).map(|n| format!("{n} ")).collect();
    ann.keys(&format!("i{words}end\r"));
    ann.sees("last send");
    let history = world.natter("ann", &["history", "bob", "--json"]);
    assert!(history.contains(&format!("{words}end")), "{history}");
    ann.keys("\x1b");
    ann.sees("q quit");
    ann.keys("q");
    ann.ends();
}

#[test]
fn the_shell_puts_it_to_rest_and_wakes_it() {
    let (world, _server) = two();
    let shell = CommandBuilder::new("/bin/sh");
    let mut shell = Terminal::start(&world, shell, 24, 80, &[("PS1", "$ "), ("ENV", "")]);
    shell.sees("$ ");
    let natter = env!("CARGO_BIN_EXE_natter");
    shell.keys(&format!("set -m; {natter} --profile ann\n"));
    shell.sees("● connected");
    shell.keys("\x1b[?1u\x1b[?62c");
    shell.wait("kitty", |state| contains(&state.raw, "\x1b[>1u"));
    shell.keys("\x1b[122;5u");
    shell.wait("the shell", |state| !state.parser.screen().alternate_screen());
    restored(&shell.seen.state.lock().unwrap().raw);
    shell.keys("echo back $((40 + 2))\n");
    shell.sees("back 42");
    shell.keys("fg\n");
    shell.wait("natter", |state| state.parser.screen().alternate_screen());
    shell.sees("● connected");
    shell.keys("ZZ");
    // What is typed before the shell asks again would still go to natter.
    shell.wait("a prompt", |state| {
        let screen = state.parser.screen();
        !screen.alternate_screen() && screen.contents().trim_end().ends_with("\n$")
    });
    shell.keys("exit\n");
    shell.wait("end", |state| state.closed);
    shell.child.wait().expect("it ends");
}

/// A program of the user's, below the home.
fn script(world: &World, name: &str, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = world.home.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_long_message_is_written_in_the_users_own_editor() {
    let (world, _server) = two();
    world.natter("bob", &["send", "ann", "write to me"]);
    let editor = script(
        &world,
        "editor",
        "cat \"$2\" > \"$HOME/had\"; echo \"editing $1\"; read answer\n\
         [ \"$answer\" = fail ] && exit 3\nprintf 'from\\nthe %s\\n' \"$answer\" > \"$2\"",
    );
    // with an option, as people have it
    let visual = format!("{editor} --wait");
    let tmp = world.home.path().display().to_string();
    let environment = [("VISUAL", visual.as_str()), ("TMPDIR", tmp.as_str())];
    let mut ann = Terminal::open_with(&world, "ann", 24, 80, &environment);
    ann.sees("write to me");
    ann.keys("ia draft\x18\x05");
    ann.sees("editing --wait");
    restored(&ann.seen.state.lock().unwrap().raw);
    assert!(ann.is_cooked(), "the editor has a terminal as programs expect it");
    ann.keys("outside\n");
    ann.sees("the outside");
    assert_eq!(std::fs::read_to_string(world.home.path().join("had")).unwrap(), "a draft");
    ann.keys("\r");
    ann.sees("✓");
    // one that fails: the box is as it was
    ann.keys("ia second draft\x1b\x1bgE");
    // what is typed before it reads goes nowhere
    ann.wait("the editor a second time", |state| {
        let screen = state.parser.screen();
        !screen.alternate_screen() && screen.contents().matches("editing --wait").count() == 2
    });
    ann.keys("fail\n");
    ann.sees("the editor ended with");
    ann.sees("a second draft");
    let history = world.natter("bob", &["history", "ann"]);
    assert!(history.contains("the outside"), "{history}");
    ann.keys("ZZ");
    restored(&ann.ends());
    let left = std::fs::read_dir(world.home.path()).unwrap().flatten();
    let files = left.filter(|file| file.file_name().to_string_lossy().ends_with(".md"));
    assert_eq!(files.count(), 1, "only what the failed editor left");
}

#[test]
fn a_link_goes_to_the_desktop_without_a_shell() {
    let (world, _server) = two();
    let url = "https://example.org/?a=1&b=$(id);c";
    world.natter("bob", &["send", "ann", url]);
    let opened = world.home.path().join("opened");
    assert!(std::process::Command::new("mkfifo").arg(&opened).status().unwrap().success());
    for opener in ["xdg-open", "open"] {
        script(&world, opener, "printf '%s' \"$*\" > \"$HOME/opened\"");
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(std::fs::read_to_string(opened).unwrap()));
    let path = format!("{}:{}", world.home.path().display(), std::env::var("PATH").unwrap());
    let mut ann = Terminal::open_with(&world, "ann", 24, 100, &[("PATH", path.as_str())]);
    ann.sees("example.org");
    ann.keys("gx");
    ann.sees(&format!("gx again opens {url}"));
    assert!(told.try_recv().is_err(), "it was only shown");
    ann.keys("gx");
    assert_eq!(told.recv_timeout(PATIENCE).expect("a browser"), url);
    ann.keys("ZZ");
    ann.ends();
}

#[test]
fn a_notification_goes_out_only_while_the_window_has_not_the_focus() {
    let (world, _server) = two();
    let config = world.home.path().join("config").join("natter");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "notify = \"terminal\"\nfoo = 1\n").unwrap();
    world.natter("ann", &["send", "bob", "before"]);
    let mut bob = Terminal::open(&world, "bob", 24, 80);
    bob.sees("config.toml, line 2: there is no setting foo");
    bob.sees("before");
    bob.sees("● connected");
    bob.keys("\x1b[O");
    // what comes next is behind the loss of the focus
    bob.keys(":\x15");
    bob.sees("Tab shows the commands");
    bob.keys("\x1b");
    world.natter("ann", &["send", "bob", "a secret", "--wait", "delivered"]);
    bob.wait("notification", |state| contains(&state.raw, "\x1b]777;notify;natter;"));
    let raw = String::from_utf8_lossy(&bob.seen.state.lock().unwrap().raw).into_owned();
    let at = raw.find("\x1b]777").unwrap();
    assert!(!raw[at..raw[at..].find('\x07').unwrap() + at].contains("secret"));
    // nothing was read while nobody looked
    let chats = world.natter("bob", &["chats", "--json"]);
    assert!(chats.contains("\"unread\":1"), "{chats}");
    bob.keys("\x1b[I");
    world.natter("ann", &["send", "bob", "seen?", "--wait", "read"]);
    bob.keys("ZZ");
    bob.ends();
}

#[test]
fn an_open_screen_starts_this_machines_own_server_again() {
    let world = World::new();
    let _stop = crate::first_run::Stopped(&world);
    let args = ["--profile", "ann", "signup", "ann", "--password-stdin"];
    assert_eq!(world.run(&args, &format!("{}\n", crate::world::PASSWORD)).code, 0);
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("● connected");
    world.natter("ann", &["server", "stop"]);
    ann.sees("reconnecting");
    ann.keys(":reconnect\r");
    ann.sees("● connected");
    assert_eq!(world.run(&["server", "status"], "").code, 0, "it runs again");
    ann.keys("ZZ");
    ann.ends();
}

#[test]
fn a_line_of_the_last_screen_is_one_key_away_and_nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (world, _server) = two();
    for (keys, shown) in [(":msg bob a private word\r", "a private word"), (":status\r", "status")]
    {
        let mut ann = Terminal::open(&world, "ann", 24, 80);
        ann.sees("● connected");
        ann.keys(keys);
        ann.sees(shown);
        ann.keys("\x1b:qa\r");
        ann.ends();
    }
    let path = world.home.path().join("state/natter/history/ann");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut ann = Terminal::open(&world, "ann", 24, 80);
    ann.sees("● connected");
    ann.keys(":m\x1b[A");
    ann.sees(":msg bob a private word");
    ann.keys("\x1b:\x1b[A\x1b[A");
    ann.sees(":status");
    ann.keys("\x1b");
    ann.keys("ZZ");
    ann.ends();
}
