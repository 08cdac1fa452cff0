//! The pages behind the links in mails, as a person meets them: in a real browser, on a phone's
//! width, with scripts switched off.

use std::time::Instant;

use serde_json::Value;

use crate::browser::Browser;
use crate::world::{PASSWORD, PATIENCE, Server, World};

const NARROW: u32 = 320;
const WIDE: u32 = 1_280;

/// The SHA-256 of 43 times "a": a link to the settings that no mail has told of.
const TOKEN_HASH: [u8; 32] = [
    0x66, 0xd3, 0x4f, 0xba, 0x71, 0xf8, 0xf4, 0x50, 0xf7, 0xe4, 0x55, 0x98, 0x85, 0x3e, 0x53, 0xbf,
    0xc2, 0x3b, 0xbd, 0x12, 0x90, 0x27, 0xcb, 0xb1, 0x31, 0xa2, 0xf4, 0xff, 0xd7, 0x87, 0x8c, 0xd0,
];

/// The link to this page in the newest mail of this kind, as soon as there is one.
fn link(world: &World, server: &Server, kind: &str, page: &str) -> String {
    let data = server.data.display().to_string();
    let begin = Instant::now();
    let number = loop {
        let listed = world.natter("ann", &["mail", "--json", "--data", &data]);
        let mails = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(mail) = mails.into_iter().find(|mail| mail["kind"] == kind) {
            break mail["number"].to_string();
        }
        assert!(begin.elapsed() < PATIENCE, "no mail");
    };
    let shown = world.natter("ann", &["mail", &number, "--data", &data]);
    let path = format!("/v1/{page}");
    shown.lines().find(|line| line.contains(&path)).expect("a link").trim().to_owned()
}

fn signup(world: &World, server: &Server) {
    let address = "ann@example.org";
    let args = ["--profile", "ann", "--server", &server.url, "signup", "ann", "--email", address];
    let run = world.run(&[&args[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(run.code, 0, "{run:?}");
}

/// Everything can be reached without scrolling sideways, and only our own style is used.
fn looks_right(browser: &Browser, width: u32) {
    for end in browser.right_ends("h1, p, form, label, input, select, button") {
        assert!(end <= f64::from(width), "{end} of {width}: {}", browser.text());
    }
    assert_eq!(browser.of("body", "css/max-width"), "512px", "the policy lets our style in");
}

#[test]
fn an_address_is_confirmed_and_a_password_set_anew_in_a_browser_without_scripts() {
    let world = World::new();
    let server = Server::start(&world);
    signup(&world, &server);
    let browser = Browser::open(NARROW, 640);
    browser.go("data:text/html,<body>with scripts<noscript>%20off</noscript></body>");
    assert_eq!(browser.text(), "with scripts off");

    browser.go(&link(&world, &server, "confirm", "confirm/"));
    assert!(browser.text().contains("ann@example.org is the address of the account @ann"));
    looks_right(&browser, NARROW);
    browser.click("button");
    assert!(browser.text().contains("The address is yours"), "{}", browser.text());
    browser.go(&link(&world, &server, "confirm", "confirm/"));
    assert!(browser.text().contains("This link is over"));

    browser.go(&format!("{}/v1/forgot", server.url));
    looks_right(&browser, NARROW);
    browser.write("input[name=email]", "ann@example.org");
    browser.click("button");
    assert!(browser.text().contains("Look into your mail"), "{}", browser.text());
    browser.go(&link(&world, &server, "reset", "reset/"));
    browser.write("input[name=password]", "12345678");
    browser.click("button");
    assert!(browser.text().contains("Not this one"), "{}", browser.text());
    looks_right(&browser, NARROW);
    browser.write("input[name=password]", "another horse battery");
    browser.click("button");
    assert!(browser.text().contains("all logins have ended"), "{}", browser.text());

    let login = ["--profile", "new", "--server", &server.url, "login", "ann", "--password-stdin"];
    assert_eq!(world.run(&login, &format!("{PASSWORD}\n")).code, 5);
    assert_eq!(world.run(&login, "another horse battery\n").code, 0);
    browser.go(&link(&world, &server, "login", "forgot"));
    assert!(browser.text().contains("Forgot your password?"), "from the mail about the new login");
}

#[test]
fn somebody_says_which_mails_he_wants_and_leaves_with_one_click() {
    let world = World::new();
    let server = Server::start(&world);
    signup(&world, &server);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite:{}", server.data.join("natter.db").display());
    let options = store::Options::default();
    let store = runtime.block_on(store::Store::open(&[url], &options)).unwrap();
    let ann = runtime.block_on(store.credential("ann")).unwrap().unwrap().user_id;
    let purpose = store::Purpose::Settings;
    let made = store.mail_token_create(&TOKEN_HASH, ann, purpose, i64::MAX);
    runtime.block_on(made).unwrap();
    let settings = || runtime.block_on(store.recipient(ann)).unwrap().unwrap().settings;

    let browser = Browser::open(WIDE, 800);
    let token = "a".repeat(43);
    browser.go(&format!("{}/v1/mail/{token}", server.url));
    looks_right(&browser, WIDE);
    assert!(browser.is_on("input[name=wanted]") && !browser.is_on("input[name=hide]"));
    browser.click("option[value=names]");
    browser.click("input[name=hide]");
    browser.click("button");
    assert!(browser.text().contains("Saved."), "{}", browser.text());
    assert!(browser.is_on("input[name=hide]") && browser.is_on("option[value=names]"));
    let now = settings();
    assert_eq!((now.preview, now.hide, now.unwanted), (store::Preview::Names, true, false));

    browser.go(&format!("{}/v1/unsubscribe/{token}", server.url));
    assert!(!settings().unwanted, "looking changes nothing");
    looks_right(&browser, WIDE);
    browser.click("button");
    assert!(browser.text().contains("no more mails about messages"), "{}", browser.text());
    assert!(settings().unwanted);
    // Another site cannot do it for her: its form is refused.
    let form = format!("{}/v1/mail/{token}", server.url);
    let evil =
        format!("data:text/html,<form method=post action={form}><button>win</button></form>");
    browser.go(&evil);
    browser.click("button");
    assert!(browser.text().contains("was sent by another site"), "{}", browser.text());
    runtime.block_on(store.close());
}
