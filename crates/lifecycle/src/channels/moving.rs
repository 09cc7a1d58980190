//! One look at all channels: gates, records, and the moves that follow.

use jiff::SignedDuration;
use model::{
    ChannelCounts, ChannelMember, ChannelMove, ChannelStatus, GateState, GateStatus, Lineage, MemberState, MoveState,
};
use plan::policy::GatePolicy;
use plan::promotion::{self, Asked, Hold};
use ports::RegistryError;
use ports::channels::{self, Moved};
use ports::config_source::{Channel, CombinedVersion};
use ports::promote::{Promote, PromoteError, Way};

use super::Gatekeeper;
use super::holding;
use super::notes::Notes;
use super::seen::{Known, Seen};

/// How long a refused move is not tried again with the same commit.
const REFUSED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Clusters that a record lists; the rest is counted.
const LISTED: usize = 200;

/// A gate as it was found.
struct Looked {
    gate: GatePolicy,
    status: GateStatus,
    /// What a fast lane lets the commit pass; empty without one.
    passed: String,
}

impl Gatekeeper {
    /// Looks once, writes down what there is, and moves what is to be moved.
    pub(super) async fn look(&self, notes: &Notes) -> Result<(), RegistryError> {
        let mut seen = self.reach.see_channels(notes).await?;
        self.finish_moves(&mut seen, notes).await?;
        let mut gates: Vec<Looked> = Vec::new();
        for gate in seen.policy.gates() {
            gates.extend(self.gate(&seen, gate).await);
        }
        self.write(&seen, &gates).await?;
        for looked in &gates {
            let (gate, status) = (&looked.gate, &looked.status);
            let Some(known) = seen.channels.get(&gate.channel) else {
                continue;
            };
            match self.due_back(&seen, gate, known) {
                Some((last, why)) => self.take_back(last, why).await?,
                None if gate.promote && self.opens(status) => self.promote(&seen, known, looked).await?,
                None => {}
            }
        }
        Ok(())
    }

    /// Whether a commit may go through.
    fn opens(&self, status: &GateStatus) -> bool {
        let waits = status.state == GateState::Waiting;
        status.state == GateState::Open || (waits && !self.rules.gates)
    }

    /// The gate in front of a channel; none when one of its channels is not there at all.
    async fn gate(&self, seen: &Seen, gate: GatePolicy) -> Option<Looked> {
        let (from, to) = (seen.channels.get(&gate.from)?, seen.channels.get(&gate.channel)?);
        let lineage = self.lineage(from, to).await;
        let commit = from.channel.commit.as_deref().unwrap_or_default();
        let back = seen.moves.iter().find(|moved| {
            let what = &moved.what;
            let taken = matches!(what.state, MoveState::TakingBack | MoveState::TakenBack);
            taken && what.channel == gate.channel && what.to == commit
        });
        let around = seen.around(to, commit);
        let mut holds: Vec<Hold> = around.pause.into_iter().collect();
        let last = seen.last_move(&gate.channel).filter(|last| last.what.to == commit);
        if let Some(refused) = last.filter(|last| last.what.state == MoveState::Refused) {
            let at = refused.what.at.unwrap_or(seen.now);
            let again = at.saturating_add(REFUSED_FOR).unwrap_or(seen.now);
            if seen.now < again {
                holds.push(Hold {
                    sentence: format!("the branch could not be moved: {}", refused.what.sentence),
                    until: Some(again),
                });
            }
        }
        let without: Vec<Hold> = holds.iter().cloned().chain(around.closed).collect();
        let slow = Asked {
            gate: &gate,
            from: &from.channel,
            to: &to.channel,
            lineage: lineage.as_ref().copied().map_err(String::as_str),
            agreements: &seen.agreements,
            holds: &without,
            taken_back: back.map(|moved| moved.what.sentence.as_str()),
            fast_lane: None,
            author: from.author(),
            now: seen.now,
        };
        let status = promotion::gate(&slow);
        let Some(lane) = around.lane else {
            let passed = String::new();
            return Some(Looked { gate, status, passed });
        };
        let told = holding::told(lane);
        let fast = promotion::gate(&Asked {
            holds: &holds,
            fast_lane: Some(&told),
            ..slow
        });
        let passed = format!("fast lane {told}: {}", instead_of(&status));
        Some(Looked {
            gate,
            status: fast,
            passed,
        })
    }

