//! Pauses, freezes and fast lanes in the ledger: what people do to the movement of the fleet.
//!
//! Who may do it is the server's business; that each act has a reason, an end where it needs one, and an audit record, is decided
//! here once, for the server, the commands and the simulation.

use jiff::{SignedDuration, Timestamp};
use model::acts::{FastLane, FreezeAct, Pause};
use model::{Invalid, Lifted, Validate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind, Ledger};
use crate::registry::PageRequest;
use crate::{Clock, Ids, RegistryError, WriteContext};

/// How long a freeze holds unless it says otherwise.
pub const FREEZE_TERM: SignedDuration = SignedDuration::from_hours(72);
/// How long a freeze may hold without being renewed.
pub const LONGEST_FREEZE: SignedDuration = SignedDuration::from_hours(28 * 24);
/// How long a fast lane is open unless it says otherwise.
pub const LANE_TERM: SignedDuration = SignedDuration::from_hours(24);
/// How long a fast lane may be open: an emergency does not last longer, and what comes after it should wait its turn.
pub const LONGEST_LANE: SignedDuration = SignedDuration::from_hours(72);

/// An act with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act<T> {
    /// Id of its entry.
    pub id: EntryId,
    /// When it was done.
    pub since: Timestamp,
    /// Whether its entry is open. A freeze or a fast lane that is over by its time may still be.
    pub open: bool,
    /// What it says.
    pub act: T,
}

/// A kind of act: how it is named, checked and ended.
pub trait Movement: Clone + Serialize + DeserializeOwned + Validate + Send + Sync {
    /// The kind of its entries.
    const KIND: &'static str;

    /// Who did it.
    fn by(&mut self) -> &mut String;
    /// When it ends by itself; `None` for an act that somebody has to end.
    fn until(&mut self) -> Option<&mut Option<Timestamp>>;
    /// How it was ended.
    fn lifted(&mut self) -> &mut Option<Lifted>;
    /// The usual and the longest time.
    fn terms() -> (SignedDuration, SignedDuration);
    /// The id of the entry where there may be one only, such as the pause of a channel.
    fn only(&self) -> Option<String>;

    /// The kind of its entries, as the ledger has it.
    #[must_use]
    fn kind() -> EntryKind {
        match Self::KIND.parse() {
            Ok(kind) => kind,
            Err(refused) => unreachable!("a name of this module: {refused}"),
        }
    }
}

/// The id of the entry of a channel: its name, with what an id may not contain written as `%` and two digits.
#[must_use]
pub fn channel_id(channel: &str) -> String {
    let mut id = String::new();
    for byte in channel.bytes() {
        if byte.is_ascii_graphic() && byte != b'/' && byte != b'%' {
            id.push(char::from(byte));
        } else {
            id.push_str(&format!("%{byte:02X}"));
        }
    }
    id
}

impl Movement for Pause {
    const KIND: &'static str = "pause";

    fn by(&mut self) -> &mut String {
        &mut self.by
    }

    fn until(&mut self) -> Option<&mut Option<Timestamp>> {
        None
    }

    fn lifted(&mut self) -> &mut Option<Lifted> {
        &mut self.lifted
    }

    fn terms() -> (SignedDuration, SignedDuration) {
        (SignedDuration::MAX, SignedDuration::MAX)
    }

    fn only(&self) -> Option<String> {
        Some(channel_id(&self.channel))
    }
}

impl Movement for FreezeAct {
    const KIND: &'static str = "freeze";

    fn by(&mut self) -> &mut String {
        &mut self.by
    }

    fn until(&mut self) -> Option<&mut Option<Timestamp>> {
        Some(&mut self.until)
    }

    fn lifted(&mut self) -> &mut Option<Lifted> {
        &mut self.lifted
    }

    fn terms() -> (SignedDuration, SignedDuration) {
        (FREEZE_TERM, LONGEST_FREEZE)
    }

    fn only(&self) -> Option<String> {
        None
    }
}

