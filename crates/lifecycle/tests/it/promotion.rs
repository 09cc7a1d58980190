//! Commits walk through the gates of a real repository, and come back when they have to.

mod acts;

use std::sync::Arc;

use git_source::GitSource;
use lifecycle::{Manager, Pace, Settings, Wake};
use model::config_tree::ConfigTree;
use model::{ChannelStatus, Cluster, GateState, HealthState, MemberState, MoveState};
use ports::channels::{self, Moved};
use ports::promote::Way;
use ports::{Clock, Promote};

use crate::bench::{Bench, World, cluster, context};
use crate::health::{available, deployment, policy, verdict};
use crate::origin::{Origin, can_git};
use crate::updates::commit;

const POLICY: &str = "channels: [{name: dev}, {name: alpha}, {name: beta}]\n\
    gates:\n- {channel: alpha, soak: 10m, promote: true}\n- {channel: beta, soak: 10m, promote: true, approvals: 2}\n";

struct Story {
    origin: Origin,
    bench: Bench,
    wake: Wake,
    source: Arc<GitSource>,
}

fn of_channel(alias: &str, channel: &str) -> Cluster {
    Cluster {
        channel: channel.to_owned(),
        ..cluster(alias)
    }
}

/// A configuration with a Deployment.
fn release(id: &str) -> ConfigTree {
    let front = deployment("front", id);
    commit(id, "1", &[("cluster/manifests/front/deployment.yaml", front.as_str())])
}

impl Story {
    /// Four clusters in three channels, all at the first commit and healthy.
    async fn begin(text: &str) -> Option<(Self, String)> {
        if !can_git() {
            return None;
        }
        let origin = Origin::new("config.git");
        let one = origin.commit("dev", &release("one"));
        origin.point("alpha", &one);
        origin.point("beta", &one);
        let source = origin.git_source();
        let world = World {
            clusters: vec![
                of_channel("kube-1", "dev"),
                of_channel("kube-2", "alpha"),
                of_channel("kube-3", "beta"),
                of_channel("kube-4", "beta"),
            ],
            sources: vec![source.clone()],
            settings: Settings {
                promote: Some(source.clone()),
                ..policy(text)
            },
            ..World::of(&[])
        };
        let (bench, _) = world.build().await;
        // Pushes are told, so the hours of a test need not fetch each minute.
        let pace = Pace {
            refresh: std::time::Duration::from_secs(24 * 3_600),
            ..Pace::default()
        };
        let manager = Manager::new(bench.reach.clone(), pace);
        let wake = manager.wake();
        tokio::spawn(manager.run(std::future::pending()));
        let story = Self {
            origin,
            bench,
            wake,
            source,
        };
        story.minutes(1).await;
        for alias in ["kube-1", "kube-2", "kube-3", "kube-4"] {
            available(&story.bench, alias, "front", 2);
        }
        story.minutes(10).await;
        Some((story, one))
    }

    async fn minutes(&self, minutes: u64) {
        self.bench.pass_time(minutes * 60).await;
    }

    fn push(&self, id: &str) -> String {
        let commit = self.origin.commit("dev", &release(id));
        self.wake.configuration_moved();
        commit
    }

    /// What the Deployment controllers of these clusters say, a minute after something was applied there.
    async fn roll(&self, aliases: &[&str], pods: u64) {
        self.minutes(1).await;
        for alias in aliases {
            available(&self.bench, alias, "front", pods);
        }
    }

    async fn channel(&self, name: &str) -> ChannelStatus {
        let all = channels::list(&*self.bench.registry).await.unwrap();
        all.into_iter().find(|status| status.channel == name).unwrap()
    }

    async fn moves(&self) -> Vec<Moved> {
        channels::moves(&*self.bench.registry).await.unwrap()
    }

    async fn agree(&self, channel: &str, commit: &str, who: &str) -> Result<(), String> {
        let (registry, clock) = (&*self.bench.registry, &*self.bench.clock);
        let agreed = channels::agree(registry, clock, channel, commit, &context(who)).await;
        agreed.map(drop).map_err(|error| error.to_string())
    }

    async fn is_at(&self, alias: &str, commit: &str) -> bool {
        self.bench.cluster(alias).await.status.current_version == self.bench.version(alias, commit).await
    }

