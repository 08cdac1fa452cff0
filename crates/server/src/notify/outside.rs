//! For tests: what the role writes to, as real processes that misbehave on demand. Each is a script
//! below `tests/`, which tells what its manners can be.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// `tests/smtpd.py`
pub(super) type MailServer = Outside<Mail>;
/// `tests/httpd.py`
pub(super) type WebServer = Outside<Call>;

/// A script that runs, and what it says that it was told.
pub(super) struct Outside<T> {
    pub(super) url: String,
    said: mpsc::Receiver<T>,
    process: Child,
}

/// A mail that was taken over.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Mail {
    pub(super) to: Vec<String>,
    pub(super) data: String,
}

/// A POST, whatever was answered.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) headers: std::collections::BTreeMap<String, String>,
    pub(super) body: String,
    /// It has a webhook's signature, and that holds.
    pub(super) signed: bool,
}

impl MailServer {
    pub(super) async fn start(manners: &str) -> Self {
        Self::run("smtpd.py", "smtp", manners).await
    }
}

impl WebServer {
    pub(super) async fn start(manners: &str) -> Self {
        Self::run("httpd.py", "http", manners).await
    }

    /// The key by which it checks signatures from now on.
    pub(super) async fn learn(&mut self, key: &str) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(format!("{key}\n").as_bytes()).await.unwrap();
    }
}

impl<T: DeserializeOwned + Send + std::fmt::Debug + 'static> Outside<T> {
    async fn run(script: &str, scheme: &str, manners: &str) -> Self {
        let script = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var("NATTER_TEST_MAIL_PYTHON");
        let python = python.expect("run `cargo xtask test`, or name a Python that has aiosmtpd");
        let mut process = Command::new(python)
            .args([&script, manners])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("it says its port");
        let url = port.replace("port ", &format!("{scheme}://127.0.0.1:"));
        let (taken, said) = mpsc::channel(10_000);
        tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                taken.send(serde_json::from_str(&line).unwrap()).await.unwrap();
            }
        });
        Self { url, said, process }
    }

    /// The next thing that it was told.
    pub(super) async fn next(&mut self) -> T {
        self.said.recv().await.expect("it lives")
    }

    /// All that it was told and that was not looked at, when it has ended.
    pub(super) async fn end(mut self) -> Vec<T> {
        drop(self.process.stdin.take());
        let mut rest = Vec::new();
        while let Some(said) = self.said.recv().await {
            rest.push(said);
        }
        self.process.wait().await.unwrap();
        rest
    }
}
