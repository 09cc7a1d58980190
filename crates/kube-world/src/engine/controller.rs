//! What the engine asks of controllers and of a scheduler.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube_sim::{ApiError, UserInfo};

use super::action::Action;
use super::change::Change;
use super::view::View;
use crate::kind::Key;

/// A controller: a pure planner with a name. It keeps nothing between calls but what it has read from equal texts before; what it
/// has to remember stands in objects.
///
/// The engine calls [`Controller::interested`] for each write of the server, in order, and [`Controller::reconcile`] for
/// each key that came of it, once however often it was named. Everything it plans is carried out before the next key's
/// turn, so a plan always sees the results of those before it: there is no lag to guard against.
pub trait Controller: Send + Debug {
    /// The controller's name in the event log and as the source of its events, such as `deployment-controller`.
    fn name(&self) -> &'static str;

    /// The user it writes as.
    fn user(&self, _view: &View<'_>, _key: &Key) -> UserInfo {
        controller_manager()
    }

    /// The node it runs on, for a kubelet; its events name it.
    fn host(&self, _view: &View<'_>, _key: &Key) -> Option<Arc<str>> {
        None
    }

    /// What to look at again because a machine came, went, died or returned. For kubelets and node controllers.
    fn machine_changed(&self, _node: &str, _view: &View<'_>) -> Vec<Key> {
        Vec::new()
    }

    /// What to look at again because of a write. The caches of the view hold the state after it.
    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key>;

    /// What to do about a key, now. The object may be gone.
    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action>;

    /// An action was refused. The rest of the plan is dropped, and the key comes again after a back-off, at the latest.
    /// What is answered (such as an event) is carried out, and refusals of it are not told again.
    fn failed(&self, _view: &View<'_>, _key: &Key, _action: &Action, _error: &ApiError) -> Vec<Action> {
        Vec::new()
    }
}

/// A scheduler: unlike controllers it keeps a picture of all nodes and a queue of pods.
pub trait Scheduler: Send + Debug {
    /// Takes a write into its picture. Called for every write, in order, with caches that hold the state after it.
    fn observe(&mut self, change: &Change, view: &View<'_>);

    /// Plans for the next pod in its queue; empty when there is nothing to do now. The plan is carried out and observed
    /// before the next call.
    fn schedule_next(&mut self, view: &View<'_>) -> Vec<Action>;

    /// An action of the last plan was refused; the rest of the plan is dropped.
    fn failed(&mut self, view: &View<'_>, action: &Action, error: &ApiError);

    /// The clock was set by so much: what it waits for comes as late as before.
    fn clock_set(&mut self, by: SignedDuration);

    /// When it wants to be asked again although nothing changed (back-off of unschedulable pods).
    fn due(&self) -> Option<Timestamp>;
}

/// The user that controllers write as.
#[must_use]
pub fn controller_manager() -> UserInfo {
    system_user("system:kube-controller-manager")
}

/// The user that the scheduler writes as.
#[must_use]
pub fn kube_scheduler() -> UserInfo {
    system_user("system:kube-scheduler")
}

/// The user that a node's kubelet writes as.
#[must_use]
pub fn kubelet_user(node: &str) -> UserInfo {
    let mut user = system_user(&format!("system:node:{node}"));
    user.groups.insert(0, "system:nodes".to_owned());
    user
}

fn system_user(name: &str) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..UserInfo::default()
    }
}
