//! `cargo xtask vim-oracle`: hold the composer's editor against the real Vim. Random cases of one
//! to three commands are pressed in both, each in a Vim of its own; text and cursor must agree.
//! What is compared and how it came out: `docs/vim.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use vim::case::Case;

const HELP: &str = "\
cargo xtask vim-oracle [--seed N] [--count N]   compare N random cases (seed 1, 2000 cases)
cargo xtask vim-oracle --cases FILE             compare the cases of a file: text⏐row,col⏐keys
cargo xtask vim-oracle --write                  ask Vim for the expectations of the editor's tests
cargo xtask vim-oracle --print                  print the random cases, ask nobody";

/// Where the expectations of the editor's tests are, below the root.
const EXPECTATIONS: &str = "crates/vim/tests/it";
/// The random cases among them.
const EXPECTED_SEED: u64 = 20_260_101;
const EXPECTED_COUNT: usize = 4000;
/// Differences printed; the number of all is printed in any case.
const DIFFERENCES_SHOWN_MAX: usize = 40;
/// One Vim that hangs is stopped after so many seconds.
const VIM_SECONDS_MAX: &str = "10";
/// The settings the editor imitates.
const SETTINGS: &str = "set nocp encoding=utf-8 noet noautoindent nojs nrformats= \
    backspace=indent,eol,start wrapscan viminfo= noswapfile";

struct Options {
    seed: u64,
    count: usize,
    cases: Option<PathBuf>,
    write: bool,
    print: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Some(options) = parse_options(args)? else {
        println!("{HELP}");
        return Ok(());
    };
    if options.print {
        random_cases(options.seed, options.count).iter().for_each(|case| println!("{case}"));
        return Ok(());
    }
    ensure_vim()?;
    if options.write {
        return write_expectations();
    }
    let cases = match &options.cases {
        Some(file) => read_cases(file)?,
        None => random_cases(options.seed, options.count),
    };
    compare(&cases)
}

fn parse_options(args: &[String]) -> Result<Option<Options>> {
    let mut options = Options { seed: 1, count: 2000, cases: None, write: false, print: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value\n{HELP}"));
        match arg.as_str() {
            "--seed" => options.seed = value()?.parse().context("--seed takes a number")?,
            "--count" => options.count = value()?.parse().context("--count takes a number")?,
            "--cases" => options.cases = Some(PathBuf::from(value()?)),
            "--write" => options.write = true,
            "--print" => options.print = true,
            "--help" | "-h" => return Ok(None),
            unknown => bail!("unknown option {unknown}\n{HELP}"),
        }
    }
    Ok(Some(options))
}

/// Vim is there, or is installed where that is ours to do.
fn ensure_vim() -> Result<()> {
    let found = || {
        let version = Command::new("vim").arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    };
    if found() {
        return Ok(());
    }
    let debian = Path::new("/etc/debian_version").exists();
    let root = rustix::process::geteuid().is_root();
    if !debian || !root {
        bail!("vim is not installed. On Debian: apt-get install vim (as root); then try again");
    }
    println!("installing Debian's vim");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "vim"]] {
        let status = Command::new("apt-get").args(arguments).status().context("apt-get")?;
        if !status.success() {
            bail!("apt-get {} failed; install vim by hand and try again", arguments.join(" "));
        }
    }
    if found() { Ok(()) } else { bail!("vim is still not there after apt-get install vim") }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read_cases(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let wanted = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    Ok(text.split('\n').filter(wanted).map(str::to_owned).collect())
}

fn compare(cases: &[String]) -> Result<()> {
    let expected = ask_vim(cases)?;
    let (mut same, mut unknown, mut shown) = (0, 0, 0);
    for (line, expected) in cases.iter().zip(&expected) {
        let case = Case::parse(line).with_context(|| format!("no case: {line}"))?;
        let Some(expected) = expected else {
            unknown += 1;
            println!("no answer from Vim: {line}");
            continue;
        };
        let ours = case.run().written();
        if ours == *expected {
            same += 1;
            continue;
        }
        shown += 1;
        if shown <= DIFFERENCES_SHOWN_MAX {
            println!("{line}\n   vim  {expected}\n   ours {ours}");
        }
    }
    let asked = cases.len() - unknown;
    let percent = 100.0 * f64::from(same) / f64::from(u32::try_from(asked.max(1))?);
    println!("{same} of {asked} cases agree in text and cursor: {percent:.2} %");
    Ok(())
}

