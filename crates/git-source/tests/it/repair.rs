//! Mirrors that a crash or a disk left unusable.

use std::fs;
use std::path::{Path, PathBuf};

use ports::config_source::ConfigSource;

use crate::origin::{Origin, can_fetch, expected, files, resolve};

fn packs(mirror: &Path) -> Vec<PathBuf> {
    let dir = fs::read_dir(mirror.join("objects/pack")).unwrap();
    dir.map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pack"))
        .collect()
}

/// A source with one commit, and the path of its mirror.
async fn fetched() -> (Origin, String, PathBuf) {
    let origin = Origin::new();
    let id = origin.commit_text("dev", "one");
    origin.source().refresh().await.unwrap();
    let mirror = origin.mirror_root().join("mirror.git");
    (origin, id, mirror)
}

async fn check_usable(origin: &Origin, id: &str) {
    let source = origin.source();
    assert_eq!(
        files(&source, id).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
    let next = origin.commit_text("dev", "two");
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, "dev").await.unwrap(), next);
    assert_eq!(
        files(&source, &next).await.unwrap(),
        expected(&[("cluster/a.yaml", "two")])
    );
    let names: Vec<_> = fs::read_dir(origin.mirror_root())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "only the mirror and its lock are left: {names:?}");
}

#[tokio::test]
async fn a_mirror_without_its_basic_files_is_built_anew() {
    if !can_fetch() {
        return;
    }
    for broken in ["HEAD", "config", "objects", "refs"] {
        let (origin, id, mirror) = fetched().await;
        let path = mirror.join(broken);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::write(&path, "[[[ garbage").unwrap();
        }
        origin.source().refresh().await.unwrap();
        check_usable(&origin, &id).await;
    }
}

#[tokio::test]
async fn lost_packs_are_fetched_again() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    fs::remove_dir_all(mirror.join("objects/pack")).unwrap();
    fs::create_dir(mirror.join("objects/pack")).unwrap();
    let source = origin.source();
    source.refresh().await.unwrap();
    check_usable(&origin, &id).await;
}

#[tokio::test]
async fn a_pack_with_damaged_content_is_noticed_when_reading() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    for pack in packs(&mirror) {
        let mut permissions = fs::metadata(&pack).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "the file is a test's own")]
        permissions.set_readonly(false);
        fs::set_permissions(&pack, permissions).unwrap();
        let mut bytes = fs::read(&pack).unwrap();
        let end = bytes.len() - 20;
        bytes[12..end].fill(0xff);
        fs::write(&pack, bytes).unwrap();
    }
    check_usable(&origin, &id).await;
}

#[tokio::test]
async fn a_mirror_that_went_away_while_in_use_comes_back() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    let source = origin.source();
    assert_eq!(resolve(&source, "dev").await.unwrap(), id);
    fs::remove_dir_all(&mirror).unwrap();
    assert_eq!(
        files(&source, &id).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
}

#[tokio::test]
async fn what_a_crash_left_behind_is_removed() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    let root = origin.mirror_root();
    fs::create_dir_all(root.join("new-1.git/objects")).unwrap();
    fs::create_dir_all(root.join("old-7.git/objects")).unwrap();
    fs::write(mirror.join("packed-refs.lock"), "").unwrap();
    fs::create_dir_all(mirror.join("refs/remotes/origin")).unwrap();
    fs::write(mirror.join("refs/remotes/origin/dev.lock"), "").unwrap();
    check_usable(&origin, &id).await;
}

#[tokio::test]
async fn a_crash_before_the_first_fetch_was_complete() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    fs::rename(&mirror, origin.mirror_root().join("new-1.git")).unwrap();
    check_usable(&origin, &id).await;
}

#[tokio::test]
async fn many_packs_become_one() {
    if !can_fetch() {
        return;
    }
    let (origin, id, mirror) = fetched().await;
    for number in 0..70 {
        fs::write(mirror.join(format!("objects/pack/pack-{number}.pack")), "").unwrap();
    }
    let source = origin.source();
    let refreshed = source.refresh().await.unwrap();
    assert_eq!(refreshed.rebuilt.as_deref(), Some("it had too many packs"));
    assert_eq!(packs(&mirror).len(), 1);
    check_usable(&origin, &id).await;
}
