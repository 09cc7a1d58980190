//! Blocks on every store: set, seen through the config item, lifted either way, expired.

use std::sync::Arc;

use jiff::SignedDuration;
use model::{Block, BlockScope, Cluster};
use ports::registry::Detail;
use ports::{Clock as _, Ledger, Registry, RegistryError, SeededIds, WriteContext, blocks};
use store::{MemoryRegistry, Store};
use testkit::clock::ManualClock;
use testkit::sample;

fn context(actor: &str) -> WriteContext {
    WriteContext::by(actor, "request-1")
}

fn wish(scope: BlockScope, reason: &str) -> Block {
    Block {
        scope,
        owner: "team-cart".to_owned(),
        ..Block::from_item(&format!("{reason} (alice)"))
    }
}

struct Bench {
    registry: Arc<dyn Registry>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<ManualClock>,
    ids: SeededIds,
    cluster: Cluster,
}

impl Bench {
    async fn new<S: Registry + Ledger + 'static>(store: Arc<S>, clock: Arc<ManualClock>) -> Self {
        let cluster = sample::cluster(1);
        store.create_cluster(cluster.clone(), &context("setup")).await.unwrap();
        Self {
            registry: store.clone(),
            ledger: store,
            clock,
            ids: SeededIds::new(1),
            cluster,
        }
    }

    async fn set(&self, block: Block) -> Result<blocks::Blocked, RegistryError> {
        blocks::set(
            &*self.ledger,
            &*self.clock,
            &self.ids,
            &self.cluster.id,
            block,
            &context("alice"),
        )
        .await
    }

    async fn read(&self) -> Cluster {
        self.registry
            .get_cluster(&self.cluster.id, Detail::Full)
            .await
            .unwrap()
            .object
    }

    async fn reasons(&self) -> Vec<String> {
        let held = blocks::of_cluster(&*self.ledger, &self.read().await, self.clock.now())
            .await
            .unwrap();
        held.into_iter().map(|blocked| blocked.block.reason).collect()
    }

    async fn item(&self) -> Option<String> {
        self.read()
            .await
            .config_items
            .get(&sample::key(Block::CONFIG_ITEM))
            .cloned()
    }

    async fn lift(&self, id: Option<&ports::ledger::EntryId>) -> usize {
        let (ledger, registry) = (&*self.ledger, &*self.registry);
        let lifted = blocks::lift(ledger, registry, &*self.clock, &self.cluster.id, id, &context("bob")).await;
        lifted.unwrap().len()
    }
}

/// Runs a story on the store in memory and on both databases.
async fn tell(story: impl AsyncFn(Bench)) {
    let start = 1_700_000_000_000;
    let clock = Arc::new(ManualClock::at_millis(start));
    let memory = Arc::new(MemoryRegistry::new(clock.clone()));
    story(Bench::new(memory, clock).await).await;
    for database in crate::databases() {
        let clock = Arc::new(ManualClock::at_millis(start));
        let store = Arc::new(Store::open(&database.url, clock.clone()).await.unwrap());
        story(Bench::new(store.clone(), clock).await).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_and_its_config_item_are_one_thing() {
    tell(async |bench| {
        let blocked = bench.set(wish(BlockScope::All, "canary broken")).await.unwrap();
        assert_eq!(bench.item().await.as_deref(), Some("canary broken (alice)"));
        assert_eq!(bench.reasons().await, ["canary broken"]);
        assert_eq!(bench.lift(blocked.id.as_ref()).await, 1);
        assert_eq!((bench.item().await, bench.reasons().await), (None, Vec::new()));
        assert_eq!(bench.lift(None).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_item_lifts_the_block_and_sweeping_closes_it() {
    tell(async |bench| {
        bench.set(wish(BlockScope::All, "x")).await.unwrap();
        let key = sample::key(Block::CONFIG_ITEM);
        bench
            .registry
            .delete_config_item(&bench.cluster.id, &key, &context("old tool"))
            .await
            .unwrap();
        assert!(bench.reasons().await.is_empty());
        let (closed, next) = blocks::sweep(&*bench.ledger, &*bench.registry, &*bench.clock, &context("sweeper"))
            .await
            .unwrap();
        assert_eq!((closed.len(), next), (1, None));
        assert!(blocks::open(&*bench.ledger, None).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_alone_is_a_block_even_when_it_is_empty() {
    tell(async |bench| {
        let key = sample::key(Block::CONFIG_ITEM);
        bench
            .registry
            .put_config_item(&bench.cluster.id, &key, "", &context("old tool"))
            .await
            .unwrap();
        assert_eq!(bench.reasons().await, [""]);
        assert_eq!(bench.lift(None).await, 1);
        assert_eq!(bench.item().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_of_nodes_leaves_the_item_alone() {
    tell(async |bench| {
        bench.set(wish(BlockScope::Nodes, "no nodes")).await.unwrap();
        assert_eq!(
            (bench.item().await, bench.reasons().await),
            (None, vec!["no nodes".to_owned()])
        );
        bench.set(wish(BlockScope::All, "all")).await.unwrap();
        assert_eq!(bench.reasons().await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_block_keeps_the_item_when_the_first_is_lifted() {
    tell(async |bench| {
        let first = bench.set(wish(BlockScope::All, "first")).await.unwrap();
        bench.set(wish(BlockScope::All, "second")).await.unwrap();
        assert_eq!(bench.lift(first.id.as_ref()).await, 1);
        assert_eq!(bench.item().await.as_deref(), Some("second (alice)"));
        assert_eq!(bench.reasons().await, ["second"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_block_holds_no_more_and_is_swept_with_its_item() {
    tell(async |bench| {
        let blocked = bench.set(wish(BlockScope::All, "x")).await.unwrap();
        let end = blocked.block.expires_at.unwrap();
        assert_eq!(end.duration_since(bench.clock.now()), blocks::DEFAULT_TERM);
        let (_, next) = blocks::sweep(&*bench.ledger, &*bench.registry, &*bench.clock, &context("sweeper"))
            .await
            .unwrap();
        assert_eq!(next, Some(end));
        bench
            .clock
            .advance(end.duration_since(bench.clock.now()).unsigned_abs());
        assert!(bench.reasons().await.is_empty());
        let (closed, _) = blocks::sweep(&*bench.ledger, &*bench.registry, &*bench.clock, &context("sweeper"))
            .await
            .unwrap();
        assert_eq!((closed.len(), bench.item().await), (1, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_and_texts_are_checked_and_nothing_is_written() {
    tell(async |bench| {
        let now = bench.clock.now();
        let ending = |days: i64| Block {
            expires_at: Some(now + SignedDuration::from_hours(24 * days)),
            ..wish(BlockScope::All, "x")
        };
        for (block, field) in [
            (ending(-1), "expires_at"),
            (ending(15), "expires_at"),
            (wish(BlockScope::All, " "), "reason"),
        ] {
            let refused = bench.set(block).await;
            let Err(RegistryError::Invalid(problems)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(problems[0].field, field);
        }
        assert_eq!((bench.item().await, bench.reasons().await), (None, Vec::new()));
    })
    .await;
}
