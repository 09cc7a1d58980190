//! Forecasts of node replacement, for clusters of which there is a picture.

use std::collections::BTreeMap;

use disruption::Block;
use plan::{ClusterForecast, ClusterPlan, PoolRules, forecast_cluster};

use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::pictures::Dumps;

/// The rules of each pool of a cluster, or why they cannot be read.
pub(crate) type Rules = BTreeMap<String, Result<PoolRules, String>>;

/// Forecasts every plan of a cluster with a dump. The rules stand in the order of the fleet's clusters.
pub(super) fn forecasts(
    fleet: &Fleet,
    dumps: &Dumps,
    plans: &[ClusterPlan],
    rules: &[Rules],
) -> Result<Vec<ClusterForecast>, Failure> {
    let mut all = Vec::new();
    for (subject, rules) in fleet.subjects.iter().zip(rules) {
        let cluster = &subject.cluster;
        let Some(plan) = plans.iter().find(|plan| plan.cluster == cluster.id.as_str()) else {
            continue;
        };
        let Some(dump) = dumps.get(cluster.alias.as_str()) else {
            continue;
        };
        let mut picture = dump.picture()?;
        let item = cluster.config_items.get(model::Block::CONFIG_ITEM);
        picture.view.set_block(item.filter(|text| !text.is_empty()).map(|text| {
            let block = model::Block::from_item(text);
            Block {
                reason: block.reason.into(),
                owner: (!block.owner.is_empty()).then(|| block.owner.into()),
                since: picture.at,
                until: None,
            }
        }));
        all.extend(forecast_cluster(plan, &picture, rules));
    }
    Ok(all)
}
