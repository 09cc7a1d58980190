//! The behaviour that every ledger shows, whoever keeps it.
//!
//! Each [`Case`] gets an empty ledger with the registry that belongs to it and panics when it behaves otherwise.
#![expect(clippy::unwrap_used, clippy::panic, reason = "every line of it runs in tests")]

use std::sync::Arc;

use futures::future::BoxFuture;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind, ItemChange, MAX_ENTRY};
use ports::registry::{Action, Detail, ObjectKind, PageRequest, Revision};
use ports::{Ledger, Registry, RegistryError, WriteContext};
use serde_json::{Value, json};

use crate::sample;

type Run = fn(Arc<dyn Ledger>, Arc<dyn Registry>) -> BoxFuture<'static, ()>;

/// A named behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is shown, as a sentence with underscores.
    pub name: &'static str,
    run: Run,
}

impl Case {
    /// Prints the name, which a failing test then shows, and runs the case.
    #[expect(clippy::print_stderr, reason = "a failing run must name its case")]
    pub async fn show_on(&self, ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>) {
        eprintln!("{}", self.name);
        (self.run)(ledger, registry).await;
    }
}

macro_rules! case_list {
    ($($name:ident),+ $(,)?) => {
        /// All cases.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            vec![$(Case {
                name: stringify!($name),
                run: |ledger, registry| Box::pin($name(ledger, registry)),
            }),+]
        }
    };
}

case_list!(
    an_entry_is_made_changed_and_read,
    what_changes_nothing_leaves_no_trace,
    a_wrong_revision_is_refused,
    bad_bodies_are_refused,
    lists_are_newest_first_and_filtered,
    pages_join_to_the_whole_list,
    items_change_with_their_entry_or_not_at_all,
    unknown_entries_are_not_found,
);

fn context() -> WriteContext {
    WriteContext::by("tester", "request-1")
}

fn kind(text: &str) -> EntryKind {
    text.parse().unwrap()
}

fn draft(id: &str, cluster: Option<&str>, open: bool, body: Value) -> EntryDraft {
    EntryDraft {
        kind: kind("block"),
        id: id.parse().unwrap(),
        cluster: cluster.map(sample::cluster_id),
        open,
        body,
        items: Vec::new(),
    }
}

fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

async fn an_entry_is_made_changed_and_read(ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>) {
    let made = ledger
        .put_entry(draft("a", Some("c1"), true, json!({"reason": "x"})), &context())
        .await;
    assert_eq!(made.unwrap().revision, Revision(1));
    let changed = ledger
        .put_entry(draft("a", Some("c1"), false, json!({"reason": "y"})), &context())
        .await
        .unwrap();
    assert_eq!(changed.revision, Revision(2));
    let read = ledger.get_entry(&kind("block"), &"a".parse().unwrap()).await.unwrap();
    assert_eq!(read, changed);
    assert!(!read.open && read.body == json!({"reason": "y"}));
    let feed = registry.changes(0, 10).await.unwrap();
    let seen: Vec<_> = feed
        .iter()
        .map(|c| (c.kind, c.id.as_str(), c.action, c.actor.as_str()))
        .collect();
    let entry = |action| (ObjectKind::Entry, "block/a", action, "tester");
    assert_eq!(seen, [entry(Action::Created), entry(Action::Updated)]);
    let history = registry
        .history(ObjectKind::Entry, "block/a", &PageRequest::all())
        .await
        .unwrap();
    let fields: Vec<&str> = history.items[0].fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["open", "reason"]);
}

async fn what_changes_nothing_leaves_no_trace(ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>) {
    let one = draft("a", None, true, json!({"n": 1}));
    ledger.put_entry(one.clone(), &context()).await.unwrap();
    let again = ledger.put_entry(one, &context()).await.unwrap();
    assert_eq!(again.revision, Revision(1));
    assert_eq!(registry.last_change().await.unwrap(), 1);
}

async fn a_wrong_revision_is_refused(ledger: Arc<dyn Ledger>, _: Arc<dyn Registry>) {
    let new = context().expecting(Revision(0));
    ledger.put_entry(draft("a", None, true, json!({})), &new).await.unwrap();
    let refused = ledger.put_entry(draft("a", None, false, json!({})), &new).await;
    assert!(matches!(
        refused,
        Err(RegistryError::WrongRevision {
            expected: Revision(0),
            actual: Revision(1)
        })
    ));
    let kept = ledger.get_entry(&kind("block"), &"a".parse().unwrap()).await.unwrap();
    assert!(kept.open);
}

