//! Following an origin, and staying readable when it cannot be followed.

use std::fs::File;
use std::net::TcpListener;
use std::time::Duration;

use git_source::{GitLocation, GitOptions, GitSource, TreeOptions};
use ports::config_source::{ChannelChange, ChannelKind, ConfigSource, ConfigSourceError, Refreshed};
use ports::{Classified, Fault};

use crate::origin::{Origin, can_fetch, channel, expected, files, main_name, resolve, source_at};

fn change(name: &str, from: Option<&String>, to: Option<&String>) -> ChannelChange {
    let (from, to) = (from.cloned(), to.cloned());
    ChannelChange {
        channel: channel(name),
        kind: ChannelKind::Branch,
        from,
        to,
    }
}

#[tokio::test]
async fn new_commits_are_seen_and_reported() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let source = origin.source();
    assert_eq!(
        source.refresh().await.unwrap().changes,
        [change("dev", None, Some(&first))]
    );
    assert_eq!(source.refresh().await.unwrap(), Refreshed::default());
    let second = origin.commit_text("dev", "two");
    assert_eq!(
        resolve(&source, "dev").await.unwrap(),
        first,
        "only a refresh moves a channel"
    );
    assert_eq!(
        source.refresh().await.unwrap().changes,
        [change("dev", Some(&first), Some(&second))]
    );
    assert_eq!(resolve(&source, "dev").await.unwrap(), second);
    assert_eq!(
        files(&source, &second).await.unwrap(),
        expected(&[("cluster/a.yaml", "two")])
    );
    assert_eq!(
        files(&source, &first).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
}

#[tokio::test]
async fn forced_updates_and_moved_tags_are_followed() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let second = origin.commit_text("other", "two");
    origin.point("refs/tags/live", &first);
    let source = origin.source();
    source.refresh().await.unwrap();
    origin.point("refs/heads/dev", &second);
    origin.point("refs/tags/live", &second);
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, "dev").await.unwrap(), second);
    assert_eq!(resolve(&source, "live").await.unwrap(), second);
}

#[tokio::test]
async fn deleted_branches_and_tags_are_gone() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let second = origin.commit_text("topic", "two");
    origin.point("refs/tags/v1", &first);
    let source = origin.source();
    source.refresh().await.unwrap();
    origin.delete("refs/heads/topic");
    origin.delete("refs/tags/v1");
    // A branch that stood where a directory of branches is now.
    let nested = origin.commit_text("topic/nested", "three");
    let refreshed = source.refresh().await.unwrap();
    assert_eq!(refreshed.rebuilt, None);
    let kinds: Vec<_> = refreshed
        .changes
        .iter()
        .map(|c| (c.channel.to_string(), c.to.is_some()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("topic".to_owned(), false),
            ("topic/nested".to_owned(), true),
            ("v1".to_owned(), false)
        ]
    );
    for gone in ["topic", "v1", &second] {
        assert!(resolve(&source, gone).await.is_err(), "{gone}");
    }
    assert_eq!(resolve(&source, "topic/nested").await.unwrap(), nested);
}

