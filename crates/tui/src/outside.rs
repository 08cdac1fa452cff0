//! Other programs: the user's editor, what opens a link, what shows a notification. None of them
//! gets a text of others through a shell.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use crate::limits::BOX_BYTES_MAX;

/// A text that is being edited outside.
pub(crate) struct Editing {
    pub child: Child,
    path: PathBuf,
}

/// `$VISUAL`, else `$EDITOR`, else vi, with the text in a file that only the user can read.
///
/// # Errors
/// The file cannot be written, or the editor cannot be started.
pub(crate) fn edit(text: &str) -> io::Result<Editing> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into());
    let name = format!("natter-{}-{:08x}.md", std::process::id(), random());
    let path = std::env::temp_dir().join(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // The variable is the user's own and may hold options or quotes, so a shell reads it, as for
    // every program that starts an editor. The text is in the file and the path beside it.
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "natter"])
        .arg(&path)
        .spawn();
    match child {
        Ok(child) => Ok(Editing { child, path }),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Enough that two editors of one process do not meet; the file is made anew or not at all.
fn random() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.subsec_nanos())
}

impl Editing {
    /// What the editor left. The file is removed where its text was taken.
    ///
    /// # Errors
    /// A sentence for the user: the editor failed, or what it left is no text for a message. The
    /// file stays, and the sentence says where.
    pub(crate) fn finish(self, ended: io::Result<ExitStatus>) -> Result<String, String> {
        let kept = |why: &str| format!("{why}; the box is as it was, and {}", place(&self.path));
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(kept(&format!("the editor ended with {status}"))),
            Err(error) => return Err(kept(&format!("the editor: {error}"))),
        }
        let text = read(&self.path).map_err(|why| kept(&why))?;
        let _ = fs::remove_file(&self.path);
        Ok(text)
    }
}

fn place(path: &Path) -> String {
    format!("what was written is in {}", path.display())
}

fn read(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| format!("nothing was saved ({error})"))?;
    let mut bytes = Vec::new();
    let most = BOX_BYTES_MAX as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > BOX_BYTES_MAX {
        return Err(format!("the text has more than {BOX_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_string())?;
    Ok(text.trim_end_matches('\n').to_string())
}

/// Shows a web address to the desktop. It begins with http, so it cannot be an option.
///
/// # Errors
/// There is no program for that.
pub(crate) fn open(url: &str) -> io::Result<()> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    quietly(Command::new(opener).arg(url))
}

/// A notification of the desktop's.
///
/// # Errors
/// There is no program for that.
pub(crate) fn notify(title: &str, text: &str) -> io::Result<()> {
    let (title, text) = (proto::clean::line(title), proto::clean::line(text));
    if cfg!(target_os = "macos") {
        let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of \
                      argv)\nend run";
        return quietly(Command::new("osascript").args(["-e", script, &title, &text]));
    }
    let mut command = Command::new("notify-send");
    command.args(["--app-name", "natter", "--", &title, &markup(&text)]);
    quietly(&mut command)
}

/// The body of a notification is markup where the desktop follows freedesktop's rules.
fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Without our terminal, and without waiting for its end.
fn quietly(command: &mut Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_markup_for_the_desktop() {
        assert_eq!(markup("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }
}
