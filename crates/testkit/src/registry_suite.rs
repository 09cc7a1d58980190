//! The behaviour that every registry shows, whoever keeps it.
//!
//! Each [`Case`] gets an empty registry of its own and panics when it behaves otherwise. Cases say nothing about the actor
//! of a record, because a served registry takes it from the caller's token.
//!
//! ```no_run
//! # async fn example(empty_registry: impl AsyncFn() -> std::sync::Arc<dyn ports::Registry>) {
//! for case in testkit::registry_suite::cases() {
//!     case.show_on(empty_registry().await).await;
//! }
//! # }
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "every line of it runs in tests"
)]

mod clusters;
mod concurrency;
mod documents;
mod feed;
mod lists;
mod parts;

use std::sync::Arc;

use futures::future::BoxFuture;
use model::{Cluster, ClusterStatus, ClusterUpdate, InfrastructureAccount};
use ports::registry::{Detail, PageRequest, Versioned};
use ports::{Registry, RegistryError, WriteContext};

/// A named behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is shown, as a sentence with underscores.
    pub name: &'static str,
    /// Shows it on an empty registry.
    pub run: fn(Arc<dyn Registry>) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Prints the name, which a failing test then shows, and runs the case.
    #[expect(clippy::print_stderr, reason = "a failing run must name its case")]
    pub async fn show_on(&self, registry: Arc<dyn Registry>) {
        eprintln!("{}", self.name);
        (self.run)(registry).await;
    }
}

macro_rules! case_list {
    ($($module:ident: $($name:ident),+;)+) => {
        /// All cases.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            vec![$($(Case {
                name: stringify!($name),
                run: |registry| Box::pin($module::$name(registry)),
            }),+),+]
        }
    };
}

case_list! {
    clusters:
        a_created_cluster_reads_back_as_it_was_given,
        creation_time_is_set_when_absent,
        fact_9_a_status_is_replaced_as_a_whole,
        an_update_changes_only_what_it_names,
        unique_fields_are_refused_with_their_holder,
        a_wrong_revision_is_refused_and_writes_nothing,
        writes_that_change_nothing_leave_no_trace,
        only_requested_and_decommissioned_clusters_are_deleted,
        bad_values_are_refused_with_field_and_write_nothing,
        unknown_objects_are_not_found,
        accounts_are_created_changed_and_kept_apart;
    lists:
        without_parameters_every_cluster_is_listed,
        each_cluster_filter_selects,
        each_account_filter_selects,
        brief_lists_leave_items_and_pools_out,
        pages_join_to_the_whole_list,
        pages_survive_inserts_between_them;
    parts:
        pools_keep_the_order_that_they_were_made_in,
        pools_are_made_changed_and_removed,
        config_items_of_clusters_are_set_and_removed,
        config_items_of_pools_are_set_and_removed,
        parts_raise_the_revision_of_their_cluster;
    feed:
        changes_come_in_order_and_resume,
        a_watch_delivers_past_and_coming_changes,
        a_slow_watch_misses_nothing,
        history_is_newest_first_and_masks_secrets,
        history_of_a_deleted_cluster_stays;
    documents:
        an_import_exports_again,
        an_import_into_existing_objects_is_refused_whole,
        an_applied_document_replaces_and_reports,
        an_applied_document_without_status_keeps_it,
        two_clusters_swap_an_alias_in_one_document,
        a_bad_document_names_every_place_and_writes_nothing;
    concurrency:
        concurrent_writers_with_revisions_lose_no_update,
        concurrent_config_items_all_arrive,
        of_concurrent_creations_one_wins;
}

/// The context of an ordinary write.
fn me() -> WriteContext {
    WriteContext::by("suite", "request-1")
}

async fn create(registry: &Arc<dyn Registry>, cluster: Cluster) -> Versioned<Cluster> {
    registry.create_cluster(cluster, &me()).await.expect("a sound cluster")
}

async fn create_account(registry: &Arc<dyn Registry>, account: InfrastructureAccount) {
    registry.create_account(account, &me()).await.expect("a sound account");
}

async fn get(registry: &Arc<dyn Registry>, cluster: &Cluster) -> Versioned<Cluster> {
    registry
        .get_cluster(&cluster.id, Detail::Full)
        .await
        .expect("the cluster")
}

/// An update of the status alone.
fn status_update(current: &str, next: &str) -> ClusterUpdate {
    ClusterUpdate {
        status: Some(ClusterStatus {
            current_version: current.to_owned(),
            next_version: next.to_owned(),
            ..ClusterStatus::default()
        }),
        ..ClusterUpdate::default()
    }
}

fn page(limit: usize, after: Option<String>) -> PageRequest {
    PageRequest {
        limit: Some(limit),
        after,
    }
}

/// The fields that a refusal names.
fn invalid_fields<T: std::fmt::Debug>(result: Result<T, RegistryError>) -> Vec<String> {
    match result {
        Err(RegistryError::Invalid(problems)) => problems.into_iter().map(|p| p.field).collect(),
        other => panic!("expected broken rules, got {other:?}"),
    }
}
