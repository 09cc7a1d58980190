//! One replica is caught in the middle of a wave, with a claim on a cluster that it is half through, and killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use lifecycle::waves;
use model::{ClusterId, ClusterVersion, Progress, Update};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;
use ports::{Clock as _, Lease, Leases as _, Ledger as _, SystemClock};
use serde_json::Value;

use super::{CLUSTERS, Fleet, MOST, OBJECTS, Replica};

/// The wave with most of the clusters.
const WAVE: &str = "the rest";

/// A replica that stands still in the middle of a wave.
pub(super) struct Caught {
    /// Its place among the replicas.
    pub(super) victim: usize,
    /// The cluster that it is half through, with its claim.
    cluster: ClusterId,
    claim: Lease,
    /// Clusters of the wave: done, let begin, and not yet.
    done: usize,
    begun: usize,
    waiting: usize,
    /// Whether it was the one that lets clusters begin.
    leads: bool,
}

impl std::fmt::Display for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "in wave {WAVE:?} ({} of its clusters done, {} begun and not done, {} not begun) the replica holds the claim on {} with its update open{}",
            self.done,
            self.begun,
            self.waiting,
            self.cluster,
            if self.leads { ", and lets clusters begin" } else { "" }
        )
    }
}

/// How the clusters of the wave stand.
#[derive(Default)]
struct Wave {
    done: usize,
    begun: BTreeSet<ClusterId>,
    waiting: usize,
}

