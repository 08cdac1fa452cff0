//! A real Chromium, driven through its ChromeDriver (<https://www.w3.org/TR/webdriver2/>). Scripts
//! of pages are switched off in it.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use crate::harness::Dir;

/// The start of a browser on a busy machine, or one page.
const PATIENCE: Duration = Duration::from_secs(60);

/// ChromeDriver leaves its browser behind when it is killed. So both live in one process group, and
/// that ends with the pipe that the test holds, however the test ends.
const MINDER: &str = "chromedriver --port=0 & cat > /dev/null; kill -9 0";

pub(crate) struct Browser {
    port: u16,
    /// `/session/ID`
    session: String,
    /// Dropped first: the browser goes before its files do.
    _alive: ChildStdin,
    _minder: Child,
    _profile: Dir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", MINDER]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut minder = Command::from(command).spawn().unwrap();
        let mut lines = BufReader::new(minder.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("chromedriver (`cargo xtask test` installs it) says its port");
            // The lines before name the port that was asked for, which is 0.
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let alive = minder.stdin.take().unwrap();
        let profile = Dir::new();
        let (session, _alive, _minder) = (String::new(), alive, minder);
        let mut browser = Self { port, session, _alive, _minder, _profile: profile };
        let wanted = capabilities(&browser._profile);
        let begun = browser.call("POST", "/session", &wanted).await;
        browser.session = format!("/session/{}", begun["sessionId"].as_str().expect("a session"));
        browser
    }

    pub(crate) async fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url })).await;
    }

    pub(crate) async fn title(&self) -> String {
        self.ask("GET", "/title", &Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Waits until it is this page: a click may be answered before the page behind it is there.
    pub(crate) async fn is_titled(&self, wanted: &str) {
        self.until(wanted, async || self.title().await == wanted).await;
    }

    /// Waits until the page has this in it. Its source is one answer: an element that was found may
    /// belong to the page before when it is asked for its text.
    pub(crate) async fn says(&self, wanted: &str) {
        let has = async || {
            let source = self.ask("GET", "/source", &Value::Null).await;
            source.as_str().unwrap().contains(wanted)
        };
        self.until(wanted, has).await;
    }

    async fn until(&self, wanted: &str, so: impl AsyncFn() -> bool) {
        let looking = async {
            let mut look = tokio::time::interval(Duration::from_millis(20));
            while !so().await {
                look.tick().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "{wanted:?} never comes, but {:?}", self.title().await);
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        let path = format!("/element/{}/text", self.find("body").await);
        self.ask("GET", &path, &Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Clicks on the first thing that this CSS selector finds, and waits for the page behind it.
    pub(crate) async fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.find(selector).await);
        self.ask("POST", &path, &json!({})).await;
    }

    /// Empties a field and types into it.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.ask("POST", &format!("/element/{element}/clear"), &json!({})).await;
        let typed = json!({ "text": text });
        self.ask("POST", &format!("/element/{element}/value"), &typed).await;
    }

    pub(crate) async fn is_selected(&self, selector: &str) -> bool {
        let path = format!("/element/{}/selected", self.find(selector).await);
        self.ask("GET", &path, &Value::Null).await.as_bool().unwrap()
    }

    /// What was asked of any server since the last look, as `METHOD URL`.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "performance" })).await;
        let entries = log.as_array().unwrap().iter().map(|entry| {
            let text = entry["message"].as_str().unwrap();
            serde_json::from_str::<Value>(text).unwrap()["message"].take()
        });
        let sent = entries.filter(|message| message["method"] == "Network.requestWillBeSent");
        let told = sent.map(|message| {
            let request = &message["params"]["request"];
            let [method, url] = ["method", "url"].map(|name| request[name].as_str().unwrap());
            format!("{method} {url}")
        });
        // The browser's own pages and pictures are in it.
        let inner = |told: &String| told.contains(" chrome://") || told.contains(" data:");
        told.filter(|told| !inner(told)).collect()
    }

    pub(crate) async fn end(self) {
        self.call("DELETE", &self.session, &Value::Null).await;
    }

    async fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "/element", &wanted).await;
        let (_, id) = found.as_object().unwrap().iter().next().expect("one element");
        id.as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("{}{path}", self.session), body).await
    }

    /// One call, on a connection of its own.
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (port, len) = (self.port, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        );
        let answer = tokio::time::timeout(PATIENCE, exchange(port, &request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path} takes too long"));
        let (status, mut json) = answer.unwrap();
        assert!(status.contains(" 200 "), "{method} {path}: {}", json["value"]["message"]);
        json["value"].take()
    }
}

/// The first line of the answer, and its JSON. ChromeDriver says that it closes the connection and
/// does not: only the length says where an answer ends.
async fn exchange(port: u16, request: &str) -> std::io::Result<(String, Value)> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    stream.write_all(request.as_bytes()).await?;
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((status, serde_json::from_slice(&body).expect("ChromeDriver speaks JSON")))
}

fn capabilities(profile: &Dir) -> Value {
    let profile = format!("--user-data-dir={}", profile.0.display());
    let args = [
        "--headless",
        // Tests may be root, and Chromium's own sandbox cannot be.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // What asks elsewhere finds nobody.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        // Hours are typed as that language shows them.
        "--lang=en-US",
        &profile,
    ];
    const BLOCK: u8 = 2;
    let options = json!({
        "args": args,
        "prefs": { "profile.managed_default_content_settings.javascript": BLOCK },
    });
    let timeouts = json!({ "pageLoad": 30_000, "script": 5_000, "implicit": 0 });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome", "timeouts": timeouts,
        "goog:chromeOptions": options, "goog:loggingPrefs": { "performance": "ALL" },
    } } })
}
