//! For how long two managers have agreed about a cluster: spans of time with one verdict each, kept in our own ledger.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::ClusterId;
use ports::ledger::{EntryDraft, EntryFilter, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};

use crate::look::{Look, Verdict};
use crate::report::Report;

/// Most spans that are kept of a cluster; the oldest go.
const SPANS: usize = 200;
/// Reasons that are kept of a span.
const REASONS: usize = 5;
/// A verdict that has not changed is written down again after this long: a look every few minutes at every cluster would
/// otherwise fill the store with "still the same".
const HEARTBEAT: SignedDuration = SignedDuration::from_hours(1);
/// Longer than this without a look, and nobody knows what was in between. Longer than a heartbeat, so that a restart is no gap.
const GAP: SignedDuration = SignedDuration::from_hours(2);

/// A time in which looks came to the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first look.
    pub from: Timestamp,
    /// The last one.
    pub to: Timestamp,
    /// What they came to.
    pub verdict: Verdict,
    /// Why, as the last one said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// What is known about a cluster from all looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What people call it.
    pub alias: String,
    /// Looks that were taken.
    pub looks: u64,
    /// Oldest first.
    pub spans: Vec<Span>,
}

/// How a window of time was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Both agreed, or the cluster was adopted.
    pub agreed: SignedDuration,
    /// They differed.
    pub differed: SignedDuration,
    /// Nothing could be said: the original was about to act, something was not seen, or nobody looked.
    pub unknown: SignedDuration,
}

impl Share {
    /// Percent of the time in which something could be said; `None` when nothing could.
    #[must_use]
    pub fn agreed(&self) -> Option<i64> {
        let said = self.agreed.as_secs().saturating_add(self.differed.as_secs());
        let agreed = self.agreed.as_secs().saturating_mul(100);
        agreed.checked_div(said)
    }
}

impl Record {
    /// Takes a look in. Answers whether it is worth writing down now.
    pub fn take(&mut self, look: &Look) -> bool {
        self.alias.clone_from(&look.alias);
        self.looks += 1;
        let why: Vec<String> = look.why.iter().take(REASONS).cloned().collect();
        if let Some(last) = self.spans.last_mut()
            && last.verdict == look.verdict
            && last.why == why
            && look.at.duration_since(last.to) <= GAP
        {
            // Due by the time since it was last written, which is a whole number of heartbeats after the span began.
            let beats = |at: Timestamp| at.duration_since(last.from).as_secs() / HEARTBEAT.as_secs();
            let due = beats(look.at) > beats(last.to);
            last.to = look.at;
            return due;
        }
        self.spans.push(Span {
            from: look.at,
            to: look.at,
            verdict: look.verdict,
            why,
        });
        let old = self.spans.len().saturating_sub(SPANS);
        self.spans.drain(..old);
        true
    }

    /// How the time between two moments was spent. A span lasts until the next one begins, unless nobody looked for long.
    #[must_use]
    pub fn share(&self, from: Timestamp, to: Timestamp) -> Share {
        let mut share = Share::default();
        let mut known = SignedDuration::ZERO;
        for (at, span) in self.spans.iter().enumerate() {
            let next = self.spans.get(at + 1).map(|next| next.from);
            let end = next
                .filter(|next| next.duration_since(span.to) <= GAP)
                .unwrap_or(span.to);
            let spent = end.min(to).duration_since(span.from.max(from));
            if spent <= SignedDuration::ZERO {
                continue;
            }
            match span.verdict {
                Verdict::Agrees | Verdict::Adopted => share.agreed += spent,
                Verdict::Differs => share.differed += spent,
                Verdict::Unseen | Verdict::Moving | Verdict::Gone => continue,
            }
            known += spent;
        }
        share.unknown = to.duration_since(from) - known;
        share
    }
}

fn kind() -> EntryKind {
    match "agreement".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// What is known about all clusters.
///
/// # Errors
/// Those of the ledger; [`RegistryError::Internal`] for an entry that is none of ours.
pub async fn read(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, Record>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind()), &PageRequest::all())
        .await?;
    let mut records = BTreeMap::new();
    for entry in entries.items {
        let Some(cluster) = entry.cluster else { continue };
        let record = serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        records.insert(cluster, record);
    }
    Ok(records)
}

/// Takes the looks of a report into the history and gives the report what is known from before.
///
/// # Errors
/// Those of the ledger; what was written stays written.
pub async fn keep(
    ledger: &dyn Ledger,
    known: &mut BTreeMap<ClusterId, Record>,
    report: &mut Report,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    for look in &report.looks {
        let record = known.entry(look.cluster.clone()).or_default();
        if !record.take(look) {
            continue;
        }
        let draft = EntryDraft {
            kind: kind(),
            id: look.cluster.as_str().parse()?,
            cluster: Some(look.cluster.clone()),
            open: true,
            body: serde_json::to_value(&*record).map_err(|error| RegistryError::Internal(Box::new(error)))?,
            items: Vec::new(),
        };
        ledger.put_entry(draft, context).await?;
    }
    report.history.clone_from(known);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{Agreement, State, Version};
    use crate::takeover::Takeover;

    fn look(minute: i64, verdict: Verdict) -> Look {
        Look {
            cluster: "aws:1:eu-central-1:kube-1".parse().unwrap(),
            alias: "kube-1".to_owned(),
            channel: "dev".to_owned(),
            at: Timestamp::from_second(minute * 60).unwrap(),
            verdict,
            agreement: Agreement {
                theirs: State::Settled,
                ours: State::Settled,
                sentence: String::new(),
                version: Version::Same,
            },
            adoption: None,
            takeover: Takeover::default(),
            why: Vec::new(),
        }
    }

    #[test]
    fn equal_looks_are_one_span_and_are_written_once_an_hour() {
        let mut record = Record::default();
        let written = (0..18).filter(|n| record.take(&look(n * 10, Verdict::Agrees))).count();
        assert_eq!((written, record.spans.len(), record.looks), (3, 1, 18));
        assert!(record.take(&look(180, Verdict::Differs)));
        // Nobody looked for half a day.
        assert!(record.take(&look(900, Verdict::Differs)));
        assert_eq!(record.spans.len(), 3);
    }

    #[test]
    fn shares_count_what_was_seen() {
        let mut record = Record::default();
        for (minute, verdict) in [
            (0, Verdict::Agrees),
            (60, Verdict::Agrees),
            (90, Verdict::Differs),
            (120, Verdict::Moving),
            (150, Verdict::Agrees),
            // A gap.
            (600, Verdict::Agrees),
            (630, Verdict::Agrees),
        ] {
            record.take(&look(minute, verdict));
        }
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let share = record.share(at(0), at(630));
        let minutes = |span: SignedDuration| span.as_secs() / 60;
        assert_eq!(
            (minutes(share.agreed), minutes(share.differed), minutes(share.unknown)),
            (120, 30, 480)
        );
        assert_eq!(share.agreed(), Some(80));
        assert_eq!(record.share(at(700), at(800)).agreed(), None);
        assert_eq!(minutes(record.share(at(30), at(75)).agreed), 45);
    }

    #[test]
    fn a_record_stays_small() {
        let mut record = Record::default();
        for n in 0..1_000 {
            record.take(&look(n, if n % 2 == 0 { Verdict::Agrees } else { Verdict::Differs }));
        }
        assert_eq!((record.spans.len(), record.looks), (SPANS, 1_000));
        assert_eq!(
            record.spans.last().unwrap().from,
            Timestamp::from_second(999 * 60).unwrap()
        );
    }
}