/// The expectations of the editor's tests: the cases written by hand, and random ones.
fn write_expectations() -> Result<()> {
    let folder = root().join(EXPECTATIONS);
    for name in
        ["motions", "operators", "objects", "insert", "visual", "registers", "undo", "unicode"]
    {
        let file = folder.join(format!("{name}.cases"));
        let cases = read_cases(&file)?;
        let head: String = fs::read_to_string(&file)?
            .lines()
            .take_while(|line| line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let only_cases: Vec<String> = cases.iter().map(|line| first_three(line)).collect();
        fs::write(&file, head + &answered(&only_cases)?)?;
        println!("{}: {} cases", file.display(), cases.len());
    }
    let head = format!(
        "# {EXPECTED_COUNT} random cases, answered by Vim: cargo xtask vim-oracle --write\n"
    );
    let file = folder.join("random.cases");
    let cases = random_cases(EXPECTED_SEED, EXPECTED_COUNT);
    fs::write(&file, head + &answered(&cases)?)?;
    println!("{}: {EXPECTED_COUNT} cases", file.display());
    Ok(())
}

/// A case without the answer it may already have.
fn first_three(line: &str) -> String {
    line.split('⏐').take(3).collect::<Vec<_>>().join("⏐")
}

/// The cases with Vim's answers, but for those it cannot answer.
fn answered(cases: &[String]) -> Result<String> {
    let mut out = String::new();
    for (line, expected) in cases.iter().zip(ask_vim(cases)?) {
        if let Some(expected) = expected {
            writeln!(out, "{line}⏐{expected}")?;
        }
    }
    Ok(out)
}

/// Vim's answer to each case, `row,col⏐text`; none where it leaves no valid text. Each case gets
/// a Vim of its own, so that nothing is left over from the one before.
fn ask_vim(cases: &[String]) -> Result<Vec<Option<String>>> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let share = cases.len().div_ceil(workers).max(1);
    let folder = std::env::temp_dir().join(format!("vim-oracle-{}", std::process::id()));
    let answers: Vec<Result<Vec<Option<String>>>> = thread::scope(|scope| {
        let workers: Vec<_> = cases
            .chunks(share)
            .enumerate()
            .map(|(i, chunk)| {
                let folder = folder.join(i.to_string());
                scope.spawn(move || {
                    fs::create_dir_all(&folder)?;
                    chunk.iter().map(|line| ask_once(line, &folder)).collect()
                })
            })
            .collect();
        let join = |worker: thread::ScopedJoinHandle<_>| {
            worker.join().unwrap_or_else(|_| bail!("a thread that asks Vim panicked"))
        };
        workers.into_iter().map(join).collect()
    });
    fs::remove_dir_all(&folder).ok();
    let mut all = Vec::with_capacity(cases.len());
    for part in answers {
        all.extend(part?);
    }
    Ok(all)
}

