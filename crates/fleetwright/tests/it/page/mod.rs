//! The pages as a person uses them, in a real browser: they change by themselves, a block set there stops an update, and
//! everybody can read them.

mod browser;

use crate::up::{Up, commit, git};
use browser::Browser;

const CHECKS: &str = include_str!("checks.js");

/// Holds the page that is open to what everybody needs, as seen by day and by night.
fn is_for_everybody(browser: &mut Browser, name: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let found = browser.value(CHECKS);
        assert_eq!(found, serde_json::json!([]), "{name}, {scheme}");
    }
}

/// What holds when a tile tells this commit.
fn at(alias: &str, commit: &str) -> String {
    format!("document.querySelector('#tile-{alias} code').title.includes('{commit}')")
}

#[test]
fn tiles_change_live_and_a_block_set_in_the_page_stops_an_update() {
    let Some(mut browser) = Browser::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let up = Up::start(home.path());
    let first = git(home.path(), &["rev-parse", "first-update"]);

    browser.open(&up.url);
    assert_eq!(browser.value("document.querySelectorAll('.tile').length"), 4);
    browser.value("void (window.opened = true)");
    for alias in ["foobarlab-test", "abckub-test", "foobarlab"] {
        browser.until("the first update shows by itself", &at(alias, &first));
    }
    assert_eq!(browser.value("window.opened"), true, "the page was never loaded again");
    is_for_everybody(&mut browser, "the fleet");

    browser.follow("#tile-foobarlab-test");
    assert_eq!(
        browser.value("document.querySelector('h1').textContent"),
        "foobarlab-test"
    );
    is_for_everybody(&mut browser, "a cluster");
    browser.value(
        "document.querySelector('#block-form').open = true; \
         document.querySelector('#block-form [name=reason]').value = 'looking around'; \
         document.querySelector('#block-form [name=owner]').value = 'team shop'",
    );
    browser.follow("#block");
    let blocked = "document.querySelector('#blocks').innerText.includes('looking around. team shop answers for it')";
    browser.until("the block shows", blocked);
    is_for_everybody(&mut browser, "a blocked cluster");

    browser.open(&up.url);
    browser.value("void (window.opened = true)");
    let second = commit(home.path(), "v6");
    // When the other cluster of the channel is there, the blocked one could have been as well.
    browser.until("the other cluster takes the commit", &at("abckub-test", &second));
    let tile = browser.value("document.querySelector('#tile-foobarlab-test').innerText");
    let tile = tile.as_str().unwrap();
    assert!(tile.contains("blocked") && tile.contains("looking around"), "{tile}");
    assert_eq!(browser.value(&at("foobarlab-test", &second)), false, "the block holds");
    assert_eq!(browser.value("window.opened"), true, "the page was never loaded again");

    browser.open(&format!("{}/clusters/foobarlab-test", up.url));
    browser.follow("#unblock");
    browser.open(&up.url);
    browser.until("the end of the block lets it go on", &at("foobarlab-test", &second));

    for (path, name) in [
        ("/?view=table", "the fleet as a table"),
        ("/updates", "updates"),
        ("/rollouts", "rollouts"),
        ("/blocks", "blocks"),
    ] {
        browser.open(&format!("{}{path}", up.url));
        is_for_everybody(&mut browser, name);
    }
    browser.open(&format!("{}/updates", up.url));
    browser.follow("main td a[href^='/updates/']");
    is_for_everybody(&mut browser, "an update");
    browser.open(&format!("{}/clusters/nobody", up.url));
    assert_eq!(browser.complaints().len(), 1, "a page that is not there is told once");
    is_for_everybody(&mut browser, "no cluster");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
