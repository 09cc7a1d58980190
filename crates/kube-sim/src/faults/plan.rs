//! What goes wrong, for whom, and when.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::request::RequestInfo;

/// The faults of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// Where all chance comes from.
    pub seed: u64,
    /// All rules that fit a request apply: waits add up, and the first rule in this order that settles the answer does so.
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// A plan without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rules: Vec::new(),
        }
    }

    /// Adds a rule after those that are there. Its name should be its own: the rule's chance follows from it.
    #[must_use]
    pub fn rule(mut self, rule: FaultRule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// One fault, for some requests, at some times.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// Names the rule in events; seeds its chance together with the plan's seed.
    pub name: String,
    /// Which requests it is about.
    pub requests: Requests,
    /// From when (included) to when (excluded); always when absent.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Which of those requests meet the fault.
    pub calls: Calls,
    /// What happens to them.
    pub fault: Fault,
}

impl FaultRule {
    /// A rule for all requests at all times.
    #[must_use]
    pub fn new(name: &str, fault: Fault) -> Self {
        Self {
            name: name.to_owned(),
            requests: Requests::default(),
            span: None,
            calls: Calls::All,
            fault,
        }
    }

    /// Only requests with one of these verbs (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`).
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.requests.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self
    }

    /// Only requests for one of these resources: `pods`, `deployments.apps`, `pods/eviction`.
    #[must_use]
    pub fn resources(mut self, resources: &[&str]) -> Self {
        self.requests.resources = resources.iter().map(|resource| (*resource).to_owned()).collect();
        self
    }

    /// Only clients whose user agent begins like this.
    #[must_use]
    pub fn user_agent(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.requests.user_agent);
        self
    }

    /// Only within this span of time, its end excluded.
    #[must_use]
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.span = Some((from, until));
        self
    }

    /// Only the n-th fitting request, counted from 1.
    #[must_use]
    pub fn nth(mut self, number: u64) -> Self {
        self.calls = Calls::Nth(number);
        self
    }

    /// Every n-th fitting request.
    #[must_use]
    pub fn every(mut self, number: u64) -> Self {
        self.calls = Calls::Every(number);
        self
    }

    /// Each fitting request with this probability, between 0 and 1.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> Self {
        self.calls = Calls::Chance(probability);
        self
    }

    /// Whether the rule is about requests at this time.
    pub(super) fn is_on(&self, now: Timestamp) -> bool {
        self.span.is_none_or(|(from, until)| (from..until).contains(&now))
    }
}

/// Which requests a rule is about; what is empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// The verbs of the API.
    pub verbs: BTreeSet<String>,
    /// The resources, as `plural.group/subresource`; group and subresource are left out where there are none.
    pub resources: BTreeSet<String>,
    /// How the client's user agent begins.
    pub user_agent: String,
}

impl Requests {
    pub(super) fn fit(&self, info: &RequestInfo, user_agent: &str) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&info.verb))
            && (self.resources.is_empty() || self.resources.contains(&resource_name(info)))
            && user_agent.starts_with(&self.user_agent)
    }
}

/// A request's resource as rules name it.
pub(super) fn resource_name(info: &RequestInfo) -> String {
    let mut name = info.resource.clone();
    for (mark, part) in [('.', &info.group), ('/', &info.subresource)] {
        if !part.is_empty() {
            name.push(mark);
            name.push_str(part);
        }
    }
    name
}

/// Which of the requests that fit a rule meet its fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Calls {
    /// Each of them.
    All,
    /// The n-th, counted from 1.
    Nth(u64),
    /// Each n-th; none for 0.
    Every(u64),
    /// Each with this probability.
    Chance(f64),
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused: the server never sees the request.
    Refuse,
    /// The server is down: requests are refused, and watches that are open when the rule's span begins are cut. Without a
    /// span it is down for good.
    Dead,
    /// The request waits before the server sees it.
    Delay(Duration),
    /// Each part of the answer's body waits.
    Slow(Duration),
    /// The server does the work and the answer is lost on the way: the client cannot know.
    LoseReply,
    /// 409: somebody else was faster.
    Conflict,
    /// 410: a watch or paged list begins at a version that is forgotten.
    Gone,
    /// 429 with a Retry-After of so many seconds, in the header and in the body.
    TooManyRequests(u32),
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 401: the token has expired.
    Unauthorized,
    /// A list or a single object is answered as it was so many writes ago, as from a cache that lags. Other requests are not
    /// touched, nor are those that name a version.
    Stale(u64),
    /// A watch is silent for so long and then goes on where it was. Other requests are not touched.
    WatchGap(Duration),
    /// A watch breaks after so many bytes, in the middle of a line as it comes. Other requests are not touched.
    WatchCut(u64),
}

impl Fault {
    /// Whether the fault can happen to such a request.
    pub(super) fn concerns(&self, info: &RequestInfo) -> bool {
        match self {
            Self::Gone => info.verb == "watch" || info.verb == "list",
            Self::Stale(_) => {
                info.verb == "list" || (info.verb == "get" && info.is_resource && info.subresource.is_empty())
            }
            Self::WatchGap(_) | Self::WatchCut(_) => info.verb == "watch",
            Self::Conflict => matches!(info.verb.as_str(), "create" | "update" | "patch" | "delete"),
            _ => true,
        }
    }

    /// Whether it settles the answer, so that no later rule can.
    pub(super) fn settles(&self) -> bool {
        !matches!(
            self,
            Self::Delay(_) | Self::Slow(_) | Self::Stale(_) | Self::WatchGap(_) | Self::WatchCut(_)
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => write!(f, "refuse"),
            Self::Dead => write!(f, "dead"),
            Self::Delay(time) => write!(f, "delay {}ms", time.as_millis()),
            Self::Slow(time) => write!(f, "slow {}ms", time.as_millis()),
            Self::LoseReply => write!(f, "lose the reply"),
            Self::Conflict => write!(f, "409"),
            Self::Gone => write!(f, "410"),
            Self::TooManyRequests(seconds) => write!(f, "429 for {seconds}s"),
            Self::InternalError => write!(f, "500"),
            Self::Unavailable => write!(f, "503"),
            Self::Unauthorized => write!(f, "401"),
            Self::Stale(writes) => write!(f, "stale by {writes} writes"),
            Self::WatchGap(time) => write!(f, "watch silent for {}ms", time.as_millis()),
            Self::WatchCut(bytes) => write!(f, "watch cut after {bytes} bytes"),
        }
    }
}
