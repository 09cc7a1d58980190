//! One cluster, 150 different clusters, rendering them again after a change of one file with the renderer that knows them, the
//! difference of the two, and the same for a process that starts cold and keeps no cluster, as the command line does.
//!
//! Runs on the large fixture tree if it is beside the workspace, else on the example fleet.

#![allow(clippy::print_stdout, reason = "benchmarks print their figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use divan::Bencher;
use model::config_tree::{ConfigTree, TreeFile};
use render::{Config, Facts, FactsFile, Fold, Input, Renderer, diff};

fn main() {
    divan::main();
}

fn files(folder: &Path, prefix: &str, out: &mut BTreeMap<String, TreeFile>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), out);
        } else if let Ok(content) = std::fs::read(entry.path()) {
            // The content's length and path tell files of one tree apart as well as a digest would.
            let id = format!("{name}:{}", content.len());
            let content = content.into();
            out.insert(name, TreeFile { id, content });
        }
    }
}

fn base() -> Input {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixture = root.join("../shared/fixtures/kubernetes-on-aws");
    let (folder, registry): (PathBuf, PathBuf) = if fixture.is_dir() {
        (fixture.join("tree/cluster"), fixture.join("registry.yaml"))
    } else {
        (
            root.join("examples/fleet/cluster"),
            root.join("examples/fleet/registry.yaml"),
        )
    };
    let mut all = BTreeMap::new();
    files(&folder, "cluster/", &mut all);
    let tree = ConfigTree {
        id: "v1".to_owned(),
        files: all,
    };
    let text = std::fs::read_to_string(registry).unwrap_or_default();
    let registry: Option<model::FileRegistry> = yaml::load_value(&text, &yaml::Options::manifests())
        .ok()
        .and_then(|document| serde_json::from_value(document.value).ok());
    let entry = registry.and_then(|registry| registry.clusters.into_iter().next());
    let Some(entry) = entry else {
        std::process::exit(1);
    };
    let facts = std::fs::read_to_string(root.join("examples/fleet/facts.yaml"))
        .ok()
        .and_then(|text| FactsFile::parse(&text).ok())
        .map_or_else(Facts::default, |file| file.defaults);
    Input::new(Arc::new(entry.cluster), Config::single(Arc::new(tree)), Arc::new(facts))
}

fn fleet(base: &Input) -> Vec<Input> {
    (0..150)
        .filter_map(|i| {
            let mut cluster = (*base.cluster).clone();
            cluster.id = format!("aws:123456789012:eu-central-1:kube-{i}").parse().ok()?;
            cluster.alias = format!("kube-{i}").parse().ok()?;
            cluster.local_id = format!("kube-{i}");
            let mut input = base.clone();
            input.cluster = Arc::new(cluster);
            Some(input)
        })
        .collect()
}

/// The same with one manifest changed.
fn changed(input: &Input, how: usize) -> Config {
    let mut tree = input
        .config
        .sources()
        .first()
        .map(|source| (*source.tree).clone())
        .unwrap_or_default();
    if let Some((_, file)) = tree
        .files
        .iter_mut()
        .find(|(path, _)| path.ends_with("/deployment.yaml"))
    {
        let mut content = file.content.to_vec();
        content.extend_from_slice(format!("\n# changed {how}\n").as_bytes());
        *file = TreeFile {
            id: format!("{}:changed {how}", file.id),
            content: content.into(),
        };
    }
    tree.id = format!("changed {how}");
    Config::single(Arc::new(tree))
}

#[divan::bench]
fn one_cluster_cold(bencher: Bencher<'_, '_>) {
    let input = base();
    bencher.bench(|| Renderer::new().render(&input));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn fleet_of_150_cold(bencher: Bencher<'_, '_>) {
    let inputs = fleet(&base());
    bencher.bench(|| {
        let renderer = Renderer::new();
        inputs
            .iter()
            .map(|input| renderer.render(input).desired.texts().len())
            .sum::<usize>()
    });
}

/// What a running engine does when a commit changes one file: it holds the fleet as it was.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn fleet_of_150_warm_after_one_file(bencher: Bencher<'_, '_>) {
    let base = base();
    let inputs = fleet(&base);
    let renderer = Renderer::new();
    let held: Vec<_> = inputs.iter().map(|input| renderer.render(input).desired).collect();
    let mut count = 0;
    bencher
        .with_inputs(|| {
            // Each sample sees a text that no one before it has seen.
            count += 1;
            let config = changed(&base, count);
            let of = |input: &Input| Input {
                config: config.clone(),
                ..input.clone()
            };
            inputs.iter().map(of).collect::<Vec<_>>()
        })
        .bench_local_refs(|inputs| {
            let texts = inputs
                .iter()
                .map(|input| renderer.render(input).desired.components.len());
            texts.sum::<usize>()
        });
    drop(held);
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn diff_of_150_after_one_file(bencher: Bencher<'_, '_>) {
    let base = base();
    let inputs = fleet(&base);
    let renderer = Renderer::new();
    let old: Vec<_> = inputs.iter().map(|input| renderer.render(input).desired).collect();
    let mut count = 0;
    bencher
        .with_inputs(|| {
            count += 1;
            changed(&base, count)
        })
        .bench_local_refs(|config| {
            let changes = inputs.iter().zip(&old).map(|(input, old)| {
                let mut input = input.clone();
                input.config = config.clone();
                diff(old, &renderer.render(&input).desired).texts.len()
            });
            changes.sum::<usize>()
        });
}

/// Both sides of each cluster, then the next: nothing but the edits is kept. Prints the most memory the process has had.
#[divan::bench(sample_count = 2, sample_size = 1)]
fn diff_of_150_cold_cluster_by_cluster(bencher: Bencher<'_, '_>) {
    let base = base();
    let inputs = fleet(&base);
    let config = changed(&base, 1);
    bencher.bench(|| {
        let renderer = Renderer::new();
        let mut fold = Fold::default();
        for input in &inputs {
            let mut after = input.clone();
            after.config = config.clone();
            let (old, new) = (renderer.render(input).desired, renderer.render(&after).desired);
            renderer.forget(&input.cluster.id);
            fold.add(input.cluster.id.as_str(), &diff(&old, &new));
        }
        fold.finish().len()
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line} (of all benchmarks of this run so far)");
    }
}
