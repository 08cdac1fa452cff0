//! What a server writes to, as real processes that misbehave on demand: a mail server and a web
//! server, each a script below `crates/server/tests`, which tells what its manners can be.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use crate::world::PATIENCE;

pub(crate) struct Outside {
    pub(crate) port: String,
    said: Receiver<Value>,
    process: Child,
}

impl Outside {
    /// `smtpd.py` or `httpd.py`, and its arguments.
    pub(crate) fn start(script: &str, args: &[&str]) -> Self {
        let script = format!("{}/../server/tests/{script}", env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var("NATTER_TEST_MAIL_PYTHON");
        let python = python.expect("run `cargo xtask test`, or name a Python that has aiosmtpd");
        let mut command = Command::new(python);
        command.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().expect("it says its port").unwrap().replace("port ", "");
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { port, said, process }
    }

    /// The next thing that it was told.
    pub(crate) fn next(&self) -> Value {
        self.said.recv_timeout(PATIENCE).expect("it is told something in time")
    }

    /// None: nothing was told to it for so long.
    pub(crate) fn next_within(&self, longest: Duration) -> Option<Value> {
        self.said.recv_timeout(longest).ok()
    }

    /// All that it was told and that was not looked at, when it has ended.
    pub(crate) fn end(mut self) -> Vec<Value> {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
        let mut rest = Vec::new();
        while let Ok(said) = self.said.recv() {
            rest.push(said);
        }
        rest
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
