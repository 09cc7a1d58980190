//! Killed in the middle of a write storm: what was acknowledged is there with its record, nothing is there by half.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use model::ClusterStatus;
use ports::registry::{Action, ClusterFilter, Detail, PageRequest};
use ports::{Registry, SystemClock, WriteContext};
use store::Store;
use testkit::postgres::{Options, Server};
use testkit::sample;

use crate::Database;

const URL: &str = "FLEETWRIGHT_CRASH_URL";
const WRITERS: usize = 16;
/// Acknowledgements before the kill.
const STORM: usize = 400;

/// The storm itself: the test binary runs itself with this test alone and an address, and kills that process. Started
/// without an address it shows that the storm writes at all, on a database in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm() {
    let (url, rounds) = match std::env::var(URL) {
        Ok(url) => (url.parse().unwrap(), usize::MAX),
        Err(_) => (store::DatabaseUrl::memory(), 3),
    };
    let store = Arc::new(Store::open(&url, Arc::new(SystemClock)).await.unwrap());
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer, rounds)));
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(store.last_change().await.unwrap(), (WRITERS * rounds * 2) as i64);
}

/// Makes clusters and changes each once; says so after each answer, in one write so that lines stay whole.
async fn write(store: Arc<Store>, writer: usize, rounds: usize) {
    let context = WriteContext::by("storm", "r");
    for round in 0..rounds {
        let cluster = sample::cluster(writer + round * WRITERS);
        let id = cluster.id.clone();
        if store.create_cluster(cluster, &context).await.is_err() {
            return;
        }
        acknowledge(&format!("ACK {id} 1\n"));
        let update = model::ClusterUpdate {
            status: Some(ClusterStatus {
                current_version: format!("c#{round}"),
                ..ClusterStatus::default()
            }),
            config_items: Some([(sample::key("after"), "the change".to_owned())].into()),
            ..Default::default()
        };
        if store.update_cluster(&id, update, &context).await.is_err() {
            return;
        }
        acknowledge(&format!("ACK {id} 2\n"));
    }
}

fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

fn start_storm(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::storm", "--exact", "--nocapture", "--test-threads=1"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Highest acknowledged revision of each cluster. `kill` is called once the storm is in full force.
fn ride(mut child: Child, kill: impl FnOnce(&mut Child)) -> BTreeMap<String, i64> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = String::new();
    let mut seen = 0;
    while seen < STORM {
        let read = lines.read_line(&mut acknowledged).unwrap();
        assert!(read > 0, "the storm ended by itself: {acknowledged}");
        seen = acknowledged.lines().filter(|l| l.contains("ACK ")).count();
    }
    kill(&mut child);
    // What was answered before the kill is still in the pipe; a last line may be torn.
    let mut rest = Vec::new();
    lines.read_to_end(&mut rest).unwrap();
    acknowledged.push_str(&String::from_utf8_lossy(&rest));
    child.wait().unwrap();
    let mut highest = BTreeMap::new();
    for line in acknowledged.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
        let Some((_, ack)) = line.split_once("ACK ") else {
            continue;
        };
        let (id, revision) = ack.trim().split_once(' ').unwrap();
        let revision: i64 = revision.parse().unwrap();
        let entry = highest.entry(id.to_owned()).or_insert(0);
        *entry = revision.max(*entry);
    }
    highest
}

/// Compares the acknowledged writes, the objects and the records with each other.
async fn check(url: &str, acknowledged: &BTreeMap<String, i64>) {
    let store = Store::open(&url.parse().unwrap(), Arc::new(SystemClock)).await.unwrap();
    let all = store
        .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
        .await
        .unwrap();
    let changes = store.changes(0, usize::MAX).await.unwrap();
    let numbers: Vec<_> = changes.iter().map(|c| c.sequence).collect();
    assert_eq!(numbers, (1..=store.last_change().await.unwrap()).collect::<Vec<_>>());
    let mut recorded: BTreeMap<String, i64> = BTreeMap::new();
    for change in &changes {
        let last = recorded.insert(change.id.clone(), change.revision.0).unwrap_or(0);
        assert_eq!(change.revision.0, last + 1, "{}", change.id);
        assert_eq!(change.action == Action::Created, last == 0, "{}", change.id);
    }
    let mut present = BTreeMap::new();
    for cluster in &all.items {
        let changed = cluster.object.config_items.contains_key("after");
        assert_eq!(
            changed,
            !cluster.object.status.current_version.is_empty(),
            "half a change"
        );
        assert_eq!(changed, cluster.revision.0 == 2, "half a change");
        assert_eq!(cluster.object.node_pools.len(), 2);
        present.insert(cluster.object.id.to_string(), cluster.revision.0);
    }
    assert_eq!(present, recorded, "objects and records differ");
    for (id, revision) in acknowledged {
        let kept = present.get(id).copied().unwrap_or(0);
        assert!(kept >= *revision, "{id}: acknowledged {revision}, kept {kept}");
    }
    // The store works on.
    let context = WriteContext::by("after", "r");
    store.create_cluster(sample::cluster(99_999), &context).await.unwrap();
    store.close().await;
}

fn kill_writer(child: &mut Child) {
    // On Unix this is SIGKILL.
    child.kill().unwrap();
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_when_its_process_is_killed() {
    let database = Database::sqlite();
    let acknowledged = ride(start_storm(&database.text), kill_writer);
    check(&database.text, &acknowledged).await;
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged_when_the_writer_is_killed() {
    let Some(database) = Database::postgres() else { return };
    let acknowledged = ride(start_storm(&database.text), kill_writer);
    check(&database.text, &acknowledged).await;
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged_when_the_server_is_killed() {
    let Some(server) = Server::start(Options { fsync: true }).unwrap() else {
        return;
    };
    let url = server.database().unwrap();
    // A store that lives through the crash: it must write again without being opened anew.
    let survivor = Store::open(&url.parse().unwrap(), Arc::new(SystemClock)).await.unwrap();
    let acknowledged = ride(start_storm(&url), |child| {
        server.crash().unwrap();
        let _ = child.kill();
    });
    let context = WriteContext::by("survivor", "r");
    let refused = survivor.create_cluster(sample::cluster(99_998), &context).await;
    assert!(
        matches!(
            refused,
            Err(ports::RegistryError::Unavailable(_) | ports::RegistryError::Busy { .. })
        ),
        "{refused:?}"
    );
    server.run().unwrap();
    check(&url, &acknowledged).await;
    survivor
        .create_cluster(sample::cluster(99_997), &context)
        .await
        .unwrap();
    survivor.ping().await.unwrap();
    survivor.close().await;
}
