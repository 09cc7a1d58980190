//! Reports for people.

use rehearse::{Report, print, rehearse_many};

use crate::rolling::rolling;

#[test]
fn text_and_page_tell_the_same_story() {
    let report = rehearse_many(&rolling(2), 1, 2).unwrap();
    let saved = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(Report::parse(&saved).unwrap(), report);
    let text = print::text(&report);
    for expected in [
        "Rehearsal from one to two",
        "kube-1",
        "Forced terminations",
        "Bound against actual",
        "Over 2 seeds",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let page = print::html(&report);
    // To be looked at in a browser: `REHEARSE_PAGE=page.html cargo test -p rehearse pages`.
    if let Some(path) = std::env::var_os("REHEARSE_PAGE") {
        std::fs::write(path, &page).unwrap();
    }
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    // Nothing is loaded from anywhere, and nothing runs.
    for forbidden in ["<script", "src=", "@import", "url(", "http://", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    for lane in &report.clusters[0].nodes {
        assert!(page.contains(&lane.node), "{}", lane.node);
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
}
