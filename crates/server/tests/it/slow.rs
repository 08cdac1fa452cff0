//! Sockets that take their time before they have said what they want.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{Host, PATIENCE, host, host_with};

const SOCKETS: usize = 300;
/// What the limits say, and what a loaded machine may take longer to notice.
const CUT_AFTER: Duration = Duration::from_millis(server::limits::HEADER_MS_MAX - 500);

/// One byte a second of something that would be good in the end. How long it was let do that.
async fn trickle(host: &Host, beginning: &'static [u8]) -> Vec<Duration> {
    let mut sockets = JoinSet::new();
    for _ in 0..SOCKETS {
        let stream = TcpStream::connect(host.server.address).await.unwrap();
        sockets.spawn(async move {
            let begin = Instant::now();
            let (mut read, mut write) = stream.into_split();
            let writing = async {
                for byte in beginning.iter().chain(std::iter::repeat(&b'a')) {
                    if write.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    // tidy: sleeps because slowness is the subject
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            let mut answer = Vec::new();
            tokio::select! {
                () = writing => {}
                _ = read.read_to_end(&mut answer) => {}
            }
            begin.elapsed()
        });
    }
    tokio::time::timeout(PATIENCE, sockets.join_all()).await.expect("all of them are cut")
}

#[tokio::test]
async fn a_request_that_trickles_in_is_cut_and_the_others_chat_on() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    let mut slowest = Duration::ZERO;
    let trickling = trickle(&host, b"GET /v1/connect HTTP/1.1\r\nhost: ");
    tokio::pin!(trickling);
    let lasted = loop {
        let begin = Instant::now();
        tokio::select! {
            lasted = &mut trickling => break lasted,
            _ = ann.line.send(chat, "on we go") => slowest = slowest.max(begin.elapsed()),
        }
    };
    assert!(lasted.iter().all(|lasted| *lasted >= CUT_AFTER), "{lasted:?}");
    assert!(slowest < Duration::from_secs(5), "a send took {slowest:?}");
}

#[tokio::test]
async fn a_tls_handshake_that_trickles_in_is_cut_too() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let host = host_with(|c| {
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| c.data.join(name));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (c.tls_cert, c.tls_key) = (Some(cert), Some(key));
    })
    .await;
    assert!(host.server.url.starts_with("https://"));
    // The head of a ClientHello of 512 bytes.
    let lasted = trickle(&host, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]).await;
    assert!(lasted.iter().all(|lasted| *lasted >= CUT_AFTER), "{lasted:?}");
}
