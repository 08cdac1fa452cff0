//! The judge: holds what people wrote, were promised and were shown against what is stored, after a
//! run in which something was broken on purpose.

use std::collections::{BTreeMap, HashMap};

/// A message as somebody saw it, or as it is stored. Texts of one conversation differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub seq: i64,
    pub text: String,
}

/// What one person wrote into one conversation.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    pub conv_id: i64,
    /// In the order of writing.
    pub said: Vec<String>,
    /// What the server called stored, and where.
    pub acked: Vec<Line>,
}

/// What one person was shown of one conversation, in the order of showing.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    pub conv_id: i64,
    pub shown: Vec<Line>,
}

/// Everything about one run.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Conversation → its messages, by seq.
    pub logs: BTreeMap<i64, Vec<Line>>,
    pub writers: Vec<Writer>,
    pub readers: Vec<Reader>,
    /// Messages that were acked before the first fault, and how many had to be: a run without load
    /// proves nothing.
    pub acked_before: u64,
    pub acked_before_min: u64,
}

/// How often each promise was broken, and the first few cases in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// There was no load when something broke.
    pub void: bool,
    /// Acked, but not stored there; or said and never acked.
    pub lost: usize,
    /// Stored or shown more than once.
    pub doubled: usize,
    /// Shown or stored in another order than it was written or stored.
    pub disordered: usize,
    /// Stored and never shown, or a number of the log that nobody has.
    pub gaps: usize,
    pub cases: Vec<String>,
}

/// Cases that are told in words. The others are only counted.
const CASES_MAX: usize = 10;

impl Verdict {
    pub fn is_clean(&self) -> bool {
        !self.void && self.lost + self.doubled + self.disordered + self.gaps == 0
    }

    fn tell(&mut self, case: String) {
        if self.cases.len() < CASES_MAX {
            self.cases.push(case);
        }
    }
}

/// Every message is once in the log, where its writer was told, and once before every reader, in
/// the order of the log.
pub fn judge(books: &Books) -> Verdict {
    let mut verdict = Verdict::default();
    if books.acked_before < books.acked_before_min {
        verdict.void = true;
        let (was, must) = (books.acked_before, books.acked_before_min);
        verdict.tell(format!("void: {was} acked before the fault, {must} must be"));
    }
    for (conv_id, log) in &books.logs {
        judge_log(*conv_id, log, &mut verdict);
    }
    let nothing = Vec::new();
    for writer in &books.writers {
        judge_writer(writer, books.logs.get(&writer.conv_id).unwrap_or(&nothing), &mut verdict);
    }
    for reader in &books.readers {
        judge_reader(reader, books.logs.get(&reader.conv_id).unwrap_or(&nothing), &mut verdict);
    }
    verdict
}

fn judge_log(conv_id: i64, log: &[Line], verdict: &mut Verdict) {
    let mut seen: HashMap<&str, i64> = HashMap::new();
    for (place, line) in log.iter().enumerate() {
        if line.seq != place as i64 + 1 {
            verdict.gaps += 1;
            verdict.tell(format!("gap: {conv_id} has {} at place {}", line.seq, place + 1));
        }
        if let Some(first) = seen.insert(&line.text, line.seq) {
            verdict.doubled += 1;
            verdict.tell(format!("doubled: {conv_id} stores {first} again as {}", line.seq));
        }
    }
}

fn judge_writer(writer: &Writer, log: &[Line], verdict: &mut Verdict) {
    let conv_id = writer.conv_id;
    for line in &writer.acked {
        if !log.contains(line) {
            verdict.lost += 1;
            verdict.tell(format!("lost: {conv_id} has not {line:?}, which was acked"));
        }
    }
    let places: HashMap<&str, i64> = log.iter().map(|l| (l.text.as_str(), l.seq)).collect();
    let mut last = 0;
    for text in &writer.said {
        match places.get(text.as_str()) {
            None => {
                verdict.lost += 1;
                verdict.tell(format!("lost: {conv_id} has not {text:?}"));
            }
            Some(seq) if *seq < last => {
                verdict.disordered += 1;
                verdict.tell(format!("disordered: {conv_id} stores {text:?} before {last}"));
            }
            Some(seq) => last = *seq,
        }
        if !writer.acked.iter().any(|acked| acked.text == *text) {
            verdict.lost += 1;
            verdict.tell(format!("lost: {conv_id} was never told of {text:?}"));
        }
    }
}

