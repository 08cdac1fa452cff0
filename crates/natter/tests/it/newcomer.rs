//! A newcomer's first minutes in a real terminal, with nothing configured: from the first question
//! to the end of the tutor. What was on the screen is kept in `docs/first-minutes.md`, and the
//! pictures of the README in `docs/pictures`; both are captured here.

use std::path::PathBuf;

use portable_pty::CommandBuilder;

use crate::first_run::Stopped;
use crate::picture;
use crate::terminal::{Terminal, restored};
use crate::world::{PASSWORD, World, two};

/// `natter` and nothing else, as somebody types it who has just got it.
fn first_start(world: &World, rows: u16, cols: u16) -> Terminal {
    let command = CommandBuilder::new(env!("CARGO_BIN_EXE_natter"));
    Terminal::start(world, command, rows, cols, &[("USER", "ann")])
}

/// The questions, all answered at once; the guide has said hello.
fn signed_up(world: &World) -> Terminal {
    let mut ann = first_start(world, 24, 80);
    for (question, answer) in [
        ("handle [ann]:", ""),
        ("name that others see", "Ann"),
        ("new password", PASSWORD),
        ("once more", PASSWORD),
    ] {
        ann.sees(question);
        ann.keys(&format!("{answer}\r"));
    }
    ann.sees("● connected");
    ann.sees("I am the guide");
    ann
}

#[test]
fn the_first_one_on_a_machine_is_not_asked_for_an_account() {
    let world = World::new();
    let mut ann = first_start(&world, 24, 80);
    ann.sees("handle [ann]:");
    assert!(!ann.shows("[y/N]"));
    ann.keys("Not A Handle\r");
    ann.sees("a handle has 3 to 32 of");
    ann.keys("\x03");
    ann.wait("end", |state| state.closed);
    ann.child.wait().unwrap();
    // nothing was made and nothing was started
    assert_eq!(world.run(&["server", "status"], "").code, 4);
}

#[test]
fn an_answer_that_is_neither_y_nor_n_is_told_and_asked_again() {
    let world = World::new();
    let _stop = Stopped(&world);
    let bob = world
        .run(&["--profile", "bob", "signup", "bob", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!(bob.code, 0, "{}{}", bob.out, bob.err);
    let mut ann = first_start(&world, 24, 80);
    ann.sees("[y/N]");
    ann.keys("maybe\r");
    ann.sees("y for yes; n or Enter for no.");
    ann.wait("a second question", |state| {
        state.parser.screen().contents().matches("[y/N]").count() == 2
    });
    ann.keys("NO\r");
    ann.sees("handle [ann]:");
    ann.keys("\x03");
    ann.wait("end", |state| state.closed);
    ann.child.wait().unwrap();
}

#[test]
fn the_tutor_is_done_from_its_first_page_to_its_last_with_the_guide() {
    let world = World::new();
    let _stop = Stopped(&world);
    let mut ann = signed_up(&world);
    ann.keys(":tutor\r");
    for (page, keys) in (1..).zip([
        "i",
        "hello guide\r",
        "\x1b",
        "k",
        "K",
        "q",
        "rthis is a reply to you\r",
        "a word\x1b",
        "dd\x1b",
        "G",
        "/guide\r",
        "n",
        ":search guide\r",
        "q",
        "yy",
        "f",
        "\x1b?",
    ]) {
        ann.sees(&format!("tutor {page} of 18"));
        ann.keys(keys);
    }
    ann.sees("tutor 18 of 18");
    ann.keys("q:tutor off\r");
    ann.wait("no tutor", |state| !state.parser.screen().contents().contains("tutor 18"));
    // what was done for it was really done
    let history = world.run(&["history", "guide", "--json"], "").out;
    let reply = history.lines().find(|line| line.contains("this is a reply to you"));
    assert!(!reply.expect("it was sent").contains("\"reply_seq\":null"), "{history}");
    ann.keys("q");
    restored(&ann.ends());
}

/// Writes a file of the documentation anew where `NATTER_WRITE_DOCS` is in the environment.
fn written(name: &str, fresh: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("NATTER_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fresh).unwrap();
    }
    path
}

/// A page of the documentation that must show what the screen shows now.
fn captured(name: &str, fresh: &str) {
    let path = written(name, fresh);
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        words(&page) == words(fresh),
        "docs/{name} is not what the screen shows now: run `NATTER_WRITE_DOCS=1 cargo nextest run \
         -p natter newcomer`\n{fresh}"
    );
}

/// What stays the same from day to day: no numbers, no names of days and months, and no more than
/// one blank.
fn words(page: &str) -> Vec<String> {
    const DATES: [&str; 31] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
        "now",
    ];
    let plain = |word: &str| {
        let word: String = word.chars().filter(|c| !c.is_ascii_digit() && *c != '─').collect();
        (!DATES.contains(&word.as_str()) && word.chars().any(char::is_alphabetic)).then_some(word)
    };
    page.split_whitespace().filter_map(plain).collect()
}

