//! The looks at a fleet as one report: who agrees, what differs and for how long, what taking over would change.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::ClusterId;
use model::words::ago;
use plan::{FleetPlan, Inputs};
use serde::{Deserialize, Serialize};

use crate::history::Record;
use crate::look::{Look, Verdict};

/// How long a window of agreement is, in reports.
const WINDOW: SignedDuration = SignedDuration::from_hours(28 * 24);

/// Looks at many clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When they were taken.
    pub at: Timestamp,
    /// One for each cluster, those that need attention first.
    pub looks: Vec<Look>,
    /// What is known from before, by cluster; empty where nobody keeps a history.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub history: BTreeMap<ClusterId, Record>,
}

/// Clusters by verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub BTreeMap<Verdict, usize>);

/// One line of the table of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The cluster.
    pub alias: String,
    /// What the look came to.
    pub verdict: Verdict,
    /// Since when, if that is known.
    pub since: String,
    /// Share of the last four weeks in which it agreed, of the time in which that could be said.
    pub agreed: String,
    /// What the original does.
    pub theirs: &'static str,
    /// What Fleetwright would do.
    pub ours: &'static str,
    /// The id to adopt it with when taking over would change something.
    pub plan: String,
    /// Why it does not agree, or who manages it.
    pub why: String,
}

impl Report {
    pub(crate) fn new(at: Timestamp, mut looks: Vec<Look>) -> Self {
        looks.sort_by(|one, other| {
            (one.verdict, &one.alias, &one.cluster).cmp(&(other.verdict, &other.alias, &other.cluster))
        });
        Self {
            at,
            looks,
            history: BTreeMap::new(),
        }
    }

    /// How many clusters came to what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for look in &self.looks {
            *counts.0.entry(look.verdict).or_default() += 1;
        }
        counts
    }

    /// What taking over would change, folded: what is equal in many clusters is told once. Adopted clusters are not in it.
    #[must_use]
    pub fn takeover(&self) -> FleetPlan {
        let theirs = || {
            self.looks
                .iter()
                .filter(|look| !matches!(look.verdict, Verdict::Adopted | Verdict::Gone))
        };
        let inputs = theirs().map(|look| (look.cluster.to_string(), look.takeover.input.clone()));
        let inputs = Inputs {
            clusters: inputs.collect(),
        };
        let plans = theirs().map(|look| look.takeover.plan.clone()).collect();
        FleetPlan::new("what is there", "taking over", inputs, plans)
    }

    /// True if every cluster that the original manages agrees.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let fine = |verdict| matches!(verdict, Verdict::Agrees | Verdict::Adopted | Verdict::Gone);
        self.looks.iter().all(|look| fine(look.verdict))
    }

    /// A line for each cluster.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.looks.iter().map(|look| self.row(look)).collect()
    }

    fn row(&self, look: &Look) -> Row {
        let record = self.history.get(&look.cluster);
        let since = record
            .and_then(|record| record.spans.last())
            .map(|span| ago(span.from, self.at));
        let from = self.at.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let share = record.and_then(|record| record.share(from, self.at).agreed());
        let changes = !look.takeover.is_nothing() && !matches!(look.verdict, Verdict::Adopted | Verdict::Gone);
        Row {
            alias: look.alias.clone(),
            verdict: look.verdict,
            since: since.unwrap_or_default(),
            agreed: share.map(|percent| format!("{percent}%")).unwrap_or_default(),
            theirs: look.agreement.theirs.word(),
            ours: look.agreement.ours.word(),
            plan: if changes {
                look.takeover.id().to_string()
            } else {
                String::new()
            },
            why: match &look.adoption {
                Some(sentence) => sentence.clone(),
                None => look.why.join("; "),
            },
        }
    }
}

impl Counts {
    /// In one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let total: usize = self.0.values().sum();
        let each: Vec<String> = self
            .0
            .iter()
            .map(|(verdict, count)| format!("{count} {}", verdict.word()))
            .collect();
        let clusters = if total == 1 { "cluster" } else { "clusters" };
        match each.is_empty() {
            true => "no clusters".to_owned(),
            false => format!("{total} {clusters}: {}", each.join(", ")),
        }
    }
}
