//! A notice to a push server that speaks like ntfy: a POST to a topic, its text the body, its title
//! a header.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::judge;
use crate::limits;
use crate::notify::Fault;
use crate::notify::notice::{Kind, Notice};
use crate::outward::Outward;

pub(super) async fn tell(outward: &Outward, url: &str, notice: &Notice) -> Result<(), Fault> {
    let headers = [
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        ("title", header(&notice.title)),
        ("tags", "speech_balloon".to_owned()),
    ];
    judge(outward.post(url, &headers, text(notice).into_bytes()).await)
}

/// Never empty: a push without a text is shown as "triggered".
fn text(notice: &Notice) -> String {
    let mut text = String::new();
    for place in &notice.conversations {
        let _ = writeln!(text, "{}: {} unread", place.name, place.unread);
        for line in &place.texts {
            let _ = writeln!(text, "{line}");
        }
    }
    if text.is_empty() {
        text.push_str(match notice.kind {
            Kind::Unread => "Somebody has written to you.",
            Kind::Hello => "This is the first word; nothing is unread.",
        });
    }
    let mut end = text.len().min(limits::PUSH_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.trim_end().to_owned()
}

/// In ASCII as it is, anything else as RFC 2047 says: a header holds nothing else safely.
fn header(text: &str) -> String {
    match text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        true => text.to_owned(),
        false => format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(text)),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::notify::notice::Place;

    #[test]
    fn a_push_fits_and_no_name_makes_a_header() {
        assert_eq!(header("3 unread from Ann (@ann)"), "3 unread from Ann (@ann)");
        assert_eq!(header("Zoë\r\nX-Evil: 1"), "=?UTF-8?B?Wm/Dqw0KWC1FdmlsOiAx?=");
        let place = |text: &str| Place { name: "Zoë".into(), unread: 1, texts: vec![text.into()] };
        let mut notice = Notice {
            kind: Kind::Unread,
            id: "unread.1".into(),
            at: 0,
            handle: "bob".into(),
            title: "1 unread".into(),
            conversations: vec![place("hello")],
        };
        assert_eq!(text(&notice), "Zoë: 1 unread\nhello");
        notice.conversations.push(place(&"ë".repeat(limits::PUSH_BYTES_MAX)));
        assert!(
            (limits::PUSH_BYTES_MAX - 4..=limits::PUSH_BYTES_MAX).contains(&text(&notice).len())
        );
        notice.conversations.clear();
        assert_eq!(text(&notice), "Somebody has written to you.");
    }
}
