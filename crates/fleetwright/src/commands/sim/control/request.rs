//! From the body of a request to the fault that it asks for.

use cli_args::{ApiFault, CloudFault, CloudMarket};
use kube_sim::{Calls, Fault, FaultRule, Requests};
use model::duration::GoDuration;

use super::{FaultRequest, Part};
use crate::commands::sim::living::{CloudRule, Harm, Living};

/// The fault that a request asks for; its name is empty where none is given. The error is a sentence for the client.
pub(super) fn harm(cluster: &Living, request: &FaultRequest) -> Result<Harm, String> {
    if request.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
        return Err("chance: must be from 0 to 1".to_owned());
    }
    let of_cloud = request.of == Part::Cloud;
    let until = match &request.lasts {
        None => None,
        Some(text) => {
            let lasts: GoDuration = text.parse().map_err(|error| format!("for: {error}"))?;
            let end = cluster.end_of(of_cloud, lasts);
            Some(end.ok_or("for: must end within the calendar")?)
        }
    };
    if of_cloud {
        return Ok(Harm::Cloud(CloudRule {
            until,
            ..cloud(request)?
        }));
    }
    let mut rule = api(request)?;
    if let Some(end) = until {
        rule = rule.between(cluster.now(), end);
    }
    Ok(Harm::Api(rule))
}

fn api(request: &FaultRequest) -> Result<FaultRule, String> {
    let fault: ApiFault = request.fault.parse().map_err(|error| format!("fault: {error}"))?;
    let mut rule = FaultRule::new(request.name.as_deref().unwrap_or_default(), kind(&fault));
    if !request.calls.is_empty()
        || request.instance_type.is_some()
        || request.zone.is_some()
        || request.market.is_some()
    {
        return Err("calls, instanceType, zone, market: only for faults of the cloud".to_owned());
    }
    rule.requests = Requests {
        verbs: request.verbs.iter().cloned().collect(),
        resources: request.resources.iter().cloned().collect(),
        user_agent: request.user_agent.clone().unwrap_or_default(),
    };
    rule.calls = match (request.every, request.chance) {
        (Some(_), Some(_)) => return Err("every, chance: only one of them".to_owned()),
        (Some(0), _) => return Err("every: must be at least 1".to_owned()),
        (Some(number), _) => Calls::Every(number),
        (_, Some(chance)) => Calls::Chance(chance),
        (None, None) => Calls::All,
    };
    Ok(rule)
}

fn kind(fault: &ApiFault) -> Fault {
    match *fault {
        ApiFault::Refuse => Fault::Refuse,
        ApiFault::Dead => Fault::Dead,
        ApiFault::Delay(time) => Fault::Delay(time),
        ApiFault::Slow(time) => Fault::Slow(time),
        ApiFault::LoseReply => Fault::LoseReply,
        ApiFault::Code(401) => Fault::Unauthorized,
        ApiFault::Code(409) => Fault::Conflict,
        ApiFault::Code(410) => Fault::Gone,
        ApiFault::Code(503) => Fault::Unavailable,
        ApiFault::Code(_) => Fault::InternalError,
        ApiFault::TooManyRequests(seconds) => Fault::TooManyRequests(seconds),
        ApiFault::Stale(writes) => Fault::Stale(writes),
        ApiFault::WatchGap(time) => Fault::WatchGap(time),
        ApiFault::WatchCut(bytes) => Fault::WatchCut(bytes),
    }
}

/// A fault of the cloud, for ever.
fn cloud(request: &FaultRequest) -> Result<CloudRule, String> {
    let fault: CloudFault = request.fault.parse().map_err(|error| format!("fault: {error}"))?;
    let market = match request.market.as_deref() {
        None => None,
        Some("spot") => Some(CloudMarket::Spot),
        Some("on-demand") => Some(CloudMarket::OnDemand),
        Some(other) => return Err(format!("market: must be spot or on-demand, got {other:?}")),
    };
    let placed = request.instance_type.is_some() || request.zone.is_some() || market.is_some();
    let of_api = !request.verbs.is_empty() || !request.resources.is_empty() || request.user_agent.is_some();
    if of_api || request.every.is_some() {
        return Err("verbs, resources, userAgent, every: only for faults of the API".to_owned());
    }
    if placed && fault != CloudFault::NoCapacity {
        return Err(format!(
            "instanceType, zone, market: only for no-capacity, not for {fault}"
        ));
    }
    if request.chance.is_some() && fault == CloudFault::NoCapacity {
        return Err("chance: capacity is there or not".to_owned());
    }
    let of_instances = matches!(fault, CloudFault::NoCapacity | CloudFault::NeverReady);
    if !request.calls.is_empty() && of_instances {
        return Err(format!("calls: not for {fault}"));
    }
    Ok(CloudRule {
        name: request.name.clone().unwrap_or_default(),
        fault,
        calls: request.calls.iter().cloned().collect(),
        instance_type: request.instance_type.clone(),
        zone: request.zone.clone(),
        market,
        per_mille: per_mille(request.chance.unwrap_or(1.0)),
        until: None,
    })
}

/// A share of one in thousandths, rounded.
fn per_mille(chance: f64) -> u32 {
    (0..=1000)
        .rev()
        .find(|per_mille| f64::from(*per_mille) <= chance * 1000.0 + 0.5)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_cloud(fault: &str) -> FaultRequest {
        FaultRequest {
            of: Part::Cloud,
            fault: fault.to_owned(),
            ..FaultRequest::default()
        }
    }

    #[test]
    fn options_belong_to_their_faults() {
        let zone = Some("eu-central-1a".to_owned());
        let calls = vec!["RunInstances".to_owned()];
        let refused = |request: FaultRequest| cloud(&request).is_err();
        assert!(!refused(of_cloud("refuse")));
        assert!(!refused(FaultRequest {
            zone: zone.clone(),
            ..of_cloud("no-capacity")
        }));
        assert!(refused(FaultRequest {
            zone,
            ..of_cloud("refuse")
        }));
        assert!(!refused(FaultRequest {
            calls: calls.clone(),
            ..of_cloud("deny")
        }));
        assert!(refused(FaultRequest {
            calls: calls.clone(),
            ..of_cloud("never-ready")
        }));
        assert!(refused(FaultRequest {
            chance: Some(0.5),
            ..of_cloud("no-capacity")
        }));
        assert!(refused(FaultRequest {
            every: Some(2),
            ..of_cloud("refuse")
        }));
        assert!(refused(FaultRequest {
            market: Some("cheap".to_owned()),
            ..of_cloud("no-capacity")
        }));
        assert!(
            api(&FaultRequest {
                calls,
                fault: "503".to_owned(),
                ..FaultRequest::default()
            })
            .is_err()
        );
    }

    #[test]
    fn chances_are_thousandths() {
        for (chance, expected) in [(0.0, 0), (0.5, 500), (0.0004, 0), (0.0006, 1), (1.0, 1000)] {
            assert_eq!(per_mille(chance), expected, "{chance}");
        }
    }
}
