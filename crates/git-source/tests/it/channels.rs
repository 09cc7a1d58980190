//! What a channel stands for.

use ports::config_source::{ChannelKind, ConfigSource, ConfigSourceError};
use ports::{Classified, Fault, Retry};

use crate::origin::{Node, Origin, can_fetch, channel, resolve};

#[tokio::test]
async fn branches_tags_and_commits() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let second = origin.commit_text("dev", "two");
    let other = origin.commit_text("feature/x", "three");
    origin.point("refs/tags/v1", &first);
    origin.annotated_tag("v2", &second);
    origin.blob_tag("no-commit");
    let source = origin.source();
    source.refresh().await.unwrap();
    let cases = [
        ("dev", &second),
        ("feature/x", &other),
        ("refs/heads/dev", &second),
        ("heads/feature/x", &other),
        ("v1", &first),
        ("v2", &second),
        ("refs/tags/v2", &second),
        ("tags/v1", &first),
        (first.as_str(), &first),
        (&first[..12], &first),
        (&other[..7], &other),
        (&second.to_uppercase()[..10], &second),
    ];
    for (name, expected) in cases {
        assert_eq!(&resolve(&source, name).await.unwrap(), expected, "{name}");
    }
    let version = source.resolve(&channel("v1")).await.unwrap();
    assert_eq!(version.summary.as_deref(), Some("A change"));
    assert!(
        version.author.as_deref().is_some_and(|author| author.ends_with('>')),
        "{version:?}"
    );
    assert_eq!(version.committed_at.unwrap().as_second(), 1_700_000_000);
    let listed: Vec<_> = source
        .channels()
        .await
        .unwrap()
        .into_iter()
        .map(|info| (info.channel.to_string(), info.kind, info.version))
        .collect();
    let expected = [
        ("dev", ChannelKind::Branch, &second),
        ("feature/x", ChannelKind::Branch, &other),
        ("v1", ChannelKind::Tag, &first),
        ("v2", ChannelKind::Tag, &second),
    ];
    assert_eq!(
        listed,
        expected.map(|(name, kind, id)| (name.to_owned(), kind, id.clone()))
    );
}

#[tokio::test]
async fn a_tag_comes_before_a_branch_of_the_same_name() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("stable", "one");
    let second = origin.commit_text("stable", "two");
    origin.point("refs/tags/stable", &first);
    let source = origin.source();
    assert_eq!(resolve(&source, "stable").await.unwrap(), first);
    assert_eq!(resolve(&source, "heads/stable").await.unwrap(), second);
    assert_eq!(source.channels().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_looks_like_a_commit_is_a_branch_first() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let short = &first[..8];
    let other = origin.commit_text(short, "two");
    let source = origin.source();
    assert_eq!(resolve(&source, short).await.unwrap(), other);
    assert_eq!(resolve(&source, &first).await.unwrap(), first);
}

#[tokio::test]
async fn unknown_channels_are_refused_with_near_names() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    for branch in ["beta", "stable"] {
        origin.commit_text(branch, "x");
    }
    let source = origin.source();
    let missing = "0123456789012345678901234567890123456789";
    for (name, expected) in [
        (
            "beat",
            "config source main has no channel \"beat\"; did you mean \"beta\"?",
        ),
        ("production", "config source main has no channel \"production\""),
        (
            "refs/pull/1/head",
            "config source main has no channel \"refs/pull/1/head\"",
        ),
        ("abc", "config source main has no channel \"abc\""),
        (missing, &format!("config source main has no channel \"{missing}\"")),
    ] {
        let error = source.resolve(&channel(name)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!((error.fault(), error.retry()), (Fault::User, Retry::Never));
    }
}

#[tokio::test]
async fn an_ambiguous_abbreviation_lists_the_commits() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    // Among a few hundred commits two share their first four digits; the clock of the origin makes this repeatable.
    let mut seen = std::collections::BTreeMap::new();
    let mut pair = None;
    let mut parent = None;
    for _ in 0..3_000 {
        let id = origin.commit_object(parent, &[("cluster/a", Node::File("x"))]);
        parent = Some(id);
        let text = id.to_string();
        if let Some(earlier) = seen.insert(text[..4].to_owned(), text.clone()) {
            pair = Some((earlier, text));
            break;
        }
    }
    let (one, two) = pair.unwrap();
    origin.point("refs/heads/dev", &two);
    let source = origin.source();
    let error = source.resolve(&channel(&one[..4])).await.unwrap_err();
    let mut both = [one.clone(), two.clone()];
    both.sort();
    match error {
        ConfigSourceError::AmbiguousChannel {
            channel, candidates, ..
        } => {
            assert_eq!((channel.as_str(), candidates.as_slice()), (&one[..4], both.as_slice()));
        }
        other => panic!("{other}"),
    }
    assert_eq!(resolve(&source, &one[..12]).await.unwrap(), one);
}

#[tokio::test]
async fn a_commit_that_no_branch_reaches_is_refused() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let first = origin.commit_text("dev", "one");
    let lost = origin.commit_text("dev", "two");
    let source = origin.source();
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, &lost).await.unwrap(), lost);
    origin.point("refs/heads/dev", &first);
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, "dev").await.unwrap(), first);
    let error = source.resolve(&channel(&lost)).await.unwrap_err();
    assert!(
        matches!(&error, ConfigSourceError::UnreachableCommit { commit, .. } if *commit == lost),
        "{error}"
    );
    assert!(matches!(
        source.resolve(&channel(&lost[..10])).await.unwrap_err(),
        ConfigSourceError::UnknownChannel { .. }
    ));
}

#[tokio::test]
async fn an_empty_repository_has_no_channels() {
    if !can_fetch() {
        return;
    }
    let origin = Origin::new();
    let source = origin.source();
    assert!(source.channels().await.unwrap().is_empty());
    assert!(matches!(
        source.resolve(&channel("dev")).await.unwrap_err(),
        ConfigSourceError::UnknownChannel { .. }
    ));
    let first = origin.commit_text("dev", "one");
    source.refresh().await.unwrap();
    assert_eq!(resolve(&source, "dev").await.unwrap(), first);
}
