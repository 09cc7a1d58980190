//! `approve`, `decommission`, `cancel`, `get approvals`: from the command line through the registry and the ledger to what the
//! lifecycle manager makes of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube_access::applyset::{PruneItem, PrunePlan, Rank, Threshold};
use kube_access::{GroupKind, ObjectKey};
use lifecycle::consent::{self, Decommission, PruneConsent};
use model::{Cluster, ClusterId, FileRegistry};
use ports::registry::{Detail, ImportMode};
use ports::{Clock as _, Registry as _, WriteContext};
use registry::Access;
use registry::auth::{TokenFile, hash_token};
use store::MemoryRegistry;
use testkit::clock::ManualClock;

use crate::server::{self, Running};
use crate::transcript::Shell;

/// 2026-01-02T03:04:05Z.
const NOW: i64 = 1_767_323_045_000;
const SHOP: &str = "aws:100:eu-central-1:kube-1";

/// A server that knows alice and bob, with its clock, and a shell with their tokens.
struct Town {
    server: Running,
    clock: Arc<ManualClock>,
    shell: Shell,
    _folder: tempfile::TempDir,
}

impl Town {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let line = |name: &str| format!("{name} operator {}\n", hash_token(&format!("{name}s-token")));
        std::fs::write(&path, format!("{}{}", line("alice"), line("bob"))).unwrap();
        let clock = Arc::new(ManualClock::at_millis(NOW));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let document: FileRegistry = yaml::from_str(include_str!("fixtures/fleet.yaml")).unwrap();
        let context = WriteContext::by("fixture", "request-0");
        registry.import(document, ImportMode::Create, &context).await.unwrap();
        let tokens = TokenFile::open(&path, clock.clone()).await.unwrap();
        let access = Some(Access::Tokens(Arc::new(tokens)));
        let server = server::serve_at(registry, access, None, clock.clone()).await;
        let shell = Shell::at(&server);
        shell.file("alice", "alices-token");
        shell.file("bob", "bobs-token");
        Self {
            server,
            clock,
            shell,
            _folder: folder,
        }
    }

    fn says(&self, who: &str, args: &[&str]) -> String {
        let mut all = args.to_vec();
        all.extend(["--token-file", who]);
        self.shell.run(&all)
    }

    async fn cluster(&self) -> Cluster {
        let id: ClusterId = SHOP.parse().unwrap();
        self.server
            .registry
            .get_cluster(&id, Detail::Full)
            .await
            .unwrap()
            .object
    }

    /// What a pass of the lifecycle manager would decide now.
    async fn may(&self) -> Decommission {
        consent::may_decommission(
            &*self.server.ledger,
            &self.cluster().await,
            consent::WAIT,
            self.clock.now(),
        )
        .await
        .unwrap()
    }

    fn pass(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3_600));
    }
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_taken_down_by_two_people_and_a_day() {
    let town = Town::new().await;
    let wrong = town.says("alice", &["decommission", "shop", "--confirm", "shopp"]);
    has(
        &wrong,
        &[
            "\"shopp\" is not the name of the cluster; nothing was done",
            "its name is shop",
        ],
    );
    let unnamed = town.says("alice", &["decommission", "shop"]);
    has(&unnamed, &["taking cluster shop down needs its name", "--confirm NAME"]);
    let dry = town.says("alice", &["decommission", "shop", "--confirm", "shop", "--dry-run"]);
    has(&dry, &["cluster/shop decommission requested (dry run)"]);
    has(&town.says("alice", &["get", "approvals"]), &["no objects found"]);
    let early = town.says("bob", &["approve", "decommission", "shop"]);
    has(&early, &["nobody has asked to take cluster shop down"]);

    let asked = town.says("alice", &["decommission", "shop", "--confirm", "shop"]);
    has(
        &asked,
        &["cluster/shop decommission requested", ", somebody else has to agree"],
    );
    let same = town.says("alice", &["approve", "decommission", "shop"]);
    has(
        &same,
        &["alice asked to take cluster shop down, so somebody else has to agree"],
    );
    assert!(matches!(town.may().await, Decommission::Waits(why, None) if why.contains("somebody else has to agree")));

    let given = town.says("bob", &["approve", "decommission", "shop"]);
    has(
        &given,
        &[
            "cluster/shop decommission approved",
            "until 2026-01-03 03:04 UTC, as alice and bob agreed",
        ],
    );
    let table = town.says("bob", &["get", "approvals"]);
    has(
        &table,
        &[
            "NAME           CLUSTER   COUNT",
            "decommission   shop      <none>   waiting    alice      bob",
        ],
    );
    assert!(matches!(town.may().await, Decommission::Waits(_, Some(_))));
    town.pass(24);
    assert_eq!(town.may().await, Decommission::Allowed);
    town.pass(7 * 24);
    assert!(matches!(town.may().await, Decommission::Waits(why, None) if why.contains("has expired")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decommission_is_called_off_or_expires() {
    let town = Town::new().await;
    town.says("alice", &["decommission", "shop", "--confirm", "shop"]);
    town.says("bob", &["approve", "decommission", "shop"]);
    town.pass(25);
    assert_eq!(town.may().await, Decommission::Allowed);
    has(
        &town.says("alice", &["cancel", "decommission", "shop"]),
        &["cluster/shop decommission cancelled"],
    );
    assert!(matches!(town.may().await, Decommission::Waits(why, None) if why.contains("nobody has confirmed")));
    assert_eq!(town.cluster().await.lifecycle_status.to_string(), "ready");
    let again = town.says("alice", &["cancel", "decommission", "shop"]);
    has(&again, &["cluster/shop decommission had not been asked for"]);
    town.says("alice", &["decommission", "shop", "--confirm", "shop"]);
    town.pass(7 * 24);
    let late = town.says("bob", &["approve", "decommission", "shop"]);
    has(
        &late,
        &["the request of alice of 2026-01-03 04:04 UTC to take cluster shop down has expired"],
    );
}

/// A prune of this many objects.
fn prune(count: usize) -> PrunePlan {
    let item = |n: usize| PruneItem {
        key: ObjectKey::new(GroupKind::new("", "ConfigMap"), "default", &format!("m{n}")),
        uid: format!("u{n}"),
        rank: Rank::Others,
    };
    PrunePlan {
        set: "set".to_owned(),
        items: (0..count).map(item).collect(),
        kept: Vec::new(),
        members: 40,
        wanted: 40 - count,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_is_agreed_to_by_its_count() {
    let town = Town::new().await;
    let id: ClusterId = SHOP.parse().unwrap();
    let (plan, threshold) = (prune(12), Threshold::default());
    let decided = async |plan: &PrunePlan| {
        let consent = consent::prune_consent(&*town.server.ledger, &id, town.clock.now())
            .await
            .unwrap();
        plan.allowed(threshold, consent.as_ref())
            .map_err(|refusal| refusal.to_string())
    };
    has(
        &town.says("alice", &["approve", "prune", "shop", "--count", "12"]),
        &["does not ask for agreement to a prune"],
    );
    let wanted = PruneConsent {
        count: plan.items.len(),
        hash: plan.hash(),
        by: String::new(),
    };
    let engine = WriteContext::by("lifecycle", "r");
    consent::ask(&*town.server.ledger, &id, &wanted, &engine).await.unwrap();
    let table = town.says("bob", &["get", "approvals", "shop"]);
    has(
        &table,
        &[
            "prune   shop      12      asked",
            "fleetwright approve prune shop --count 12",
        ],
    );
    let wrong = town.says("bob", &["approve", "prune", "shop", "--count", "11"]);
    has(
        &wrong,
        &["must be the number of objects that would go, which is 12 for cluster shop"],
    );
    assert!(decided(&plan).await.is_err());
    has(
        &town.says("bob", &["approve", "prune", "shop", "--count", "12"]),
        &["cluster/shop prune approved"],
    );
    assert_eq!(decided(&plan).await, Ok(()));
    // Another selection of the same size was not agreed to.
    let mut other = prune(12);
    other.items[0].uid = "another".to_owned();
    assert!(decided(&other).await.unwrap_err().contains("another selection"));
    has(
        &town.says("alice", &["cancel", "prune", "shop"]),
        &["cluster/shop prune cancelled"],
    );
    assert!(decided(&plan).await.is_err());
    consent::ask(&*town.server.ledger, &id, &wanted, &engine).await.unwrap();
    town.says("bob", &["approve", "prune", "shop", "--count", "12"]);
    assert_eq!(decided(&plan).await, Ok(()));
    town.pass(72);
    assert!(decided(&plan).await.is_err(), "an agreement does not last");
    assert_eq!(
        town.clock.now(),
        Timestamp::from_millisecond(NOW).unwrap() + SignedDuration::from_hours(72)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_shown_and_gates_approved() {
    let town = Town::new().await;
    let none = town.says("alice", &["get", "channels"]);
    assert!(none.contains("no objects found"), "{none}");
    let member = model::ChannelMember {
        cluster: "shop".to_owned(),
        state: model::MemberState::Unhealthy,
        sentence: "Deployment kube-system/skipper (skipper): 0 of 2 pods are available".to_owned(),
        since: Some(Timestamp::from_millisecond(NOW - 60_000).unwrap()),
        ..model::ChannelMember::default()
    };
    let condition = model::GateCondition {
        name: "approval".to_owned(),
        met: false,
        sentence: "2 persons have to agree".to_owned(),
        until: None,
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let status = model::ChannelStatus {
        channel: "beta".to_owned(),
        commit: "89abcdef0123456789abcdef0123456789abcdef".to_owned(),
        counts: model::ChannelCounts::of(std::slice::from_ref(&member)),
        gate: Some(model::GateStatus {
            from: "alpha".to_owned(),
            commit: commit.to_owned(),
            state: model::GateState::Waiting,
            conditions: vec![condition],
            eta: None,
        }),
        members: vec![member],
        ..model::ChannelStatus::default()
    };
    let manager = WriteContext::by("lifecycle", "request-9");
    ports::channels::put_channel(&*town.server.ledger, &status, true, &manager)
        .await
        .unwrap();

    let table = town.says("alice", &["get", "channels"]);
    let row: Vec<&str> = table.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(
        row[..9],
        ["beta", "89abcde", "1", "1", "0", "0", "1", "waiting", "<none>"],
        "{table}"
    );
    assert!(table.contains("2 persons have to agree"), "{table}");
    let missing = town.says("alice", &["get", "channel", "gamma"]);
    assert!(missing.contains("channel \"gamma\" not found"), "{missing}");

    let dry = town.says("alice", &["approve", "gate", "beta", "--dry-run"]);
    assert!(dry.contains("channel/beta gate approved for 0123456"), "{dry}");
    let wrong = town.says("alice", &["approve", "gate", "beta", "--commit", "7654321"]);
    assert!(wrong.contains("must be the commit that stands at the gate"), "{wrong}");
    let given = town.says("alice", &["approve", "gate", "beta"]);
    assert!(given.contains("channel/beta gate approved for 0123456"), "{given}");
    let agreed = ports::channels::agreements(&*town.server.ledger).await.unwrap();
    assert_eq!(
        (agreed.len(), agreed[0].by.as_str(), agreed[0].commit.as_str()),
        (1, "alice", commit)
    );
    let told = town.says("bob", &["describe", "channel", "beta"]);
    for part in [
        "waiting, from alpha",
        "alice (",
        "approval",
        "not met",
        "shop",
        "Deployment kube-system/skipper (skipper): 0 of 2 pods are available",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}
