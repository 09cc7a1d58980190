use std::sync::Arc;

use futures::StreamExt;
use model::{ClusterUpdate, LifecycleStatus};
use ports::Registry;
use ports::registry::{Action, Detail, FieldChange, HistoryRecord, ObjectKind, PageRequest, Revision};
use serde_json::json;

use super::{create, create_account, me, page, status_update};
use crate::sample;

pub(super) async fn changes_come_in_order_and_resume(registry: Arc<dyn Registry>) {
    assert_eq!(registry.last_change().await.unwrap(), 0);
    create_account(&registry, sample::account(1)).await;
    let mut cluster = sample::cluster(1);
    cluster.lifecycle_status = LifecycleStatus::Requested;
    let cluster = create(&registry, cluster).await.object;
    registry
        .update_cluster(&cluster.id, status_update("a#1", ""), &me())
        .await
        .unwrap();
    registry.delete_cluster(&cluster.id, &me()).await.unwrap();
    let all = registry.changes(0, 100).await.unwrap();
    let found: Vec<_> = all
        .iter()
        .map(|c| (c.kind, c.id.as_str(), c.action, c.revision))
        .collect();
    let account = sample::account(1).id;
    assert_eq!(
        found,
        [
            (
                ObjectKind::InfrastructureAccount,
                account.as_str(),
                Action::Created,
                Revision(1)
            ),
            (ObjectKind::Cluster, cluster.id.as_str(), Action::Created, Revision(1)),
            (ObjectKind::Cluster, cluster.id.as_str(), Action::Updated, Revision(2)),
            (ObjectKind::Cluster, cluster.id.as_str(), Action::Deleted, Revision(3)),
        ]
    );
    assert!(all.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(registry.last_change().await.unwrap(), all[3].sequence);
    let first = registry.changes(0, 3).await.unwrap();
    let rest = registry.changes(first[2].sequence, 100).await.unwrap();
    assert_eq!([first, rest].concat(), all);
    assert_eq!(registry.changes(all[3].sequence, 100).await.unwrap(), []);
}

pub(super) async fn a_watch_delivers_past_and_coming_changes(registry: Arc<dyn Registry>) {
    create(&registry, sample::cluster(1)).await;
    create(&registry, sample::cluster(2)).await;
    let mut whole = registry.watch(0).await.unwrap();
    let mut rest = registry.watch(registry.last_change().await.unwrap()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(whole.next().await.unwrap().unwrap());
    }
    create(&registry, sample::cluster(3)).await;
    seen.push(whole.next().await.unwrap().unwrap());
    assert_eq!(seen, registry.changes(0, 10).await.unwrap());
    assert_eq!(rest.next().await.unwrap().unwrap(), seen[2]);
    // A reader that was away goes on where it stopped.
    let mut resumed = registry.watch(seen[0].sequence).await.unwrap();
    assert_eq!(resumed.next().await.unwrap().unwrap(), seen[1]);
}

pub(super) async fn a_slow_watch_misses_nothing(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let mut watch = registry.watch(0).await.unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert_eq!(first.action, Action::Created);
    let writes = (0..600).map(|n| {
        let (registry, id) = (registry.clone(), cluster.id.clone());
        async move {
            let update = status_update(&format!("v#{n}"), "");
            registry.update_cluster(&id, update, &me()).await.unwrap();
        }
    });
    futures::stream::iter(writes)
        .buffer_unordered(50)
        .for_each(async |()| {})
        .await;
    let mut revisions = Vec::new();
    for _ in 0..600 {
        revisions.push(watch.next().await.unwrap().unwrap().revision.0);
    }
    assert_eq!(revisions, (2..=601).collect::<Vec<_>>());
}

async fn history(registry: &Arc<dyn Registry>, id: &str, page: &PageRequest) -> Vec<HistoryRecord> {
    registry.history(ObjectKind::Cluster, id, page).await.unwrap().items
}

pub(super) async fn history_is_newest_first_and_masks_secrets(registry: Arc<dyn Registry>) {
    let mut cluster = sample::cluster(1);
    cluster
        .config_items
        .insert(sample::key("db_password"), "hunter2".to_owned());
    let cluster = create(&registry, cluster).await.object;
    create(&registry, sample::cluster(2)).await;
    let key = sample::key("db_password");
    registry
        .put_config_item(&cluster.id, &key, "hunter3", &me())
        .await
        .unwrap();
    registry
        .put_config_item(&cluster.id, &sample::key("plain"), "shown", &me())
        .await
        .unwrap();
    let update = ClusterUpdate {
        channel: Some("other".to_owned()),
        ..status_update("", "n#1")
    };
    registry.update_cluster(&cluster.id, update, &me()).await.unwrap();
    let records = history(&registry, cluster.id.as_str(), &PageRequest::all()).await;
    let revisions: Vec<_> = records.iter().map(|r| r.change.revision.0).collect();
    assert_eq!(revisions, [4, 3, 2, 1]);
    let change = |field: &str, before, after| FieldChange {
        field: field.to_owned(),
        before,
        after,
    };
    assert_eq!(
        records[0].fields,
        [
            change("channel", Some(json!(cluster.channel)), Some(json!("other"))),
            change("status.next_version", None, Some(json!("n#1"))),
        ]
    );
    assert_eq!(
        records[1].fields,
        [change("config_items.plain", None, Some(json!("shown")))]
    );
    let masked = Some(json!("<masked>"));
    assert_eq!(
        records[2].fields,
        [change("config_items.db_password", masked.clone(), masked)]
    );
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("hunter"), "{text}");
    // Pages go back in time.
    let first = registry
        .history(ObjectKind::Cluster, cluster.id.as_str(), &page(3, None))
        .await
        .unwrap();
    let rest = history(&registry, cluster.id.as_str(), &page(3, first.next)).await;
    assert_eq!([first.items, rest].concat(), records);
    assert_eq!(history(&registry, "unknown", &PageRequest::all()).await, []);
}

pub(super) async fn history_of_a_deleted_cluster_stays(registry: Arc<dyn Registry>) {
    let mut cluster = sample::cluster(1);
    cluster.lifecycle_status = LifecycleStatus::Decommissioned;
    let cluster = create(&registry, cluster).await.object;
    registry.delete_cluster(&cluster.id, &me()).await.unwrap();
    let records = history(&registry, cluster.id.as_str(), &PageRequest::all()).await;
    let actions: Vec<_> = records.iter().map(|r| r.change.action).collect();
    assert_eq!(actions, [Action::Deleted, Action::Created]);
    assert!(
        records[0]
            .fields
            .iter()
            .all(|f| f.after.is_none() && f.before.is_some())
    );
    assert!(registry.get_cluster(&cluster.id, Detail::Brief).await.is_err());
}
