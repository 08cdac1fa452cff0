//! `natter notices`: a person chooses how he is told, and sees whether it works.

use std::time::Instant;

use serde_json::Value;

use crate::outside::Outside;
use crate::smtp::Site;
use crate::terminal::Terminal;
use crate::tls::Authority;
use crate::world::{PATIENCE, two};

#[test]
fn a_person_chooses_a_door_and_learns_whether_it_opens() {
    let mut site = Site::new();
    let [cert, key] = site.certificate(&site.authority, "localhost", 4096);
    let phone = Outside::start("httpd.py", &["take", "--tls", &cert, &key]);
    let sender = site.serve(&["--doors-opened", "127.0.0.1,::1"]);
    site.world.signup("ann", &format!("http://{}", sender.address));
    let natter = |args: &[&str]| site.world.natter("ann", &[&["notices"], args].concat());
    assert!(natter(&[]).contains("no address is confirmed"), "{}", natter(&[]));

    let topic = format!("https://localhost:{}/topic", phone.port);
    let said = natter(&["--push", &topic, "--preview", "names", "--quiet", "22:00-06:30"]);
    for part in [&*format!("by a push to {topic}"), "who wrote", "22:00 to 06:30 UTC"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let hello = phone.next();
    assert_eq!(hello["path"], "/topic");
    assert!(hello["headers"]["title"].as_str().unwrap().starts_with("natter tells you here"));

    // Somebody else's certificate: what is said there is nobody's business.
    let stranger = Authority::new("stranger", site.world.home.path());
    let [cert, key] = site.certificate(&stranger, "localhost", 4096);
    let bot = Outside::start("httpd.py", &["take", "--tls", &cert, &key]);
    let hook = format!("https://localhost:{}/hook", bot.port);
    let said: Value = serde_json::from_str(&natter(&["--webhook", &hook, "--json"])).unwrap();
    assert!(said["key"].as_str().unwrap().starts_with("whsec_"), "{said}");
    assert_eq!((&said["door"], &said["preview"]), (&"webhook".into(), &"names".into()));
    let begin = Instant::now();
    while !natter(&[]).contains("did not get through") {
        assert!(begin.elapsed() < PATIENCE, "{}", natter(&[]));
    }
    assert!(!natter(&[]).contains("whsec_"), "the key is shown once");
    assert!(bot.end().is_empty());

    assert!(natter(&["--off"]).contains("nothing is told"));
    let run = site.world.run(&["--profile", "ann", "notices", "--push", "https://10.0.0.1/"], "");
    assert_eq!(run.code, 5, "{run:?}");
    let run = site.world.run(&["--profile", "ann", "notices", "--quiet", "soon"], "");
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn the_screen_shows_and_changes_how_one_is_told() {
    let (world, _server) = two();
    let mut ann = Terminal::open(&world, "ann", 30, 100);
    ann.sees("● connected");
    ann.keys(":notices\r");
    ann.sees("by mail, but no address is confirmed: nothing is told");
    ann.keys("q:notices preview none\r");
    ann.sees("it tells: only that there is something");
    ann.keys("q:notices push https://127.0.0.1/\r");
    ann.sees("a network that this server does not call");
    ann.keys(":notices off\r");
    ann.sees("nothing is told while you are away");
    assert!(world.natter("ann", &["notices"]).contains("nothing is told while you are away"));
}