    /// The gate of a channel as people see it.
    async fn gate(&self, channel: &str) -> (GateState, String) {
        let gate = self.channel(channel).await.gate.unwrap();
        (gate.state, gate.sentence().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_commit_goes_through_all_gates_and_each_says_what_it_waits_for() {
    let Some((story, one)) = Story::begin(POLICY).await else {
        return;
    };
    assert_eq!(story.gate("alpha").await.0, GateState::Nothing);
    let two = story.push("two");
    story.roll(&["kube-1"], 2).await;
    let status = story.channel("dev").await;
    assert_eq!(
        (status.commit.as_str(), status.counts.there, status.summary.as_str()),
        (two.as_str(), 1, "two")
    );
    story.minutes(3).await;
    let (state, sentence) = story.gate("alpha").await;
    assert!(
        state == GateState::Waiting && sentence.starts_with("soaks for 10m"),
        "{sentence}"
    );
    assert!(story.channel("alpha").await.gate.unwrap().eta.is_some());
    assert_eq!(story.origin.tip("alpha"), one, "V6: not before the soak time is over");
    story.minutes(10).await;
    assert_eq!(story.origin.tip("alpha"), two);
    story.roll(&["kube-2"], 2).await;
    assert!(story.is_at("kube-2", &two).await);

    // Two persons, to this very commit.
    story.minutes(15).await;
    let (state, sentence) = story.gate("beta").await;
    assert!(
        state == GateState::Waiting && sentence.starts_with("2 persons have to agree"),
        "{sentence}"
    );
    let wrong = story.agree("beta", &one, "alice").await.unwrap_err();
    assert!(wrong.contains("must be the commit that stands at the gate"), "{wrong}");
    assert!(story.agree("beta", &two, "anonymous").await.is_err());
    story.agree("beta", &two[..9], "bob").await.unwrap();
    story.agree("beta", &two, "bob").await.unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("beta"), one, "V14: one person twice is one person");
    story.agree("beta", &two, "alice").await.unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("beta"), one, "V14: alice wrote it");
    let sentence = story.gate("beta").await.1;
    assert!(
        sentence.contains("bob did (alice wrote it, which does not count)"),
        "{sentence}"
    );
    story.agree("beta", &two, "carol").await.unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("beta"), two);
    story.roll(&["kube-3", "kube-4"], 2).await;
    assert!(story.is_at("kube-3", &two).await && story.is_at("kube-4", &two).await);
    story.minutes(5).await;
    let beta = story.channel("beta").await;
    assert_eq!(
        (beta.counts.healthy, beta.counts.clusters, beta.members.len()),
        (2, 2, 0)
    );
    let last = beta.moved.unwrap();
    assert_eq!(
        (last.state, last.agreed.as_slice()),
        (
            MoveState::Moved,
            &["carol".to_owned(), "alice".to_owned(), "bob".to_owned()][..]
        )
    );
    assert_eq!(story.moves().await.len(), 2);
}

const NO_AGREEMENT: &str = "channels: [{name: dev}, {name: alpha}, {name: beta}]\n\
    gates:\n- {channel: alpha, soak: 5m, promote: true}\n- {channel: beta, soak: 5m, promote: true}\n";

