//! `/metrics`, read as strictly as the format is written down:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, text format 0.0.4.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proto::client_frame::Body as Say;

use crate::docs;
use crate::harness::{Host, host, host_with, send};

/// One name with everything that is told of it.
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    rows: Vec<Row>,
}

/// The name, with the end that a histogram's have, the labels, the value.
type Row = (String, Labels, f64);
type Labels = Vec<(String, String)>;

/// Panics at the first thing that a strict reader would not take.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut now = String::new();
    assert!(text.ends_with('\n'), "the last line ends");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(!families.contains_key(name), "{name} stands in two places");
            assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
            name.clone_into(&mut now);
            families.entry(now.clone()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, now, "TYPE follows HELP");
            let family = families.get_mut(name).unwrap();
            assert!(family.kind.is_empty() && family.rows.is_empty(), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            kind.clone_into(&mut family.kind);
        } else {
            let family = families.get_mut(&now).expect("a row follows HELP and TYPE");
            assert!(seen.insert(line.rsplit_once(' ').expect(line).0), "told twice: {line}");
            family.rows.push(row(line));
        }
    }
    for (name, family) in &families {
        check(name, family);
    }
    families
}

fn row(line: &str) -> Row {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().expect(line) };
    let Some((name, labels)) = series.split_once('{') else {
        return (series.to_owned(), Vec::new(), value);
    };
    let labels = labels.strip_suffix('}').expect(line).split(',').map(|label| {
        let (key, value) = label.split_once('=').expect(line);
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(line);
        assert!(is_name(key, false) && !value.contains(['"', '\\', '\n']), "{line}");
        (key.to_owned(), value.to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

fn is_name(text: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty()
}

fn check(name: &str, family: &Family) {
    assert!(is_name(name, true), "{name}");
    assert!(name.starts_with("natter_") || name.starts_with("process_"), "{name}");
    assert!(!family.help.is_empty() && !family.rows.is_empty(), "{name} says nothing");
    assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
    let odd_unit = ["_ms", "_us", "_milliseconds", "_kilobytes"];
    assert!(!odd_unit.iter().any(|unit| name.ends_with(unit)), "{name}: seconds and bytes");
    assert!(family.rows.len() <= 32, "{name}: labels have few values");
    if family.kind == "histogram" {
        return check_histogram(name, family);
    }
    assert!(family.rows.iter().all(|(row, ..)| row == name), "{name}");
    assert!(family.rows.iter().all(|(.., value)| *value >= 0.0), "{name}");
}

fn check_histogram(name: &str, family: &Family) {
    let mut bound = f64::NEG_INFINITY;
    let mut count = 0.0;
    let (ends, buckets): (Vec<_>, Vec<_>) =
        family.rows.iter().partition(|(_, labels, _)| labels.is_empty());
    for (row, labels, value) in buckets {
        let [(key, le)] = labels.as_slice() else { panic!("{name}: {labels:?}") };
        let le = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
        assert!(*row == format!("{name}_bucket") && key == "le" && le > bound, "{name} {le}");
        assert!(*value >= count, "{name}: a bucket counts what is in those before it");
        (bound, count) = (le, *value);
    }
    assert_eq!(bound, f64::INFINITY, "{name}");
    let end = |what: &str| {
        let row = ends.iter().find(|(row, ..)| *row == format!("{name}_{what}"));
        row.unwrap_or_else(|| panic!("{name} has no {what}")).2
    };
    assert_eq!(end("count"), count, "{name}");
    assert!(end("sum") >= 0.0 && ends.len() == 2, "{name}");
}

async fn figures(host: &Host) -> BTreeMap<String, Family> {
    let answer = host.call("GET", "/metrics", "", "").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    parse(&String::from_utf8(answer.body).unwrap())
}

/// The value of one row; of a histogram how often something was observed.
fn value(figures: &BTreeMap<String, Family>, name: &str, label: &str) -> f64 {
    let family = figures.get(name).unwrap_or_else(|| panic!("{name} is not told"));
    let row_name = match family.kind.as_str() {
        "histogram" => format!("{name}_count"),
        _ => name.to_owned(),
    };
    let wanted = |labels: &[(String, String)]| {
        label.is_empty() || labels.iter().any(|(key, value)| format!("{key}={value}") == label)
    };
    let row = family.rows.iter().find(|(row, labels, _)| *row == row_name && wanted(labels));
    row.unwrap_or_else(|| panic!("{name} {label} is not told")).2
}

#[tokio::test]
async fn the_life_of_a_small_server_is_seen_in_its_figures() {
    let host = host().await;
    let mut ann = host.user("ann").await;
    let mut bob = host.user("bob").await;
    let chat = ann.open(bob.id).await;
    for key in 1..=3 {
        ann.line.ask(Say::Send(send(chat, "hello", key))).await;
        bob.line.message(chat).await;
    }
    ann.line.ask(Say::Send(send(chat, "hello", 1))).await;
    ann.line.refused(Say::Send(send(chat + 1, "to nobody", 4))).await;
    host.login("ann", "not her password").await;
    let seen = figures(&host).await;
    for (name, label, least) in [
        ("natter_connections", "", 2.0),
        ("natter_messages_total", "", 3.0),
        ("natter_messages_repeated_total", "", 1.0),
        ("natter_messages_refused_total", "", 1.0),
        ("natter_batch_sends", "", 4.0),
        ("natter_commit_seconds", "", 4.0),
        ("natter_send_wait_seconds", "", 5.0),
        ("natter_delivery_lag_seconds", "", 3.0),
        ("natter_catch_up_seconds", "", 2.0),
        ("natter_passwords_hashed_total", "", 3.0),
        ("natter_http_answers_total", "status=2xx", 2.0),
        ("natter_http_answers_total", "status=3xx", 2.0),
        ("natter_http_answers_total", "status=4xx", 1.0),
        ("natter_database_connections_max", "database=0", 1.0),
        ("natter_tasks", "", 1.0),
        ("process_open_fds", "", 5.0),
        ("process_cpu_seconds_total", "", 0.001),
        ("process_start_time_seconds", "", 1.7e9),
    ] {
        let found = value(&seen, name, label);
        assert!(found >= least, "{name} {label}: {found}");
    }
    let memory = value(&seen, "process_resident_memory_bytes", "");
    assert!((1e6..1e11).contains(&memory), "{memory} bytes");
    assert!(value(&seen, "natter_delivery_lag_seconds", "") <= 4.0, "only what others wrote");

    drop(bob);
    loop {
        let seen = figures(&host).await;
        if value(&seen, "natter_connections", "") == 1.0 {
            assert_eq!(value(&seen, "natter_connections_ended_total", "why=gone"), 1.0);
            break;
        }
    }
}

#[tokio::test]
async fn what_comes_too_often_is_counted_by_kind() {
    let one = server::Rate { burst: 1, per_minute: 1 };
    let host = host_with(|c| {
        (c.rates.light, c.rates.heavy, c.rates.pages) = (one, one, one);
        c.rates.tickets = one;
    })
    .await;
    let mut ann = host.user("ann").await;
    for _ in 0..3 {
        ann.line.ask(Say::Ping(proto::Ping { nonce: 1 })).await;
        ann.line.ask(Say::Find(proto::Find { text: "bo".into(), ..Default::default() })).await;
        ann.line.ask(Say::Members(proto::Members { conv_id: 1 })).await;
        host.call("GET", "/v1/connect", &ann.granted.token, "").await;
    }
    let seen = figures(&host).await;
    for (what, times) in [("light", 2.0), ("heavy", 2.0), ("pages", 2.0), ("http", 3.0)] {
        let label = format!("what={what}");
        assert_eq!(value(&seen, "natter_rate_refusals_total", &label), times, "{what}");
    }
}

/// The table of docs/operate.md is the very text of `/metrics`.
#[tokio::test]
async fn every_figure_is_in_the_book() {
    let host = host().await;
    let mut table = String::from("| figure | kind | labels | meaning |\n|---|---|---|---|\n");
    for (name, family) in figures(&host).await {
        let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in family.rows.iter().flat_map(|(_, labels, _)| labels) {
            let values = labels.entry(key).or_default();
            if !values.contains(&value.as_str()) {
                values.push(value);
            }
        }
        let told = |(key, values): (&str, Vec<&str>)| match key {
            "le" => String::new(),
            "version" | "database" => format!("`{key}`"),
            key => format!("`{key}`: {}", values.join(", ")),
        };
        let labels: Vec<String> = labels.into_iter().map(told).collect();
        let Family { kind, help, .. } = family;
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join("; ")).unwrap();
    }
    docs::check("docs/operate.md", "figures", &table);
}

#[test]
#[should_panic(expected = "stands in two places")]
fn the_strict_reader_sees_a_name_in_two_places() {
    let one = |name: &str| format!("# HELP {name} Of it.\n# TYPE {name} gauge\n{name} 1\n");
    parse(&[one("natter_a"), one("natter_b"), one("natter_a")].concat());
}

#[test]
#[should_panic(expected = "a bucket counts what is in those before it")]
fn the_strict_reader_sees_buckets_that_shrink() {
    parse(concat!(
        "# HELP natter_a Of it.\n# TYPE natter_a histogram\nnatter_a_bucket{le=\"1\"} 2\n",
        "natter_a_bucket{le=\"+Inf\"} 1\nnatter_a_sum 1\nnatter_a_count 1\n"
    ));
}
