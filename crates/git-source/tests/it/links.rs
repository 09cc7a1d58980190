//! Symbolic links: the same rules for commits and for directories.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use git_source::{DirectoryIds, DirectorySource, TreeOptions};
use ports::config_source::{ConfigSource, ConfigSourceError};

use crate::origin::Node::{Exec, File, Link, Submodule};
use crate::origin::{Node, Origin, can_fetch, expected, files, main_name, resolve};

/// Reads the same files once as a commit and once as a directory.
async fn both(nodes: &[(&str, Node)]) -> Vec<Result<std::collections::BTreeMap<String, String>, ConfigSourceError>> {
    let mut results = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), nodes);
    let source = DirectorySource::new(main_name(), dir.path(), DirectoryIds::Content, TreeOptions::default());
    results.push(match resolve(&source, "dev").await {
        Ok(id) => files(&source, &id).await,
        Err(error) => Err(error),
    });
    if can_fetch() {
        let origin = Origin::new();
        let id = origin.commit("dev", nodes);
        results.push(files(&origin.source(), &id).await);
    }
    results
}

fn write(root: &Path, nodes: &[(&str, Node)]) {
    for (path, node) in nodes {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            File(text) | Exec(text) => fs::write(path, text).unwrap(),
            Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            Submodule => fs::create_dir_all(path).unwrap(),
        }
    }
}

async fn check(nodes: &[(&str, Node)], wanted: &[(&str, &str)]) {
    for result in both(nodes).await {
        assert_eq!(result.unwrap(), expected(wanted), "{nodes:?}");
    }
}

async fn check_error(nodes: &[(&str, Node)], wanted: &str) {
    for result in both(nodes).await {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(wanted), "{nodes:?}: {message}");
    }
}

