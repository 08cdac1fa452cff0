//! A report as a picture: curves of latencies and of growth, and for each figure how far it is from
//! its limit. SVG, written by hand: rectangles, lines and text are all that it needs.

use std::fmt::Write;

use crate::report::{Chart, Figure, Report, Section, number};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 240.0;
const CHART_HEIGHT: f64 = 320.0;
const BAR_HEIGHT: f64 = 26.0;
/// Where the names of bars end and the bars begin.
const BARS_AT: f64 = 340.0;
/// Room for the words behind the longest bar.
const BAR_WORDS: f64 = 260.0;
/// Colours that people with any eyes can tell apart (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// The whole picture.
pub(crate) fn svg(report: &Report) -> String {
    let mut body = String::new();
    let mut y = 40.0;
    text(&mut body, 20.0, y, "start", "bold 20px", &format!("natter bench {}", report.scenario));
    y += 24.0;
    for chart in report.charts.iter().filter(|chart| has_points(chart)) {
        draw_chart(&mut body, chart, y);
        y += CHART_HEIGHT + 100.0;
    }
    for section in &report.sections {
        y += draw_bars(&mut body, section, y);
    }
    for note in report.notes.iter().chain(&report.violations) {
        text(&mut body, 20.0, y, "start", "11px", note);
        y += 16.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         {body}</svg>\n",
        height = y + 20.0
    )
}

fn has_points(chart: &Chart) -> bool {
    chart.lines.iter().any(|line| !line.points.is_empty())
}

// ── curves ───────────────────────────────────────────────────────────────────────────────────────

/// A range of values on a logarithmic axis, and where it lies in the picture.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Around `values`; zero and less has no place on it.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (1.0, 10.0) } else { (low, high) };
        Self { low: low / 1.1, high: high * 1.1, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// 1, 2, 5, 10, 20 … within the range; only the powers of ten where that would be too many.
    fn ticks(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let steps: &[f64] = if decades.clone().count() > 4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        decades
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }
}

