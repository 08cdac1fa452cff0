//! The judge: holds what people wrote, were promised and were shown against what is stored, after a
//! run in which something was broken on purpose.

use std::collections::{BTreeMap, HashMap, HashSet};

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

/// Somebody has read so far: as he said it, or as somebody else was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// When, on one clock for all books: only what comes before what counts.
    pub at: u64,
    pub conv_id: i64,
    pub user_id: i64,
    pub seq: i64,
}

/// What one person believes of another one when everything has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub watcher_id: i64,
    pub user_id: i64,
    pub seen_online: bool,
    pub is_online: bool,
}

/// Everything about one run.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Conversation → its messages, by seq.
    pub logs: BTreeMap<i64, Vec<Line>>,
    pub writers: Vec<Writer>,
    pub readers: Vec<Reader>,
    /// What people said that they have read, each written down before it was said …
    pub reads: Vec<Read>,
    /// … and what others were told of it, each written down after it was heard.
    pub receipts: Vec<Read>,
    pub sightings: Vec<Sighting>,
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
    /// Receipts for what nobody had read.
    pub lies: usize,
    /// Seen online and gone, or the other way round.
    pub ghosts: usize,
    pub cases: Vec<String>,
}

/// Cases that are told in words. The others are only counted.
const CASES_MAX: usize = 10;

impl Verdict {
    pub fn is_clean(&self) -> bool {
        !self.void && self.broken() == 0
    }

    /// How many promises were broken.
    pub fn broken(&self) -> usize {
        let Self { lost, doubled, disordered, gaps, lies, ghosts, .. } = self;
        lost + doubled + disordered + gaps + lies + ghosts
    }

    fn tell(&mut self, case: String) {
        if self.cases.len() < CASES_MAX {
            self.cases.push(case);
        }
    }
}

/// Every message is once in the log, where its writer was told, and once before every reader, in
/// the order of the log. Nobody is told of a reading before it, and in the end everybody knows who
/// is there.
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
    judge_receipts(books, &mut verdict);
    for sighting in books.sightings.iter().filter(|s| s.seen_online != s.is_online) {
        verdict.ghosts += 1;
        verdict.tell(format!("ghost: {sighting:?}"));
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
        if !holds(log, line) {
            verdict.lost += 1;
            verdict.tell(format!("lost: {conv_id} has not {line:?}, which was acked"));
        }
    }
    let places: HashMap<&str, i64> = log.iter().map(|l| (l.text.as_str(), l.seq)).collect();
    let acked: HashSet<&str> = writer.acked.iter().map(|line| line.text.as_str()).collect();
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
        if !acked.contains(text.as_str()) {
            verdict.lost += 1;
            verdict.tell(format!("lost: {conv_id} was never told of {text:?}"));
        }
    }
}

