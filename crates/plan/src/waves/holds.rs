//! What keeps a whole channel from moving: pauses, and more failures than are borne.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::acts::Pause;

use super::causes::{Trouble, fold_causes};
use super::seats::Wave;
use super::{Acts, Halt, Member, State};
use crate::policy::FailureBudget;

/// The pause of a channel, with its moment.
pub(super) fn pause(acts: &Acts, channel: &str) -> Option<Arc<Pause>> {
    let holding = acts.pauses.iter().map(|(_, pause)| pause);
    let mut holding = holding.filter(|pause| pause.lifted.is_none());
    holding.find(|pause| pause.channel == channel).cloned().map(Arc::new)
}

/// Since when a member counts as failed, and what of: its update fails or does not come to its end, or it is not found healthy.
pub(super) fn failure(member: &Member, budget: &FailureBudget, now: Timestamp) -> Option<(Timestamp, Vec<Trouble>)> {
    match (&member.state, member.begun) {
        (State::Failed { at, troubles }, _) => Some((*at, troubles.clone())),
        (State::Updating, Some(begun)) => {
            let end = ends(begun, budget);
            let late = || Trouble {
                about: String::new(),
                says: format!("not done {} after it began", budget.deadline),
            };
            (end <= now).then(|| (end, vec![late()]))
        }
        (State::Checking { troubles, .. }, Some(begun)) => {
            let end = ends(begun, budget);
            let late = || Trouble {
                about: String::new(),
                says: format!("not found healthy {} after it began", budget.deadline),
            };
            let known = || match troubles.as_slice() {
                [] => vec![late()],
                known => known.to_vec(),
            };
            (end <= now).then(|| (end, known()))
        }
        _ => None,
    }
}

/// When an update that began then counts as failed.
pub(super) fn ends(begun: Timestamp, budget: &FailureBudget) -> Timestamp {
    begun.saturating_add(budget.deadline.get()).unwrap_or(Timestamp::MAX)
}

/// Members of which more failed than are borne, if so. `failed` has the positions of those that failed, with their moments.
pub(super) fn halt(
    what: &str,
    borne: usize,
    failed: &BTreeMap<usize, (Timestamp, Vec<Trouble>)>,
    among: impl IntoIterator<Item = usize>,
    members: &[Member],
) -> Option<Halt> {
    let found = among
        .into_iter()
        .filter_map(|at| Some((members.get(at)?, failed.get(&at)?)));
    let mut found: Vec<(&Member, &(Timestamp, Vec<Trouble>))> = found.collect();
    found.sort_by_key(|(member, (at, _))| (*at, &member.cluster.id));
    // The failure that was one too many.
    let (_, (since, _)) = found.get(borne)?;
    Some(Halt {
        what: what.to_owned(),
        since: *since,
        borne,
        clusters: found
            .iter()
            .map(|(member, _)| member.cluster.alias.to_string())
            .collect(),
        causes: fold_causes(
            found
                .iter()
                .map(|(member, (_, troubles))| (&*member.cluster, troubles.as_slice())),
        ),
    })
}

/// The halt of a channel: of the first wave with too many failures, or of the channel as a whole.
pub(super) fn of_channel(
    channel: &str,
    waves: &[Wave],
    (budget, in_flight): (&FailureBudget, u32),
    failed: &BTreeMap<usize, (Timestamp, Vec<Trouble>)>,
    members: &[Member],
) -> Option<Halt> {
    let seats = || waves.iter().flat_map(|wave| wave.seats.iter().copied());
    let of_wave = |wave: &Wave| {
        let borne = borne(wave, budget, in_flight);
        halt(
            &format!("wave {:?}", wave.name),
            borne,
            failed,
            wave.seats.iter().copied(),
            members,
        )
    };
    let all = seats().count();
    let whole = || {
        halt(
            &format!("channel {channel}"),
            budget.channel.of(all),
            failed,
            seats(),
            members,
        )
    };
    waves.iter().find_map(of_wave).or_else(whole)
}

/// How many failures a wave bears. Failing clusters keep their places in flight, so a wave never bears as many as may be in
/// flight: it would come to rest without saying so.
pub(super) fn borne(wave: &Wave, budget: &FailureBudget, in_flight: u32) -> usize {
    let share = if wave.canaries { budget.canary } else { budget.wave };
    let places = usize::try_from(in_flight).unwrap_or(usize::MAX).saturating_sub(1);
    share.of(wave.seats.len()).min(places)
}

/// An hour: how long nothing is left without another look.
pub(super) const LOOK: SignedDuration = SignedDuration::from_hours(1);