fn draw_chart(out: &mut String, chart: &Chart, top: f64) {
    let points = || chart.lines.iter().flat_map(|line| line.points.iter());
    let (plot_top, plot_bottom) = (top + 40.0, top + 40.0 + CHART_HEIGHT);
    let across = Scale::around(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let up = Scale::around(points().map(|point| point.1), plot_bottom, plot_top);
    text(out, 20.0, top + 24.0, "start", "bold 15px", &chart.title);
    let named = chart.x_ticks.iter().map(|(value, name)| (*value, name.clone()));
    let ticks: Vec<(f64, String)> = match chart.x_ticks.is_empty() {
        true => across.ticks().into_iter().map(|tick| (tick, number(tick))).collect(),
        false => named.filter(|(x, _)| (across.low..=across.high).contains(x)).collect(),
    };
    for (value, name) in ticks {
        let x = across.place(value);
        line(out, [(x, plot_top), (x, plot_bottom)], "#dddddd", 1.0);
        text(out, x, plot_bottom + 18.0, "middle", "11px", &name);
    }
    for tick in up.ticks() {
        let y = up.place(tick);
        line(out, [(LEFT, y), (WIDTH - RIGHT, y)], "#dddddd", 1.0);
        text(out, LEFT - 8.0, y + 4.0, "end", "11px", &number(tick));
    }
    text(out, f64::midpoint(LEFT, WIDTH - RIGHT), plot_bottom + 38.0, "middle", "12px", &chart.x);
    text(out, LEFT - 8.0, plot_top - 8.0, "end", "12px", &chart.y);
    draw_lines(out, chart, &across, &up);
}

fn draw_lines(out: &mut String, chart: &Chart, across: &Scale, up: &Scale) {
    for (place, curve) in chart.lines.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let places: Vec<(f64, f64)> =
            curve.points.iter().map(|(x, y)| (across.place(*x), up.place(*y))).collect();
        for two in places.windows(2) {
            line(out, [two[0], two[1]], colour, 2.0);
        }
        for (x, y) in &places {
            let _ =
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let y = up.to + 10.0 + 18.0 * place as f64;
        let x = WIDTH - RIGHT + 16.0;
        line(out, [(x, y - 4.0), (x + 16.0, y - 4.0)], colour, 3.0);
        text(out, x + 22.0, y, "start", "12px", &curve.name);
    }
}

// ── distance from the limit ──────────────────────────────────────────────────────────────────────

/// One bar for each figure that has a limit: as long as it is times worse, on a logarithmic axis.
/// Answers how much room it took.
fn draw_bars(out: &mut String, section: &Section, top: f64) -> f64 {
    let compared: Vec<(&Figure, f64)> =
        section.figures.iter().filter_map(|figure| Some((figure, figure.ratio()?))).collect();
    if compared.is_empty() {
        return 0.0;
    }
    text(out, 20.0, top + 24.0, "start", "bold 15px", &section.title);
    text(out, BARS_AT, top + 42.0, "start", "11px", "1 = the limit; shorter is better");
    let longest = compared.iter().map(|(_, ratio)| *ratio).fold(2.0, f64::max);
    let scale = Scale { low: 1.0, high: longest, from: BARS_AT, to: WIDTH - BAR_WORDS };
    for (row, (figure, ratio)) in compared.iter().enumerate() {
        let y = top + 52.0 + BAR_HEIGHT * row as f64;
        let end = scale.place(*ratio).max(BARS_AT + 2.0);
        let colour = if figure.met() == Some(false) { COLOURS[1] } else { COLOURS[0] };
        let name = format!("{}, {}", figure.name, figure.unit);
        text(out, BARS_AT - 8.0, y + 14.0, "end", "12px", &name);
        let _ = writeln!(
            out,
            "<rect x=\"{BARS_AT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill=\"{colour}\"/>",
            end - BARS_AT,
            BAR_HEIGHT - 8.0
        );
        let of = |value: Option<f64>| value.map_or_else(String::new, number);
        let words = format!("{ratio:.1}× ({} : {})", of(figure.natter), of(figure.limit));
        text(out, end + 8.0, y + 14.0, "start", "12px", &words);
    }
    80.0 + BAR_HEIGHT * compared.len() as f64
}

// ── strokes ──────────────────────────────────────────────────────────────────────────────────────

fn line(out: &mut String, [from, to]: [(f64, f64); 2], colour: &str, width: f64) {
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{width}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// `font`: a size, with "bold " before it or not.
fn text(out: &mut String, x: f64, y: f64, anchor: &str, font: &str, words: &str) {
    let (weight, size) = match font.strip_prefix("bold ") {
        Some(size) => ("bold", size),
        None => ("normal", font),
    };
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
         font-weight=\"{weight}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Line, lower};

    #[test]
    fn a_scale_is_logarithmic_and_has_round_ticks() {
        let scale = Scale { low: 1.0, high: 100.0, from: 0.0, to: 200.0 };
        assert!((scale.place(10.0) - 100.0).abs() < 1e-9);
        assert!((scale.place(0.0) - 0.0).abs() < 1e-9, "nothing lies before the beginning");
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        let wide = Scale { high: 1e7, ..scale };
        assert_eq!(wide.ticks().len(), 8, "only powers of ten");
        assert_eq!(Scale::around(std::iter::empty(), 0.0, 1.0).low, 1.0 / 1.1);
    }

    #[test]
    fn a_picture_shows_curves_bars_and_notes_with_their_words_escaped() {
        let figure = Figure { limit: Some(2.0), ..lower("wait <p50>", "ms", Some(4.0)) };
        let report = Report {
            scenario: "send",
            cores: 2,
            sections: vec![Section { title: "a & b".to_owned(), figures: vec![figure] }],
            charts: vec![Chart {
                title: "latency".to_owned(),
                x: "percentile".to_owned(),
                y: "ms".to_owned(),
                x_ticks: vec![(1.0, "p0".to_owned())],
                lines: vec![Line { name: "one".to_owned(), points: vec![(1.0, 2.0), (2.0, 3.0)] }],
            }],
            notes: vec!["a note".to_owned()],
            violations: Vec::new(),
        };
        let picture = svg(&report);
        for wanted in ["a &amp; b", "wait &lt;p50&gt;", "2.0× (4.0 : 2.0)", "a note", "<circle"] {
            assert!(picture.contains(wanted), "{wanted}: {picture}");
        }
        assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }
}
