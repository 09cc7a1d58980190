//! How a DaemonSet replaces its pods: old ones away first within `maxUnavailable`, or new ones first within `maxSurge`.

/// The pods of one node that should run the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OnNode {
    pub(crate) node: String,
    /// Name and whether it is available, of the newest pod of the current revision.
    pub(crate) new: Option<(String, bool)>,
    /// The same of the pod of an older revision.
    pub(crate) old: Option<(String, bool)>,
}

/// What an update does now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Turn {
    /// Names of pods to delete.
    pub(crate) delete: Vec<String>,
    /// Nodes that get a second pod.
    pub(crate) surge: Vec<String>,
}

/// Plans the next turn; `nodes` are in order of their names.
pub(crate) fn turn(nodes: &[OnNode], max_surge: i64, max_unavailable: i64) -> Turn {
    if max_surge == 0 {
        delete_first(nodes, max_unavailable)
    } else {
        create_first(nodes, max_surge)
    }
}

fn delete_first(nodes: &[OnNode], max_unavailable: i64) -> Turn {
    let mut unavailable = 0;
    let (mut broken, mut healthy) = (Vec::new(), Vec::new());
    for node in nodes {
        match (&node.new, &node.old) {
            // Either the pod is about to be made, or the new one counts.
            (None, None) | (Some((_, false)), _) => unavailable += 1,
            (Some((_, true)), _) => {}
            // What does not work anyway may go without asking.
            (None, Some((name, false))) => {
                unavailable += 1;
                broken.push(name.clone());
            }
            (None, Some((name, true))) => healthy.push(name.clone()),
        }
    }
    let room = usize::try_from(max_unavailable - unavailable).unwrap_or(0);
    broken.extend(healthy.into_iter().take(room));
    Turn {
        delete: broken,
        surge: Vec::new(),
    }
}

fn create_first(nodes: &[OnNode], max_surge: i64) -> Turn {
    let mut surging = 0;
    let mut turn = Turn::default();
    let mut candidates = Vec::new();
    for node in nodes {
        match (&node.new, &node.old) {
            (_, None) => {}
            (None, Some((_, false))) => turn.surge.push(node.node.clone()),
            (None, Some((_, true))) => candidates.push(node.node.clone()),
            (Some((_, true)), Some((name, _))) => turn.delete.push(name.clone()),
            (Some((_, false)), Some((name, available))) => {
                if *available {
                    surging += 1;
                } else {
                    // Neither works: the old one is of no use any more.
                    turn.delete.push(name.clone());
                }
            }
        }
    }
    let room = usize::try_from(max_surge - surging).unwrap_or(0);
    turn.surge.extend(candidates.into_iter().take(room));
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes from pairs of letters, new then old: `+` available, `-` not, `.` none.
    fn nodes(text: &str) -> Vec<OnNode> {
        let pod = |kind: &str, number: usize, letter: char| match letter {
            '+' => Some((format!("{kind}{number}"), true)),
            '-' => Some((format!("{kind}{number}"), false)),
            _ => None,
        };
        let read = |(number, pair): (usize, &str)| OnNode {
            node: format!("n{number}"),
            new: pod("new", number, pair.chars().next().unwrap_or('.')),
            old: pod("old", number, pair.chars().nth(1).unwrap_or('.')),
        };
        text.split(' ').enumerate().map(read).collect()
    }

    fn check(text: &str, surge: i64, unavailable: i64, delete: &[&str], extra: &[&str]) {
        let found = turn(&nodes(text), surge, unavailable);
        assert_eq!(found.delete, delete, "{text}");
        assert_eq!(found.surge, extra, "{text}");
    }

    #[test]
    fn old_pods_go_within_the_allowance() {
        check(".+ .+ .+", 0, 1, &["old0"], &[]);
        check(".+ .+ .+", 0, 2, &["old0", "old1"], &[]);
        check(".. .+ .+", 0, 1, &[], &[]);
        check("-. .+ .+", 0, 1, &[], &[]);
        check("+. .+ .+", 0, 1, &["old1"], &[]);
        check(".- .- .+", 0, 1, &["old0", "old1"], &[]);
        check("+. +. +.", 0, 1, &[], &[]);
    }

    #[test]
    fn with_a_surge_new_pods_come_first() {
        check(".+ .+ .+", 1, 0, &[], &["n0"]);
        check("-+ .+ .+", 1, 0, &[], &[]);
        check("++ .+ .+", 1, 0, &["old0"], &["n1"]);
        check(".- .+ .+", 1, 0, &[], &["n0", "n1"]);
        check("-- .+ .+", 1, 0, &["old0"], &["n1"]);
    }
}