fn ask_once(line: &str, folder: &Path) -> Result<Option<String>> {
    let case = Case::parse(line).with_context(|| format!("no case: {line}"))?;
    let (buffer, script, answer) =
        (folder.join("buffer.txt"), folder.join("keys.vim"), folder.join("answer.txt"));
    fs::write(&buffer, format!("{}\n", case.text))?;
    fs::remove_file(&answer).ok();
    let row = case.row + 1;
    let (col, keys, answer_path) = (case.col, vim_string(&case.keys), answer.display());
    fs::write(
        &script,
        format!(
            "{SETTINGS}\n\
             call cursor({row},byteidx(getline({row}),{col})+1)\n\
             call feedkeys(\"{keys}\",\"tx\")\n\
             call feedkeys(\"\\<Esc>\",\"tx\")\n\
             call writefile([string(line(\".\")-1).\",\".string(charcol(\".\")-1)]\
             +getline(1,\"$\"),\"{answer_path}\")\n\
             qa!\n"
        ),
    )?;
    Command::new("timeout")
        .arg(VIM_SECONDS_MAX)
        .args(["vim", "-u", "NONE", "-i", "NONE", "-n", "-N", "-es"])
        .args(["-c", "set encoding=utf-8", "-c"])
        .arg(format!("e! {}", buffer.display()))
        .arg("-S")
        .arg(&script)
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("vim")?;
    let Ok(Ok(text)) = fs::read(&answer).map(String::from_utf8) else {
        return Ok(None);
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let (place, text) = text.split_once('\n').unwrap_or((text, ""));
    Ok(Some(format!("{place}⏐{}", text.replace(['\n', '\r'], "⏎"))))
}

/// Keys as the inside of a double-quoted Vim string.
fn vim_string(keys: &str) -> String {
    const NAMES: [&str; 12] =
        ["esc", "cr", "tab", "bs", "del", "left", "right", "up", "down", "home", "end", "lt"];
    let mut out = String::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
        if let Some((name, after)) = name {
            let lower = name.to_lowercase();
            if NAMES.contains(&lower.as_str()) || lower.starts_with("c-") {
                write!(out, "\\<{name}>").ok();
                rest = after;
                continue;
            }
        }
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

// ── random cases ────────────────────────────────────────────────────────────────────────────────

/// A small generator (SplitMix64): the same seed gives the same cases everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const WORDS: &[&str] = &[
    "foo",
    "bar",
    "x",
    "hello",
    "Wörld",
    "日本語",
    "a1",
    "-7",
    "42",
    "007",
    "9",
    "foo_bar",
    "ünï",
    "😀",
    "e\u{301}A",
    "A",
    "the",
    "(a b)",
    "[x]",
    "{y}",
    "<b>t</b>",
    "\"q r\"",
    "'s'",
    "`c`",
    "end.",
    "Yes!",
    "no?",
    "a,b",
    "--",
    "::",
    "ß",
    "ÄÖ",
    "x-1",
    "\t",
    "(",
    ")",
    "{",
    "}",
    "\"",
    "<p>",
    "</p>",
    "=",
    "f(g(h))",
    "don't",
    "a.b.c",
    "-12",
    "0",
    "«ö»",
    "한글",
    "\\(",
    "/* c */",
];
const PHRASES: &[&str] = &[
    "One. Two three.  Four!",
    "He said \"hi.\" Then (left.) Ok?",
    "<a><b>x</b> y</a>",
    "if (a[0] == {b}) { c(); }",
    "x = \"a \\\" b\" + 'c'",
    "<div class=\"z\">",
    "</div>",
    "  <i>in",
    "  </i>",
    "a (b",
    "c) d",
    "{",
    "}",
    "\t{ x",
    "  }",
    "12 -3 x9y 099",
    "foo.  bar",
    "end of it.",
    "Next one",
    "1 2 3",
    "  - item 1",
    "  - item 2",
    "日本。次の文",
    "",
];
const TYPED: &[&str] = &[
    "foo",
    "x",
    "ä",
    "a b",
    "日",
    "1",
    "e\u{301}",
    "hello world",
    "-",
    "(",
    ".",
    "0",
    "^",
    "😀",
    "<CR>",
    "<Tab>",
    "<BS>",
    "<C-w>",
    "<C-u>",
    "<C-h>",
    "<C-t>",
    "<C-d>",
    "<Left>",
    "<Right>",
    "<Up>",
    "<Down>",
    "<Home>",
    "<End>",
    "<Del>",
];
const MOTIONS: &[&str] = &[
    "h", "j", "k", "l", "w", "W", "b", "B", "e", "E", "ge", "gE", "0", "^", "$", "g_", "|", "f",
    "F", "t", "T", ";", ",", "gg", "G", "{", "}", "(", ")", "%",
];
const OBJECTS: &[&str] =
    &["w", "W", "s", "p", "\"", "'", "`", "(", ")", "b", "[", "]", "{", "}", "B", "<", ">", "t"];
const TARGETS: &[&str] = &[
    "a", "b", "c", "f", "o", "x", ".", ",", "(", ")", "[", "{", "}", "\"", "'", " ", "1", "t", "ä",
    "日", "e", "<lt>", ">", "-",
];
const OPERATORS: &[&str] = &["d", "c", "y", "gu", "gU", "g~", ">", "<lt>"];
const VISUAL_ENDS: &[&str] = &[
    "d", "x", "y", "c", "s", "r", "~", "J", "u", "U", ">", "<lt>", "I", "A", "p", "P", "D", "X",
    "Y", "C", "S", "R", "gu", "gU", "g~", "gJ", "<C-a>", "<C-x>", "g<C-a>", "gp", "gv", "o",
];

fn random_cases(seed: u64, count: usize) -> Vec<String> {
    let mut random = Random(seed);
    (0..count).map(|_| random_case(&mut random)).collect()
}

fn random_case(random: &mut Random) -> String {
    let rows = 1 + random.below(6);
    let lines: Vec<String> = (0..rows).map(|_| random_line(random)).collect();
    let row = random.below(rows);
    let marks = lines[row].chars().filter(|c| *c == '\u{301}').count();
    let col = random.below(lines[row].chars().count() - marks);
    let mut keys = String::new();
    for _ in 0..=random.below(3) {
        keys.push_str(&random_command(random));
        if random.chance(12) {
            keys.push('.');
        }
    }
    format!("{}⏐{row},{col}⏐{keys}", lines.join("⏎"))
}

fn random_line(random: &mut Random) -> String {
    if random.chance(40) {
        return random.pick(PHRASES).to_owned();
    }
    if random.chance(15) {
        return random.pick(&["", "", "", "  ", "\t"]).to_owned();
    }
    let indent = random.pick(&["", "", "", "", "  ", "\t", "    ", "\t  "]);
    let gap = random.pick(&[" ", " ", " ", "  ", "", "\t"]);
    let words: Vec<&str> = (0..=random.below(6)).map(|_| random.pick(WORDS)).collect();
    [indent, &words.join(gap), random.pick(&["", "", "", " ", "."])].concat()
}

fn random_command(random: &mut Random) -> String {
    match random.below(100) {
        0..12 => count(random, 25) + &motion(random),
        12..36 => operation(random),
        36..50 => {
            let simple =
                ["x", "X", "D", "Y", "J", "gJ", "~", "p", "P", "gp", "gP", "p", "P", "<Del>"];
            register(random) + &count(random, 25) + random.pick(&simple)
        }
        50..54 => {
            let enter = random.chance(20);
            count(random, 25) + "r" + if enter { "<CR>" } else { random.pick(TARGETS) }
        }
        54..58 => count(random, 25) + random.pick(&["C", "s", "S"]) + &typed(random),
        58..68 => {
            let starts = ["i", "a", "I", "A", "o", "O", "gi", "R", "R", "i"];
            count(random, 20) + random.pick(&starts) + &typed(random)
        }
        68..83 => visual(random),
        83..86 => {
            let yank = random.pick(&["yy", "yiw", "dd", "x", "ylj", "dw", "<C-v>jly"]);
            yank.to_owned() + &count(random, 20) + random.pick(&["p", "P", "gp", "gP", "."])
        }
        86..90 => random
            .pick(&[
                "ma", "mb", "'a", "`b", "''", "``", "'[", "']", "`[", "`]", "'<lt>", "`>", "mah`a",
                "maj'a", "majd`a", "ma$y`a", "mAGd'A", "gvy", "`[v`]~",
            ])
            .to_owned(),
        90..94 => random
            .pick(&["u", "<C-r>", "u<C-r>", "uu", "2u", ".", "3.", "uu<C-r>", "2<C-r>"])
            .to_owned(),
        94..97 => count(random, 40) + random.pick(&["<C-a>", "<C-x>"]),
        _ => recorded(random),
    }
}

fn count(random: &mut Random, percent: usize) -> String {
    if !random.chance(percent) {
        return String::new();
    }
    random.pick(&["1", "2", "2", "3", "3", "4", "5", "8", "12", "40"]).to_owned()
}

fn register(random: &mut Random) -> String {
    if !random.chance(20) {
        return String::new();
    }
    let name = random.pick(&["a", "b", "A", "B", "\"", "-", "_", "0", "1", "2", "+"]);
    format!("\"{name}")
}

fn motion(random: &mut Random) -> String {
    let motion = random.pick(MOTIONS);
    if matches!(motion, "f" | "F" | "t" | "T") {
        return motion.to_owned() + random.pick(TARGETS);
    }
    motion.to_owned()
}

fn object(random: &mut Random) -> String {
    random.pick(&["i", "a"]).to_owned() + random.pick(OBJECTS)
}

fn operation(random: &mut Random) -> String {
    let operator = random.pick(OPERATORS);
    let mut keys = register(random) + &count(random, 20) + operator;
    match random.below(100) {
        0..40 => keys += &(count(random, 15) + &motion(random)),
        40..70 => keys += &(count(random, 15) + &object(random)),
        70..95 if operator.starts_with('g') && random.chance(50) => keys += &operator[1..],
        70..95 => keys += operator,
        _ => {
            let force = random.pick(&["v", "V", "<C-v>"]);
            keys = keys + force + &count(random, 15) + &motion(random);
        }
    }
    if operator == "c" { keys + &typed(random) } else { keys }
}

/// What is typed in insert mode, and the Esc that leaves it.
fn typed(random: &mut Random) -> String {
    let mut keys = String::new();
    for _ in 0..random.below(4) {
        match random.below(100) {
            0..6 => keys += &format!("<C-r>{}", random.pick(&["a", "b", "\"", "-", "0", "1"])),
            6..12 => {
                let one =
                    random.pick(&["x", "dw", "p", "D", "0", "$", ".", "u", "~", "J", "w", "b"]);
                keys += &format!("<C-o>{one}");
            }
            _ => keys += random.pick(TYPED),
        }
    }
    keys + "<Esc>"
}

fn visual(random: &mut Random) -> String {
    let mut keys = count(random, 5) + random.pick(&["v", "V", "<C-v>", "v", "<C-v>"]);
    for _ in 0..random.below(4) {
        keys += &match random.below(100) {
            0..65 => count(random, 20) + &motion(random),
            65..85 => count(random, 15) + &object(random),
            85..95 => random.pick(&["o", "O"]).to_owned(),
            _ => random.pick(&["v", "V", "<C-v>"]).to_owned(),
        };
    }
    if random.chance(8) {
        return keys + "<Esc>" + random.pick(&["", "gv", "gvd", "`<lt>", "`>", "'<lt>", "'>"]);
    }
    let end = random.pick(VISUAL_ENDS);
    keys = keys + &register(random) + &count(random, 12) + end;
    match end {
        "r" => keys + random.pick(TARGETS),
        "c" | "s" | "I" | "A" | "C" | "S" | "R" => keys + &typed(random),
        _ => keys,
    }
}

fn recorded(random: &mut Random) -> String {
    let name = random.pick(&["a", "b"]);
    let body = match random.below(6) {
        0 => operation(random),
        1 => "A!<Esc>j".to_owned(),
        2 => "x.".to_owned(),
        3 => "f.x".to_owned(),
        4 => motion(random) + "x",
        _ => "dwj".to_owned(),
    };
    let call = random.pick(&["@1", "2@1", "@1@@", "", "5@1u", "@1."]).replace('1', name);
    format!("q{name}{body}q{call}")
}