impl Fleet {
    /// Waits until one of the replicas has a claim on a cluster of the large wave, with others of the wave done and others not begun,
    /// and stops it there. `None` when the commit was through before that was seen.
    pub(super) async fn catch(
        &self,
        replicas: &[Replica],
        before: &BTreeMap<String, (String, bool)>,
    ) -> Option<Caught> {
        let began = SystemClock.now();
        loop {
            let wave = self.wave(before).await;
            if wave.done > 0 && wave.waiting > 0 {
                for claim in self.claims(&wave).await {
                    let victim = replicas
                        .iter()
                        .position(|one| claim.1.holder.starts_with(&format!("{}-", one.child.id())));
                    let Some(victim) = victim else { continue };
                    replicas[victim].signal("-STOP");
                    // What had left it before arrives.
                    SystemClock.sleep(Duration::from_millis(200)).await;
                    if let Some(caught) = self.still(before, victim, &claim).await {
                        return Some(caught);
                    }
                    replicas[victim].signal("-CONT");
                }
            }
            let now = self.standing().await;
            let left = now
                .iter()
                .filter(|(alias, one)| before.get(*alias) == Some(one) || !one.1);
            if left.count() == 0 {
                return None;
            }
            let waited = SystemClock.now().duration_since(began).unsigned_abs();
            assert!(waited < MOST, "after {waited:?}: {now:#?}");
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether a replica that stands still now is in the middle of what it was seen at.
    async fn still(
        &self,
        before: &BTreeMap<String, (String, bool)>,
        victim: usize,
        (cluster, claim): &(ClusterId, Lease),
    ) -> Option<Caught> {
        let wave = self.wave(before).await;
        let claims = self.claims(&wave).await;
        let holds = claims.iter().any(|(of, now)| of == cluster && now.token == claim.token);
        let half = self.open_update(cluster).await.is_some_and(|update| {
            update.progress == Progress::Running && Some(&update.from) == before.get(alias(cluster)).map(|one| &one.0)
        });
        let leads = self.store.list(waves::LEASE).await.unwrap();
        (holds && half && wave.done > 0 && wave.waiting > 0).then(|| Caught {
            victim,
            cluster: cluster.clone(),
            claim: claim.clone(),
            done: wave.done,
            begun: wave.begun.len(),
            waiting: wave.waiting,
            leads: leads.iter().any(|lease| lease.holder == claim.holder),
        })
    }

    /// The large wave of the commit that is under way.
    async fn wave(&self, before: &BTreeMap<String, (String, bool)>) -> Wave {
        let turns = waves::turns(&*self.store).await.unwrap();
        let now = self.standing().await;
        let mut wave = Wave::default();
        let (mut first, mut new) = (0, BTreeSet::new());
        for (cluster, turn) in &turns {
            let known = &before[alias(cluster)];
            if turn.version == known.0 {
                // Not let begin yet.
                wave.waiting += 1;
                continue;
            }
            new.insert(ClusterVersion::parse(&turn.version).config);
            if !turn.wave.ends_with(WAVE) {
                first += 1;
            } else if now
                .get(alias(cluster))
                .is_some_and(|one| one.1 && one.0 == turn.version)
            {
                wave.done += 1;
            } else {
                wave.begun.insert(cluster.clone());
            }
        }
        assert!(new.len() < 2, "one commit at a time: {new:?}");
        assert_eq!(first + wave.done + wave.begun.len() + wave.waiting, turns.len());
        wave
    }

    /// Claims on clusters of a wave that are not done.
    async fn claims(&self, wave: &Wave) -> Vec<(ClusterId, Lease)> {
        let leases = self.store.list("lifecycle/").await.unwrap();
        let of = |lease: Lease| {
            let id = lease.name.as_str().strip_prefix("lifecycle/")?.parse().ok()?;
            wave.begun.contains(&id).then_some((id, lease))
        };
        leases.into_iter().filter_map(of).collect()
    }

    async fn open_update(&self, cluster: &ClusterId) -> Option<Update> {
        let filter = EntryFilter {
            cluster: Some(cluster.clone()),
            open: Some(true),
            ..EntryFilter::of(EntryKind::update())
        };
        let open = self.store.list_entries(&filter, &PageRequest::all()).await.unwrap();
        open.items
            .into_iter()
            .next()
            .map(|entry| serde_json::from_value(entry.body).unwrap())
    }

    /// After a replica was killed: waits until another one has its cluster, and until that is done; answers how long each took.
    pub(super) async fn taken_over(&self, caught: &Caught) -> (Duration, Duration) {
        let began = SystemClock.now();
        let since = || SystemClock.now().duration_since(began).unsigned_abs();
        let name = &caught.claim.name;
        let mut taken = None;
        loop {
            let leases = self.store.list(name.as_str()).await.unwrap();
            if leases
                .iter()
                .any(|lease| lease.name == *name && lease.token > caught.claim.token)
            {
                taken.get_or_insert_with(since);
            }
            if self.open_update(&caught.cluster).await.is_none() {
                let done = since();
                return (taken.unwrap_or(done), done);
            }
            assert!(since() < MOST, "nobody took {} over: {leases:#?}", caught.cluster);
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where the objects of each cluster stand now, to be counted from.
    pub(super) async fn versions(&self) -> BTreeMap<String, String> {
        let listed = join_all(self.servers.iter().map(async |(alias, url)| {
            let list: Value = serde_json::from_slice(&self.get(&format!("{url}{MAPS}?limit=1")).await).unwrap();
            let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
            (alias.clone(), version)
        }));
        listed.await.into_iter().collect()
    }

    /// Every object of every cluster was changed exactly once since then: what the clusters say themselves, not what we wrote down.
    pub(super) async fn changed_once(&self, since: &BTreeMap<String, String>) {
        let all = self.servers.iter().map(async |(alias, url)| {
            let marker = format!("marker-{}", since[alias]);
            let body = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": marker}});
            let posted = self
                .client
                .post(format!("{url}{MAPS}"))
                .json(&body)
                .send()
                .await
                .unwrap();
            posted.error_for_status().unwrap();
            let path = format!("{url}{MAPS}?watch=true&resourceVersion={}", since[alias]);
            let mut response = self.client.get(path).send().await.unwrap().error_for_status().unwrap();
            let (mut text, mut changes) = (Vec::new(), BTreeMap::<String, usize>::new());
            loop {
                text.extend(
                    response
                        .chunk()
                        .await
                        .unwrap()
                        .expect("the marker comes before the end"),
                );
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    let name = event["object"]["metadata"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    if name == marker {
                        return (alias.clone(), changes);
                    }
                    assert_eq!(event["type"], "MODIFIED", "{alias}: {event}");
                    *changes.entry(name).or_default() += 1;
                }
            }
        });
        let counted = tokio::time::timeout(MOST, join_all(all)).await.unwrap();
        assert_eq!(counted.len(), CLUSTERS);
        for (alias, changes) in counted {
            assert!(
                changes.len() == OBJECTS && changes.values().all(|count| *count == 1),
                "{alias}: {changes:?}"
            );
        }
    }

    async fn get(&self, url: &str) -> Vec<u8> {
        let response = self.client.get(url).send().await.unwrap().error_for_status().unwrap();
        response.bytes().await.unwrap().to_vec()
    }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn alias(cluster: &ClusterId) -> &str {
    cluster.as_str().rsplit(':').next().unwrap()
}