/// The page while it is being made.
struct Page(String);

impl Page {
    /// What is on the screen, below what was done for it.
    fn screen(&mut self, title: &str, told: &str, terminal: &Terminal) {
        terminal.settles();
        let screen = terminal.seen.state.lock().unwrap().parser.screen().contents();
        let rows: Vec<&str> = screen.lines().map(str::trim_end).collect();
        let rows = rows.join("\n");
        self.0.push_str(&format!("\n## {title}\n\n{told}\n\n```text\n{}\n```\n", rows.trim_end()));
    }
}

const HEAD: &str = "# The first five minutes

What somebody sees who starts natter for the first time, on a machine where nothing is configured,
in a terminal of 80 × 24. The screens are captured by `crates/natter/tests/it/newcomer.rs` from the
real program, its own server and a real pty; a test fails when they show something else than the
program does. Keys are written as they are pressed.
";

#[test]
fn a_newcomer_gets_by() {
    let world = World::new();
    let _stop = Stopped(&world);
    let mut page = Page(HEAD.into());
    let mut ann = first_start(&world, 24, 80);
    ann.sees("handle [ann]:");
    page.screen("The first question", "`natter`, and nothing else.", &ann);
    for (answer, next) in [("", "name that"), ("Ann", "new password")] {
        ann.keys(&format!("{answer}\r"));
        ann.sees(next);
    }
    ann.hides();
    ann.keys(&format!("{PASSWORD}\r"));
    ann.sees("once more");
    ann.hides();
    page.screen("An account", "Enter, a name, and a password twice.", &ann);
    ann.keys(&format!("{PASSWORD}\r"));
    ann.sees("● connected");
    ann.sees("I am the guide");
    page.screen("Somebody is there", "The screen opens, and the guide says hello.", &ann);
    talk_to_the_guide(&mut page, &mut ann);
    find_a_friend(&world, &mut page, &mut ann);
    look_around(&world, &mut page, &mut ann);
    ann.keys("q");
    restored(&ann.ends());
    captured("first-minutes.md", &page.0);
}

fn talk_to_the_guide(page: &mut Page, ann: &mut Terminal) {
    ann.keys("ihello guide\r");
    ann.wait("an answer", |state| {
        let screen = state.parser.screen().contents();
        let there = |text| screen.contains(text);
        there("✓✓ read") && there("There you are") && !there("is typing")
    });
    page.screen(
        "A message and its answer",
        "`i`, `hello guide`, Enter. The guide has read it and answers.",
        ann,
    );
    ann.keys("\x1b?");
    ann.sees("keys and commands");
    page.screen("All keys", "Esc leaves the box, `?` shows what can be pressed.", ann);
    ann.keys("q:tutor\r");
    ann.sees("tutor 1 of 18");
    page.screen(
        "The tutor",
        "`q` closes the help. `:tutor` teaches by looking at what is done; here it is put off with \
         `:tutor off`.",
        ann,
    );
    ann.keys(":tutor off\r");
}