fn judge_reader(reader: &Reader, log: &[Line], verdict: &mut Verdict) {
    let (conv_id, mut last) = (reader.conv_id, 0);
    let mut shown: HashMap<i64, u32> = HashMap::new();
    for line in &reader.shown {
        let times = shown.entry(line.seq).or_default();
        *times += 1;
        if *times > 1 {
            verdict.doubled += 1;
            verdict.tell(format!("doubled: {conv_id} shows {line:?} again"));
        } else if line.seq < last {
            verdict.disordered += 1;
            verdict.tell(format!("disordered: {conv_id} shows {line:?} after {last}"));
        } else if !log.contains(line) {
            verdict.lost += 1;
            verdict.tell(format!("lost: {conv_id} shows {line:?}, which is not stored so"));
        }
        last = last.max(line.seq);
    }
    for line in log.iter().filter(|line| !shown.contains_key(&line.seq)) {
        verdict.gaps += 1;
        verdict.tell(format!("gap: {conv_id} never shows {line:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: i64) -> Line {
        Line { seq, text: format!("text {seq}") }
    }

    /// Three messages, and everything went well.
    fn books() -> Books {
        let log: Vec<Line> = (1..=3).map(line).collect();
        let said = log.iter().map(|line| line.text.clone()).collect();
        Books {
            logs: BTreeMap::from([(7, log.clone())]),
            writers: vec![Writer { conv_id: 7, said, acked: log.clone() }],
            readers: vec![Reader { conv_id: 7, shown: log }],
            acked_before: 1,
            acked_before_min: 1,
        }
    }

    /// What the judge says when one thing is otherwise.
    fn judged(change: impl FnOnce(&mut Books)) -> (bool, [usize; 4]) {
        let mut books = books();
        change(&mut books);
        let verdict = judge(&books);
        let Verdict { void, lost, doubled, disordered, gaps, .. } = verdict;
        assert_eq!(
            verdict.cases.len(),
            [lost, doubled, disordered, gaps].iter().sum::<usize>() + usize::from(void)
        );
        (void, [lost, doubled, disordered, gaps])
    }

    #[test]
    fn a_run_in_which_all_went_well_is_clean() {
        assert!(judge(&books()).is_clean());
    }

    #[test]
    fn each_broken_promise_is_seen() {
        let log = |b: &mut Books| b.logs.get_mut(&7).unwrap().pop();
        assert_eq!(
            judged(|b| drop(log(b))),
            (false, [3, 0, 0, 0]),
            "acked, said, shown, not stored"
        );
        assert_eq!(judged(|b| drop(b.writers[0].acked.pop())), (false, [1, 0, 0, 0]));
        assert_eq!(judged(|b| b.writers[0].acked[0].seq = 2), (false, [1, 0, 0, 0]));
        assert_eq!(judged(|b| b.readers[0].shown.push(line(3))), (false, [0, 1, 0, 0]));
        assert_eq!(judged(|b| b.readers[0].shown.swap(0, 1)), (false, [0, 0, 1, 0]));
        assert_eq!(judged(|b| b.writers[0].said.swap(0, 1)), (false, [0, 0, 1, 0]));
        assert_eq!(judged(|b| drop(b.readers[0].shown.remove(1))), (false, [0, 0, 0, 1]));
        assert_eq!(judged(|b| b.readers[0].shown[0].text.clear()), (false, [1, 0, 0, 0]));
        let doubled = |b: &mut Books| {
            let again = Line { seq: 4, ..line(3) };
            b.logs.get_mut(&7).unwrap().push(again.clone());
            b.readers[0].shown.push(again);
        };
        assert_eq!(judged(doubled), (false, [0, 1, 0, 0]), "stored twice");
        let hole = |b: &mut Books| {
            b.logs.get_mut(&7).unwrap()[2].seq = 4;
            b.writers[0].acked[2].seq = 4;
            b.readers[0].shown[2].seq = 4;
        };
        assert_eq!(judged(hole), (false, [0, 0, 0, 1]), "a number that nobody has");
    }

    #[test]
    fn a_run_without_load_is_void() {
        assert_eq!(judged(|b| b.acked_before = 0), (true, [0; 4]));
    }
}
