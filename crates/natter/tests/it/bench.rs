//! The benchmark itself works: it starts what it needs, checks what it measures, and cleans up.

use serde_json::Value;

use crate::world::World;

/// One short run; its report. Every figure that has a limit has it from this run.
fn bench(args: &str) -> Value {
    let world = World::new();
    let mut words = vec!["bench"];
    words.extend(args.split_whitespace());
    words.push("--json");
    let run = world.run(&words, "");
    assert_eq!(run.code, 0, "{run:?}");
    let report: Value = serde_json::from_str(&run.out).expect("one JSON object");
    assert_eq!(report["violations"], Value::Array(Vec::new()));
    report
}

/// The figure of this name in any section.
fn figure<'a>(report: &'a Value, name: &str) -> &'a Value {
    let sections = report["sections"].as_array().unwrap();
    let mut figures = sections.iter().flat_map(|section| section["figures"].as_array().unwrap());
    figures.find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

#[test]
fn a_benchmark_measures_beside_its_limit_and_finds_no_violation() {
    let report = bench("catchup --messages 300");
    let all = figure(&report, "all of them p50");
    assert!(all["natter"].as_f64() > Some(0.0) && all["limit"].as_f64() > Some(0.0), "{all}");
}

#[test]
fn at_a_fixed_rate_the_rate_is_the_limit() {
    let report = bench("send --pairs 3 --window 2 --rate 60 --seconds 2");
    let rates: Vec<&Value> = report["sections"].as_array().unwrap().iter().collect();
    assert_eq!(rates.len(), 2, "a closed and an open loop");
    let open = rates[1]["figures"].as_array().unwrap();
    assert_eq!(open[0]["limit"].as_f64(), Some(60.0));
    // On a machine that does other things the beginning may be late, but not the whole.
    assert!(open[0]["natter"].as_f64() > Some(20.0), "{}", open[0]);
}

#[test]
fn a_message_for_a_group_is_counted_at_every_member() {
    let report = bench("fanout --connections 5 --window 2 --seconds 1");
    let each = figure(&report, "delivered to all members together")["natter"].as_f64().unwrap();
    let messages = figure(&report, "messages")["natter"].as_f64().unwrap();
    assert!(messages > 0.0 && each > 3.0 * messages, "{messages} messages, {each} deliveries");
}

#[test]
fn a_report_and_a_picture_are_written_where_they_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let [report, plot] = ["r.json", "p.svg"].map(|name| directory.path().join(name));
    let (report, plot) = (report.to_str().unwrap(), plot.to_str().unwrap());
    let printed = bench(&format!("paint --seconds 1 --report {report} --plot {plot}"));
    let written: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(written, printed);
    let picture = std::fs::read_to_string(plot).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("conversations in the Paint"));
}

#[test]
fn a_message_over_two_gateways_is_measured_beside_one_within_one_and_beside_each_engine() {
    let postgres = std::env::var("NATTER_TEST_POSTGRES").expect("`cargo xtask test` sets it");
    let load = "cluster --pairs 3 --window 2 --seconds 1 --postgres";
    let report = bench(&format!("{load} {postgres}"));
    for name in ["delivered", "our rows alone, grouped", "pgbench, one in a transaction"] {
        let rate = figure(&report, name);
        let (ours, limit) = (rate["natter"].as_f64(), rate["limit"].as_f64());
        assert!(ours > Some(0.0) && limit > Some(0.0), "{rate}");
    }
    let redis = figure(&report, "Redis alone, words to one listener a second");
    assert!(redis["limit"].as_f64() > Some(0.0), "{redis}");
}

#[test]
fn frames_starts_and_keys_of_the_screen_stand_beside_their_limits() {
    let report = bench("screen --sizes 100");
    for name in ["of 100 messages, at the end, p50", "start to first frame p50", "key to frame p50"]
    {
        let figure = figure(&report, name);
        assert!(figure["natter"].as_f64() > Some(0.0), "{figure}");
        assert!(figure["limit"].as_f64() > Some(0.0), "{figure}");
    }
}
