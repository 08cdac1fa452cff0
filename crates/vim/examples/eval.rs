//! Reads cases `text⏐row,col⏐keys`, one a line, and writes each with what the editor makes of it:
//! `text⏐row,col⏐keys⏐row,col⏐text`. See `vim::case`.

use std::io::{self, BufRead, Write};
use vim::case::Case;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let answer = Case::parse(&line).map_or("ERR⏐".to_owned(), |case| case.run().written());
        writeln!(out, "{line}⏐{answer}")?;
    }
    out.flush()
}
