//! Which faults a request meets, and the record of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;
use ports::{Clock, Ids, SeededIds};

use tokio::sync::Notify;

use super::plan::{Calls, Fault, FaultPlan, FaultRule, resource_name};
use crate::request::RequestInfo;

/// One fault that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultEvent {
    /// When, on the server's clock.
    pub time: Timestamp,
    /// The request's number, counted from 1 over all requests of this server.
    pub call: u64,
    /// The name of the rule.
    pub rule: String,
    /// Verb, resource, and namespace and name where there are any: `patch deployments.apps shop/web`.
    pub request: String,
    /// What was done.
    pub fault: Fault,
}

impl fmt::Display for FaultEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            time,
            call,
            rule,
            request,
            fault,
        } = self;
        write!(f, "{time} call {call}: {request}: {fault} ({rule})")
    }
}

/// What a judge remembers of a rule.
#[derive(Debug)]
struct RuleState {
    rule: FaultRule,
    /// How many requests fitted so far.
    fitted: u64,
    /// Chance of its own, so that one rule's draws do not move another's.
    random: SeededIds,
}

impl RuleState {
    fn new(seed: u64, rule: FaultRule) -> Self {
        Self {
            fitted: 0,
            random: SeededIds::child(seed, &rule.name),
            rule,
        }
    }
}

/// Takes each fault in the moment it is done.
pub(super) type Listener = Box<dyn Fn(&FaultEvent) + Send + Sync>;

#[derive(Debug)]
struct Book {
    rules: Vec<RuleState>,
    calls: u64,
    events: Vec<FaultEvent>,
}

/// Follows a plan for one server.
pub(super) struct Judge {
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
    /// Who takes the faults instead of the record; the first one stays.
    listener: OnceLock<Listener>,
    /// Told when a new plan lets the server die now, so that watches opened before it are cut.
    died: Arc<Notify>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("book", &self.book)
            .finish_non_exhaustive()
    }
}

/// A request as the record names it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) call: u64,
    pub(super) text: String,
}

/// What happens to one request: what is waited for, what is done to the body, and what settles the answer.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) subject: Subject,
    /// The faults with the names of their rules, in the plan's order; at most the last settles the answer.
    pub(super) faults: Vec<(String, Fault)>,
    /// When the server dies next, as far as this request is concerned, with the rule's name.
    pub(super) dies: Option<(Timestamp, String)>,
}

impl Judge {
    pub(super) fn new(clock: Arc<dyn Clock>, plan: FaultPlan) -> Self {
        let seed = plan.seed;
        let rules = plan.rules.into_iter().map(|rule| RuleState::new(seed, rule));
        Self {
            clock,
            book: Mutex::new(Book {
                rules: rules.collect(),
                calls: 0,
                events: Vec::new(),
            }),
            listener: OnceLock::new(),
            died: Arc::default(),
        }
    }

    /// Follows another plan from now on; rules that are in both go on where they are.
    pub(super) fn set_plan(&self, plan: FaultPlan) {
        let now = self.clock.now();
        let mut book = self.book();
        let mut known = std::mem::take(&mut book.rules);
        let mut dies = false;
        for rule in plan.rules {
            let place = known.iter().position(|state| state.rule == rule);
            let state = place.map(|place| known.swap_remove(place));
            dies |= state.is_none() && rule.fault == Fault::Dead && rule.is_on(now);
            book.rules
                .push(state.unwrap_or_else(|| RuleState::new(plan.seed, rule)));
        }
        drop(book);
        if dies {
            self.died.notify_waiters();
        }
    }

    /// Ends when a new plan lets the server die, with the name of the rule.
    pub(super) fn death(self: &Arc<Self>) -> BoxFuture<'static, String> {
        // Made here and not inside the future: what happens before its first turn counts as well.
        let died = self.died.clone().notified_owned();
        let judge = self.clone();
        Box::pin(async move {
            died.await;
            let now = judge.clock.now();
            let book = judge.book();
            let deadly = |state: &&RuleState| state.rule.fault == Fault::Dead && state.rule.is_on(now);
            let rule = book.rules.iter().find(deadly);
            rule.map(|state| state.rule.name.clone()).unwrap_or_default()
        })
    }

    /// The lock is never held across an await.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Decides about one request. Each rule that fits counts and draws whatever the others do.
    pub(super) fn judge(&self, info: &RequestInfo, user_agent: &str) -> Sentence {
        let now = self.clock.now();
        let mut book = self.book();
        book.calls += 1;
        let subject = Subject {
            call: book.calls,
            text: request_text(info),
        };
        let (mut faults, mut settled, mut dies) = (Vec::new(), false, None::<(Timestamp, String)>);
        for state in &mut book.rules {
            let rule = &state.rule;
            if !rule.requests.fit(info, user_agent) || !rule.fault.concerns(info) {
                continue;
            }
            if rule.fault == Fault::Dead
                && let Some((from, _)) = rule.span
                && from > now
                && dies.as_ref().is_none_or(|(first, _)| from < *first)
            {
                dies = Some((from, rule.name.clone()));
            }
            if !rule.is_on(now) {
                continue;
            }
            state.fitted += 1;
            let meets = match rule.calls {
                Calls::All => true,
                Calls::Nth(number) => state.fitted == number,
                Calls::Every(number) => number > 0 && state.fitted.is_multiple_of(number),
                Calls::Chance(probability) => state.random.fraction() < probability,
            };
            if meets && !(settled && rule.fault.settles()) {
                settled |= rule.fault.settles();
                faults.push((rule.name.clone(), rule.fault.clone()));
            }
        }
        // What settles the answer comes last, after all waiting.
        faults.sort_by_key(|(_, fault)| fault.settles());
        Sentence { subject, faults, dies }
    }

    /// Notes a fault that was done.
    pub(super) fn note(&self, subject: &Subject, rule: &str, fault: &Fault) {
        let time = self.clock.now();
        tracing::debug!(call = subject.call, request = subject.text, %fault, "fault");
        let event = FaultEvent {
            time,
            call: subject.call,
            rule: rule.to_owned(),
            request: subject.text.clone(),
            fault: fault.clone(),
        };
        match self.listener.get() {
            Some(listener) => listener(&event),
            None => self.book().events.push(event),
        }
    }

    /// Hands faults to a listener from now on.
    pub(super) fn listen(&self, listener: Listener) {
        // A second one is dropped, as the field says.
        let _ = self.listener.set(listener);
    }

    /// Hands the record over and begins a new one.
    pub(super) fn take_events(&self) -> Vec<FaultEvent> {
        std::mem::take(&mut self.book().events)
    }
}

fn request_text(info: &RequestInfo) -> String {
    if !info.is_resource {
        return format!("{} {}", info.verb, info.path);
    }
    let place = match (info.namespace.as_str(), info.name.as_str()) {
        ("", "") => String::new(),
        ("", name) => format!(" {name}"),
        (namespace, name) => format!(" {namespace}/{name}"),
    };
    format!("{} {}{place}", info.verb, resource_name(info))
}