impl Movement for FastLane {
    const KIND: &'static str = "fast-lane";

    fn by(&mut self) -> &mut String {
        &mut self.by
    }

    fn until(&mut self) -> Option<&mut Option<Timestamp>> {
        Some(&mut self.until)
    }

    fn lifted(&mut self) -> &mut Option<Lifted> {
        &mut self.lifted
    }

    fn terms() -> (SignedDuration, SignedDuration) {
        (LANE_TERM, LONGEST_LANE)
    }

    fn only(&self) -> Option<String> {
        None
    }
}

/// Reads an entry.
///
/// # Errors
/// [`RegistryError::Internal`] when the entry holds no such act.
pub fn of_entry<T: Movement>(entry: &Entry) -> Result<Act<T>, RegistryError> {
    let act: T =
        serde_json::from_value(entry.body.clone()).map_err(|error| RegistryError::Internal(Box::new(error)))?;
    Ok(Act {
        id: entry.id.clone(),
        // The pause of a channel has one entry for all times.
        since: if act.only().is_some() {
            entry.updated_at
        } else {
            entry.created_at
        },
        open: entry.open,
        act,
    })
}

/// Does it. It is durable when this returns; the actor of the context stands in it.
///
/// # Errors
/// [`RegistryError::Invalid`] by field, an end in the past or too far away included; those of the ledger.
pub async fn perform<T: Movement>(
    ledger: &dyn Ledger,
    (clock, ids): (&dyn Clock, &dyn Ids),
    mut act: T,
    context: &WriteContext,
) -> Result<Act<T>, RegistryError> {
    let now = clock.now();
    context.actor.clone_into(act.by());
    *act.lifted() = None;
    act.validate()?;
    if let Some(until) = act.until() {
        let (usual, longest) = T::terms();
        let end = *until.get_or_insert(now.saturating_add(usual).unwrap_or(Timestamp::MAX));
        if end <= now {
            return Err(Invalid::new("until", "must be in the future", end).into());
        }
        if end.duration_since(now) > longest {
            let days = longest.as_hours() / 24;
            let rule = format!("must be within {days} days; renew it when it is still needed then");
            return Err(Invalid::new("until", rule, end).into());
        }
    }
    let id = match act.only() {
        Some(id) => id.parse()?,
        None => ids.uuid().parse()?,
    };
    put(ledger, id, act, true, context).await
}

async fn put<T: Movement>(
    ledger: &dyn Ledger,
    id: EntryId,
    act: T,
    open: bool,
    context: &WriteContext,
) -> Result<Act<T>, RegistryError> {
    let draft = EntryDraft {
        kind: T::kind(),
        id,
        cluster: None,
        open,
        body: serde_json::to_value(&act).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    let entry = ledger.put_entry(draft, context).await?;
    of_entry(&entry)
}

/// Acts of a kind: those whose entries are open, or all of them.
///
/// # Errors
/// Those of the ledger.
pub async fn list<T: Movement>(ledger: &dyn Ledger, open: bool) -> Result<Vec<Act<T>>, RegistryError> {
    let filter = EntryFilter {
        open: open.then_some(true),
        ..EntryFilter::of(T::kind())
    };
    let entries = ledger.list_entries(&filter, &PageRequest::all()).await?;
    entries.items.iter().map(of_entry).collect()
}

/// Ends an act before its time and answers it; nothing when it was over already.
///
/// # Errors
/// [`RegistryError::NotFound`] for an id that never was; those of the ledger.
pub async fn lift<T: Movement>(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    id: &EntryId,
    context: &WriteContext,
) -> Result<Option<Act<T>>, RegistryError> {
    let known: Act<T> = of_entry(&ledger.get_entry(&T::kind(), id).await?)?;
    if !known.open {
        return Ok(None);
    }
    let mut act = known.act;
    *act.lifted() = Some(Lifted {
        by: context.actor.clone(),
        at: clock.now(),
    });
    put(ledger, known.id, act, false, context).await.map(Some)
}
