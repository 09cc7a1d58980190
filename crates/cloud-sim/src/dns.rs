//! DNS zones with the provider's rules: a batch is made whole or not at all, and every refused change is named.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ports::cloud::{CloudError, DnsAction, DnsChange, DnsRecord, DnsZone};

use crate::world::{World, later};

/// Name, type and set identifier of a record.
type RecordKey = (String, String, String);
type Records = BTreeMap<RecordKey, DnsRecord>;

/// Changes in one batch.
const MAX_BATCH: usize = 1000;

/// A zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) view: DnsZone,
    pub(crate) records: Records,
}

fn key(record: &DnsRecord) -> RecordKey {
    let set = record.set_identifier.clone().unwrap_or_default();
    (with_dot(&record.name), record.kind.clone(), set)
}

/// Names are kept in lower case with the final dot, as the provider shows them.
fn with_dot(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name.ends_with('.') { name } else { format!("{name}.") }
}

impl World {
    /// Makes a zone; returns its id.
    pub(crate) fn create_zone(&mut self, name: &str, private: bool) -> String {
        let number = self.count("zone");
        let id = format!("Z{}", self.random.suffix("zone", &number.to_string()));
        let view = DnsZone {
            id: id.clone(),
            name: with_dot(name),
            private,
        };
        let records = Records::new();
        self.state.zones.insert(id.clone(), Zone { view, records });
        id
    }

    /// The zone with this id, or the public one with this name.
    pub(crate) fn zone_id(&self, zone: &str) -> Option<String> {
        let by_id = self.state.zones.get(zone).map(|zone| zone.view.id.clone());
        by_id.or_else(|| {
            let name = with_dot(zone);
            self.state
                .zones
                .values()
                .find(|zone| zone.view.name == name)
                .map(|zone| zone.view.id.clone())
        })
    }

    pub(crate) fn change_dns(&mut self, zone: &str, batch: &[DnsChange]) -> Result<String, CloudError> {
        let call = "ChangeResourceRecordSets";
        let invalid = |message: String| CloudError::Invalid { call, message };
        let missing = || CloudError::NotFound {
            kind: "DNS zone",
            id: zone.to_owned(),
        };
        let record = self.state.zones.get_mut(zone).ok_or_else(missing)?;
        if batch.is_empty() || batch.len() > MAX_BATCH {
            return Err(invalid(format!(
                "InvalidChangeBatch: a batch has between 1 and {MAX_BATCH} changes"
            )));
        }
        let mut draft = record.records.clone();
        let apex = record.view.name.clone();
        let refused: Vec<String> = batch
            .iter()
            .filter_map(|change| apply(&mut draft, &apex, change).err())
            .collect();
        if !refused.is_empty() {
            return Err(invalid(format!("InvalidChangeBatch: [{}]", refused.join(", "))));
        }
        record.records = draft;
        let number = self.count("dns-change");
        let id = format!("C{}", self.random.suffix("dns-change", &number.to_string()));
        let delay = self.span("dns", &id, self.options.timings.dns_propagation);
        self.state.dns_changes.insert(id.clone(), later(self.now, delay));
        Ok(id)
    }
}

/// Applies one change to the draft, or says in the provider's words why not.
fn apply(draft: &mut Records, apex: &str, change: &DnsChange) -> Result<(), String> {
    let mut record = change.record.clone();
    record.name = with_dot(&record.name);
    let shown = format!("resource record set [name='{}', type='{}']", record.name, record.kind);
    let key = key(&record);
    if change.action == DnsAction::Delete {
        return match draft.get(&key) {
            None => Err(format!("Tried to delete {shown} but it was not found")),
            Some(found) if *found != record => Err(format!(
                "Tried to delete {shown} but the values provided do not match the current values"
            )),
            Some(_) => {
                draft.remove(&key);
                Ok(())
            }
        };
    }
    if change.action == DnsAction::Create && draft.contains_key(&key) {
        return Err(format!("Tried to create {shown} but it already exists"));
    }
    check_record(&record, apex, &shown)?;
    check_neighbours(draft, &record, &shown)?;
    draft.insert(key, record);
    Ok(())
}

fn check_record(record: &DnsRecord, apex: &str, shown: &str) -> Result<(), String> {
    let inside = record.name == apex || record.name.ends_with(&format!(".{apex}"));
    if !inside {
        return Err(format!(
            "RRSet with DNS name {} is not permitted in zone {apex}",
            record.name
        ));
    }
    if record.kind == "CNAME" && record.name == apex {
        return Err(format!(
            "RRSet of type CNAME with DNS name {apex} is not permitted at apex in zone {apex}"
        ));
    }
    match (&record.alias, record.ttl) {
        (Some(_), None) if record.values.is_empty() => return Ok(()),
        (None, Some(_)) if !record.values.is_empty() => {}
        _ => {
            return Err(format!(
                "Invalid {shown}: it needs either an alias target or values with a TTL"
            ));
        }
    }
    let wrong = record.values.iter().find_map(|value| {
        let problem = match record.kind.as_str() {
            "A" => value
                .parse::<Ipv4Addr>()
                .is_err()
                .then_some("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
            "AAAA" => value
                .parse::<Ipv6Addr>()
                .is_err()
                .then_some("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
            "TXT" => (!quoted(value)).then_some("InvalidCharacterString (Value should be enclosed in quotation marks)"),
            _ => None,
        };
        problem.map(|problem| (problem, value))
    });
    match wrong {
        Some((problem, value)) => Err(format!("Invalid {shown}: {problem} encountered with '{value}'")),
        None if record.kind == "CNAME" && record.values.len() > 1 => {
            Err(format!("Invalid {shown}: only one value is allowed for a CNAME"))
        }
        None => Ok(()),
    }
}

fn quoted(value: &str) -> bool {
    value.len() >= 2 && value.starts_with('"') && value.ends_with('"')
}

fn check_neighbours(draft: &Records, record: &DnsRecord, shown: &str) -> Result<(), String> {
    let same_name = draft.values().filter(|other| other.name == record.name);
    for other in same_name {
        if other.kind != record.kind && (other.kind == "CNAME" || record.kind == "CNAME") {
            return Err(format!(
                "{shown} conflicts with other records: a CNAME must be alone at its name"
            ));
        }
        let mixed = other.set_identifier.is_some() != record.set_identifier.is_some();
        if other.kind == record.kind && mixed {
            return Err(format!(
                "{shown} cannot be created as a weighted set beside a simple one with the same name and type"
            ));
        }
    }
    Ok(())
}
