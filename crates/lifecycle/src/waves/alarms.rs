//! Alarms on what is too old: stale blocks, version debt, halts and pauses that nobody cares about.
//!
//! An alarm is an entry of the ledger, open as long as its cause is there; the manager closes it when that is gone (W6).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::ClusterId;
use model::acts::Pause;
use model::words::{ago, moment};
use plan::policy::Alarms;
use ports::blocks::Blocked;
use ports::ledger::{EntryFilter, EntryId};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError};
use serde::{Deserialize, Serialize};

use super::records::{RunRecord, alarm_kind};

/// Something that has been so for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// `stale-block`, `version-debt`, `halt` or `pause`.
    pub kind: String,
    /// The cluster by its alias, or the channel.
    pub subject: String,
    /// Since when it has been so.
    pub since: Timestamp,
    /// What it is, in one sentence.
    pub says: String,
}

/// Everything that alarms are about.
pub(crate) struct Causes<'a> {
    pub(crate) blocks: &'a [Blocked],
    pub(crate) behind: &'a BTreeMap<ClusterId, Timestamp>,
    pub(crate) runs: &'a BTreeMap<String, RunRecord>,
    pub(crate) pauses: &'a [(Timestamp, Pause)],
    /// The alias of a cluster.
    pub(crate) alias: &'a (dyn Fn(&ClusterId) -> Option<String> + Sync),
}

/// The alarms that should be on now, by the id of their entries, and when the next one begins.
pub(crate) fn due(
    rules: &Alarms,
    causes: &Causes<'_>,
    now: Timestamp,
) -> (BTreeMap<EntryId, Alarm>, Option<Timestamp>) {
    let alias = |id: &ClusterId| (causes.alias)(id).unwrap_or_else(|| id.to_string());
    let mut due = Due {
        now,
        on: BTreeMap::new(),
        next: None,
    };
    for blocked in causes.blocks {
        let (Some(since), Some(id)) = (blocked.since, &blocked.id) else {
            continue;
        };
        due.add("stale-block", since, rules.block.get(), id.as_str(), || {
            let block = &blocked.block;
            let end = block
                .expires_at
                .map_or_else(|| "has no end".to_owned(), |end| format!("ends {}", moment(end)));
            let says = format!(
                "blocked by {:?} for {}; it {end}; {} can lift it",
                block.reason,
                ago(since, now),
                block.owner
            );
            (alias(&blocked.cluster), says)
        });
    }
    for (id, since) in causes.behind {
        due.add("version-debt", *since, rules.debt.get(), id.as_str(), || {
            let says = format!("has been behind its channel for {}", ago(*since, now));
            (alias(id), says)
        });
    }
    for (channel, run) in causes.runs {
        if let Some(halt) = &run.halt {
            let id = ports::acts::channel_id(channel);
            due.add("halt", halt.since, rules.halt.get(), &id, || {
                (channel.clone(), plan::waves::halt_sentence(halt, now))
            });
        }
    }
    for (since, pause) in causes.pauses {
        let id = ports::acts::channel_id(&pause.channel);
        due.add("pause", *since, rules.halt.get(), &id, || {
            let says = format!("paused by {} ({:?}) for {}", pause.by, pause.reason, ago(*since, now));
            (pause.channel.clone(), says)
        });
    }
    (due.on, due.next)
}

/// What was found so far.
struct Due {
    now: Timestamp,
    on: BTreeMap<EntryId, Alarm>,
    next: Option<Timestamp>,
}

impl Due {
    /// Something that has been so since a moment; subject and words are asked for only when that is too long.
    fn add(
        &mut self,
        kind: &str,
        since: Timestamp,
        after: SignedDuration,
        id: &str,
        told: impl FnOnce() -> (String, String),
    ) {
        let begins = since.saturating_add(after).unwrap_or(Timestamp::MAX);
        if begins > self.now {
            self.next = Some(self.next.map_or(begins, |next| next.min(begins)));
        } else if let Ok(id) = format!("{kind}:{id}").parse() {
            let (subject, says) = told();
            let kind = kind.to_owned();
            self.on.insert(
                id,
                Alarm {
                    kind,
                    subject,
                    since,
                    says,
                },
            );
        }
    }
}

/// Alarms that are on, as they were written down.
///
/// # Errors
/// Those of the ledger.
pub async fn open(ledger: &dyn Ledger) -> Result<BTreeMap<EntryId, Alarm>, RegistryError> {
    let filter = EntryFilter {
        open: Some(true),
        ..EntryFilter::of(alarm_kind())
    };
    let entries = ledger.list_entries(&filter, &PageRequest::all()).await?;
    let read = |entry: ports::ledger::Entry| Some((entry.id, serde_json::from_value(entry.body).ok()?));
    Ok(entries.items.into_iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_begin_when_something_is_too_old_and_say_when_the_next_begins() {
        let at = |hours: i64| {
            Timestamp::UNIX_EPOCH
                .saturating_add(SignedDuration::from_hours(hours))
                .unwrap()
        };
        let id: ClusterId = "aws:1:eu-central-1:kube-1".parse().unwrap();
        let behind = BTreeMap::from([(id.clone(), at(0))]);
        let pauses = [(
            at(10),
            Pause {
                channel: "beta/x".to_owned(),
                reason: "looking".to_owned(),
                by: "alice".to_owned(),
                lifted: None,
            },
        )];
        let causes = Causes {
            blocks: &[],
            behind: &behind,
            runs: &BTreeMap::new(),
            pauses: &pauses,
            alias: &|other| (*other == id).then(|| "kube-1".to_owned()),
        };
        let rules = Alarms::default();
        let told = |now| {
            let (on, next) = due(&rules, &causes, now);
            let said: Vec<String> = on
                .iter()
                .map(|(id, alarm)| format!("{id}: {} {}", alarm.subject, alarm.says))
                .collect();
            (said.join(" | "), next)
        };
        assert_eq!(told(at(33)), (String::new(), Some(at(34))));
        assert_eq!(
            told(at(34)),
            (
                "pause:beta%2Fx: beta/x paused by alice (\"looking\") for 1d0h".to_owned(),
                Some(at(336))
            )
        );
        let (said, next) = told(at(337));
        assert!(
            said.contains("version-debt:aws:1:eu-central-1:kube-1: kube-1 has been behind its channel for 14d1h"),
            "{said}"
        );
        assert_eq!(next, None);
    }
}
