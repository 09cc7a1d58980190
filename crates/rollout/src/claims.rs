//! Karpenter's side of the nodes: NodePools, NodeClaims and node classes of the cluster itself, seen as machines of a pool.
//!
//! A pool of this kind has no group in the cloud. Its NodePool (of the pool's name, fact 4.7) says what new nodes are like, each
//! NodeClaim is one machine, and both are objects of the cluster: they are watched with everything else. A claim is outdated
//! when Karpenter calls it drifted, or when it carries another hash than its NodePool or its class has now.

use std::collections::BTreeMap;

use disruption::PoolName;
use jiff::Timestamp;
use ports::cloud::InstanceId;
use serde_json::{Map, Value, json};

use crate::machines::{Fleet, Home, Machine};
use crate::names::{
    CLAIM_POOL_LABEL, CLASS_HASH, CLASS_HASH_VERSION, DO_NOT_DISRUPT, POOL_HASH, POOL_HASH_VERSION, TERMINATION_TIME,
    ZONE_LABEL,
};
use crate::seen::{clock, items, strings, text, time};

/// A hash with the version of the way in which it was made; hashes of two versions cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hash {
    version: Box<str>,
    value: Box<str>,
}

/// Group and name of a node class.
type ClassKey = (Box<str>, Box<str>);

/// A NodePool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodePoolSeen {
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    hash: Option<Hash>,
    class: ClassKey,
    class_kind: Box<str>,
    /// What its nodes are made from: `spec.template`.
    template: Value,
    /// Karpenter may not replace drifted nodes of it by itself.
    pub(crate) drift_held: bool,
}

/// A NodeClaim.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClaimSeen {
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    pub(crate) pool: PoolName,
    created: Timestamp,
    hash: Option<Hash>,
    class_hash: Option<Hash>,
    class: ClassKey,
    drifted: Option<Box<str>>,
    /// Last part of its provider id, once it has a machine.
    machine: Option<Box<str>>,
    initialized: bool,
    deleting: bool,
    spot: bool,
    ends: Option<Timestamp>,
    pub(crate) zone: Option<Box<str>>,
    /// What was asked for it: the size of machine that its pods needed.
    pub(crate) requests: Value,
}

/// Everything of Karpenter in a cluster.
#[derive(Debug, Default)]
pub(crate) struct Provision {
    pub(crate) pools: BTreeMap<Box<str>, NodePoolSeen>,
    pub(crate) claims: BTreeMap<Box<str>, ClaimSeen>,
    classes: BTreeMap<ClassKey, Hash>,
    /// The machines have to be made from it: something changed, or the cloud's were read anew.
    pub(crate) to_join: bool,
    changes: u64,
}

fn hash(annotations: &BTreeMap<String, String>, value: &str, version: &str) -> Option<Hash> {
    Some(Hash {
        value: annotations.get(value)?.as_str().into(),
        version: annotations.get(version).map_or("", String::as_str).into(),
    })
}

fn class_of(object: &Value, path: &str) -> (ClassKey, Box<str>) {
    let part = |name: &str| text(object, &format!("{path}/{name}")).unwrap_or_default().into();
    ((part("group"), part("name")), part("kind"))
}

/// Reads a NodePool.
pub(crate) fn read_pool(object: &Value) -> Result<NodePoolSeen, String> {
    let annotations = strings(object, "/metadata/annotations");
    let (class, class_kind) = class_of(object, "/spec/template/spec/nodeClassRef");
    let budgets = items(object, "/spec/disruption/budgets");
    let holds = |budget: &Value| {
        let none = matches!(text(budget, "/nodes"), Some("0" | "0%"));
        let mut reasons = items(budget, "/reasons").filter_map(Value::as_str).peekable();
        // Without reasons it is for all of them, and with a schedule for some hours only.
        let drift = reasons.peek().is_none() || reasons.any(|reason| reason == "Drifted");
        none && drift && budget.get("schedule").is_none()
    };
    Ok(NodePoolSeen {
        name: text(object, "/metadata/name")
            .ok_or("/metadata/name is missing")?
            .into(),
        uid: text(object, "/metadata/uid").unwrap_or_default().into(),
        hash: hash(&annotations, POOL_HASH, POOL_HASH_VERSION),
        class,
        class_kind,
        template: object.pointer("/spec/template").cloned().unwrap_or(Value::Null),
        drift_held: budgets.into_iter().any(holds),
    })
}

