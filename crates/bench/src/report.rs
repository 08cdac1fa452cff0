//! What was measured: figures beside their limits, as a table for a person and as JSON for a
//! program.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{limits, plot};

/// The outcome of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub scenario: &'static str,
    /// Processors that server and generator shared.
    pub cores: usize,
    pub sections: Vec<Section>,
    pub charts: Vec<Chart>,
    /// What a reader has to know to judge the figures.
    pub notes: Vec<String>,
    /// Promises that were broken while measuring: lost, doubled, out of order. Not empty: the run
    /// has failed, whatever the figures say.
    pub violations: Vec<String>,
}

/// Figures of one load.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    pub title: String,
    pub figures: Vec<Figure>,
}

/// Curves over the same axes, both logarithmic.
#[derive(Debug, Clone, Serialize)]
pub struct Chart {
    pub title: String,
    /// What the axes mean.
    pub x: String,
    pub y: String,
    /// Values across with a name. Empty: the numbers themselves.
    pub x_ticks: Vec<(f64, String)>,
    pub lines: Vec<Line>,
}

/// One curve.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub better: Better,
    /// What natter did. None: not measured.
    pub natter: Option<f64>,
    /// What is physically there, measured in the same run.
    pub limit: Option<f64>,
    /// What natter promises at this load.
    pub target: Option<f64>,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Higher,
    Lower,
    /// It only explains the others.
    Neither,
}

impl Figure {
    /// How many times worse than the limit. None: one of the two is not known.
    pub fn ratio(&self) -> Option<f64> {
        let (natter, limit) = (self.natter?, self.limit?);
        match self.better {
            Better::Higher if natter > 0.0 => Some(limit / natter),
            Better::Lower if limit > 0.0 => Some(natter / limit),
            _ => None,
        }
    }

    /// Whether the target is met. None: there is no target, or nothing was measured.
    pub fn met(&self) -> Option<bool> {
        let (natter, target) = (self.natter?, self.target?);
        match self.better {
            Better::Higher => Some(natter >= target),
            Better::Lower => Some(natter <= target),
            Better::Neither => None,
        }
    }
}

pub(crate) fn higher(name: &str, unit: &'static str, natter: Option<f64>) -> Figure {
    let better = Better::Higher;
    Figure { name: name.to_owned(), unit, better, natter, limit: None, target: None }
}

pub(crate) fn lower(name: &str, unit: &'static str, natter: Option<f64>) -> Figure {
    Figure { better: Better::Lower, ..higher(name, unit, natter) }
}

pub(crate) fn plain(name: &str, unit: &'static str, natter: Option<f64>) -> Figure {
    Figure { better: Better::Neither, ..higher(name, unit, natter) }
}

impl Report {
    /// The same as a picture.
    pub fn svg(&self) -> String {
        plot::svg(self)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            writeln!(f, "{}", section.title)?;
            let head = ["", "natter", "limit", "ratio", "target"];
            writeln!(
                f,
                "{:<44}{:>12}{:>12}{:>8}  {}",
                head[0], head[1], head[2], head[3], head[4]
            )?;
            for figure in &section.figures {
                writeln!(f, "{}", row(figure))?;
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "· {note}")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION: {violation}")?;
        }
        Ok(())
    }
}

fn row(figure: &Figure) -> String {
    let name = format!("  {}, {}", figure.name, figure.unit);
    let natter = match (figure.natter, figure.better) {
        (Some(value), _) => number(value),
        (None, Better::Neither) => "–".to_owned(),
        (None, _) => "not measured".to_owned(),
    };
    let limit = figure.limit.map_or_else(|| "–".to_owned(), number);
    let ratio = figure.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1}×"));
    let target = match (figure.target, figure.met()) {
        (Some(target), Some(true)) => format!("{} met", number(target)),
        (Some(target), Some(false)) => format!("{} MISSED", number(target)),
        (Some(target), None) => number(target),
        (None, _) => String::new(),
    };
    format!("{name:<44}{natter:>12}{limit:>12}{ratio:>8}  {target}").trim_end().to_owned()
}

/// Three digits that matter: 15,230 · 412 · 61.5 · 0.93
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.0..0.1 => format!("{value:.3}"),
        0.1..1.0 => format!("{value:.2}"),
        1.0..100.0 => format!("{value:.1}"),
        100.0..1_000.0 => format!("{value:.0}"),
        _ => thousands(value.round() as i64),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

