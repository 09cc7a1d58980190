use std::sync::Arc;

use model::{AccountLifecycle, Cluster, LifecycleStatus};
use ports::Registry;
use ports::registry::{AccountFilter, ClusterFilter, Detail, PageRequest};

use super::{create, create_account, page};
use crate::sample;

async fn ids(registry: &Arc<dyn Registry>, filter: ClusterFilter) -> Vec<String> {
    let found = registry
        .list_clusters(&filter, Detail::Brief, &PageRequest::all())
        .await
        .unwrap();
    assert_eq!(found.next, None);
    found.items.into_iter().map(|c| c.object.id.to_string()).collect()
}

pub(super) async fn without_parameters_every_cluster_is_listed(registry: Arc<dyn Registry>) {
    let mut expected = Vec::new();
    // Ids with `-`, `:` and digits, in which the order of a locale differs from that of bytes.
    for id in ["a-b:c", "a:b-c", "ab-c", "a1", "a-1", "a:1", "zz", "b2"] {
        let n = expected.len();
        let mut cluster = sample::cluster(n);
        cluster.id = sample::cluster_id(id);
        expected.push(create(&registry, cluster).await);
    }
    expected.sort_by(|a, b| a.object.id.cmp(&b.object.id));
    let all = registry
        .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
        .await
        .unwrap();
    assert_eq!(all.items, expected);
    assert_eq!(all.next, None);
}

pub(super) async fn each_cluster_filter_selects(registry: Arc<dyn Registry>) {
    let mut account = sample::account(1);
    account.cost_center = "0042".to_owned();
    create_account(&registry, account.clone()).await;
    let mut wanted: Cluster = sample::cluster(1);
    wanted.infrastructure_account = account.id.clone();
    wanted.alias = sample::alias("wanted");
    wanted.api_server_url = "https://wanted.example.org".to_owned();
    wanted.channel = format!("{}-wanted", "long".repeat(30));
    wanted.criticality_level = 9;
    wanted.environment = "wanted".to_owned();
    wanted.lifecycle_status = LifecycleStatus::Creating;
    wanted.local_id = "wanted".to_owned();
    wanted.provider = "simulated".to_owned();
    wanted.region = "wanted-1".to_owned();
    let id = create(&registry, wanted.clone()).await.object.id.to_string();
    let mut other = sample::cluster(2);
    // The same beginning, so that an index over a beginning alone would find both.
    other.channel = format!("{}-other", "long".repeat(30));
    create(&registry, other).await;
    let base = ClusterFilter::default;
    let text = |t: &str| Some(t.to_owned());
    let filters = [
        ClusterFilter {
            alias: text("wanted"),
            ..base()
        },
        ClusterFilter {
            api_server_url: text("https://wanted.example.org"),
            ..base()
        },
        ClusterFilter {
            channel: Some(wanted.channel.clone()),
            ..base()
        },
        ClusterFilter {
            criticality_level: Some(9),
            ..base()
        },
        ClusterFilter {
            environment: text("wanted"),
            ..base()
        },
        ClusterFilter {
            infrastructure_account: Some(account.id.to_string()),
            ..base()
        },
        ClusterFilter {
            lifecycle_status: Some(LifecycleStatus::Creating),
            ..base()
        },
        ClusterFilter {
            local_id: text("wanted"),
            ..base()
        },
        ClusterFilter {
            provider: text("simulated"),
            ..base()
        },
        ClusterFilter {
            region: text("wanted-1"),
            ..base()
        },
        ClusterFilter {
            cost_center: text("0042"),
            ..base()
        },
        ClusterFilter {
            cost_center: text("0042"),
            alias: text("wanted"),
            region: text("wanted-1"),
            ..base()
        },
    ];
    for filter in filters {
        assert_eq!(
            ids(&registry, filter.clone()).await,
            std::slice::from_ref(&id),
            "{filter:?}"
        );
    }
    let none = [
        ClusterFilter {
            alias: text("Wanted"),
            ..base()
        },
        ClusterFilter {
            alias: text("wanted"),
            region: text("elsewhere"),
            ..base()
        },
        ClusterFilter {
            cost_center: text("42"),
            ..base()
        },
        ClusterFilter {
            channel: text("' OR 1=1 --"),
            ..base()
        },
        ClusterFilter {
            channel: text(&"long".repeat(30)),
            ..base()
        },
    ];
    for filter in none {
        assert_eq!(ids(&registry, filter.clone()).await, Vec::<String>::new(), "{filter:?}");
    }
}

