//! Services: defaults, cluster addresses, node ports.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use json_tree::{Value, json};

use crate::registry::GroupResource;
use crate::server::Core;
use crate::status::{ApiError, FieldError, FieldErrorKind};
use crate::store::{Key, State};
use crate::value::{self, at, copy, default, int, list, list_mut, remove, set, text};

pub(super) fn defaults(service: &mut Value) {
    default(service, &["spec", "sessionAffinity"], "None");
    default(service, &["spec", "type"], "ClusterIP");
    let kind = text(service, &["spec", "type"]).unwrap_or_default().to_owned();
    for port in list_mut(service, &["spec", "ports"]) {
        default(port, &["protocol"], "TCP");
        if at(port, &["targetPort"]).is_none_or(|target| target == &json!(0) || target == "") {
            let number = int(port, &["port"]).unwrap_or(0);
            set(port, &["targetPort"], number);
        }
    }
    if text(service, &["spec", "sessionAffinity"]) == Some("ClientIP") {
        default(
            service,
            &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"],
            10_800,
        );
    }
    if kind == "ExternalName" {
        return;
    }
    default(service, &["spec", "internalTrafficPolicy"], "Cluster");
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default(service, &["spec", "externalTrafficPolicy"], "Cluster");
    }
    if kind == "LoadBalancer" {
        default(service, &["spec", "allocateLoadBalancerNodePorts"], true);
    }
}

pub(super) fn validate(service: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(service, &["spec", "type"]).unwrap_or("ClusterIP");
    let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !known.contains(&kind) {
        errors.push(FieldError::not_supported("spec.type", kind, &known));
    }
    let ports = list(service, &["spec", "ports"]);
    let headless = text(service, &["spec", "clusterIP"]) == Some("None");
    if ports.is_empty() && kind != "ExternalName" && !headless {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if kind == "ExternalName" && text(service, &["spec", "externalName"]).is_none_or(str::is_empty) {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    let mut seen = BTreeSet::new();
    for (place, port) in ports.iter().enumerate() {
        let name = text(port, &["name"]).unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(format!("spec.ports[{place}].name"), ""));
        }
        if !name.is_empty() && !seen.insert(name) {
            errors.push(FieldError::duplicate(format!("spec.ports[{place}].name"), name));
        }
        let number = int(port, &["port"]).unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(format!("spec.ports[{place}].port"), number, detail));
        }
        if int(port, &["targetPort"]).is_some_and(|target| !(1..=65_535).contains(&target)) {
            let target = int(port, &["targetPort"]).unwrap_or(0);
            let detail = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(
                format!("spec.ports[{place}].targetPort"),
                target,
                detail,
            ));
        }
        if let Some(protocol) = text(port, &["protocol"])
            && !["SCTP", "TCP", "UDP"].contains(&protocol)
        {
            errors.push(FieldError::not_supported(
                format!("spec.ports[{place}].protocol"),
                protocol,
                &["SCTP", "TCP", "UDP"],
            ));
        }
    }
    errors
}

pub(super) fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let external = |service: &Value| text(service, &["spec", "type"]) == Some("ExternalName");
    let address = |service: &Value| text(service, &["spec", "clusterIP"]).unwrap_or_default().to_owned();
    let (before, after) = (address(old), address(new));
    // An address once given stays; leaving it out of an update keeps it.
    if external(old) || external(new) || before.is_empty() || after.is_empty() || before == after {
        return Vec::new();
    }
    vec![FieldError::invalid(
        "spec.clusterIPs[0]",
        json!([after]),
        "may not change once set",
    )]
}

/// What other services hold.
struct Used {
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<i64>,
}

fn used(state: &State, own: &Key) -> Used {
    let mut used = Used {
        addresses: BTreeSet::new(),
        ports: BTreeSet::new(),
    };
    let collection = state.collection(&GroupResource::new("", "services"));
    for (key, object) in collection
        .map(|collection| collection.objects.iter())
        .into_iter()
        .flatten()
    {
        if *key == *own {
            continue;
        }
        // The cluster address is a selectable field, so most services need not be parsed.
        used.addresses
            .extend(object.fields.first().and_then(|text| text.parse::<Ipv4Addr>().ok()));
        if object
            .fields
            .get(1)
            .is_some_and(|kind| matches!(&**kind, "NodePort" | "LoadBalancer"))
        {
            let value = object.value();
            used.ports.extend(
                list(&value, &["spec", "ports"])
                    .iter()
                    .filter_map(|port| int(port, &["nodePort"])),
            );
            used.ports.extend(int(&value, &["spec", "healthCheckNodePort"]));
        }
    }
    used
}

/// First address and number of addresses of a range.
fn range(core: &Core) -> (u32, u32) {
    let (first, prefix) = core.config.service_range;
    let size = 1_u32
        .checked_shl(32_u32.saturating_sub(u32::from(prefix)))
        .unwrap_or(u32::MAX);
    let base = u32::from(first) & !(size.wrapping_sub(1));
    (base, size)
}

