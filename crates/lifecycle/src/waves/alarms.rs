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
    /// Aliases of clusters.
    pub(crate) aliases: &'a BTreeMap<ClusterId, String>,
}

/// The alarms that should be on now, by the id of their entries, and when the next one begins.
pub(crate) fn due(
    rules: &Alarms,
    causes: &Causes<'_>,
    now: Timestamp,
) -> (BTreeMap<EntryId, Alarm>, Option<Timestamp>) {
    let alias = |id: &ClusterId| causes.aliases.get(id).cloned().unwrap_or_else(|| id.to_string());
    let mut all: Vec<(SignedDuration, Alarm, String)> = Vec::new();
    for blocked in causes.blocks {
        let (Some(since), Some(id)) = (blocked.since, &blocked.id) else {
            continue;
        };
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
        all.push((
            rules.block.get(),
            alarm("stale-block", &alias(&blocked.cluster), since, says),
            id.to_string(),
        ));
    }
    for (id, since) in causes.behind {
        let says = format!("has been behind its channel for {}", ago(*since, now));
        all.push((
            rules.debt.get(),
            alarm("version-debt", &alias(id), *since, says),
            id.to_string(),
        ));
    }
    for (channel, run) in causes.runs {
        if let Some(halt) = &run.halt {
            let says = plan::waves::halt_sentence(halt, now);
            all.push((
                rules.halt.get(),
                alarm("halt", channel, halt.since, says),
                ports::acts::channel_id(channel),
            ));
        }
    }
    for (since, pause) in causes.pauses {
        let says = format!("paused by {} ({:?}) for {}", pause.by, pause.reason, ago(*since, now));
        let id = ports::acts::channel_id(&pause.channel);
        all.push((rules.halt.get(), alarm("pause", &pause.channel, *since, says), id));
    }
    let (mut on, mut next) = (BTreeMap::new(), None::<Timestamp>);
    for (after, alarm, id) in all {
        let begins = alarm.since.saturating_add(after).unwrap_or(Timestamp::MAX);
        if begins > now {
            next = Some(next.map_or(begins, |next| next.min(begins)));
        } else if let Ok(id) = format!("{}:{id}", alarm.kind).parse() {
            on.insert(id, alarm);
        }
    }
    (on, next)
}

fn alarm(kind: &str, subject: &str, since: Timestamp, says: String) -> Alarm {
    Alarm {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        since,
        says,
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
            aliases: &BTreeMap::from([(id, "kube-1".to_owned())]),
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
