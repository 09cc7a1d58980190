//! Directories as sources.

use std::fs;

use git_source::{DirectoryIds, DirectorySource, TreeOptions};
use ports::config_source::{ChannelKind, ConfigSource, ConfigSourceError, Refreshed};
use ports::{Classified, Fault, Retry};

use crate::origin::{expected, files, main_name, resolve};

fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("cluster/manifests/x")).unwrap();
    fs::write(dir.path().join("cluster/manifests/x/a.yaml"), "a").unwrap();
    fs::write(dir.path().join("README"), "not read").unwrap();
    dir
}

fn source(dir: &tempfile::TempDir, ids: DirectoryIds) -> DirectorySource {
    DirectorySource::new(main_name(), dir.path(), ids, TreeOptions::default())
}

#[tokio::test]
async fn the_id_follows_the_content() {
    let dir = example();
    let source = source(&dir, DirectoryIds::Content);
    let first = resolve(&source, "any").await.unwrap();
    assert!(first.starts_with("dir-") && first.len() == 44, "{first}");
    assert_eq!(resolve(&source, "other").await.unwrap(), first);
    assert_eq!(source.refresh().await.unwrap(), Refreshed::default());
    fs::write(dir.path().join("README"), "changed, but outside").unwrap();
    assert_eq!(source.refresh().await.unwrap(), Refreshed::default());
    fs::write(dir.path().join("cluster/manifests/x/a.yaml"), "b").unwrap();
    assert_eq!(
        resolve(&source, "any").await.unwrap(),
        first,
        "only a refresh moves a channel"
    );
    let changes = source.refresh().await.unwrap().changes;
    let second = resolve(&source, "any").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].from.as_ref(), changes[0].to.as_ref()),
        (Some(&first), Some(&second))
    );
    // What a cluster was resolved to stays readable while files are edited.
    assert_eq!(
        files(&source, &first).await.unwrap(),
        expected(&[("cluster/manifests/x/a.yaml", "a")])
    );
    assert_eq!(
        files(&source, &second).await.unwrap(),
        expected(&[("cluster/manifests/x/a.yaml", "b")])
    );
    fs::write(dir.path().join("cluster/manifests/x/a.yaml"), "a").unwrap();
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, "any").await.unwrap(), first);
}

#[tokio::test]
async fn names_and_places_count_for_the_id() {
    let mut ids = std::collections::BTreeSet::new();
    for (path, text) in [("a", "x"), ("b", "x"), ("a/b", "x"), ("a", "y"), ("a", "")] {
        let dir = example();
        let path = dir.path().join("cluster").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        ids.insert(resolve(&source(&dir, DirectoryIds::Content), "any").await.unwrap());
    }
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn the_compatible_id_is_constant() {
    let dir = example();
    let source = source(&dir, DirectoryIds::Constant);
    assert_eq!(resolve(&source, "any").await.unwrap(), "<dir>");
    fs::write(dir.path().join("cluster/manifests/x/a.yaml"), "b").unwrap();
    assert_eq!(source.refresh().await.unwrap(), Refreshed::default());
    assert_eq!(resolve(&source, "any").await.unwrap(), "<dir>");
    assert_eq!(
        files(&source, "<dir>").await.unwrap(),
        expected(&[("cluster/manifests/x/a.yaml", "b")])
    );
    let channels = source.channels().await.unwrap();
    assert_eq!(
        (channels[0].kind, channels[0].version.as_str()),
        (ChannelKind::WorkingCopy, "<dir>")
    );
}

#[tokio::test]
async fn a_state_that_is_gone_is_an_error() {
    let dir = example();
    let source = source(&dir, DirectoryIds::Content);
    let error = files(&source, "dir-0123").await.unwrap_err();
    assert!(matches!(error, ConfigSourceError::Changed { .. }), "{error:?}");
    assert_eq!((error.fault(), error.retry()), (Fault::Config, Retry::Now));
}

#[tokio::test]
async fn a_missing_directory_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = DirectorySource::new(
        main_name(),
        dir.path().join("no"),
        DirectoryIds::Content,
        TreeOptions::default(),
    );
    assert!(matches!(
        missing.refresh().await.unwrap_err(),
        ConfigSourceError::Read { .. }
    ));
    let empty = source(&dir, DirectoryIds::Content);
    let message = empty.refresh().await.unwrap_err().to_string();
    assert_eq!(message, "config source main has no \"cluster\" at version <dir>");
}

#[tokio::test]
async fn what_git_keeps_in_a_working_copy_is_not_read() {
    let dir = example();
    fs::create_dir_all(dir.path().join("cluster/.git/objects")).unwrap();
    fs::write(dir.path().join("cluster/.git/HEAD"), "x").unwrap();
    let source = source(&dir, DirectoryIds::Content);
    let id = resolve(&source, "any").await.unwrap();
    assert_eq!(files(&source, &id).await.unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn names_that_are_not_utf8_and_special_files() {
    use std::os::unix::ffi::OsStrExt;
    let dir = example();
    let socket = std::os::unix::net::UnixListener::bind(dir.path().join("cluster/socket")).unwrap();
    let reader = source(&dir, DirectoryIds::Content);
    assert_eq!(
        reader.refresh().await.unwrap().changes.len(),
        1,
        "a socket is passed over"
    );
    drop(socket);
    fs::write(
        dir.path().join("cluster").join(std::ffi::OsStr::from_bytes(b"a\xff")),
        "x",
    )
    .unwrap();
    let error = reader.refresh().await.unwrap_err();
    assert!(
        matches!(&error, ConfigSourceError::NotUtf8 { path, .. } if path.starts_with("cluster/a")),
        "{error:?}"
    );
}
