//! How a simulation ends, and the log of what happened in it.

use std::process::Command;

use super::Sim;

#[test]
fn each_signal_that_asks_for_it_ends_a_simulation_in_order() {
    for signal in ["TERM", "INT", "HUP"] {
        if signal == "HUP" && service::ignores_hangup() {
            // What these tests start inherits it, and outlives the terminal as it was told to.
            println!("started with SIGHUP ignored: passed over");
            continue;
        }
        let mut sim = Sim::up(&["--nodes", "1", "--profile", "empty"]);
        assert_eq!(sim.notes().len(), 1);
        sim.signal(signal);
        assert_eq!(sim.end(), Some(0), "{signal}");
        assert!(sim.notes().is_empty(), "{signal}");
    }
}

#[test]
fn who_was_told_to_outlive_the_terminal_does() {
    if !std::path::Path::new("/proc/self/status").exists() {
        println!("this system does not tell which signals are ignored: passed over");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("HOME", home.path()).current_dir(home.path());
    shell.args([
        "-c",
        "trap '' HUP; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_fleetwright"),
    ]);
    let mut sim = Sim::up_as(home, shell, &["--nodes", "1", "--profile", "empty"]);
    sim.signal("HUP");
    let text = sim.ok(&["sim", "list"]);
    assert!(text.contains("sim-1"), "{text}");
    assert_eq!(sim.interrupt(), Some(0));
}

#[test]
fn everything_that_happens_is_in_the_event_log() {
    let args = [
        "--nodes",
        "2",
        "--profile",
        "empty",
        "--cloud",
        "--event-log",
        "events.log",
    ];
    let mut sim = Sim::up(&args);
    let list: serde_json::Value = serde_json::from_str(&sim.ok(&["sim", "list", "-o", "json"])).unwrap();
    let server = list["items"][0]["clusters"][0]["server"].as_str().unwrap().to_owned();
    sim.ok(&["sim", "fault", "api", "503", "--verb", "list", "--name", "no-lists"]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = runtime
        .block_on(client.get(format!("{server}/api/v1/pods")).send())
        .unwrap();
    assert_eq!(answer.status(), 503);
    let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written"}});
    let maps = format!("{server}/api/v1/namespaces/default/configmaps");
    let answer = runtime.block_on(client.post(maps).json(&map).send()).unwrap();
    assert_eq!(answer.status(), 201);
    sim.ok(&["sim", "fault", "clear"]);
    sim.ok(&["sim", "fault", "clock", "1h"]);
    assert_eq!(sim.interrupt(), Some(0));
    let text = std::fs::read_to_string(sim.path("events.log")).unwrap();
    let mut at = 0;
    for expected in [
        "cloud:000000000001/eu-central-1 ",
        "sim-1 20",
        "sim 20",
        "sim:sim-1 20",
        "fault begins no-lists: 503 for all list requests",
        "fault:sim-1 20",
        "api created configmaps/default/written ",
        "fault ends no-lists",
        "clock set by 3600s",
        " ends\n",
    ] {
        let found = text[at..].find(expected);
        at += found.unwrap_or_else(|| panic!("{expected:?} is missing after byte {at} of\n{text}"));
    }
    assert!(text.ends_with('\n') && text.lines().all(|line| line.split(' ').count() >= 3));

    // Another one goes on after it.
    let home = std::mem::replace(&mut sim.home, tempfile::tempdir().unwrap());
    let mut again = Sim::up_in(home, &args);
    assert_eq!(again.interrupt(), Some(0));
    let both = std::fs::read_to_string(again.path("events.log")).unwrap();
    assert!(both.len() > text.len() && both.starts_with(&text));
}
