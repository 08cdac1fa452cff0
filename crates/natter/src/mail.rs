//! `natter mail`: the mails that a server without a mail server has kept, for who tries natter out
//! or runs it for himself.

use std::path::{Path, PathBuf};

use proto::clean;
use serde_json::json;

use crate::background;
use crate::failure::{Exit, Failure};
use crate::output::{Output, day_and_clock};

/// A mail in the directory: `MILLISECONDS-KIND.NUMBERS.eml`.
struct Kept {
    path: PathBuf,
    at: i64,
    kind: String,
}

/// Lists them, the newest first, or shows one.
pub(crate) fn mail(
    data: Option<&Path>,
    number: Option<u32>,
    output: &Output,
) -> Result<(), Failure> {
    let data = match data {
        Some(data) => data.to_owned(),
        None => background::places()?.data,
    };
    let kept = kept(&data.join("mail"))?;
    let Some(number) = number else {
        for (index, mail) in kept.iter().enumerate() {
            let text = std::fs::read_to_string(&mail.path)?;
            list(output, index + 1, mail, &text)?;
        }
        return Ok(());
    };
    let Some(mail) = kept.get(number as usize - 1) else {
        return Err(Failure::new(Exit::NotFound, format!("there is no mail {number}")));
    };
    let text = std::fs::read_to_string(&mail.path)?;
    let body = plain_text(&text);
    let shown = format!("To: {}\n\n{}", header(&text, "To"), body.trim_end());
    let value = json!({
        "type": "mail", "number": number, "at": mail.at, "kind": mail.kind,
        "to": header(&text, "To"), "text": body,
    });
    Ok(output.line(&clean::text(&shown), &value)?)
}

/// A server that has not written a mail yet has no directory for them.
fn kept(directory: &Path) -> Result<Vec<Kept>, Failure> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let why = format!("{}: {error}", directory.display());
            return Err(Failure::new(Exit::Failed, why));
        }
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What is being written has a name that begins with a dot.
        let parts = name.strip_suffix(".eml").and_then(|name| name.split_once('-'));
        if let Some((at, rest)) = parts
            && let Ok(at) = at.parse()
        {
            let kind = rest.split('.').next().unwrap_or_default().to_owned();
            kept.push(Kept { path, at, kind });
        }
    }
    kept.sort_by_key(|mail| std::cmp::Reverse(mail.at));
    Ok(kept)
}

fn list(output: &Output, number: usize, mail: &Kept, text: &str) -> Result<(), Failure> {
    let to = header(text, "To");
    let line = format!("{number} {} {} {to}", day_and_clock(mail.at), mail.kind);
    let value = json!({
        "type": "mail", "number": number, "at": mail.at, "kind": mail.kind, "to": to,
    });
    Ok(output.line(&clean::line(&line), &value)?)
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let head = mail.lines().take_while(|line| !line.is_empty());
    let mut named = head.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    named.next().unwrap_or_default()
}

/// The part that is no HTML, without the encoding that mails travel in.
fn plain_text(mail: &str) -> String {
    let part = mail.split_once("Content-Type: text/plain").map_or(mail, |(_, part)| part);
    let body = part.split_once("\r\n\r\n").map_or(part, |(_, body)| body);
    let body = body.split_once("\r\n--").map_or(body, |(body, _)| body);
    unquoted(&body.replace("\r\n", "\n"))
}

/// Quoted-printable (RFC 2045, 6.7): `=XX` is a byte, `=` at the end of a line joins it to the
/// next.
fn unquoted(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('=');
    bytes.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        let byte = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, piece.strip_prefix('\n')) {
            (_, Some(joined)) => bytes.extend(joined.bytes()),
            (Some(byte), None) => {
                bytes.push(byte);
                bytes.extend(piece[2..].bytes());
            }
            (None, None) => bytes.extend(std::iter::once(b'=').chain(piece.bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_packed_for_the_way_is_unpacked() {
        for (packed, text) in [
            ("a=3Db", "a=b"),
            ("one line=\nin two", "one linein two"),
            ("Gr=C3=BC=C3=9Fe", "Grüße"),
            ("broken =ü =", "broken =ü ="),
        ] {
            assert_eq!(super::unquoted(packed), text);
        }
    }
}
