//! What of a pod its view is made of, as it stands in the object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::pod::{ContainerRequests, NamedPort, PodMeasures, PodNetwork};
use super::resources::{Amounts, List};

#[derive(Deserialize)]
pub(super) struct RawPod<'a> {
    #[serde(borrow)]
    pub(super) metadata: RawMetadata<'a>,
    #[serde(borrow)]
    pub(super) spec: RawSpec<'a>,
    #[serde(borrow, default)]
    pub(super) status: RawStatus<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawMetadata<'a> {
    #[serde(borrow)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) annotations: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) owner_references: Vec<RawOwner<'a>>,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawOwner<'a> {
    #[serde(borrow)]
    pub(super) api_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) uid: Cow<'a, str>,
    #[serde(default)]
    pub(super) controller: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawSpec<'a> {
    #[serde(borrow, default)]
    pub(super) node_name: Cow<'a, str>,
    #[serde(default)]
    pub(super) priority: i32,
    #[serde(borrow, default)]
    pub(super) containers: Vec<RawContainer<'a>>,
    #[serde(borrow, default)]
    pub(super) init_containers: Vec<RawContainer<'a>>,
    #[serde(borrow, default)]
    pub(super) overhead: List<'a>,
    #[serde(borrow, default)]
    pub(super) hostname: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) subdomain: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) volumes: Vec<RawVolume<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawVolume<'a> {
    #[serde(borrow)]
    pub(super) persistent_volume_claim: Option<RawClaim<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawClaim<'a> {
    #[serde(borrow)]
    pub(super) claim_name: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawPort<'a> {
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) protocol: Cow<'a, str>,
    #[serde(default)]
    pub(super) container_port: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawContainer<'a> {
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) resources: RawResources<'a>,
    #[serde(borrow)]
    pub(super) restart_policy: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) ports: Vec<RawPort<'a>>,
}

#[derive(Deserialize, Default)]
pub(super) struct RawResources<'a> {
    #[serde(borrow, default)]
    pub(super) requests: List<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawStatus<'a> {
    #[serde(borrow, default)]
    pub(super) phase: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) conditions: Vec<RawCondition<'a>>,
    pub(super) start_time: Option<Timestamp>,
    #[serde(borrow, default, rename = "podIP")]
    pub(super) pod_ip: Cow<'a, str>,
    #[serde(default)]
    pub(super) container_statuses: Vec<RawContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCondition<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Cow<'a, str>,
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawContainerStatus {
    #[serde(default)]
    pub(super) restart_count: u32,
}

impl RawSpec<'_> {
    pub(super) fn claims(&self) -> Box<[Box<str>]> {
        let claims = self
            .volumes
            .iter()
            .filter_map(|volume| volume.persistent_volume_claim.as_ref());
        claims.map(|claim| (*claim.claim_name).into()).collect()
    }

    pub(super) fn measures(&self, annotations: &List<'_>) -> PodMeasures {
        let own = |list: &List<'_>| {
            let text = |text: &Cow<'_, str>| Box::<str>::from(&**text);
            list.iter()
                .map(|(key, value)| (text(key), text(value)))
                .collect::<BTreeMap<_, _>>()
        };
        let mut annotations = own(annotations);
        annotations.retain(|key, _| key.starts_with(crate::annotations::PREFIX));
        let container = |container: &RawContainer<'_>| ContainerRequests {
            name: (*container.name).into(),
            requests: own(&container.resources.requests),
        };
        PodMeasures {
            annotations,
            containers: self.containers.iter().map(container).collect(),
        }
    }

    pub(super) fn network(&self) -> PodNetwork {
        let ports = self.containers.iter().flat_map(|container| &container.ports);
        let named = ports.filter(|port| !port.name.is_empty()).map(|port| NamedPort {
            name: (*port.name).into(),
            protocol: if port.protocol.is_empty() {
                "TCP"
            } else {
                &port.protocol
            }
            .into(),
            number: port.container_port,
        });
        PodNetwork {
            hostname: (*self.hostname).into(),
            subdomain: (*self.subdomain).into(),
            ports: named.collect(),
        }
    }

    /// The larger of what runs together and what an init container asks for alone, and the overhead on top.
    pub(super) fn requests(&self) -> Amounts {
        let mut running = Amounts::default();
        for container in &self.containers {
            running.add(&Amounts::read(&container.resources.requests));
        }
        // Init containers with restart policy Always stay: they count for those after them and while the pod runs.
        let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
        for container in &self.init_containers {
            let own = Amounts::read(&container.resources.requests);
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars.add(&own);
                peak.raise_to(&sidecars);
            } else {
                let mut alone = sidecars.clone();
                alone.add(&own);
                peak.raise_to(&alone);
            }
        }
        running.add(&sidecars);
        running.raise_to(&peak);
        running.add(&Amounts::read(&self.overhead));
        running
    }
}

/// What decides about a pod after it was made.
#[derive(Deserialize)]
pub(super) struct RawFate<'a> {
    pub(super) metadata: RawEnd,
    #[serde(borrow)]
    pub(super) spec: RawPlace<'a>,
    #[serde(borrow, default)]
    pub(super) status: RawStatus<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawEnd {
    pub(super) deletion_timestamp: Option<Timestamp>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawPlace<'a> {
    #[serde(borrow, default)]
    pub(super) node_name: Cow<'a, str>,
}
