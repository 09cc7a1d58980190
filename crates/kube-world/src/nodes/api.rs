//! How machines come, go, die and return: what a simulated cloud or a test does to a world.

use std::time::Duration;

use jiff::SignedDuration;

use super::machine::NodeSpec;
use crate::engine::World;

impl World {
    /// Switches a new machine on: it boots, registers as a node and gets Ready, as its description says. A machine of the same
    /// name is replaced.
    pub fn add_node(&mut self, spec: NodeSpec) {
        let (name, now) = (spec.name.clone(), self.server().now());
        self.machines_mut().add(spec, now);
        self.machine_changed(&name, "power-on");
    }

    /// Takes a machine away, as a terminated instance goes: its kubelet falls silent, and once the node counts as not ready
    /// its object is deleted, for there is no machine behind it any more. False if there is none.
    pub fn remove_node(&mut self, node: &str) -> bool {
        let now = self.server().now();
        let there = self.machines_mut().remove(node, now).is_some();
        if there {
            self.machine_changed(node, "terminate");
        }
        there
    }

    /// Cuts a machine off: its kubelet falls silent without a word. False if there is none.
    pub fn kill_node(&mut self, node: &str) -> bool {
        let now = self.server().now();
        let there = self.machines_mut().change(node, |machine| {
            machine.dead_since.get_or_insert(now);
        });
        if there {
            self.machine_changed(node, "kill");
        }
        there
    }

    /// Brings a dead or shut down machine back: its kubelet registers again where its node is gone, tells that it is Ready,
    /// and looks after its pods. False if there is none.
    pub fn revive_node(&mut self, node: &str) -> bool {
        let now = self.server().now();
        let there = self.machines_mut().change(node, |machine| {
            machine.since = now;
            machine.dead_since = None;
            machine.shutdown = None;
        });
        if there {
            self.machine_changed(node, "revive");
        }
        there
    }

    /// Shuts a machine down. With a grace period its kubelet stops the pods within it and says why; without one this is
    /// [`World::kill_node`]. False if there is none.
    pub fn shutdown_node(&mut self, node: &str, grace: Option<Duration>) -> bool {
        let Some(grace) = grace else {
            return self.kill_node(node);
        };
        let now = self.server().now();
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let end = now.saturating_add(grace).unwrap_or(now);
        let there = self.machines_mut().change(node, |machine| {
            machine.shutdown.get_or_insert((now, end));
        });
        if there {
            self.machine_changed(node, "shutdown");
        }
        there
    }
}