pub(super) async fn each_account_filter_selects(registry: Arc<dyn Registry>) {
    let mut wanted = sample::account(1);
    wanted.kind = "gcp".to_owned();
    wanted.name = "wanted".to_owned();
    wanted.owner = "team/wanted".to_owned();
    wanted.cost_center = "0042".to_owned();
    wanted.environment = "wanted".to_owned();
    wanted.criticality_level = 9;
    wanted.external_id = "wanted".to_owned();
    wanted.lifecycle_status = AccountLifecycle::Creating;
    create_account(&registry, wanted.clone()).await;
    create_account(&registry, sample::account(2)).await;
    let base = AccountFilter::default;
    let text = |t: &str| Some(t.to_owned());
    let filters = [
        AccountFilter {
            criticality_level: Some(9),
            ..base()
        },
        AccountFilter {
            environment: text("wanted"),
            ..base()
        },
        AccountFilter {
            external_id: text("wanted"),
            ..base()
        },
        AccountFilter {
            lifecycle_status: Some(AccountLifecycle::Creating),
            ..base()
        },
        AccountFilter {
            name: text("wanted"),
            ..base()
        },
        AccountFilter {
            owner: text("team/wanted"),
            ..base()
        },
        AccountFilter {
            kind: text("gcp"),
            ..base()
        },
        AccountFilter {
            cost_center: text("0042"),
            ..base()
        },
    ];
    for filter in filters {
        let found = registry.list_accounts(&filter, &PageRequest::all()).await.unwrap();
        let found: Vec<_> = found.items.into_iter().map(|a| a.object).collect();
        assert_eq!(found, [wanted.clone()], "{filter:?}");
    }
    let both = registry.list_accounts(&base(), &PageRequest::all()).await.unwrap();
    assert_eq!(both.items.len(), 2);
    let first = registry.list_accounts(&base(), &page(1, None)).await.unwrap();
    let rest = registry
        .list_accounts(&base(), &page(1, first.next.clone()))
        .await
        .unwrap();
    assert_eq!([first.items, rest.items].concat(), both.items);
    assert_eq!(rest.next, None);
}

pub(super) async fn brief_lists_leave_items_and_pools_out(registry: Arc<dyn Registry>) {
    let mut expected = create(&registry, sample::cluster(1)).await;
    let found = registry
        .list_clusters(&ClusterFilter::default(), Detail::Brief, &PageRequest::all())
        .await
        .unwrap();
    expected.object.config_items.clear();
    expected.object.node_pools.clear();
    assert_eq!(found.items, [expected]);
}

pub(super) async fn pages_join_to_the_whole_list(registry: Arc<dyn Registry>) {
    for n in 0..7 {
        create(&registry, sample::cluster(n)).await;
    }
    let filter = ClusterFilter::default();
    let all = registry
        .list_clusters(&filter, Detail::Full, &PageRequest::all())
        .await
        .unwrap();
    for size in [1, 3, 7, 8] {
        let (mut joined, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let part = registry
                .list_clusters(&filter, Detail::Full, &page(size, after))
                .await
                .unwrap();
            joined.extend(part.items);
            pages += 1;
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(joined, all.items, "pages of {size}");
        assert_eq!(pages, 7_usize.div_ceil(size), "pages of {size}");
    }
}

pub(super) async fn pages_survive_inserts_between_them(registry: Arc<dyn Registry>) {
    // Numbers 10 to 19, so that ids have one length and sort as the numbers do.
    for n in [10, 12, 14, 16, 18] {
        create(&registry, sample::cluster(n)).await;
    }
    let filter = ClusterFilter::default();
    let first = registry
        .list_clusters(&filter, Detail::Brief, &page(2, None))
        .await
        .unwrap();
    // One before the place where the next page starts and one behind it.
    create(&registry, sample::cluster(11)).await;
    create(&registry, sample::cluster(15)).await;
    let rest = registry
        .list_clusters(&filter, Detail::Brief, &page(100, first.next))
        .await
        .unwrap();
    let seen: Vec<_> = first
        .items
        .iter()
        .chain(&rest.items)
        .map(|c| c.object.id.clone())
        .collect();
    let expected: Vec<_> = [10, 12, 14, 15, 16, 18].map(|n| sample::cluster(n).id).to_vec();
    assert_eq!(seen, expected);
}