/// A log is in the order of its numbers.
fn holds(log: &[Line], line: &Line) -> bool {
    log.binary_search_by_key(&line.seq, |stored| stored.seq).is_ok_and(|at| log[at] == *line)
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
        } else if !holds(log, line) {
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

fn judge_receipts(books: &Books, verdict: &mut Verdict) {
    let mut said: HashMap<(i64, i64), Vec<(i64, u64)>> = HashMap::new();
    for read in &books.reads {
        said.entry((read.conv_id, read.user_id)).or_default().push((read.seq, read.at));
    }
    for receipt in &books.receipts {
        let said = said.get(&(receipt.conv_id, receipt.user_id));
        let is_true = |(seq, at): &(i64, u64)| *seq >= receipt.seq && *at < receipt.at;
        if !said.is_some_and(|said| said.iter().any(is_true)) {
            verdict.lies += 1;
            verdict.tell(format!("lie: nobody had said {receipt:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: i64) -> Line {
        Line { seq, text: format!("text {seq}") }
    }

    fn read(at: u64, seq: i64) -> Read {
        Read { at, conv_id: 7, user_id: 2, seq }
    }

    fn sighting(seen_online: bool, is_online: bool) -> Sighting {
        Sighting { watcher_id: 1, user_id: 2, seen_online, is_online }
    }

    /// Three messages, and everything went well.
    fn books() -> Books {
        let log: Vec<Line> = (1..=3).map(line).collect();
        let said = log.iter().map(|line| line.text.clone()).collect();
        Books {
            logs: BTreeMap::from([(7, log.clone())]),
            writers: vec![Writer { conv_id: 7, said, acked: log.clone() }],
            readers: vec![Reader { conv_id: 7, shown: log }],
            reads: vec![read(10, 2), read(12, 3)],
            receipts: vec![read(11, 2), read(13, 3)],
            sightings: vec![sighting(true, true), sighting(false, false)],
            acked_before: 1,
            acked_before_min: 1,
        }
    }

    /// What the judge says when one thing is otherwise.
    fn judged(change: impl FnOnce(&mut Books)) -> (bool, [usize; 6]) {
        let mut books = books();
        change(&mut books);
        let verdict = judge(&books);
        assert_eq!(verdict.cases.len(), verdict.broken() + usize::from(verdict.void));
        let Verdict { void, lost, doubled, disordered, gaps, lies, ghosts, .. } = verdict;
        (void, [lost, doubled, disordered, gaps, lies, ghosts])
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
            (false, [3, 0, 0, 0, 0, 0]),
            "acked, said, shown, not stored"
        );
        assert_eq!(judged(|b| drop(b.writers[0].acked.pop())), (false, [1, 0, 0, 0, 0, 0]));
        assert_eq!(judged(|b| b.writers[0].acked[0].seq = 2), (false, [1, 0, 0, 0, 0, 0]));
        assert_eq!(judged(|b| b.readers[0].shown.push(line(3))), (false, [0, 1, 0, 0, 0, 0]));
        assert_eq!(judged(|b| b.readers[0].shown.swap(0, 1)), (false, [0, 0, 1, 0, 0, 0]));
        assert_eq!(judged(|b| b.writers[0].said.swap(0, 1)), (false, [0, 0, 1, 0, 0, 0]));
        assert_eq!(judged(|b| drop(b.readers[0].shown.remove(1))), (false, [0, 0, 0, 1, 0, 0]));
        assert_eq!(judged(|b| b.readers[0].shown[0].text.clear()), (false, [1, 0, 0, 0, 0, 0]));
        let doubled = |b: &mut Books| {
            let again = Line { seq: 4, ..line(3) };
            b.logs.get_mut(&7).unwrap().push(again.clone());
            b.readers[0].shown.push(again);
        };
        assert_eq!(judged(doubled), (false, [0, 1, 0, 0, 0, 0]), "stored twice");
        let hole = |b: &mut Books| {
            b.logs.get_mut(&7).unwrap()[2].seq = 4;
            b.writers[0].acked[2].seq = 4;
            b.readers[0].shown[2].seq = 4;
        };
        assert_eq!(judged(hole), (false, [0, 0, 0, 1, 0, 0]), "a number that nobody has");
    }

    #[test]
    fn a_receipt_that_lies_and_a_ghost_are_seen() {
        let lie = (false, [0, 0, 0, 0, 1, 0]);
        assert_eq!(judged(|b| b.receipts[1].seq = 4), lie, "further than anybody has read");
        assert_eq!(judged(|b| b.receipts[1].at = 12), lie, "before it was read");
        assert_eq!(judged(|b| b.receipts[0].user_id = 3), lie, "by somebody else");
        assert_eq!(judged(|b| b.receipts[0].conv_id = 8), lie, "somewhere else");
        let ghost = (false, [0, 0, 0, 0, 0, 1]);
        assert_eq!(judged(|b| b.sightings[0].is_online = false), ghost, "seen and gone");
        assert_eq!(judged(|b| b.sightings[1].is_online = true), ghost, "there and not seen");
    }

    #[test]
    fn a_run_without_load_is_void() {
        assert_eq!(judged(|b| b.acked_before = 0), (true, [0; 6]));
    }
}
