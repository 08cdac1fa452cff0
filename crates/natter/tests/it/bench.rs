//! The benchmark itself works: it starts what it needs, checks what it measures, and cleans up.

use serde_json::Value;

use crate::world::World;

#[test]
fn a_benchmark_measures_beside_its_limit_and_finds_no_violation() {
    let world = World::new();
    let args = ["bench", "catchup", "--messages", "300", "--json"];
    let run = world.run(&args, "");
    assert_eq!(run.code, 0, "{run:?}");
    let report: Value = serde_json::from_str(&run.out).expect("one JSON object");
    assert_eq!(report["violations"], Value::Array(Vec::new()));
    assert!(report.to_string().contains("limit"), "{report}");
}