fn find_a_friend(world: &World, page: &mut Page, ann: &mut Terminal) {
    let args = ["--profile", "bob", "signup", "bob", "--name", "Bob Builder", "--password-stdin"];
    assert_eq!(world.run(&args, &format!("{PASSWORD}\n")).code, 0);
    ann.keys("fbob\t");
    ann.sees("Bob Builder");
    page.screen(
        "Finding somebody",
        "Meanwhile bob has made an account on this machine. `f`, `bob`, Tab searches everybody.",
        ann,
    );
    ann.keys("\r");
    ann.sees("not a friend");
    ann.keys("ihave you seen the new build?\r");
    ann.sees("✓ kept");
    page.screen(
        "A message for somebody who is away",
        "Enter opens the conversation; `i`, a text, Enter. Bob is away: the server keeps it.",
        ann,
    );
    world.natter("bob", &["send", "ann", "teh build is **green**, see `make check`"]);
    world.natter("bob", &["read", "ann"]);
    ann.sees("make check");
    ann.sees("✓✓ read");
    ann.keys("finaly a green one\x1b0");
    ann.sees("NORMAL");
    ann.keys("flylp");
    ann.sees("finally a green one");
    page.screen(
        "Vim in the box",
        "Bob comes, reads and answers. `finaly a green one`, Esc, `0`, and `flylp` mends the \
         mistake: in the box everything is vim, and the badge says NORMAL. Enter sends.",
        ann,
    );
    ann.keys("\r");
    ann.wait("it to be sent", |state| {
        state.parser.screen().contents().matches("✓ kept").count() == 1
    });
}

fn look_around(world: &World, page: &mut Page, ann: &mut Terminal) {
    ann.keys("\x1bK");
    ann.sees("given to the bus");
    page.screen(
        "The way of a message",
        "`K` on a message tells who has it and the way it went.",
        ann,
    );
    ann.keys("q:search green\r");
    ann.sees("2 found");
    page.screen(
        "Searching everything",
        "`:search green` needs no line: it looks on this disk.",
        ann,
    );
    ann.keys("q");
    world.natter("bob", &["server", "stop"]);
    ann.sees("resumed 1×");
    ann.sees("● connected");
    page.screen(
        "The server was stopped",
        "Somebody stops the server. The screen of an account on this machine's own server starts \
         it again and goes on where it was: the last line proves that nothing is missing.",
        ann,
    );
}

/// The pictures of the README: people who talk, in both of the full themes.
#[test]
fn the_pictures_show_the_screen() {
    let (world, server) = two();
    world.signup("carol", &server.url);
    for (who, args) in [
        ("ann", &["friend", "add", "bob"][..]),
        ("bob", &["friend", "accept", "ann"]),
        ("carol", &["friend", "add", "ann"]),
        ("bob", &["group", "create", "release 日本", "ann", "carol"]),
        ("carol", &["send", "+release 日本", "@ann the release notes are waiting for you"]),
        ("ann", &["send", "bob", "does the new build survive a `kill -9`?"]),
        (
            "bob",
            &[
                "send",
                "ann",
                "thirty times, under load:\n```\nkills 30 · acked 4912 · lost 0 · twice 0\n```",
            ],
        ),
        (
            "bob",
            &[
                "send",
                "ann",
                "> in order?\n**dense**, as it should be 🎉 see https://ci.example.org/47",
            ],
        ),
        ("bob", &["read", "ann"]),
        ("ann", &["react", "bob", "3", "👍"]),
        ("ann", &["send", "bob", "then I write the release notes; read them when you are back"]),
    ] {
        world.natter(who, args);
    }
    let config = world.home.path().join("config").join("natter");
    std::fs::create_dir_all(&config).unwrap();
    for (theme, keys, seen, name, what) in [
        ("dark", "ilunch at 12?", "lunch at 12?", "conversation", "a conversation with bob"),
        ("light", ":search release\r", "2 found", "search", "a search over all conversations"),
    ] {
        std::fs::write(config.join("config.toml"), format!("theme = \"{theme}\"\n")).unwrap();
        let environment = [("COLORTERM", "truecolor")];
        let mut ann = Terminal::open_with(&world, "ann", 24, 92, &environment);
        ann.sees("● connected");
        ann.keys(":b bob\r");
        ann.sees("does the new build survive");
        ann.keys(keys);
        ann.sees(seen);
        ann.settles();
        let svg = picture::svg(ann.seen.state.lock().unwrap().parser.screen(), what);
        assert!(svg.contains(what) && svg.matches("<text").count() > 20, "{svg}");
        assert!(!svg.contains(" </text>"), "a blank at an end stretches the rest: {svg}");
        written(&format!("pictures/{name}.svg"), &svg);
        ann.keys("\x1b\x1bZZ");
        ann.ends();
    }
}