#[tokio::test(start_paused = true)]
async fn f3_incident_18_a_bad_commit_comes_back_by_itself_and_the_fix_goes_on() {
    let Some((story, one)) = Story::begin(NO_AGREEMENT).await else {
        return;
    };
    let bad = story.push("bad");
    story.roll(&["kube-1"], 2).await;
    story.minutes(8).await;
    story.roll(&["kube-2"], 2).await;
    story.minutes(8).await;
    // Well in dev and alpha; one of the clusters of beta does not bear it.
    assert_eq!(story.origin.tip("beta"), bad);
    story.roll(&["kube-3"], 2).await;
    story.roll(&["kube-4"], 0).await;
    story.minutes(20).await;
    assert_eq!(story.origin.tip("beta"), one, "moved back");
    assert_eq!(
        (story.origin.tip("alpha"), story.origin.tip("dev")),
        (bad.clone(), bad.clone())
    );
    let last = story.moves().await[0].what.clone();
    assert_eq!((last.state, last.channel.as_str()), (MoveState::TakenBack, "beta"));
    assert!(
        last.sentence
            .starts_with("1 of 2 clusters turned red: kube-4 (Deployment web/front (front)"),
        "{last:?}"
    );
    story.roll(&["kube-3", "kube-4"], 2).await;
    story.minutes(30).await;
    assert!(story.is_at("kube-3", &one).await && story.is_at("kube-4", &one).await);
    // It does not go through the same gate again.
    assert_eq!(story.origin.tip("beta"), one);
    let (state, sentence) = story.gate("beta").await;
    assert!(
        state == GateState::Shut && sentence.contains("was taken back from beta"),
        "{sentence}"
    );

    let fix = story.push("fix");
    story.roll(&["kube-1"], 2).await;
    story.minutes(8).await;
    story.roll(&["kube-2"], 2).await;
    story.minutes(8).await;
    story.roll(&["kube-3", "kube-4"], 2).await;
    story.minutes(10).await;
    assert_eq!(story.origin.tip("beta"), fix);
    assert_eq!(verdict(&story.bench, "kube-4").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn incident_10_what_somebody_else_moved_since_is_not_moved_back() {
    let Some((story, _)) = Story::begin(NO_AGREEMENT).await else {
        return;
    };
    let bad = story.push("bad");
    story.roll(&["kube-1"], 2).await;
    story.minutes(8).await;
    assert_eq!(story.origin.tip("alpha"), bad);
    story.roll(&["kube-2"], 0).await;
    // Somebody repairs alpha by hand; the manager has not heard of it when the verdict turns red.
    let own = story.origin.commit("alpha", &release("by hand"));
    story.minutes(20).await;
    assert_eq!(story.origin.tip("alpha"), own);
    let last = story.moves().await[0].what.clone();
    assert_eq!(last.state, MoveState::Refused);
    assert!(last.sentence.contains("somebody else moved it"), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn incident_18_one_red_cluster_stops_promotion_whatever_is_broken() {
    let Some((story, one)) = Story::begin(NO_AGREEMENT).await else {
        return;
    };
    story.push("bad");
    story.roll(&["kube-1"], 0).await;
    story.minutes(60).await;
    assert_eq!(story.origin.tip("alpha"), one);
    let (state, sentence) = story.gate("alpha").await;
    assert!(
        state == GateState::Shut && sentence.contains("kube-1 (Deployment web/front (front)"),
        "{sentence}"
    );
    let dev = story.channel("dev").await;
    assert_eq!((dev.counts.failing, dev.members[0].state), (1, MemberState::Unhealthy));
}

#[tokio::test(start_paused = true)]
async fn w4_a_move_that_was_cut_is_ended_by_the_next_start() {
    let Some((story, one)) = Story::begin(NO_AGREEMENT).await else {
        return;
    };
    let two = story.push("two");
    story.roll(&["kube-1"], 2).await;
    // Between two looks: the one who looks is not the one who moves.
    story.bench.clock.sleep(std::time::Duration::from_secs(3)).await;
    // Written down and done, and nobody lived to write that.
    let mut cut = Moved {
        id: channels::move_id("alpha", story.bench.clock.now()).unwrap(),
        what: model::ChannelMove {
            channel: "alpha".to_owned(),
            from: one.clone(),
            to: two.clone(),
            state: MoveState::Moving,
            ..model::ChannelMove::default()
        },
    };
    channels::put_move(&*story.bench.registry, &cut, true, &context("lifecycle"))
        .await
        .unwrap();
    let alpha = ports::config_source::Channel::new("alpha").unwrap();
    story
        .source
        .move_branch(&alpha, &one, &two, Way::Forward)
        .await
        .unwrap();
    story.minutes(2).await;
    cut.what.state = MoveState::Moved;
    assert_eq!(story.moves().await, [cut]);
    // Written down, and not done: it is done now.
    story.roll(&["kube-2"], 2).await;
    let begun = Moved {
        id: channels::move_id("beta", story.bench.clock.now()).unwrap(),
        what: model::ChannelMove {
            channel: "beta".to_owned(),
            from: one,
            to: two.clone(),
            state: MoveState::Moving,
            ..model::ChannelMove::default()
        },
    };
    channels::put_move(&*story.bench.registry, &begun, true, &context("lifecycle"))
        .await
        .unwrap();
    story.minutes(2).await;
    assert_eq!(story.origin.tip("beta"), two);
    assert_eq!(story.moves().await[0].what.state, MoveState::Moved);
}
