//! What clusters of the twin still wait for when the time is over: their turn, by the fleet policy.

use std::collections::BTreeMap;

use lifecycle::waves::survey;
use ports::Clock as _;

use crate::build::Twin;
use crate::done::Rest;
use crate::error::RehearseError;

/// Says of each cluster that has not begun what it waits for.
pub(crate) async fn tell_waits(twin: &Twin, rests: &mut BTreeMap<String, Rest>) -> Result<(), RehearseError> {
    let now = twin.clock.now();
    let survey = survey(&*twin.registry, &*twin.registry, now)
        .await
        .map_err(|source| RehearseError::Registry {
            what: "how the clusters stand".to_owned(),
            source,
        })?;
    let decisions = survey.decide();
    for member in &survey.members {
        let cluster = &member.cluster;
        let Some(rest @ Rest::Update(None)) = rests.get_mut(cluster.id.as_str()) else {
            continue;
        };
        if let Some(said) = decisions.sentence(cluster, now) {
            *rest = Rest::Waits(said);
        }
    }
    Ok(())
}