async fn bad_bodies_are_refused(ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>) {
    for body in [json!(1), json!({"a": "x".repeat(MAX_ENTRY)}), json!({"a": "b\u{0}"})] {
        let refused = ledger.put_entry(draft("a", None, true, body), &context()).await;
        let Err(RegistryError::Invalid(problems)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(problems[0].field, "body");
    }
    assert_eq!(registry.last_change().await.unwrap(), 0);
}

async fn lists_are_newest_first_and_filtered(ledger: Arc<dyn Ledger>, _: Arc<dyn Registry>) {
    for (id, cluster, open) in [("a", "c1", true), ("b", "c2", true), ("c", "c1", false)] {
        ledger
            .put_entry(draft(id, Some(cluster), open, json!({})), &context())
            .await
            .unwrap();
    }
    let mut other = draft("z", Some("c1"), true, json!({}));
    other.kind = kind("update");
    ledger.put_entry(other, &context()).await.unwrap();
    let of = EntryFilter::of(kind("block"));
    let list = |filter: EntryFilter| {
        let ledger = ledger.clone();
        async move { ledger.list_entries(&filter, &PageRequest::all()).await.unwrap().items }
    };
    let mut all = list(of.clone()).await;
    assert!(
        all.windows(2)
            .all(|w| (w[0].created_at, &w[0].id) > (w[1].created_at, &w[1].id))
    );
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(ids(&all), ["a", "b", "c"]);
    let of_c1 = EntryFilter {
        cluster: Some(sample::cluster_id("c1")),
        ..of.clone()
    };
    assert_eq!(list(of_c1.clone()).await.len(), 2);
    let open_of_c1 = EntryFilter {
        open: Some(true),
        ..of_c1
    };
    assert_eq!(ids(&list(open_of_c1).await), ["a"]);
}

async fn pages_join_to_the_whole_list(ledger: Arc<dyn Ledger>, _: Arc<dyn Registry>) {
    for n in 0..7 {
        ledger
            .put_entry(draft(&format!("e{n}"), None, true, json!({})), &context())
            .await
            .unwrap();
    }
    let filter = EntryFilter::of(kind("block"));
    let whole = ledger.list_entries(&filter, &PageRequest::all()).await.unwrap();
    assert_eq!(whole.next, None);
    let (mut joined, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: Some(3), after };
        let page = ledger.list_entries(&filter, &page).await.unwrap();
        joined.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(joined, whole.items);
    let wrong = PageRequest {
        limit: None,
        after: Some("x".to_owned()),
    };
    assert!(matches!(
        ledger.list_entries(&filter, &wrong).await,
        Err(RegistryError::Invalid(_))
    ));
}

async fn items_change_with_their_entry_or_not_at_all(ledger: Arc<dyn Ledger>, registry: Arc<dyn Registry>) {
    let cluster = sample::cluster(1);
    registry.create_cluster(cluster.clone(), &context()).await.unwrap();
    let item = |cluster: &model::ClusterId, value: Option<&str>| ItemChange {
        cluster: cluster.clone(),
        key: sample::key("cluster_update_block"),
        value: value.map(str::to_owned),
    };
    let with = |id: &str, items: Vec<ItemChange>| EntryDraft {
        items,
        ..draft(id, Some(cluster.id.as_str()), true, json!({}))
    };
    ledger
        .put_entry(with("a", vec![item(&cluster.id, Some("why"))]), &context())
        .await
        .unwrap();
    let read = || async {
        registry
            .get_cluster(&cluster.id, Detail::Full)
            .await
            .unwrap()
            .object
            .config_items
    };
    let key = sample::key("cluster_update_block");
    assert_eq!(read().await.get(&key).map(String::as_str), Some("why"));
    let unknown = sample::cluster_id("nobody");
    let refused = ledger
        .put_entry(
            with("b", vec![item(&cluster.id, None), item(&unknown, None)]),
            &context(),
        )
        .await;
    assert!(matches!(refused, Err(RegistryError::NotFound { kind: "cluster", .. })));
    assert_eq!(read().await.get(&key).map(String::as_str), Some("why"));
    let missing = ledger.get_entry(&kind("block"), &"b".parse().unwrap()).await;
    assert!(matches!(missing, Err(RegistryError::NotFound { .. })));
    ledger
        .put_entry(with("a", vec![item(&cluster.id, None)]), &context())
        .await
        .unwrap();
    assert_eq!(read().await.get(&key), None);
}

async fn unknown_entries_are_not_found(ledger: Arc<dyn Ledger>, _: Arc<dyn Registry>) {
    let id: EntryId = "a".parse().unwrap();
    let missing = ledger.get_entry(&kind("block"), &id).await;
    assert!(matches!(missing, Err(RegistryError::NotFound { kind: "entry", .. })));
}
