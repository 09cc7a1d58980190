//! What `sim` says to what cannot be.

use crate::transcript::Shell;

#[test]
fn each_refusal_is_one_clear_line() {
    let shell = Shell::of_url("http://[SERVER]");
    shell.file("own.kubeconfig", "apiVersion: v1\n");
    shell.file("broken.yaml", "kind: [\n");
    shell.file("unknown.yaml", "apiVersion: v1\nkind: Ship\nmetadata: {name: s}\n");
    insta::assert_snapshot!(shell.runs(&[
        &["sim", "up", "--listen", "0.0.0.0:0"],
        &["sim", "up", "--clusters", "10", "--listen", "127.0.0.1:65530"],
        &["sim", "up", "--kubeconfig", "own.kubeconfig"],
        &["sim", "up", "--load", "nothing.yaml"],
        &["sim", "up", "--load", "broken.yaml"],
        &["sim", "up", "--load", "unknown.yaml"],
        &["sim", "up", "--profile", "mall"],
        &["sim", "up", "--speed", "0"],
        &["sim", "up", "--clusters", "0"],
        &["sim", "up", "--cloud=false", "--autoscaler"],
        &["sim", "up", "--nodes", "2", "--spot", "3"],
        &["sim", "up", "--autoscaler=5:2"],
        &["sim", "up", "--event-log", "no/such/folder/events.log"],
        &["sim", "list"],
        &["sim", "list", "-o", "name"],
        &["sim", "fault", "kill-node", "n"],
        &["sim", "fault", "api", "404"],
        &["sim", "fault", "cloud", "404"],
        &["sim", "fault", "clock", "soon"],
        &["sim", "snapshot", "--simulation", "1"],
        &["sim", "load", "-f", "nothing.yaml"],
    ]));
}

#[test]
fn several_clusters_have_to_be_named() {
    let sim = super::Sim::up(&["--clusters", "5", "--nodes", "0", "--profile", "empty"]);
    for (args, expected) in [
        (
            vec!["sim", "snapshot"],
            "error: the simulation has several clusters\nhint: choose one with --cluster: sim-1, sim-2, sim-3, ... sim-5\n",
        ),
        (
            vec!["sim", "snapshot", "-c", "sim-9"],
            "error: there is no cluster \"sim-9\", but sim-1, sim-2, sim-3, sim-4, sim-5\n",
        ),
        (
            vec!["sim", "fault", "kill-node", "x", "-c", "sim-2"],
            "error: there is no machine \"x\" in sim-2\n",
        ),
        (
            vec!["sim", "fault", "clear", "x", "-c", "sim-2"],
            "error: sim-2 has no fault \"x\"\n",
        ),
    ] {
        let (well, text) = sim.fleetwright(&args);
        assert_eq!((well, text.as_str()), (false, expected), "{args:?}");
    }
}
