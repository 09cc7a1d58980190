//! The instance types that exist: a small table with the real sizes of common families.

use std::collections::BTreeMap;

use ports::cloud::{Architecture, InstanceType};

const GIB: u64 = 1 << 30;

/// One family: name, GiB of memory per virtual CPU, architecture, local disks as (size in GB of one disk per two virtual
/// CPUs), sizes as (name, virtual CPUs, pods).
struct Family {
    name: &'static str,
    memory_per_vcpu: u64,
    architecture: Architecture,
    sizes: &'static [(&'static str, u32, u32)],
}

/// Pods follow from interfaces and addresses per interface, which are the same for these families.
const GENERAL: &[(&str, u32, u32)] = &[
    ("large", 2, 29),
    ("xlarge", 4, 58),
    ("2xlarge", 8, 58),
    ("4xlarge", 16, 234),
    ("8xlarge", 32, 234),
    ("12xlarge", 48, 234),
    ("16xlarge", 64, 737),
    ("24xlarge", 96, 737),
];

const fn family(name: &'static str, memory_per_vcpu: u64, architecture: Architecture) -> Family {
    Family {
        name,
        memory_per_vcpu,
        architecture,
        sizes: GENERAL,
    }
}

const FAMILIES: &[Family] = &[
    family("m5", 4, Architecture::Amd64),
    family("m6i", 4, Architecture::Amd64),
    family("m6a", 4, Architecture::Amd64),
    family("m6g", 4, Architecture::Arm64),
    family("c5", 2, Architecture::Amd64),
    family("c6i", 2, Architecture::Amd64),
    family("c6a", 2, Architecture::Amd64),
    family("c6g", 2, Architecture::Arm64),
    family("r5", 8, Architecture::Amd64),
    family("r6i", 8, Architecture::Amd64),
    family("r6g", 8, Architecture::Arm64),
];

/// Types that follow no family's rule: name, virtual CPUs, MiB, pods, disks, GB per disk, graphics processors.
const SINGLE: &[(&str, u32, u64, u32, u32, u64, u32)] = &[
    ("t3.small", 2, 2048, 11, 0, 0, 0),
    ("t3.medium", 2, 4096, 17, 0, 0, 0),
    ("t3.large", 2, 8192, 35, 0, 0, 0),
    ("t3.xlarge", 4, 16_384, 58, 0, 0, 0),
    ("t3.2xlarge", 8, 32_768, 58, 0, 0, 0),
    ("p3.2xlarge", 8, 62_464, 58, 0, 0, 1),
    ("g5.xlarge", 4, 16_384, 58, 1, 250, 1),
    ("i4i.xlarge", 4, 32_768, 58, 1, 937, 0),
    ("p3.8xlarge", 32, 249_856, 234, 0, 0, 4),
    ("p3.16xlarge", 64, 499_712, 234, 0, 0, 8),
    ("g4dn.xlarge", 4, 16_384, 29, 1, 125, 1),
    ("g4dn.2xlarge", 8, 32_768, 29, 1, 225, 1),
    ("g4dn.4xlarge", 16, 65_536, 29, 1, 225, 1),
    ("g4dn.12xlarge", 48, 196_608, 234, 1, 900, 4),
    ("g5.xlarge", 4, 16_384, 58, 1, 250, 1),
    ("g5.2xlarge", 8, 32_768, 58, 1, 450, 1),
    ("i4i.large", 2, 16_384, 29, 1, 468, 0),
    ("i4i.xlarge", 4, 32_768, 58, 1, 937, 0),
    ("i4i.2xlarge", 8, 65_536, 58, 1, 1875, 0),
    ("i3en.large", 2, 16_384, 29, 1, 1250, 0),
    ("i3en.xlarge", 4, 32_768, 58, 1, 2500, 0),
    ("i3en.2xlarge", 8, 65_536, 58, 2, 2500, 0),
    ("i3en.6xlarge", 24, 196_608, 234, 2, 7500, 0),
    ("m5d.large", 2, 8192, 29, 1, 75, 0),
    ("m5d.xlarge", 4, 16_384, 58, 1, 150, 0),
    ("m5d.2xlarge", 8, 32_768, 58, 1, 300, 0),
    ("c5d.xlarge", 4, 8192, 58, 1, 100, 0),
];

/// The table, by name.
pub(crate) fn instance_types() -> BTreeMap<String, InstanceType> {
    let general = FAMILIES.iter().flat_map(|family| {
        family.sizes.iter().map(|&(size, vcpu, max_pods)| InstanceType {
            name: format!("{}.{size}", family.name),
            vcpu,
            memory: u64::from(vcpu) * family.memory_per_vcpu * GIB,
            max_pods,
            storage_devices: 0,
            storage_device_size: 0,
            gpus: 0,
            architecture: family.architecture,
        })
    });
    let single = SINGLE.iter().map(
        |&(name, vcpu, mebibytes, max_pods, disks, gigabytes, gpus)| InstanceType {
            name: name.to_owned(),
            vcpu,
            memory: mebibytes << 20,
            max_pods,
            storage_devices: disks,
            storage_device_size: gigabytes * 1_000_000_000,
            gpus,
            architecture: Architecture::Amd64,
        },
    );
    general.chain(single).map(|kind| (kind.name.clone(), kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_provider() {
        let types = instance_types();
        let cases = [
            ("m5.large", 2, 8 * GIB, 29, 0),
            ("c6i.4xlarge", 16, 32 * GIB, 234, 0),
            ("r5.24xlarge", 96, 768 * GIB, 737, 0),
            ("p3.2xlarge", 8, 61 * GIB, 58, 1),
            ("t3.medium", 2, 4 * GIB, 17, 0),
        ];
        for (name, vcpu, memory, pods, gpus) in cases {
            let kind = types.get(name).unwrap();
            assert_eq!(
                (kind.vcpu, kind.memory, kind.max_pods, kind.gpus),
                (vcpu, memory, pods, gpus),
                "{name}"
            );
        }
    }
}
