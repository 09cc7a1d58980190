//! The scenario that most tests are held with.

use rehearse::{Scenario, Workload};
use twin::Profile;

use crate::fleet::{between, cluster, input, tree};

/// One test cluster of so many nodes with web applications, whose nodes get another image.
pub(crate) fn rolling(nodes: u32) -> Scenario {
    let clusters = vec![input(
        cluster("kube-1", "test", nodes),
        Workload::Profile(Profile::Shop),
    )];
    between(&tree("one", "ami-1"), &tree("two", "ami-2"), clusters)
}
