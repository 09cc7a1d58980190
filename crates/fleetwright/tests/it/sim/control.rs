//! What `sim list`, `fault`, `snapshot` and `load` do to a running simulation.

use super::Sim;

/// The JSON that a command prints.
fn json(sim: &Sim, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&sim.ok(args)).unwrap()
}

/// The code with which an API answers.
fn code(url: &str) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = runtime.block_on(client.get(url).send());
    answer.ok().map(|response| response.status().as_u16())
}

#[test]
fn clusters_are_there_at_once_and_gone_after_an_interrupt() {
    let mut sim = Sim::up(&["--clusters", "2", "--nodes", "3", "--profile", "shop"]);
    let list = json(&sim, &["sim", "list", "-o", "json"]);
    let info = &list["items"][0];
    assert_eq!(info["pid"], sim.pid());
    assert_eq!((&info["profile"], &info["seed"]), (&"shop".into(), &7.into()));
    for (place, name) in ["sim-1", "sim-2"].into_iter().enumerate() {
        let cluster = &info["clusters"][place];
        assert_eq!(cluster["name"], name);
        assert_eq!((&cluster["nodes"], &cluster["readyNodes"]), (&3.into(), &3.into()));
        assert!(cluster["readyPods"].as_u64().unwrap() > 5, "{cluster}");
        let server = cluster["server"].as_str().unwrap();
        assert!(sim.welcome.contains(server));
        assert_eq!(code(&format!("{server}/api/v1/nodes")), Some(200));
    }
    let table = sim.ok(&["sim", "list"]);
    assert!(table.starts_with("SIMULATION") && table.lines().count() == 3, "{table}");
    assert_eq!(sim.notes().len(), 1);
    assert_eq!(sim.interrupt(), Some(0));
    assert!(sim.notes().is_empty());
    let (well, text) = sim.fleetwright(&["sim", "list"]);
    assert!(well && text == "no simulation runs\n", "{text}");
}

#[test]
fn the_control_endpoint_is_for_those_who_can_read_the_note() {
    use std::os::unix::fs::PermissionsExt as _;
    let sim = Sim::up(&["--nodes", "0", "--profile", "empty"]);
    let note = sim.notes().remove(0);
    assert_eq!(note.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let note: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(note).unwrap()).unwrap();
    let control = note["control"].as_str().unwrap();
    assert_eq!(code(&format!("{control}/simulation")), Some(401));
}

#[test]
fn faults_of_the_api_come_and_go() {
    let sim = Sim::up(&["--nodes", "1", "--profile", "empty"]);
    let list = json(&sim, &["sim", "list", "-o", "json"]);
    let server = list["items"][0]["clusters"][0]["server"].as_str().unwrap().to_owned();
    let nodes = format!("{server}/api/v1/nodes");
    let added = sim.ok(&["sim", "fault", "api", "503", "--verb", "list", "--resource", "nodes"]);
    assert_eq!(added, "fault/fault-1: 503 for all list nodes\n");
    assert_eq!(code(&nodes), Some(503));
    assert_eq!(code(&format!("{server}/api/v1/pods")), Some(200));
    sim.ok(&["sim", "fault", "api", "refuse", "--name", "down", "--for", "1h"]);
    assert_eq!(code(&format!("{server}/api/v1/pods")), None);
    let (well, text) = sim.fleetwright(&["sim", "fault", "api", "refuse", "--name", "down"]);
    assert!(!well && text.contains("has a fault \"down\" already"), "{text}");
    let listed = json(&sim, &["sim", "fault", "list", "-o", "json"]);
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["fault-1", "down"]);
    assert!((3_500..=3_600).contains(&listed["items"][1]["secondsLeft"].as_i64().unwrap()));
    assert_eq!(sim.ok(&["sim", "fault", "clear", "fault-1"]), "fault/fault-1 cleared\n");
    assert_eq!(sim.ok(&["sim", "fault", "clear"]), "fault/down cleared\n");
    assert_eq!(code(&nodes), Some(200));
}

#[test]
fn a_snapshot_of_one_cluster_makes_another() {
    let source = Sim::up(&["--nodes", "2", "--profile", "shop"]);
    source.ok(&["sim", "snapshot", "-f", "shop.yaml"]);
    let text = std::fs::read_to_string(source.path("shop.yaml")).unwrap();
    assert!(text.contains("kind: Deployment") && text.contains("kind: Node"));
    let pods = |sim: &Sim| {
        let list = json(sim, &["sim", "list", "-o", "json"]);
        list["items"][0]["clusters"][0]["pods"].as_u64().unwrap()
    };

    // Begun with it: its nodes have machines, its pods go on.
    let file = source.path("shop.yaml");
    let twin = Sim::up(&["--load", file.to_str().unwrap()]);
    assert!(twin.welcome.contains("2 of 2 nodes"), "{}", twin.welcome);
    assert!(pods(&twin) > 5);

    // Loaded into one that runs.
    let other = Sim::up(&["--nodes", "0", "--profile", "empty"]);
    assert_eq!(pods(&other), 0);
    let (well, text) = other.fleetwright(&["sim", "load", "-f", "kubeconfig"]);
    assert!(
        !well && text.contains("document 1: kind \"Config\" in \"v1\" is not served"),
        "{text}"
    );
    let loaded = other.ok(&["sim", "load", "-f", file.to_str().unwrap()]);
    assert!(loaded.ends_with("objects loaded into sim-1\n"), "{loaded}");
    assert!(pods(&other) > 5);
}
