//! The same inputs and seed give the same report, byte for byte, in every process.

use std::process::Command;

use rehearse::{rehearse, rehearse_many};

use crate::rolling::rolling;

/// Set in the process that only prints.
const CHILD: &str = "REHEARSE_TEST_CHILD";
/// Frames the report in the output of a test.
const FRAME: &str = "=====report=====";

#[test]
fn two_processes_print_the_same_report() {
    let report = serde_json::to_string(&rehearse(&rolling(2), 7).unwrap()).unwrap();
    if std::env::var_os(CHILD).is_some() {
        println!("{FRAME}{report}{FRAME}");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["repeat::two_processes_print_the_same_report", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let printed = text.split(FRAME).nth(1).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(printed, report);
}

#[test]
fn several_seeds_give_ranges_around_the_first_one() {
    let scenario = rolling(2);
    let many = rehearse_many(&scenario, 3, 2).unwrap();
    let ranges = many.ranges.clone().unwrap();
    assert_eq!(
        (ranges.seeds.as_slice(), many.seed, ranges.done),
        ([3, 4].as_slice(), 3, 2)
    );
    let evicted = ranges.evicted;
    assert!(
        evicted.least <= evicted.middle && evicted.middle <= evicted.most,
        "{evicted:?}"
    );
    assert!((evicted.least..=evicted.most).contains(&many.totals.evicted));
    assert_eq!(ranges.clusters.len(), 1);
    let mut first = rehearse(&scenario, 3).unwrap();
    first.ranges = many.ranges.clone();
    assert_eq!(first, many, "seeds do not touch each other");
}
