//! A Kubernetes cluster that lives in memory: controllers, a scheduler and kubelets around [`kube_sim`]'s API.
//!
//! A [`World`] is one cluster: an API server, the machines behind its nodes, and everything that acts on them, run as a
//! discrete-event simulation. Nothing ticks. Writes to the API and due times put keys into an ordered queue;
//! [`World::settle`] asks the planners ([`Controller`], [`Scheduler`]) about each key, carries their [`Action`]s out through
//! the API as the users they are (`system:kube-controller-manager`, `system:node:NAME`, ...), and returns when nothing is due.
//! So an idle cluster costs memory alone, a day without events passes at once, and the same seed and the same writes give
//! the same [`EventLog`], byte for byte, on any machine.
//!
//! Machines are outside the API: [`World::add_node`], [`World::kill_node`] and their like do to a world what a cloud does to
//! a cluster. Programs in pods are annotations ([`annotations`]): how long they take to start, when they crash, whether they
//! refuse to end. [`invariants::check`] says whether a world makes sense.
//!
//! A world runs on any [`ports::Clock`]: [`SharedWorld`] drives one beside its API's users, [`World::advance_to`] lets
//! simulated time jump on a [`StepClock`]. Many worlds on one clock, with a cloud beneath them, are what the crate `twin` is for.
//!
//! What this crate deliberately does not do: it runs no containers and moves no packets; it has no image registry, no CNI and
//! no kube-proxy; kubelets write no heartbeats (their times are worked out when they are read); controllers have no lag and no
//! lost updates, because each plan sees the results of all before it. Faults of the API belong in front of the API.
//!
//! ```
//! use std::sync::Arc;
//! use jiff::{SignedDuration, Timestamp};
//! use kube_sim::ApiServer;
//! use kube_world::{NodeSpec, StepClock, World};
//! use ports::SeededIds;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let start = Timestamp::from_second(1_700_000_000).unwrap();
//! let clock = Arc::new(StepClock::at(start));
//! let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(1)));
//! let mut world = World::builder(server).seed(1).build();
//! world.add_node(NodeSpec::new("node-a"));
//! world.settle().await;
//! assert!(world.view().node("node-a").is_some_and(|node| node.is_ready()));
//! let plans = world.advance_to(&clock, start + SignedDuration::from_hours(24)).await;
//! assert_eq!(plans, 0);
//! # }
//! ```

pub mod annotations;
pub mod autoscaler;
mod by_hash;
mod cache;
mod controllers;
mod engine;
pub mod invariants;
mod kind;
mod kubelet;
mod nodes;
mod path;
pub mod scheduler;

pub use cache::{
    Amounts, ContainerRequests, NamedPort, NodeTaint, NodeView, Owner, Phase, PodMeasures, PodNetwork, PodView,
};
pub use controllers::{METRICS_CONFIG_MAP, Metrics, all as controllers};
pub use engine::{
    Action, Change, Controller, EventLog, EventType, Hold, Scheduler, Shared, SharedWorld, Sink, StepClock, View,
    World, WorldBuilder, controller_manager, kube_scheduler, kubelet_user, seconds,
};
pub use kind::{Key, Kind, KindNames};
pub use kubelet::{EventDetail, Profile};
pub use nodes::{Machine, NodeSpec, NodeTimes, Power};
