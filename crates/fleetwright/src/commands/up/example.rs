//! The files of the example configuration, in the binary, so that `up` works wherever the binary is.

/// A file of the example with its path.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../../../examples/fleet/", $path)))
    };
}

/// What the demo's repository begins with, by path.
pub(super) const FILES: &[(&str, &str)] = &[
    file!("cluster/cluster.yaml"),
    file!("cluster/config-defaults.yaml"),
    file!("cluster/config-schema.yaml"),
    file!("cluster/etcd/files.yaml"),
    file!("cluster/etcd/stack.yaml"),
    file!("cluster/manifests/00-namespaces/namespaces.yaml"),
    file!("cluster/manifests/01-crds/dnszone.yaml"),
    file!("cluster/manifests/02-priority/classes.yaml"),
    file!("cluster/manifests/admission/config.yaml"),
    file!("cluster/manifests/admission/secret.yaml"),
    file!("cluster/manifests/coredns/configmap.yaml"),
    file!("cluster/manifests/coredns/daemonset.yaml"),
    file!("cluster/manifests/dashboard/deployment.yaml"),
    file!("cluster/manifests/deletions.yaml"),
    file!("cluster/manifests/dns-controller/zones.yaml"),
    file!("cluster/manifests/ingress/deployment.yaml"),
    file!("cluster/manifests/ingress/hpa.yaml"),
    file!("cluster/manifests/ingress/networkpolicy.yaml"),
    file!("cluster/manifests/logging/daemonset.yaml"),
    file!("cluster/manifests/metrics/deployment.yaml"),
    file!("cluster/manifests/metrics/rules.yaml"),
    file!("cluster/manifests/node-agent/daemonset.yaml"),
    file!("cluster/manifests/storage/README.txt"),
    file!("cluster/manifests/storage/class.yml"),
    file!("cluster/node-pools/master-default/files.yaml"),
    file!("cluster/node-pools/master-default/stack.yaml"),
    file!("cluster/node-pools/master-default/userdata.yaml"),
    file!("cluster/node-pools/worker-combined/files.yaml"),
    file!("cluster/node-pools/worker-combined/stack.yaml"),
    file!("cluster/node-pools/worker-combined/userdata.yaml"),
    file!("cluster/node-pools/worker-karpenter/files.yaml"),
    file!("cluster/node-pools/worker-karpenter/provisioners.yaml"),
    file!("cluster/node-pools/worker-karpenter/userdata.yaml"),
    file!("cluster/node-pools/worker-splitaz/files.yaml"),
    file!("cluster/node-pools/worker-splitaz/stack.yaml"),
    file!("cluster/node-pools/worker-splitaz/userdata.yaml"),
];

/// What the cloud does not tell, as the example's facts say it.
pub(super) const FACTS: &str = include_str!("../../../../../examples/fleet/facts.yaml");

/// What was different a release ago: text of now, text of then. The demo's fleet stands at then, and its first update is
/// the way from there.
const EARLIER: [(&str, &str); 2] = [("coredns:v1.11.3", "coredns:v1.11.1"), ("-v1.31.2", "-v1.31.1")];

/// A file as it was a release ago.
pub(super) fn earlier(text: &str) -> String {
    EARLIER
        .iter()
        .fold(text.to_owned(), |text, (now, then)| text.replace(now, then))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_example_is_in_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fleet");
        let mut found = BTreeSet::new();
        walk(&root.join("cluster"), &mut found);
        let listed: BTreeSet<PathBuf> = FILES.iter().map(|(path, _)| root.join(path)).collect();
        assert_eq!(listed, found);
    }

    #[test]
    fn a_release_ago_something_was_different() {
        for (now, _) in EARLIER {
            assert!(FILES.iter().any(|(_, text)| text.contains(now)), "{now}");
        }
    }
}
