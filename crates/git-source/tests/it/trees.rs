//! What a tree holds, and how much of it.

use std::sync::Arc;

use git_source::TreeOptions;
use ports::config_source::{ConfigSource, ConfigSourceError, ConfigVersion};

use crate::origin::Node::{File, Link};
use crate::origin::{Node, Origin, can_fetch, expected, files};

#[tokio::test]
async fn equal_files_are_shared_between_commits() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit("dev", &[("cluster/same", File("same")), ("cluster/other", File("1"))]);
    let second = origin.commit("dev", &[("cluster/same", File("same")), ("cluster/other", File("2"))]);
    let source = origin.source();
    let one = source.tree(&ConfigVersion::from_id(&first)).await.unwrap();
    let two = source.tree(&ConfigVersion::from_id(&second)).await.unwrap();
    assert_eq!((one.id.as_str(), two.id.as_str()), (first.as_str(), second.as_str()));
    let (same_1, same_2) = (&one.files["cluster/same"], &two.files["cluster/same"]);
    assert_eq!(same_1.id, same_2.id);
    assert!(Arc::ptr_eq(&same_1.content, &same_2.content));
    assert_ne!(one.files["cluster/other"].id, two.files["cluster/other"].id);
    assert!(Arc::ptr_eq(
        &one,
        &source.tree(&ConfigVersion::from_id(&first)).await.unwrap()
    ));
    // The id of a file is that of git.
    assert_eq!(same_1.id, "5a66c000ab56fb7018b5ec24cdb24c94c00e2142");
}

#[tokio::test]
async fn other_parts_of_a_source_can_be_read() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let id = origin.commit("dev", &[("a/x", File("ax")), ("b/y", File("by")), ("z", File("z"))]);
    for (roots, wanted) in [
        (vec![""], vec![("a/x", "ax"), ("b/y", "by"), ("z", "z")]),
        (vec!["a", "z"], vec![("a/x", "ax"), ("z", "z")]),
        (vec!["/b/"], vec![("b/y", "by")]),
    ] {
        let roots = roots.into_iter().map(str::to_owned).collect();
        let source = origin.source_with(TreeOptions {
            roots,
            ..TreeOptions::default()
        });
        assert_eq!(files(&source, &id).await.unwrap(), expected(&wanted));
    }
    let error = files(&origin.source(), &id).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("config source main has no \"cluster\" at version {id}")
    );
}

/// Git checks names only when it is told to, so a tree can hold any.
#[tokio::test]
async fn names_that_no_file_has_are_errors() {
    if !can_fetch() {
        return;
    }
    for (path, reason) in [
        ("cluster/..", "it means a directory"),
        ("cluster/../a", "it means a directory"),
        ("cluster/.", "it means a directory"),
        ("cluster/a\nb", "it holds control characters"),
        ("cluster/a\u{1b}[2J", "it holds control characters"),
    ] {
        let origin = Origin::new();
        let id = origin.commit("dev", &[(path, File("x"))]);
        let error = files(&origin.source(), &id).await.unwrap_err();
        assert!(
            matches!(&error, ConfigSourceError::BadName { reason: found, .. } if *found == reason),
            "{path:?}: {error:?}"
        );
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    let origin = Origin::new();
    let id = origin.commit(
        "dev",
        &[
            ("cluster/a", File("1")),
            ("cluster/A", File("2")),
            ("cluster/..a", File("3")),
        ],
    );
    assert_eq!(
        files(&origin.source(), &id).await.unwrap().len(),
        3,
        "names that differ in case only are two"
    );
}

/// Equal directories cost an origin one object, however many paths lead to them.
#[tokio::test]
async fn directories_looked_through_by_links_are_bounded() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let mut nodes: Vec<(String, Node)> = Vec::new();
    for dir in 0..30 {
        for file in 0..10 {
            nodes.push((format!("wide/{dir}/{file}"), File("same")));
        }
        nodes.push((format!("cluster/{dir}"), Link(format!("../wide/{dir}/0").leak())));
    }
    let nodes: Vec<(&str, Node)> = nodes.iter().map(|(path, node)| (path.as_str(), *node)).collect();
    let id = origin.commit("dev", &nodes);
    let options = |max_entries| TreeOptions {
        max_entries,
        ..TreeOptions::default()
    };
    let message = files(&origin.source_with(options(30)), &id)
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("more than 120 files and directories"), "{message}");
    assert_eq!(files(&origin.source_with(options(100)), &id).await.unwrap().len(), 30);
}

#[tokio::test]
async fn targets_of_links_are_bounded() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let id = origin.commit("dev", &[("cluster/a", Link("./".repeat(1_000_000).leak()))]);
    let message = files(&origin.source(), &id).await.unwrap_err().to_string();
    assert!(
        message.contains("\"cluster/a\": more than 4096 bytes in the target of a link"),
        "{message}"
    );
    let origin = Origin::new();
    let deep = "d/".repeat(300) + "f";
    let id = origin.commit(
        "dev",
        &[
            (deep.clone().leak(), File("x")),
            ("cluster/a", Link(("../".to_owned() + &deep).leak())),
        ],
    );
    let message = files(&origin.source(), &id).await.unwrap_err().to_string();
    assert!(message.contains("more than 256 levels of directories"), "{message}");
}

#[tokio::test]
async fn trees_are_bounded() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let id = origin.commit("dev", &[("cluster/a", File("12345")), ("cluster/b", File("12345678"))]);
    let bounds = [
        (
            TreeOptions {
                max_entries: 1,
                ..TreeOptions::default()
            },
            "\"cluster/b\": more than 1 files and directories",
        ),
        (
            TreeOptions {
                max_file_bytes: 7,
                ..TreeOptions::default()
            },
            "\"cluster/b\": more than 7 bytes in a file",
        ),
        (
            TreeOptions {
                max_total_bytes: 12,
                ..TreeOptions::default()
            },
            "\"cluster/b\": more than 12 bytes",
        ),
    ];
    for (options, expected) in bounds {
        let message = files(&origin.source_with(options), &id).await.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let enough = TreeOptions {
        max_entries: 2,
        max_file_bytes: 8,
        max_total_bytes: 13,
        ..TreeOptions::default()
    };
    assert_eq!(files(&origin.source_with(enough), &id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn versions_that_are_not_there() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    origin.commit_text("dev", "x");
    let source = origin.source();
    for id in ["", "<dir>", "dev", "0123456789012345678901234567890123456789", "0123"] {
        let error = files(&source, id).await.unwrap_err();
        assert!(
            matches!(error, ConfigSourceError::UnknownVersion { .. }),
            "{id}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_failed_read_is_tried_again() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let source = origin.source();
    source.refresh().await.unwrap();
    let id = origin.commit_text("dev", "x");
    assert!(files(&source, &id).await.is_err(), "not fetched yet");
    source.refresh().await.unwrap();
    assert_eq!(files(&source, &id).await.unwrap().len(), 1);
}
