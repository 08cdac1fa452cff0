//! One mail: what it says, once as text and once as HTML, with the headers that a mail from a
//! program should have. Everything that people wrote is escaped here.

use lettre::Message;
use lettre::address::AddressError;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use proto::clean;

use super::Fault;

/// A mail before it has a form.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) to_name: String,
    pub(super) to_address: String,
    pub(super) subject: String,
    pub(super) body: Vec<Block>,
    /// The first half of its Message-ID: the same on each try.
    pub(super) id: String,
    /// Mails with the same one are shown as one thread.
    pub(super) thread: Option<String>,
    /// Where one POST ends these mails (RFC 8058).
    pub(super) unsubscribe: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Block {
    Line(String),
    Quote(String),
    Link { label: String, url: String },
}

pub(super) fn message(letter: &Letter, from: &Mailbox, now: i64) -> Result<Message, Fault> {
    let refused = |error: AddressError| Fault::Refused(format!("the address: {error}"));
    let address = letter.to_address.parse().map_err(refused)?;
    let to = Mailbox::new(Some(clean::line(&letter.to_name).into_owned()), address);
    let domain = from.email.domain();
    let id = |half: &str| format!("<{half}@{domain}>");
    let sent_at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now.unsigned_abs());
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to)
        .date(sent_at)
        .message_id(Some(id(&letter.id)))
        .subject(clean::line(&letter.subject))
        .raw_header(header("Auto-Submitted", "auto-generated"));
    if let Some(thread) = &letter.thread {
        builder = builder.in_reply_to(id(thread)).references(id(thread));
    }
    if let Some(url) = &letter.unsubscribe {
        let one_click = header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
        builder = builder.raw_header(header("List-Unsubscribe", &format!("<{url}>")));
        builder = builder.raw_header(one_click);
    }
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text(&letter.body)))
        .singlepart(part(ContentType::TEXT_HTML, html(&letter.body)));
    builder.multipart(parts).map_err(|error| Fault::Refused(error.to_string()))
}

/// Always quoted-printable: a person who looks at the file can read it.
fn part(kind: ContentType, text: String) -> SinglePart {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable);
    let body = body.expect("quoted-printable can hold any text");
    SinglePart::builder().header(kind).body(body)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn text(body: &[Block]) -> String {
    let mut text = String::new();
    for block in body {
        match block {
            Block::Line(line) => text.push_str(line),
            Block::Quote(quote) => {
                text.push_str("> ");
                text.push_str(&quote.replace('\n', "\r\n> "));
            }
            Block::Link { label, url } => {
                text.push_str(label);
                text.push_str(":\r\n");
                text.push_str(url);
            }
        }
        text.push_str("\r\n\r\n");
    }
    text
}

fn html(body: &[Block]) -> String {
    let mut html = String::from("<!doctype html><meta charset=utf-8>\r\n");
    for block in body {
        let part = match block {
            Block::Line(line) => format!("<p>{}</p>", escaped(line)),
            Block::Quote(quote) => {
                let lines = escaped(quote).replace('\n', "<br>\r\n");
                format!("<blockquote>{lines}</blockquote>")
            }
            Block::Link { label, url } => {
                format!("<p><a href=\"{}\">{}</a></p>", escaped(url), escaped(label))
            }
        };
        html.push_str(&part);
        html.push_str("\r\n");
    }
    html
}

fn escaped(text: &str) -> String {
    crate::html::escaped(text)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_people_write_is_text_in_the_mail_and_no_markup_or_header() {
        let letter = Letter {
            to_name: "Ann\r\nBcc: all@example.org".into(),
            to_address: "ann@example.org".into(),
            subject: "1 unread from \"Bob\"\r\nX-Evil: 1".into(),
            body: vec![Block::Quote("<script>alert('1')</script> & \"so on\"\nnext".into())],
            id: "unread.1".into(),
            thread: Some("unread.1.day".into()),
            unsubscribe: Some("https://chat.example.org/v1/unsubscribe/abc".into()),
        };
        let from: Mailbox = "natter <natter@chat.example.org>".parse().unwrap();
        let bytes = message(&letter, &from, 1_800_000_000_000).unwrap().formatted();
        let mail = String::from_utf8(bytes).unwrap();
        let (head, rest) = mail.split_once("\r\n\r\n").unwrap();
        for line in [
            "Message-ID: <unread.1@chat.example.org>",
            "In-Reply-To: <unread.1.day@chat.example.org>",
            "Auto-Submitted: auto-generated",
            "List-Unsubscribe: <https://chat.example.org/v1/unsubscribe/abc>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ] {
            assert!(head.contains(line), "{line}\n{head}");
        }
        assert!(!head.lines().any(|l| l.starts_with("Bcc") || l.starts_with("X-Evil")), "{head}");
        assert!(rest.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"), "{rest}");
        assert!(rest.contains("> next"), "{rest}");
    }
}