    async fn lineage(&self, from: &Known, to: &Known) -> Result<Lineage, String> {
        let (new, old) = match (&from.head, &to.head) {
            (Ok(new), Ok(old)) => (new, old),
            (Err(why), _) | (_, Err(why)) => return Err(why.clone()),
        };
        if new.id() == old.id() {
            return Ok(Lineage::Ahead);
        }
        // Without somebody who could move a branch the gate is advice for people, who know their branches.
        let Some(promote) = &self.reach.settings.promote else {
            return Ok(Lineage::Ahead);
        };
        let (new, old) = (single(new)?, single(old)?);
        promote
            .lineage(old, new)
            .await
            .map_err(|error| crate::desired::chain(&error))
    }

    /// Writes how each channel stands, if that changed.
    async fn write(&self, seen: &Seen, gates: &[Looked]) -> Result<(), RegistryError> {
        let order = |name: &str| {
            let place = seen.policy.channels.iter().position(|channel| channel.name == name);
            place.unwrap_or(seen.policy.channels.len())
        };
        for (name, known) in &seen.channels {
            let gate = gates.iter().find(|looked| looked.gate.channel == *name);
            let status = ChannelStatus {
                order: order(name),
                gate: gate.map(|looked| looked.status.clone()),
                moved: seen.last_move(name).map(|last| last.what.clone()),
                ..told(name, known, seen)
            };
            self.put(seen.before.get(name), &status, true).await?;
        }
        // Nobody follows these any more.
        for (name, before) in &seen.before {
            if !seen.channels.contains_key(name) {
                self.put(None, before, false).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, before: Option<&ChannelStatus>, now: &ChannelStatus, open: bool) -> Result<(), RegistryError> {
        if before == Some(now) {
            return Ok(());
        }
        channels::put_channel(&*self.reach.ledger, now, open, &self.reach.context()).await
    }

    /// The last move of a channel, when it has to be undone, and why.
    fn due_back<'s>(&self, seen: &'s Seen, gate: &GatePolicy, known: &Known) -> Option<(&'s Moved, String)> {
        self.reach.settings.promote.as_ref()?;
        let last = seen.last_move(&gate.channel)?;
        let why = promotion::take_back(gate, &known.channel, &last.what, seen.now)?;
        Some((last, why))
    }

    /// Moves a branch through its open gate.
    async fn promote(&self, seen: &Seen, known: &Known, looked: &Looked) -> Result<(), RegistryError> {
        let status = &looked.status;
        let Some(promote) = &self.reach.settings.promote else {
            return Ok(());
        };
        let Some(from) = known.head.as_ref().ok().and_then(|head| single(head).ok()) else {
            return Ok(());
        };
        let channel = &known.channel.name;
        let agreed = seen
            .agreements
            .iter()
            .filter(|one| one.channel == *channel && one.commit == status.commit);
        let mut moved = Moved {
            id: channels::move_id(channel, seen.now)?,
            what: ChannelMove {
                channel: channel.clone(),
                from: from.to_owned(),
                to: status.commit.clone(),
                state: MoveState::Moving,
                sentence: String::new(),
                agreed: agreed.map(|one| one.by.clone()).collect(),
                passed: looked.passed.clone(),
                at: Some(seen.now),
            },
        };
        self.note(&moved, true).await?;
        self.carry_out(&**promote, &mut moved).await
    }

    /// Undoes a move.
    async fn take_back(&self, last: &Moved, why: String) -> Result<(), RegistryError> {
        let Some(promote) = &self.reach.settings.promote else {
            return Ok(());
        };
        let mut moved = last.clone();
        moved.what.state = MoveState::TakingBack;
        moved.what.sentence = why;
        tracing::warn!(
            channel = moved.what.channel,
            why = moved.what.sentence,
            "a channel is taken back"
        );
        self.note(&moved, true).await?;
        self.carry_out(&**promote, &mut moved).await
    }

    /// Does what is written down: moves the branch forward or back, and writes what came of it.
    async fn carry_out(&self, promote: &dyn Promote, moved: &mut Moved) -> Result<(), RegistryError> {
        let what = &mut moved.what;
        let back = what.state == MoveState::TakingBack;
        let (from, to, way) = match back {
            true => (&what.to, &what.from, Way::Back),
            false => (&what.from, &what.to, Way::Forward),
        };
        let done = match Channel::new(what.channel.clone()) {
            Ok(channel) => promote.move_branch(&channel, from, to, way).await,
            Err(refused) => Err(PromoteError::Refused {
                channel: what.channel.clone(),
                why: refused.to_string(),
            }),
        };
        match done {
            Ok(()) => {
                what.state = if back { MoveState::TakenBack } else { MoveState::Moved };
                tracing::info!(
                    channel = what.channel,
                    state = what.state.as_str(),
                    "a channel was moved"
                );
            }
            // Nobody knows whether it was: the next look finds out where the branch is.
            Err(error @ PromoteError::Unavailable(_)) => {
                tracing::warn!(%error, channel = what.channel, "whether a channel was moved is not known");
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%error, channel = what.channel, "a channel was not moved");
                let aim = if back {
                    format!("not taken back ({})", what.sentence)
                } else {
                    "not moved".to_owned()
                };
                what.sentence = format!("{aim}: {error}");
                what.state = MoveState::Refused;
            }
        }
        self.note(moved, false).await?;
        for (source, why) in self.reach.configuration.refresh().await {
            tracing::warn!(source, why, "a config source could not be brought up to date");
        }
        self.wake.configuration_moved();
        Ok(())
    }