#[tokio::test]
async fn an_origin_that_is_gone_leaves_everything_readable() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let source = origin.source();
    source.refresh().await.unwrap();
    std::fs::rename(&origin.path, origin.dir.path().join("moved")).unwrap();
    let error = source.refresh().await.unwrap_err();
    assert!(matches!(error, ConfigSourceError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Cloud);
    assert!(error.to_string().contains("config.git"), "{error}");
    assert_eq!(
        files(&source, &first).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
    // So it does for a process that starts now.
    let restarted = origin.source();
    assert_eq!(resolve(&restarted, "dev").await.unwrap(), first);
    assert_eq!(
        files(&restarted, &first).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
}

#[tokio::test]
async fn a_repository_that_never_answered_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.git");
    let source = source_at(
        missing.to_str().unwrap(),
        &dir.path().join("cache"),
        TreeOptions::default(),
    );
    for error in [
        source.refresh().await.unwrap_err(),
        source.resolve(&channel("dev")).await.unwrap_err(),
        source.channels().await.unwrap_err(),
    ] {
        assert!(matches!(error, ConfigSourceError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_shows_no_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://robot:s3cret@127.0.0.1:{port}/config.git");
    let source = source_at(&url, dir.path(), TreeOptions::default());
    let error = source.refresh().await.unwrap_err();
    assert!(matches!(error, ConfigSourceError::Unreachable { .. }), "{error:?}");
    let mut text = format!("{error} {error:?} {source:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error}"));
        cause = error.source();
    }
    assert!(!text.contains("s3cret") && !text.contains("robot"), "{text}");
    assert!(text.contains(&port.to_string()), "{text}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_on() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/config.git", listener.local_addr().unwrap());
    let mut options = GitOptions::new(dir.path());
    options.fetch_timeout = Duration::from_millis(200);
    let location = GitLocation::parse(&url).unwrap();
    let source = GitSource::new(main_name(), location, options, TreeOptions::default());
    let error = source.refresh().await.unwrap_err();
    assert!(matches!(error, ConfigSourceError::Timeout { .. }), "{error:?}");
    // The second one waits for the first, which is still at it, and is given up on as well.
    let error = source.refresh().await.unwrap_err();
    assert!(matches!(error, ConfigSourceError::Timeout { .. }), "{error:?}");
    // Closing the connection ends the thread that waits for it.
    drop(listener);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_does_not_wait_for_a_fetch() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let source = std::sync::Arc::new(origin.source());
    source.refresh().await.unwrap();
    let second = origin.commit_text("dev", "two");
    // Another process fetches into the same mirror, so ours must wait.
    let lock = File::options()
        .write(true)
        .open(origin.mirror_root().join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let fetch = tokio::spawn({
        let source = std::sync::Arc::clone(&source);
        async move { source.refresh().await }
    });
    for _ in 0..20 {
        assert_eq!(resolve(&*source, "dev").await.unwrap(), first);
        assert_eq!(
            files(&*source, &first).await.unwrap(),
            expected(&[("cluster/a.yaml", "one")])
        );
    }
    assert!(!fetch.is_finished());
    lock.unlock().unwrap();
    fetch.await.unwrap().unwrap();
    assert_eq!(resolve(&*source, "dev").await.unwrap(), second);
}

#[tokio::test]
async fn a_mirror_that_another_process_holds_is_given_up_on() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    origin.source().refresh().await.unwrap();
    let lock = File::options()
        .write(true)
        .open(origin.mirror_root().join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let mut options = GitOptions::new(origin.cache());
    options.fetch_timeout = Duration::from_millis(120);
    let location = GitLocation::parse(origin.path.to_str().unwrap()).unwrap();
    let source = GitSource::new(main_name(), location, options, TreeOptions::default());
    assert!(matches!(
        source.refresh().await.unwrap_err(),
        ConfigSourceError::Timeout { .. }
    ));
    assert_eq!(resolve(&source, "dev").await.unwrap(), first);
    lock.unlock().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reading_while_fetching_sees_whole_commits_only() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let texts = ["0", "1", "2", "3", "4", "5", "6", "7"];
    origin.commit_text("dev", texts[0]);
    let source = std::sync::Arc::new(origin.source());
    source.refresh().await.unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let source = std::sync::Arc::clone(&source);
            tokio::spawn(async move {
                for _ in 0..30 {
                    let id = resolve(&*source, "dev").await.unwrap();
                    assert_eq!(files(&*source, &id).await.unwrap().len(), 1);
                }
            })
        })
        .collect();
    for text in &texts[1..] {
        origin.commit_text("dev", text);
        source.refresh().await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let id = resolve(&*source, "dev").await.unwrap();
    assert_eq!(
        files(&*source, &id).await.unwrap(),
        expected(&[("cluster/a.yaml", "7")])
    );
}

#[tokio::test]
async fn two_sources_with_the_same_last_element_do_not_collide() {
    if !can_fetch() {
        return;
    }
    let (a, b) = (Origin::named("a/config.git"), Origin::named("b/config.git"));
    let (one, two) = (a.commit_text("dev", "one"), b.commit_text("dev", "two"));
    let cache = a.dir.path().join("cache");
    let source_a = source_at(a.path.to_str().unwrap(), &cache, TreeOptions::default());
    let source_b = source_at(b.path.to_str().unwrap(), &cache, TreeOptions::default());
    assert_eq!(resolve(&source_a, "dev").await.unwrap(), one);
    assert_eq!(resolve(&source_b, "dev").await.unwrap(), two);
    assert_eq!(
        files(&source_a, &one).await.unwrap(),
        expected(&[("cluster/a.yaml", "one")])
    );
    assert_eq!(
        files(&source_b, &two).await.unwrap(),
        expected(&[("cluster/a.yaml", "two")])
    );
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 2);
}
