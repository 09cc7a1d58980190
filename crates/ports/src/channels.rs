//! What is written down about channels: how each stands, who agreed at its gate, and how its branch was moved.
//!
//! The lifecycle manager, which knows the configuration, keeps one record for each channel. Everybody else reads it there:
//! the registry, which has no git, commands and pages. Agreements are bound to one commit; moves are written down before they
//! are done.

use jiff::Timestamp;
use model::{ChannelMove, ChannelStatus, GateAgreement, GateState, Invalid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use crate::registry::PageRequest;
use crate::{Clock, Ledger, RegistryError, WriteContext};

/// Kind of the records of channels; their ids are the names of the channels, escaped.
pub const CHANNEL: &str = "channel";
/// Kind of agreements.
pub const AGREEMENT: &str = "gate-approval";
/// Kind of moves.
pub const MOVE: &str = "channel-move";

/// Newest entries of a kind that are read: enough for whatever stands at a gate now.
const NEWEST: usize = 500;
/// Bytes of a name that an id keeps; longer ones are cut, which only makes ids less telling.
const LONGEST: usize = 120;

fn kind(name: &str) -> Result<EntryKind, RegistryError> {
    Ok(name.parse()?)
}

/// The name of a channel as part of an id: what an id may not have is written as `%` and two digits.
fn escaped(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut text = String::new();
    for byte in name.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.truncate(LONGEST);
    text
}

fn newest() -> PageRequest {
    PageRequest {
        limit: Some(NEWEST),
        after: None,
    }
}

async fn put<T: Serialize + Sync>(
    ledger: &dyn Ledger,
    kind: EntryKind,
    id: EntryId,
    open: bool,
    body: &T,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    let draft = EntryDraft {
        kind,
        id,
        cluster: None,
        open,
        body: serde_json::to_value(body).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await
}

async fn all<T: DeserializeOwned>(
    ledger: &dyn Ledger,
    kind: EntryKind,
    open: Option<bool>,
) -> Result<Vec<T>, RegistryError> {
    let filter = EntryFilter {
        open,
        ..EntryFilter::of(kind)
    };
    let entries = ledger.list_entries(&filter, &newest()).await?.items;
    let read =
        |entry: Entry| serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)));
    entries.into_iter().map(read).collect()
}

/// All channels that clusters follow or the policy names, in its order.
///
/// # Errors
/// Those of the ledger.
pub async fn list(ledger: &dyn Ledger) -> Result<Vec<ChannelStatus>, RegistryError> {
    let mut channels: Vec<ChannelStatus> = all(ledger, kind(CHANNEL)?, Some(true)).await?;
    channels.sort_by(|one, other| (one.order, &one.channel).cmp(&(other.order, &other.channel)));
    Ok(channels)
}

/// Writes how a channel stands; `open` unless nobody follows it any more.
///
/// # Errors
/// Those of the ledger.
pub async fn put_channel(
    ledger: &dyn Ledger,
    status: &ChannelStatus,
    open: bool,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let id = escaped(&status.channel).parse()?;
    put(ledger, kind(CHANNEL)?, id, open, status, context).await.map(drop)
}

/// Agreements at all gates, newest first.
///
/// # Errors
/// Those of the ledger.
pub async fn agreements(ledger: &dyn Ledger) -> Result<Vec<GateAgreement>, RegistryError> {
    all(ledger, kind(AGREEMENT)?, Some(true)).await
}

/// Agrees that a commit goes through the gate of a channel. Somebody who agrees once more is one person all the same.
///
/// # Errors
/// [`RegistryError::NotFound`] for a channel without a gate; [`RegistryError::Invalid`] when another commit stands there by now
/// (V7), or none; [`RegistryError::Forbidden`] for a caller whom the server does not know by name (V14).
pub async fn agree(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    channel: &str,
    commit: &str,
    context: &WriteContext,
) -> Result<GateAgreement, RegistryError> {
    let by = match context.actor.as_str() {
        "" | "anonymous" => {
            let why = format!(
                "who agrees at the gate of {channel} must be known: this server tells nobody apart, since it runs without tokens"
            );
            return Err(RegistryError::Forbidden(why));
        }
        name => name.to_owned(),
    };
    let known = list(ledger).await?.into_iter().find(|status| status.channel == channel);
    let gate = known
        .and_then(|status| status.gate)
        .ok_or_else(|| RegistryError::NotFound {
            kind: "gate of channel",
            id: channel.to_owned(),
        })?;
    if gate.state == GateState::Nothing || gate.commit.is_empty() {
        return Err(Invalid::new("channel", "must have a commit in front of its gate", channel).into());
    }
    // An abbreviated commit is one that a person has seen; the agreement is to the whole.
    if commit.len() < 7 || !gate.commit.starts_with(commit) {
        let rule = format!("must be the commit that stands at the gate, {}", gate.commit);
        return Err(Invalid::new("commit", rule, commit).into());
    }
    let agreement = GateAgreement {
        channel: channel.to_owned(),
        commit: gate.commit,
        by,
        at: clock.now(),
    };
    let short: String = agreement.commit.chars().take(12).collect();
    let id = format!("{}.{}.{}", escaped(channel), escaped(&short), escaped(&agreement.by));
    let id: String = id.chars().take(200).collect();
    put(ledger, kind(AGREEMENT)?, id.parse()?, true, &agreement, context).await?;
    Ok(agreement)
}

/// A move with the entry that it is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Id of the entry.
    pub id: EntryId,
    /// The move.
    pub what: ChannelMove,
}

/// Moves of all channels, newest first.
///
/// # Errors
/// Those of the ledger.
pub async fn moves(ledger: &dyn Ledger) -> Result<Vec<Moved>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind(MOVE)?), &newest())
        .await?
        .items;
    let read = |entry: Entry| {
        let what = serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        Ok(Moved { id: entry.id, what })
    };
    entries.into_iter().map(read).collect()
}

/// Id of a move that begins now.
///
/// # Errors
/// None in practice: what an id may not have is escaped.
pub fn move_id(channel: &str, now: Timestamp) -> Result<EntryId, RegistryError> {
    Ok(format!("{}.{}", escaped(channel), now.as_millisecond()).parse()?)
}

/// Writes a move, or how far it is; `open` while it is under way.
///
/// # Errors
/// Those of the ledger.
pub async fn put_move(
    ledger: &dyn Ledger,
    moved: &Moved,
    open: bool,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    put(ledger, kind(MOVE)?, moved.id.clone(), open, &moved.what, context)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_branches_become_ids() {
        let check = |name: &str, id: &str| {
            assert_eq!(escaped(name), id);
            assert!(escaped(name).parse::<EntryId>().is_ok());
        };
        check("beta", "beta");
        check("release/2026.1", "release%2F2026.1");
        check("über", "%C3%BCber");
        assert_eq!(escaped(&"x".repeat(300)).len(), LONGEST);
    }
}