    /// Moves that were begun and not ended: done or not, as the branch says.
    async fn finish_moves(&self, seen: &mut Seen, notes: &Notes) -> Result<(), RegistryError> {
        let Some(promote) = &self.reach.settings.promote else {
            return Ok(());
        };
        let begun = |moved: &Moved| matches!(moved.what.state, MoveState::Moving | MoveState::TakingBack);
        if !seen.moves.iter().any(begun) {
            return Ok(());
        }
        // Where the branches are is not known then, and the next look asks again.
        if let Some((source, why)) = self.reach.configuration.refresh().await.into_iter().next() {
            tracing::warn!(source, why, "a config source could not be brought up to date");
            return Ok(());
        }
        for moved in seen.moves.iter_mut().filter(|moved| begun(moved)) {
            let head = self.reach.configuration.head(&moved.what.channel).await;
            let head = head.as_ref().map_err(Clone::clone).and_then(|head| single(head));
            let Ok(head) = head else { continue };
            let back = moved.what.state == MoveState::TakingBack;
            let (before, after) = match back {
                true => (&moved.what.to, &moved.what.from),
                false => (&moved.what.from, &moved.what.to),
            };
            if head == after {
                moved.what.state = if back { MoveState::TakenBack } else { MoveState::Moved };
                self.note(moved, false).await?;
            } else if head == before {
                self.carry_out(&**promote, moved).await?;
            } else {
                moved.what.sentence = format!("somebody else moved the branch to {}", model::words::short_id(head));
                moved.what.state = MoveState::Refused;
                self.note(moved, false).await?;
            }
        }
        *seen = self.reach.see_channels(notes).await?;
        Ok(())
    }

    async fn note(&self, moved: &Moved, open: bool) -> Result<(), RegistryError> {
        channels::put_move(&*self.reach.ledger, moved, open, &self.reach.context()).await
    }
}

impl Known {
    /// Who wrote the commit that the channel stands at.
    fn author(&self) -> Option<&str> {
        let first = self.head.as_ref().ok().and_then(|head| head.parts().first());
        first.and_then(|part| part.version.author.as_deref())
    }
}

impl Seen {
    /// The newest move of a channel.
    fn last_move(&self, channel: &str) -> Option<&Moved> {
        self.moves.iter().find(|moved| moved.what.channel == channel)
    }
}

/// The commit of a configuration that is one repository: only such a one can be moved as a whole.
fn single(version: &CombinedVersion) -> Result<&str, String> {
    match version.parts() {
        [part] => Ok(&part.version.id),
        _ => Err("several sources are combined, whose branches cannot be moved as one".to_owned()),
    }
}

/// What a gate waits for, in words.
fn instead_of(status: &GateStatus) -> String {
    let unmet = status.conditions.iter().filter(|condition| !condition.met);
    let unmet: Vec<&str> = unmet.map(|condition| condition.sentence.as_str()).collect();
    match unmet.as_slice() {
        [] => "it might have passed without it".to_owned(),
        unmet => format!("instead of: {}", unmet.join("; ")),
    }
}

/// A channel without its gate.
fn told(name: &str, known: &Known, seen: &Seen) -> ChannelStatus {
    let members = &known.channel.members;
    let first = known.head.as_ref().ok().and_then(|head| head.parts().first());
    let attention = |member: &&ChannelMember| member.state != MemberState::Healthy;
    ChannelStatus {
        channel: name.to_owned(),
        commit: known.channel.commit.clone().unwrap_or_default(),
        summary: first.and_then(|part| part.version.summary.clone()).unwrap_or_default(),
        sentence: known.head.as_ref().err().cloned().unwrap_or_default(),
        since: Some(known.since),
        counts: ChannelCounts::of(members),
        eta: promotion::eta(members, known.since, seen.now),
        members: members.iter().filter(attention).take(LISTED).cloned().collect(),
        ..ChannelStatus::default()
    }
}
