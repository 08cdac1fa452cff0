//! The `:` history on the disk, so that a line of yesterday is one key away. It may hold texts, as
//! behind `:msg`: only its user can read the file.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::limits::{HISTORY_BYTES_MAX, HISTORY_LINES_MAX};

/// The lines of the file, oldest first; none where it cannot be read.
pub(crate) fn read(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path);
    if file.and_then(|file| file.take(HISTORY_BYTES_MAX).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.is_empty());
    newest(lines.map(|line| proto::clean::line(line).into_owned()).collect())
}

/// Adds these lines to what is in the file, which another screen may have written meanwhile.
///
/// # Errors
/// The file cannot be written; what was in it is still there.
pub(crate) fn add(path: &Path, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut all = read(path);
    all.extend_from_slice(lines);
    let mut text = newest(all).join("\n");
    text.push('\n');
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let beside = path.with_extension(std::process::id().to_string());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&beside)?.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

fn newest(mut lines: Vec<String>) -> Vec<String> {
    lines.drain(..lines.len().saturating_sub(HISTORY_LINES_MAX));
    lines
}
