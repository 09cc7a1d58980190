//! A real configuration tree, where there is one: every template in it parses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gotemplate::Template;

const FUNCTIONS: &str = "getAWSAccountID accountID awsValidID base64 base64Decode sha256 manifestHash split join indent dict list append \
    hasPrefix hasSuffix parseInt64 asgSize azID azCount mountUnitName portRanges sgIngressRanges splitHostPort extractEndpointHosts publicKey \
    certificateExpiry generateJWKSDocument generateOIDCDiscoveryDocument stupsNATSubnets nthAddressFromCIDR nodeCIDRMaxNodesPodCIDR \
    nodeCIDRMaxNodes nodeCIDRMaxPods kubernetesSizeToKiloBytes sumQuantities scaleQuantity instanceTypeCPUQuantity \
    instanceTypeMemoryQuantity indexedList amiID zoneDistributedNodePoolGroups nodeLifeCycleProviderPerNodePoolGroup";

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_tree_parses() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/tree/cluster");
    if !tree.is_dir() {
        println!("passing over the fixture tree: it is absent");
        return;
    }
    let functions: BTreeSet<String> = FUNCTIONS.split_whitespace().map(str::to_owned).collect();
    let mut found = Vec::new();
    files(&tree, &mut found);
    let mut failed = Vec::new();
    let mut parsed = 0;
    for path in &found {
        let Ok(text) = fs::read_to_string(path) else { continue };
        match Template::parse(path.display().to_string(), text, &functions) {
            Ok(_) => parsed += 1,
            Err(error) => failed.push(error.to_string()),
        }
    }
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
    assert!(parsed > 250, "only {parsed} files");
}