/// Reads a NodeClaim.
pub(crate) fn read_claim(object: &Value) -> Result<ClaimSeen, String> {
    let annotations = strings(object, "/metadata/annotations");
    let labels = strings(object, "/metadata/labels");
    let condition = |kind: &str| {
        let mut all = items(object, "/status/conditions");
        all.find(|one| text(one, "/type") == Some(kind) && text(one, "/status") == Some("True"))
    };
    let drifted = condition("Drifted").map(|one| {
        let why = text(one, "/message").or_else(|| text(one, "/reason"));
        why.unwrap_or("no reason given").into()
    });
    Ok(ClaimSeen {
        name: text(object, "/metadata/name")
            .ok_or("/metadata/name is missing")?
            .into(),
        uid: text(object, "/metadata/uid").unwrap_or_default().into(),
        pool: labels.get(CLAIM_POOL_LABEL).map_or("", String::as_str).into(),
        created: time(object, "/metadata/creationTimestamp")?.ok_or("/metadata/creationTimestamp is missing")?,
        hash: hash(&annotations, POOL_HASH, POOL_HASH_VERSION),
        class_hash: hash(&annotations, CLASS_HASH, CLASS_HASH_VERSION),
        class: class_of(object, "/spec/nodeClassRef").0,
        drifted,
        machine: text(object, "/status/providerID")
            .and_then(|id| id.rsplit('/').next())
            .map(Into::into),
        initialized: condition("Initialized").is_some(),
        deleting: text(object, "/metadata/deletionTimestamp").is_some(),
        spot: labels
            .get("karpenter.sh/capacity-type")
            .is_some_and(|market| market == "spot"),
        ends: clock(&annotations, TERMINATION_TIME)?,
        zone: labels.get(ZONE_LABEL).map(|zone| zone.as_str().into()),
        requests: object
            .pointer("/spec/resources/requests")
            .cloned()
            .unwrap_or(Value::Null),
    })
}

/// Reads the hash of a node class, with its group.
pub(crate) fn read_class(object: &Value) -> Option<(Box<str>, Hash)> {
    let annotations = strings(object, "/metadata/annotations");
    let (group, _) = text(object, "/apiVersion")?.split_once('/')?;
    Some((group.into(), hash(&annotations, CLASS_HASH, CLASS_HASH_VERSION)?))
}