#[tokio::test]
async fn plain_files_executables_and_submodules() {
    check(
        &[
            ("README.md", File("outside of cluster")),
            ("cluster/a.yaml", File("a")),
            ("cluster/b/run.sh", Exec("b")),
            ("cluster/empty", File("")),
            ("cluster/module", Submodule),
        ],
        &[
            ("cluster/a.yaml", "a"),
            ("cluster/b/run.sh", "b"),
            ("cluster/empty", ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn links_inside_the_source_are_followed() {
    check(
        &[
            ("shared/text", File("shared")),
            ("cluster/a", Link("../shared/text")),
            ("cluster/b", Link("a")),
            ("cluster/c/d", Link("./../b")),
            ("cluster/e", Link("c//d")),
        ],
        &[
            ("cluster/a", "shared"),
            ("cluster/b", "shared"),
            ("cluster/c/d", "shared"),
            ("cluster/e", "shared"),
        ],
    )
    .await;
}

#[tokio::test]
async fn links_to_directories_show_their_files() {
    check(
        &[
            ("cluster/pools/one/files.yaml", File("f")),
            ("cluster/pools/one/deep/x", File("x")),
            ("cluster/pools/two", Link("one")),
            ("cluster/pools/three/files.yaml", Link("../two/files.yaml")),
        ],
        &[
            ("cluster/pools/one/deep/x", "x"),
            ("cluster/pools/one/files.yaml", "f"),
            ("cluster/pools/three/files.yaml", "f"),
            ("cluster/pools/two/deep/x", "x"),
            ("cluster/pools/two/files.yaml", "f"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_part_that_is_read_may_be_a_link() {
    check(
        &[("config/a", File("a")), ("cluster", Link("config"))],
        &[("cluster/a", "a")],
    )
    .await;
}

#[tokio::test]
async fn dots_after_a_link_mean_the_parent_of_its_target() {
    check(
        &[
            ("far/away/here/x", File("x")),
            ("far/away/y", File("y")),
            ("cluster/dir", Link("../far/away/here")),
            ("cluster/y", Link("dir/../y")),
        ],
        &[("cluster/dir/x", "x"), ("cluster/y", "y")],
    )
    .await;
}

#[tokio::test]
async fn links_out_of_the_source_are_errors() {
    let message = "symbolic link \"cluster/secret\" in config source main at version";
    check_error(&[("cluster/secret", Link("/etc/passwd"))], message).await;
    check_error(
        &[("cluster/secret", Link("../../etc/passwd"))],
        "leads out of the source: \"../../etc/passwd\"",
    )
    .await;
    check_error(
        &[("cluster/secret", Link("hop")), ("cluster/hop", Link("../../x"))],
        "leads out of the source",
    )
    .await;
}

#[tokio::test]
async fn links_to_nothing_are_errors() {
    check_error(&[("cluster/a", Link("b"))], "symbolic link \"cluster/a\"").await;
    check_error(&[("cluster/a", Link("b"))], "leads to nothing: \"b\"").await;
    check_error(
        &[("cluster/f", File("f")), ("cluster/a", Link("f/x"))],
        "leads to nothing",
    )
    .await;
}

#[tokio::test]
async fn circles_are_errors() {
    check_error(&[("cluster/a", Link("a"))], "symbolic link \"cluster/a\"").await;
    check_error(
        &[("cluster/a", Link("b")), ("cluster/b", Link("a"))],
        "leads in a circle",
    )
    .await;
    check_error(&[("cluster/x/up", Link(".."))], "symbolic link \"cluster/x/up\"").await;
    check_error(&[("cluster/x/up", Link("../.."))], "leads in a circle").await;
    check_error(
        &[
            ("cluster/a/f", File("f")),
            ("cluster/a/b", Link("../c")),
            ("cluster/c/d", Link("../a")),
        ],
        "leads in a circle",
    )
    .await;
}

#[tokio::test]
async fn links_that_multiply_are_bounded() {
    let nodes = [
        ("cluster/z/f", File("f")),
        ("cluster/a/1", Link("../b")),
        ("cluster/a/2", Link("../b")),
        ("cluster/b/1", Link("../c")),
        ("cluster/b/2", Link("../c")),
        ("cluster/c/1", Link("../z")),
        ("cluster/c/2", Link("../z")),
    ];
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &nodes);
    let options = TreeOptions {
        max_entries: 20,
        ..TreeOptions::default()
    };
    let source = DirectorySource::new(main_name(), dir.path(), DirectoryIds::Content, options);
    let message = source.refresh().await.unwrap_err().to_string();
    assert!(message.contains("more than 20 files and directories"), "{message}");
}

/// What the operating system makes of a directory: the files below it with links followed, or nothing if any link leads out of
/// the root, to nothing or in a circle.
fn as_the_system_sees_it(
    root: &Path,
    dir: &Path,
    shown: &str,
    active: &mut Vec<std::path::PathBuf>,
    files: &mut std::collections::BTreeMap<String, String>,
) -> Option<()> {
    let real = dir.canonicalize().ok()?;
    if !real.starts_with(root) || active.contains(&real) {
        return None;
    }
    active.push(real);
    for entry in fs::read_dir(dir).ok()? {
        let entry = entry.ok()?;
        let path = format!("{shown}/{}", entry.file_name().to_str()?);
        let real = entry.path().canonicalize().ok()?;
        if !real.starts_with(root) {
            return None;
        }
        if real.is_dir() {
            as_the_system_sees_it(root, &entry.path(), &path, active, files)?;
        } else {
            files.insert(path, fs::read_to_string(real).ok()?);
        }
    }
    active.pop();
    Some(())
}

/// Paths of up to three names out of few, so that links often hit something.
fn some_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|names| names.join("/"))
}

fn some_target() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "..", "..", ".", "cluster", ""]);
    prop::collection::vec(part, 1..5).prop_map(|parts| {
        let target = parts.join("/");
        let target = target.trim_start_matches('/');
        if target.is_empty() {
            ".".to_owned()
        } else {
            target.to_owned()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn links_lead_where_the_operating_system_says(
        plain in prop::collection::vec((some_path(), "[xyz]{0,3}"), 0..5),
        links in prop::collection::vec((some_path(), some_target()), 0..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        // One level down, so that a link out of the source has somewhere to go.
        let root = dir.path().canonicalize().unwrap().join("source");
        let cluster = root.join("cluster");
        fs::create_dir_all(&cluster).unwrap();
        for (path, text) in &plain {
            let path = cluster.join(path);
            // Paths may get into each other's way; what cannot be made is left out.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = fs::write(&path, text);
            }
        }
        for (path, target) in &links {
            let path = cluster.join(path);
            if path.parent().unwrap().is_dir() {
                let _ = std::os::unix::fs::symlink(target, &path);
            }
        }
        let mut wanted = std::collections::BTreeMap::new();
        let sound = as_the_system_sees_it(&root, &cluster, "cluster", &mut Vec::new(), &mut wanted).is_some();
        let source = DirectorySource::new(main_name(), &root, DirectoryIds::Content, TreeOptions::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(async {
            let id = resolve(&source, "any").await?;
            files(&source, &id).await
        });
        match result {
            Ok(read) => prop_assert!(sound && read == wanted, "{read:?} but the system says {sound} {wanted:?}"),
            Err(error) => prop_assert!(!sound, "{error}, but the system reads {wanted:?}"),
        }
    }
}
