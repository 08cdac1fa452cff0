//! A Rust file as the rules see it: what is code, what is comment, what is text in quotes. Not a
//! parser: just enough to know that `todo!` inside a string is no `todo!`.

/// One line, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) raw: String,
    /// Without comments; a string or character literal is one quotation mark.
    pub(crate) code: String,
    /// What stands in comments, with their slashes.
    pub(crate) comment: String,
    /// Below `tests/`, or in the file's `#[cfg(test)] mod tests`, which stands last.
    pub(crate) test: bool,
}

/// A string literal with its quotation marks, and the index of the line where it begins.
#[derive(Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Source {
    /// Below the repository, with forward slashes.
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) literals: Vec<Literal>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let mut source = Self { path: path.into(), lines: Vec::new(), literals: Vec::new() };
        let chars: Vec<char> = text.chars().collect();
        let mut line = Line::default();
        let mut at = 0;
        while at < chars.len() {
            let (kind, length) = next_token(&chars[..at], &chars[at..]);
            let token = &chars[at..at + length];
            if kind == Kind::Literal {
                let text = token.iter().collect();
                source.literals.push(Literal { line: source.lines.len(), text });
                line.code.push('"');
            }
            for char in token {
                match (char, kind) {
                    ('\n', _) => source.lines.push(std::mem::take(&mut line)),
                    (_, Kind::Code) => line.code.push(*char),
                    (_, Kind::Comment) => line.comment.push(*char),
                    (_, Kind::Literal) => {}
                }
            }
            at += length;
        }
        source.lines.push(line);
        for (line, raw) in source.lines.iter_mut().zip(text.lines()) {
            line.raw = raw.into();
        }
        let first_test = source.first_test_line();
        for line in source.lines.iter_mut().skip(first_test) {
            line.test = true;
        }
        source
    }

    /// `mod tests;` is declared anywhere; `mod tests {` stands last.
    fn first_test_line(&self) -> usize {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return 0;
        }
        let found = self.lines.windows(2).position(|pair| {
            let module = pair[1].code.trim_start().starts_with("mod ");
            pair[0].code.contains("#[cfg(test)]") && module && pair[1].code.contains('{')
        });
        found.unwrap_or(self.lines.len())
    }

    /// Is it this module: the file `MODULE.rs` or anything in the directory `MODULE`?
    pub(crate) fn is_in(&self, module: &str) -> bool {
        let rest = self.path.strip_prefix(module);
        rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    }

    /// This line or the one above it says `// tidy: KIND because …`.
    pub(crate) fn is_excused(&self, line: usize, kind: &str) -> bool {
        let excuse = format!("// tidy: {kind} because ");
        self.lines[line.saturating_sub(1)..=line].iter().any(|line| line.comment.contains(&excuse))
    }
}

/// What `rest` begins with, and its length in characters (at least 1).
fn next_token(before: &[char], rest: &[char]) -> (Kind, usize) {
    let end_of = |found: Option<usize>| found.unwrap_or(rest.len());
    match rest {
        ['/', '/', ..] => (Kind::Comment, end_of(rest.iter().position(|char| *char == '\n'))),
        ['/', '*', ..] => (Kind::Comment, block_comment_length(rest)),
        ['"', ..] => (Kind::Literal, text_length(rest)),
        ['r', '#' | '"', ..] if !ends_in_word(before) => raw_text_length(rest),
        ['\'', '\\', _, more @ ..] => {
            let tail = more.iter().position(|char| *char == '\'');
            (Kind::Literal, end_of(tail.map(|tail| tail + 4)))
        }
        ['\'', _, '\'', ..] => (Kind::Literal, 3),
        _ => (Kind::Code, 1),
    }
}

/// The `r` of `br"…"` begins a literal, the `r` of `for` does not.
fn ends_in_word(before: &[char]) -> bool {
    let is_word = |char: &char| char.is_alphanumeric() || *char == '_';
    match before {
        [.., first, 'b' | 'c'] => is_word(first),
        [.., last] => is_word(last),
        [] => false,
    }
}

/// Block comments nest.
fn block_comment_length(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`; but `r#type` is a name.
fn raw_text_length(rest: &[char]) -> (Kind, usize) {
    let hashes = rest[1..].iter().take_while(|char| **char == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return (Kind::Code, 1);
    }
    let mut end = vec!['#'; hashes];
    end.insert(0, '"');
    let begin = hashes + 2;
    let found = rest[begin..].windows(end.len()).position(|window| window == end);
    (Kind::Literal, found.map_or(rest.len(), |at| begin + at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let source = Source::read("a.rs", text);
        source.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("a(); // b\nc /* d\n /* e */ f */ g"), "a(); |c | g");
        assert_eq!(code(r#"a("b \" c // d") e"#), "a(\") e");
        assert_eq!(code("r\"a\\\" b; br##\"c\"# d\"## e; r#type"), "\" b; b\" e; r#type");
        assert_eq!(
            code(r#"match c { '"' => 'a', '\'' => x::<'b>() }"#),
            "match c { \" => \", \" => x::<'b>() }"
        );
    }

    #[test]
    fn a_literal_over_several_lines_knows_where_it_began() {
        let source = Source::read("a.rs", "x\n\"SELECT\n 1\"\ny");
        assert_eq!(source.literals, [Literal { line: 1, text: "\"SELECT\n 1\"".into() }]);
        assert_eq!(source.lines.len(), 4);
        assert_eq!(source.lines[3].code, "y");
    }

    #[test]
    fn unfinished_text_ends_with_the_file() {
        for text in ["\"a", "/* a", "r#\"a", "'\\x", "\"a\\", "r", "'"] {
            Source::read("a.rs", text);
        }
    }

    #[test]
    fn what_follows_cfg_test_is_test_code() {
        let source = Source::read("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}");
        assert_eq!(
            source.lines.iter().map(|line| line.test).collect::<Vec<_>>(),
            [false, true, true]
        );
        let declared = Source::read("a.rs", "#[cfg(test)]\nmod tests;\nfn a() {}");
        assert!(!declared.lines[2].test);
        assert!(Source::read("crates/a/tests/it/main.rs", "fn a() {}").lines[0].test);
    }

    #[test]
    fn an_excuse_stands_on_the_line_or_above_it() {
        let source = Source::read("a.rs", "// tidy: long because a URL\na\nb");
        assert!(source.is_excused(0, "long") && source.is_excused(1, "long"));
        assert!(!source.is_excused(2, "long") && !source.is_excused(1, "sleeps"));
    }

    #[test]
    fn a_module_is_a_file_or_a_directory() {
        let is_in = |path| Source::read(path, "").is_in("crates/server/src/bus");
        assert!(is_in("crates/server/src/bus.rs") && is_in("crates/server/src/bus/local.rs"));
        assert!(!is_in("crates/server/src/business.rs"));
    }
}
