//! The disruption contract: who may be evicted now, why not, and when that changes.
//!
//! Every eviction, refusal and forced termination of Fleetwright is decided here, by one pure function over pods, budgets,
//! node marks, the policy and the time. The rollout carries out what it says and makes no choices; "why is this node still
//! here" is the same decision printed as a sentence; forecasts are the same rules summed up; simulations check them.
//!
//! What this crate deliberately does not do: it reads no clock (`now` is an argument), watches nothing, calls nothing,
//! remembers nothing. What must survive a restart is on the node objects and comes in with the view.
//!
//! Main types: [`ClusterView`] (pods, budgets, nodes with indices, updated object by object), [`Policy`] (the numbers),
//! [`PodDecision`] and [`NodeDecision`] with their [`Verdict`], [`Reason`] and [`Evidence`], [`Rule`] (every guard by name).
//! [`ClusterObjects`] makes a view of a dump's objects.
//! Main functions: [`decide_pod`], [`decide_node`], [`decide_cluster`] for now; [`decide_pool`] for which nodes go next;
//! [`gone_at_latest`], [`expected`] and [`forecast_pool`] for later; [`explain_pod`] and [`explain_node`] for people.
//!
//! ```
//! use disruption::{
//!     ClusterView, Environment, NodeMark, NodeName, NodeState, Owner, PodKey, PodKind, PodState, Policy, Verdict,
//!     decide_pod,
//! };
//!
//! let t0 = "2026-11-21T08:00:00Z".parse()?;
//! let mut node = NodeState::new(NodeName::from("node-1"), t0);
//! node.cordoned = true;
//! node.mark = Some(NodeMark { draining: Some(t0), ..NodeMark::new(t0, "new image") });
//! let key = PodKey::new("shop", "cart-1");
//! let owner = PodKind::Replicated(Owner::new("ReplicaSet", "cart"));
//! let pod = PodState::new(key.clone(), owner, Some(node.name.clone()), t0);
//! let view = ClusterView::new([node.clone()], [], [pod]);
//!
//! let policy = Policy::of(Environment::Production);
//! let decision = decide_pod(&view, &policy, &node.name, &key, t0)?;
//! assert_eq!(decision.verdict, Verdict::Evict);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod budget;
mod decide;
mod decision;
mod evidence;
mod force;
mod forecast;
mod guards;
mod labels;
pub mod marking;
mod members;
mod names;
mod node;
mod objects;
mod order;
mod pacing;
mod pod;
mod policy;
mod protect;
mod read;
mod removal;
mod rule;
mod sentence;
mod siblings;
mod time;
mod view;

pub use bounds::{Basis, Bound, Expected, Unbounded, expected, gone_at_latest};
pub use budget::{Amount, AmountError, Budget, Limit, UnhealthyPods};
pub use decide::{decide_cluster, decide_going, decide_node, decide_pod, leaving};
pub use decision::{Leave, NodeDecision, NodeStep, PodDecision, PrimarySignal, Reason, Unknown, Verdict, Wait};
pub use evidence::{BudgetReading, Cause, Evidence, RuleReading};
pub use forecast::{Forecast, NodeForecast, OwnerShare, Refusal, forecast_pool, with_outdated};
pub use labels::{Labels, Requirement, Selector};
pub use names::{BudgetKey, NodeName, PodKey, PoolName, Zone};
pub use node::{Block, NodeMark, NodeState};
pub use objects::{ClusterObjects, ObjectError, POOL_LABELS, ZONE_LABEL, newest_instant, read_node};
pub use order::{node_order, pod_order};
pub use pacing::{NewNode, PoolDecision, PoolLimits, PoolWait, decide_pool};
pub use pod::{HOLD_ANNOTATIONS, OPERATOR_DRAINING, Owner, Phase, PodKind, PodState, Readiness, Termination};
pub use policy::{
    Assumptions, BARE_PODS_ITEM, Environment, Handling, LOCAL_DATA_ITEM, OWNER_HOLDS_ITEM, POLICY_ITEMS, Policy,
    PolicyError, SIBLING_CLOCK_ITEM, SiblingClock,
};
pub use read::{BudgetObject, PodObject, ReadError, read_budget, read_labels, read_pod};
pub use removal::{Group, RemovalStep, RemovedPool, grow, removal_step};
pub use rule::{Rule, Rules};
pub use sentence::{explain_instant, explain_node, explain_pod, explain_pool_wait, explain_reason};
pub use time::{clock, short};
pub use view::ClusterView;
