//! Moving branches of an origin: forward, back, and never from where somebody else put them.

use git_source::GitSource;
use model::Lineage;
use ports::Promote;
use ports::config_source::ConfigSource;
use ports::promote::{PromoteError, Way};

use crate::origin::{Origin, can_fetch, channel, resolve};

/// An origin whose `dev` is two commits ahead of `beta`, with a source that knows both.
async fn ahead() -> (Origin, GitSource, [String; 3]) {
    let origin = Origin::new();
    let one = origin.commit_text("dev", "one");
    origin.point("refs/heads/beta", &one);
    let two = origin.commit_text("dev", "two");
    let three = origin.commit_text("dev", "three");
    let source = origin.source();
    source.refresh().await.unwrap();
    (origin, source, [one, two, three])
}

async fn at(source: &GitSource, name: &str) -> String {
    source.refresh().await.unwrap();
    resolve(source, name).await.unwrap()
}

#[tokio::test]
async fn a_branch_is_moved_forward_and_back() {
    if !can_fetch() {
        return;
    }
    let (_origin, source, [one, _, three]) = ahead().await;
    source
        .move_branch(&channel("beta"), &one, &three, Way::Forward)
        .await
        .unwrap();
    assert_eq!(at(&source, "beta").await, three);
    source
        .move_branch(&channel("beta"), &three, &one, Way::Back)
        .await
        .unwrap();
    assert_eq!((at(&source, "beta").await, at(&source, "dev").await), (one, three));
}

#[tokio::test]
async fn what_somebody_else_moved_since_is_left_alone() {
    if !can_fetch() {
        return;
    }
    let (origin, source, [one, two, three]) = ahead().await;
    source
        .move_branch(&channel("beta"), &one, &three, Way::Forward)
        .await
        .unwrap();
    origin.point("refs/heads/beta", &two);
    // The source has not seen that yet; the origin is asked.
    let refused = source
        .move_branch(&channel("beta"), &three, &one, Way::Back)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, PromoteError::Elsewhere { expected, found, .. } if *expected == three && *found == two),
        "{refused}"
    );
    assert_eq!(at(&source, "beta").await, two);
    let missing = source
        .move_branch(&channel("gamma"), &one, &two, Way::Forward)
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("is at nowhere"), "{missing}");
}

#[tokio::test]
async fn a_branch_with_commits_of_its_own_is_not_moved_forward() {
    if !can_fetch() {
        return;
    }
    let (origin, source, [one, two, three]) = ahead().await;
    let own = origin.commit_text("beta", "hot fix");
    source.refresh().await.unwrap();
    assert_eq!(source.lineage(&own, &three).await.unwrap(), Lineage::Diverged);
    assert_eq!(source.lineage(&one, &two).await.unwrap(), Lineage::Ahead);
    assert_eq!(source.lineage(&two, &one).await.unwrap(), Lineage::Behind);
    let refused = source
        .move_branch(&channel("beta"), &own, &three, Way::Forward)
        .await
        .unwrap_err();
    assert!(matches!(refused, PromoteError::NotForward { .. }), "{refused}");
    assert_eq!(at(&source, "beta").await, own);
    let unknown = source
        .lineage(&one, "0123456789012345678901234567890123456789")
        .await
        .unwrap_err();
    assert!(matches!(unknown, PromoteError::UnknownCommit { .. }), "{unknown}");
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted() {
    if !can_fetch() {
        return;
    }
    let (origin, source, [one, _, three]) = ahead().await;
    let config = origin.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}[receive]\n\tdenyNonFastForwards = true\n")).unwrap();
    source
        .move_branch(&channel("beta"), &one, &three, Way::Forward)
        .await
        .unwrap();
    let refused = source
        .move_branch(&channel("beta"), &three, &one, Way::Back)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, PromoteError::Refused { why, .. } if why.contains("non-fast-forward")),
        "{refused}"
    );
}