/// Where a distribution is read: one in so many is slower.
const CURVE_TICKS: [(f64, &str); 10] = [
    (2.0, "p50"),
    (4.0, "p75"),
    (10.0, "p90"),
    (20.0, "p95"),
    (50.0, "p98"),
    (100.0, "p99"),
    (200.0, "p99.5"),
    (1_000.0, "p99.9"),
    (10_000.0, "p99.99"),
    (100_000.0, "p99.999"),
];

/// Distributions of latencies beside each other.
pub(crate) fn latency_chart(title: &str, lines: Vec<Line>) -> Chart {
    Chart {
        title: title.to_owned(),
        x: "so many percent were at least as fast".to_owned(),
        y: "ms".to_owned(),
        x_ticks: CURVE_TICKS.map(|(one_in, name)| (one_in, name.to_owned())).to_vec(),
        lines,
    }
}

// ── latencies ────────────────────────────────────────────────────────────────────────────────────

/// Latencies in microseconds, each within one percent.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, limits::LATENCY_US_MAX, 2);
        Self(histogram.expect("the bounds are fixed and in order"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us.max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// In milliseconds; `share` from 0 to 1. None: nothing was recorded.
    pub(crate) fn at(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1_000.0)
    }

    /// The distribution as a curve: across how rare a latency is (one in so many), up milliseconds.
    pub(crate) fn curve(&self, name: &str) -> Line {
        // No percentile is drawn for which fewer than ten latencies speak.
        let spoken_for = self.0.len() as f64 / 10.0;
        let points = CURVE_TICKS
            .iter()
            .filter(|(one_in, _)| *one_in <= spoken_for)
            .filter_map(|(one_in, _)| Some((*one_in, self.at(1.0 - 1.0 / one_in)?)))
            .collect();
        Line { name: name.to_owned(), points }
    }

    /// p50, p99, p99.9 and max, in this order.
    pub(crate) fn figures(&self, of: &str) -> Vec<Figure> {
        let points = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
        points
            .iter()
            .map(|(name, share)| lower(&format!("{of} {name}"), "ms", self.at(*share)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(better: Better, natter: f64, limit: f64, target: f64) -> Figure {
        Figure {
            name: "speed".into(),
            unit: "msg/s",
            better,
            natter: Some(natter),
            limit: Some(limit),
            target: Some(target),
        }
    }

    #[test]
    fn a_ratio_says_how_many_times_worse_than_the_limit() {
        assert_eq!(figure(Better::Higher, 10.0, 40.0, 1.0).ratio(), Some(4.0));
        assert_eq!(figure(Better::Lower, 40.0, 10.0, 1.0).ratio(), Some(4.0));
        assert_eq!(figure(Better::Neither, 40.0, 10.0, 1.0).ratio(), None);
        assert_eq!(figure(Better::Lower, 40.0, 0.0, 1.0).ratio(), None);
    }

    #[test]
    fn a_missed_target_is_written_in_capitals() {
        assert!(row(&figure(Better::Higher, 15_230.0, 0.0, 15_000.0)).ends_with("15,000 met"));
        assert!(row(&figure(Better::Lower, 91.0, 45.0, 90.0)).ends_with("90.0 MISSED"));
        let unknown = Figure { natter: None, ..figure(Better::Lower, 0.0, 1.0, 90.0) };
        assert!(row(&unknown).contains("not measured"));
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let written: Vec<String> = [0.126, 9.46, 99.94, 412.4, 999_999.6].map(number).to_vec();
        assert_eq!(written, ["0.13", "9.5", "99.9", "412", "1,000,000"]);
        assert_eq!(thousands(-1_234), "-1,234");
    }

    #[test]
    fn a_hundred_latencies_have_the_right_middle_and_end() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.at(0.5), None);
        for ms in 1..=100 {
            latencies.record(Duration::from_millis(ms));
        }
        latencies.record(Duration::from_secs(3_600));
        let near = |got: Option<f64>, want: f64| (got.unwrap() / want - 1.0).abs() < 0.01;
        assert!(near(latencies.at(0.5), 51.0) && near(latencies.at(0.98), 99.0));
        assert!(near(latencies.at(1.0), 60_000.0), "what is too long counts as the longest");
    }
}