impl Provision {
    /// Grows with every change of what Karpenter has.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    fn changed(&mut self) {
        self.to_join = true;
        self.changes += 1;
    }

    pub(crate) fn put_pool(&mut self, name: Box<str>, pool: NodePoolSeen) {
        if self.pools.get(&name) != Some(&pool) {
            self.pools.insert(name, pool);
            self.changed();
        }
    }

    pub(crate) fn remove_pool(&mut self, name: &str) {
        self.pools.remove(name);
        self.changed();
    }

    pub(crate) fn put_claim(&mut self, name: Box<str>, claim: ClaimSeen) {
        if self.claims.get(&name) != Some(&claim) {
            self.claims.insert(name, claim);
            self.changed();
        }
    }

    pub(crate) fn remove_claim(&mut self, name: &str) {
        self.claims.remove(name);
        self.changed();
    }

    pub(crate) fn set_class(&mut self, name: &str, class: Option<(Box<str>, Hash)>) {
        self.changed();
        // A class has its name once in the cluster; its old hash is no longer its hash.
        self.classes.retain(|key, _| *key.1 != *name);
        if let Some((group, hash)) = class {
            self.classes.insert((group, name.into()), hash);
        }
    }

    /// What differs from what the claim's pool makes now.
    fn outdated(&self, claim: &ClaimSeen) -> Option<Box<str>> {
        if let Some(why) = &claim.drifted {
            return Some(format!("the NodeClaim has drifted: {why}").into());
        }
        let differs = |old: Option<&Hash>, new: Option<&Hash>| match (old, new) {
            (Some(old), Some(new)) => old.version == new.version && old.value != new.value,
            _ => false,
        };
        let pool = self.pools.get(claim.pool.as_str())?;
        if differs(claim.hash.as_ref(), pool.hash.as_ref()) {
            return Some("the NodePool's template has another hash than the NodeClaim".into());
        }
        if claim.class != pool.class {
            let (old, new) = (&claim.class.1, &pool.class.1);
            return Some(format!("node class is {old}, the NodePool's is {new}").into());
        }
        let class = self.classes.get(&pool.class);
        differs(claim.class_hash.as_ref(), class)
            .then(|| format!("node class {} has another hash than the NodeClaim", pool.class.1).into())
    }

    fn machine(&self, claim: &ClaimSeen) -> Machine {
        let id = claim
            .machine
            .as_deref()
            .map_or_else(|| format!("claim:{}", claim.name), str::to_owned);
        Machine {
            id: InstanceId::from(id.as_str()),
            home: Home::Claim(claim.name.clone()),
            pool: claim.pool.clone(),
            serves: claim.initialized && !claim.deleting,
            coming: !claim.initialized && !claim.deleting,
            leaving: claim.deleting,
            spot: claim.spot,
            launched: Some(claim.created),
            outdated: self.outdated(claim),
            ends: claim.ends.map(|at| (at, "termination of the NodeClaim".into())),
        }
    }

    /// Puts the machines of these pools into the fleet, in place of those that it had of claims.
    pub(crate) fn join(&mut self, fleet: &mut Fleet, pools: &[(PoolName, bool)]) {
        self.to_join = false;
        let concerned = |claim: &&ClaimSeen| pools.iter().any(|(pool, _)| *pool == claim.pool);
        let claimed = self.claims.values().filter(concerned).map(|claim| self.machine(claim));
        let claimed: BTreeMap<Box<str>, Machine> = claimed.map(|one| (one.id.as_str().into(), one)).collect();
        let of_claim = |machine: &&Machine| matches!(machine.home, Home::Claim(_));
        if !fleet.machines.values().filter(of_claim).eq(claimed.values()) {
            let before = fleet.machines.values().filter(of_claim);
            let before: Vec<Box<str>> = before.map(|machine| machine.id.as_str().into()).collect();
            // A machine that a group has as well is that group's again.
            before.iter().for_each(|id| fleet.readings.make_anew(id));
            fleet.touched.extend(before.into_iter().chain(claimed.keys().cloned()));
            fleet.machines.retain(|_, machine| !of_claim(&&*machine));
            fleet.machines.extend(claimed);
        }
        let mut broken = fleet.broken.clone();
        for (pool, removed) in pools {
            // A removed pool may have lost its object already; its claims go with their owner then.
            if *removed || self.pools.contains_key(pool.as_str()) {
                broken.remove(pool);
            } else {
                let why = format!("pool {pool}: the cluster has no NodePool of that name");
                broken.insert(pool.clone(), why);
            }
        }
        fleet.broken.set(broken);
    }

    /// What people should change about a NodePool, so that the contract stands in front of every replacement.
    pub(crate) fn hint(&self, pool: &PoolName) -> Option<&'static str> {
        let open = self.pools.get(pool.as_str()).is_some_and(|pool| !pool.drift_held);
        open.then_some(
            "Karpenter may replace drifted nodes by itself, without the disruption contract: give the NodePool a disruption \
             budget of 0 nodes for the reason Drifted",
        )
    }

    /// What claims of a pool are made from now, in one text; `None` when no NodePool has that name.
    pub(crate) fn generation(&self, pool: &PoolName) -> Option<String> {
        let seen = self.pools.get(pool.as_str())?;
        let value = |hash: Option<&Hash>| hash.map_or("", |hash| &*hash.value).to_owned();
        let class = self.classes.get(&seen.class);
        Some(format!(
            "{}={}:{}:{}",
            seen.name,
            value(seen.hash.as_ref()),
            seen.class.1,
            value(class)
        ))
    }

    /// A new claim for a pool, as Karpenter makes them: the pool's template, for as much as an old claim was made for.
    /// Nobody but us may end it while the rollout lasts. `None` when the pool is not there.
    pub(crate) fn new_claim(
        &self,
        pool: &PoolName,
        zone: Option<&str>,
        api_version: &str,
    ) -> Option<(Box<str>, Value)> {
        let seen = self.pools.get(pool.as_str())?;
        let name = (1_u32..)
            .map(|n| format!("{pool}-next-{n}"))
            .find(|name| !self.claims.contains_key(name.as_str()))?;
        let old = self
            .claims
            .values()
            .filter(|claim| claim.pool == *pool && !claim.deleting);
        let model = old
            .clone()
            .find(|claim| zone.is_none() || claim.zone.as_deref() == zone)
            .or_else(|| old.clone().next());
        let mut spec = seen
            .template
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if let Some(requests) = model
            .map(|claim| &claim.requests)
            .filter(|requests| !requests.is_null())
        {
            spec.insert("resources".to_owned(), json!({"requests": requests}));
        }
        let mut requirements: Vec<Value> = items(&Value::Object(spec.clone()), "/requirements").cloned().collect();
        let wish = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
        requirements.push(wish(CLAIM_POOL_LABEL, pool.as_str()));
        if let Some(zone) = zone {
            requirements.retain(|one| text(one, "/key") != Some(ZONE_LABEL));
            requirements.push(wish(ZONE_LABEL, zone));
        }
        spec.insert("requirements".to_owned(), requirements.into());
        let metadata = self.metadata(seen, &name, api_version);
        let claim = json!({"apiVersion": api_version, "kind": "NodeClaim", "metadata": metadata, "spec": spec});
        Some((name.as_str().into(), claim))
    }

    fn metadata(&self, pool: &NodePoolSeen, name: &str, api_version: &str) -> Value {
        let template = |field: &str| -> Map<String, Value> {
            let map = pool
                .template
                .pointer(&format!("/metadata/{field}"))
                .and_then(Value::as_object);
            map.cloned().unwrap_or_default()
        };
        let (mut labels, mut annotations) = (template("labels"), template("annotations"));
        labels.insert(CLAIM_POOL_LABEL.to_owned(), (*pool.name).into());
        if !pool.class_kind.is_empty() {
            let key = format!("{}/{}", pool.class.0, pool.class_kind.to_ascii_lowercase());
            labels.insert(key, (*pool.class.1).into());
        }
        let mut note = |key: &str, value: &str| annotations.insert(key.to_owned(), value.into());
        note(DO_NOT_DISRUPT, "true");
        if let Some(hash) = &pool.hash {
            note(POOL_HASH, &hash.value);
            note(POOL_HASH_VERSION, &hash.version);
        }
        if let Some(hash) = self.classes.get(&pool.class) {
            note(CLASS_HASH, &hash.value);
            note(CLASS_HASH_VERSION, &hash.version);
        }
        json!({"name": name, "labels": labels, "annotations": annotations, "ownerReferences": [{
            "apiVersion": api_version, "kind": "NodePool", "name": pool.name, "uid": pool.uid,
            "blockOwnerDeletion": true}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(hash: &str, class: &str, budgets: &Value) -> Value {
        json!({"metadata": {"name": "general", "uid": "u1", "annotations": {
                "karpenter.sh/nodepool-hash": hash, "karpenter.sh/nodepool-hash-version": "v3"}},
            "spec": {"disruption": {"budgets": budgets}, "template": {"metadata": {"labels": {"lifecycle-status": "ready"}},
                "spec": {"nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": class},
                    "requirements": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}]}}}})
    }

    fn claim(hash: &str, version: &str, class_hash: &str, drifted: bool) -> Value {
        let conditions = if drifted {
            json!([{"type": "Drifted", "status": "True", "reason": "AMIDrift"}])
        } else {
            json!([{"type": "Drifted", "status": "False"}, {"type": "Initialized", "status": "True"}])
        };
        json!({"metadata": {"name": "general-x", "uid": "c1", "creationTimestamp": "2026-03-02T08:00:00Z",
                "labels": {"karpenter.sh/nodepool": "general"}, "annotations": {
                    "karpenter.sh/nodepool-hash": hash, "karpenter.sh/nodepool-hash-version": version,
                    "karpenter.k8s.aws/ec2nodeclass-hash": class_hash}},
            "spec": {"nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "general"},
                "resources": {"requests": {"cpu": "3"}}},
            "status": {"providerID": "aws:///a/i-1", "conditions": conditions}})
    }

    fn provision(pool: &Value, claim: &Value, class_hash: &str) -> Provision {
        let mut all = Provision::default();
        let (pool, claim) = (read_pool(pool).unwrap(), read_claim(claim).unwrap());
        all.pools.insert(pool.name.clone(), pool);
        all.claims.insert(claim.name.clone(), claim);
        let class = json!({"apiVersion": "karpenter.k8s.aws/v1", "metadata": {"annotations": {
            "karpenter.k8s.aws/ec2nodeclass-hash": class_hash}}});
        all.set_class("general", read_class(&class));
        all
    }

    /// Fact 4.1: drifted, or a hash that differs; hashes of two versions say nothing.
    #[test]
    fn claims_are_outdated_by_drift_and_by_hashes() {
        for (name, pool_hash, class, claim, expected) in [
            ("current", "1", "general", claim("1", "v3", "7", false), None),
            (
                "drifted",
                "1",
                "general",
                claim("1", "v3", "7", true),
                Some("the NodeClaim has drifted: AMIDrift"),
            ),
            (
                "template",
                "2",
                "general",
                claim("1", "v3", "7", false),
                Some("the NodePool's template has another hash than the NodeClaim"),
            ),
            ("other version", "2", "general", claim("1", "v2", "7", false), None),
            (
                "class",
                "1",
                "general",
                claim("1", "v3", "6", false),
                Some("node class general has another hash than the NodeClaim"),
            ),
            (
                "another class",
                "1",
                "special",
                claim("1", "v3", "7", false),
                Some("node class is general, the NodePool's is special"),
            ),
        ] {
            let all = provision(&pool(pool_hash, class, &json!([])), &claim, "7");
            assert_eq!(all.outdated(&all.claims["general-x"]).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn only_a_budget_of_none_for_drift_keeps_karpenter_from_replacing_nodes() {
        for (budgets, held) in [
            (json!([]), false),
            (json!([{"nodes": "10%"}]), false),
            (json!([{"nodes": "0"}]), true),
            (json!([{"nodes": "0", "reasons": ["Empty"]}]), false),
            (json!([{"nodes": "20%"}, {"nodes": "0", "reasons": ["Drifted"]}]), true),
            (
                json!([{"nodes": "0", "schedule": "0 9 * * *", "duration": "8h"}]),
                false,
            ),
        ] {
            assert_eq!(
                read_pool(&pool("1", "general", &budgets)).unwrap().drift_held,
                held,
                "{budgets}"
            );
        }
    }

    #[test]
    fn a_new_claim_is_what_karpenter_would_make_in_the_zone_that_is_asked_for() {
        let all = provision(&pool("1", "general", &json!([])), &claim("0", "v3", "6", false), "7");
        let (name, claim) = all.new_claim(&"general".into(), Some("b"), "karpenter.sh/v1").unwrap();
        assert_eq!(&*name, "general-next-1");
        assert_eq!(claim["metadata"]["annotations"]["karpenter.sh/nodepool-hash"], "1");
        assert_eq!(
            claim["metadata"]["annotations"]["karpenter.k8s.aws/ec2nodeclass-hash"],
            "7"
        );
        assert_eq!(claim["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"], "true");
        assert_eq!(claim["metadata"]["labels"]["lifecycle-status"], "ready");
        assert_eq!(claim["metadata"]["ownerReferences"][0]["uid"], "u1");
        assert_eq!(claim["spec"]["resources"]["requests"]["cpu"], "3");
        let zones = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]});
        let requirements = claim["spec"]["requirements"].as_array().unwrap();
        assert!(
            requirements.contains(&zones) && requirements.len() == 2,
            "{requirements:?}"
        );
        assert!(all.new_claim(&"other".into(), None, "karpenter.sh/v1").is_none());
    }
}
