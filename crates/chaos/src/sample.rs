//! How long answers took and lines were broken.

use std::fmt;
use std::time::{Duration, Instant};

/// A message from the key to the tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    pub(crate) since: Instant,
    pub(crate) took: Duration,
}

/// A line that was down, from when to when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Break {
    pub(crate) since: Instant,
    pub(crate) until: Option<Instant>,
}

/// The times of everybody in one span.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Of all answers …
    acks: Vec<Duration>,
    /// … and of those to people whose line stood meanwhile.
    steady: Vec<Duration>,
    /// How long lines were broken, those excepted that still are.
    breaks: Vec<Duration>,
}

impl Sample {
    /// What one person has written down since a moment.
    pub(crate) fn add(&mut self, acks: &[Ack], breaks: &[Break], from: Instant) {
        let touches = |ack: &Ack, broken: &Break| {
            let end = ack.since + ack.took;
            broken.since <= end && broken.until.is_none_or(|until| until >= ack.since)
        };
        for ack in acks.iter().filter(|ack| ack.since >= from) {
            self.acks.push(ack.took);
            if !breaks.iter().any(|broken| touches(ack, broken)) {
                self.steady.push(ack.took);
            }
        }
        let ended = breaks.iter().filter(|broken| broken.since >= from);
        self.breaks.extend(ended.filter_map(|broken| Some(broken.until? - broken.since)));
        self.acks.sort_unstable();
        self.steady.sort_unstable();
        self.breaks.sort_unstable();
    }

    pub(crate) fn acked(&self) -> usize {
        self.acks.len()
    }

    /// How long the answer took to so much of all, 0.99 for instance.
    pub(crate) fn ack(&self, part: f64) -> Duration {
        at(&self.acks, part)
    }

    /// The same for those whose line stood.
    pub(crate) fn steady_ack(&self, part: f64) -> Duration {
        at(&self.steady, part)
    }

    pub(crate) fn breaks(&self) -> usize {
        self.breaks.len()
    }

    /// How long it took until a broken line was live again.
    pub(crate) fn back(&self, part: f64) -> Duration {
        at(&self.breaks, part)
    }
}

fn at(sorted: &[Duration], part: f64) -> Duration {
    let place = (sorted.len() as f64 * part) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_millis();
        write!(f, "{} acked, ", self.acked())?;
        write!(f, "ack p50 {} p99 {} ms", ms(self.ack(0.5)), ms(self.ack(0.99)))?;
        if self.breaks() > 0 {
            let steady = ms(self.steady_ack(0.99));
            let (back, worst) = (ms(self.back(0.99)), ms(self.back(1.0)));
            write!(f, " (p99 {steady} ms where the line stood); {} lines broke, ", self.breaks())?;
            write!(f, "live again p99 {back} max {worst} ms")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_behind_a_broken_line_is_not_steady() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let ack = |since: u64, took: u64| Ack { since: start + ms(since), took: ms(took) };
        let acks = [ack(0, 5), ack(10, 100), ack(300, 7)];
        let breaks = [Break { since: start + ms(50), until: Some(start + ms(90)) }];
        let mut sample = Sample::default();
        sample.add(&acks, &breaks, start);
        assert_eq!((sample.acked(), sample.steady.len(), sample.breaks()), (3, 2, 1));
        assert_eq!((sample.ack(1.0), sample.steady_ack(1.0)), (ms(100), ms(7)));
        assert_eq!(sample.back(0.5), ms(40));
        let mut later = Sample::default();
        later.add(&acks, &breaks, start + ms(200));
        assert_eq!((later.acked(), later.breaks()), (1, 0));
    }
}