/// Gives a service its cluster address and node ports.
pub(super) fn allocate(core: &Core, state: &State, old: Option<&Value>, new: &mut Value) -> Result<(), ApiError> {
    let key = Key::new(value::namespace(new), value::name(new));
    let kind = text(new, &["spec", "type"]).unwrap_or("ClusterIP").to_owned();
    if kind == "ExternalName" {
        for field in [
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
        ] {
            remove(new, &["spec", field]);
        }
        return Ok(());
    }
    if let Some(old) = old
        && text(old, &["spec", "type"]) != Some("ExternalName")
        && text(new, &["spec", "clusterIP"]).is_none_or(str::is_empty)
    {
        copy(old, new, &["spec", "clusterIP"]);
        copy(old, new, &["spec", "clusterIPs"]);
    }
    let wanted = text(new, &["spec", "clusterIP"]).unwrap_or_default().to_owned();
    let unchanged = old.is_some_and(|old| text(old, &["spec", "clusterIP"]) == Some(wanted.as_str()));
    let needs_port = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    let used = if unchanged && !needs_port {
        None
    } else {
        Some(used(state, &key))
    };
    if let Some(used) = &used
        && !unchanged
    {
        let address = cluster_address(core, used, &wanted, value::name(new))?;
        set(new, &["spec", "clusterIP"], address);
    }
    let address = text(new, &["spec", "clusterIP"]).unwrap_or_default().to_owned();
    set(new, &["spec", "clusterIPs"], json!([address]));
    default(new, &["spec", "ipFamilies"], json!(["IPv4"]));
    default(new, &["spec", "ipFamilyPolicy"], "SingleStack");
    match used {
        Some(used) if needs_port => node_ports(core, &used, old, new),
        _ => {
            list_mut(new, &["spec", "ports"]).iter_mut().for_each(|port| {
                remove(port, &["nodePort"]);
            });
            Ok(())
        }
    }
}

fn refused(name: &str, field: &str, shown: Value, detail: String) -> ApiError {
    let error = FieldError {
        field: field.to_owned(),
        kind: FieldErrorKind::Invalid,
        value: Some(shown),
        detail,
    };
    ApiError::invalid("", "Service", name, &[error])
}

fn cluster_address(core: &Core, used: &Used, wanted: &str, name: &str) -> Result<String, ApiError> {
    if wanted == "None" {
        return Ok(wanted.to_owned());
    }
    let (base, size) = range(core);
    if !wanted.is_empty() {
        let shown = json!([wanted]);
        let Ok(address) = wanted.parse::<Ipv4Addr>() else {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned();
            return Err(refused(name, "spec.clusterIPs[0]", json!(wanted), detail));
        };
        if u32::from(address).wrapping_sub(base) >= size {
            let detail =
                format!("failed to allocate IP {wanted}: the provided network does not match the current range");
            return Err(refused(name, "spec.clusterIPs", shown, detail));
        }
        if used.addresses.contains(&address) {
            let detail = format!("failed to allocate IP {wanted}: provided IP is already allocated");
            return Err(refused(name, "spec.clusterIPs", shown, detail));
        }
        return Ok(wanted.to_owned());
    }
    // The lower part of the range is for fixed addresses; gifts come from above it, at a place drawn by chance.
    let reserved = (size / 16).clamp(1, 256);
    let room = size.saturating_sub(reserved + 1).max(1);
    let start = u32::try_from(core.ids.next_u64() % u64::from(room)).unwrap_or(0);
    (0..room)
        .map(|step| Ipv4Addr::from(base.wrapping_add(reserved).wrapping_add((start + step) % room)))
        .find(|address| !used.addresses.contains(address))
        .map(|address| address.to_string())
        .ok_or_else(|| ApiError::internal("failed to allocate a serviceIP: range is full"))
}

fn node_ports(core: &Core, used: &Used, old: Option<&Value>, new: &mut Value) -> Result<(), ApiError> {
    let (first, last) = (i64::from(core.config.node_ports.0), i64::from(core.config.node_ports.1));
    let name = value::name(new).to_owned();
    let mut taken = used.ports.clone();
    let known: Vec<(String, Option<i64>)> = old
        .map(|old| {
            let ports = list(old, &["spec", "ports"]).iter();
            ports
                .map(|port| {
                    (
                        text(port, &["name"]).unwrap_or_default().to_owned(),
                        int(port, &["nodePort"]),
                    )
                })
                .collect()
        })
        .unwrap_or_default();
    let span = u64::try_from(last.saturating_sub(first).saturating_add(1))
        .unwrap_or(1)
        .max(1);
    for (place, port) in list_mut(new, &["spec", "ports"]).iter_mut().enumerate() {
        let own = text(port, &["name"]).unwrap_or_default().to_owned();
        let kept = known.iter().find(|(name, _)| *name == own).and_then(|(_, port)| *port);
        let wanted = int(port, &["nodePort"]).filter(|number| *number != 0).or(kept);
        let number = match wanted {
            Some(number) if !(first..=last).contains(&number) => {
                let detail =
                    format!("provided port is not in the valid range. The range of valid ports is {first}-{last}");
                return Err(refused(
                    &name,
                    &format!("spec.ports[{place}].nodePort"),
                    number.into(),
                    detail,
                ));
            }
            Some(number) if taken.contains(&number) => {
                let detail = "provided port is already allocated".to_owned();
                return Err(refused(
                    &name,
                    &format!("spec.ports[{place}].nodePort"),
                    number.into(),
                    detail,
                ));
            }
            Some(number) => number,
            None => {
                let start = i64::try_from(core.ids.next_u64() % span).unwrap_or(0);
                let count = i64::try_from(span).unwrap_or(1);
                let mut free = (0..count)
                    .map(|step| first + (start + step) % count)
                    .filter(|number| !taken.contains(number));
                free.next()
                    .ok_or_else(|| ApiError::internal("failed to allocate a nodePort: range is full"))?
            }
        };
        taken.insert(number);
        set(port, &["nodePort"], number);
    }
    Ok(())
}
