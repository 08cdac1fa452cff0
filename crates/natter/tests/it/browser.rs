//! Chromium without a window, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>) as plain
//! HTTP: what a person does with a page, and with scripts switched off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::world::PATIENCE;

/// The key under which WebDriver hands out an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. Ended when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// With a window of so many pixels, on which no script runs.
    pub(crate) fn open(width: u32, height: u32) -> Self {
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().expect("chromedriver, which `cargo xtask test` installs");
        let port = port_of(BufReader::new(driver.stdout.take().unwrap()));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let directory = browser._profile.path().display().to_string();
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", format!("--user-data-dir={directory}"),
            ],
            "prefs": { "profile.managed_default_content_settings.javascript": 2 },
            "mobileEmulation": {
                "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0 },
            },
        });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let capabilities = json!({ "capabilities": { "alwaysMatch": wanted } });
        let opened = browser.call("POST", "/session", &capabilities);
        browser.session = opened["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    pub(crate) fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// What is to be read on the page.
    pub(crate) fn text(&self) -> String {
        self.of("body", "text").as_str().unwrap().to_owned()
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Is this box ticked, is this option chosen?
    pub(crate) fn is_on(&self, selector: &str) -> bool {
        self.of(selector, "selected").as_bool().unwrap()
    }

    /// `text`, `selected`, `rect`, `css/NAME` of the first element that fits.
    pub(crate) fn of(&self, selector: &str, what: &str) -> Value {
        let element = self.find(selector);
        self.ask("GET", &format!("/element/{element}/{what}"), &Value::Null)
    }

    fn find(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "/element", &by);
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// How far to the right each element that fits reaches, in pixels.
    pub(crate) fn right_ends(&self, selector: &str) -> Vec<f64> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "/elements", &by);
        let rect = |element: &Value| {
            let id = element[ELEMENT].as_str().unwrap();
            let rect = self.ask("GET", &format!("/element/{id}/rect"), &Value::Null);
            rect["x"].as_f64().unwrap() + rect["width"].as_f64().unwrap()
        };
        found.as_array().unwrap().iter().map(rect).collect()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (port, length) = (self.port, body.len());
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("chromedriver listens");
        stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n");
        let head = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n");
        write!(stream, "{head}\r\n{body}").unwrap();
        let answer = read_answer(BufReader::new(stream));
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", "", &Value::Null);
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

/// `ChromeDriver was started successfully on port 41234.` Its further lines are read and dropped.
fn port_of(mut lines: BufReader<std::process::ChildStdout>) -> u16 {
    let mut line = String::new();
    while lines.read_line(&mut line).expect("chromedriver says where it listens") > 0 {
        let number = line
            .trim_end()
            .strip_suffix('.')
            .and_then(|line| line.split_once("successfully on port ")?.1.parse().ok());
        if let Some(port) = number {
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return port;
        }
        line.clear();
    }
    panic!("chromedriver ended");
}

fn read_answer(mut stream: BufReader<TcpStream>) -> Value {
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).expect("an answer of chromedriver") > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).expect("JSON")
}
