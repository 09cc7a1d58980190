//! Functions on addresses, networks, ports and hosts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gotemplate::{ElementType, Function, FunctionError, Functions, List, ParamType, Record, Value};

use super::{Outcome, failed, int, of_comma_list, of_string, string};

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("azCount", az_count())
        .add("portRanges", of_comma_list(port_ranges))
        .add("sgIngressRanges", of_comma_list(ingress_ranges))
        .add("splitHostPort", of_string(split_host_port))
        .add("extractEndpointHosts", of_comma_list(endpoint_hosts))
        .add("stupsNATSubnets", of_string(nat_subnets))
        .add(
            "nthAddressFromCIDR",
            Function::new([ParamType::String, ParamType::Int], |_, a| {
                nth_address(string(a, 0)?, int(a, 1)?)
            }),
        );
}

fn az_count() -> Function {
    Function::new([ParamType::Map], |context, arguments| {
        let value = arguments.first().unwrap_or(&Value::Nil);
        context.record_whole(value);
        let zones = value
            .as_map()
            .map_or(0, |map| map.entries().keys().filter(|key| &***key != "*").count());
        Ok(Value::from(i64::try_from(zones).unwrap_or(i64::MAX)))
    })
}

/// A network: family by the kind of address, host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr {
    network: IpAddr,
    prefix: u32,
}

impl Cidr {
    fn parse(text: &str) -> Result<Self, FunctionError> {
        let wrong = || failed("invalid CIDR address");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
        let network = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
            _ => return Err(wrong()),
        };
        Ok(Self { network, prefix })
    }
}

fn port(text: &str) -> Result<i64, FunctionError> {
    match text.parse::<i64>() {
        Ok(port @ 0..=65535) => Ok(port),
        _ => Err(failed("invalid port, expected 0 to 65535")),
    }
}

fn port_pair(from: &str, to: &str) -> Result<(i64, i64), FunctionError> {
    let (from, to) = (port(from)?, port(to)?);
    if from > to {
        return Err(failed(format!("port range {from}-{to} is invalid")));
    }
    Ok((from, to))
}

fn port_ranges(text: &str) -> Outcome {
    let ranges = text
        .split(',')
        .map(|range| {
            let (from, to) = range
                .split_once('-')
                .ok_or_else(|| failed("invalid input for portRange, expected from-to"))?;
            let (from, to) = port_pair(from, to)?;
            Ok(Value::object(
                Record::new("provisioner.PortRange")
                    .field("FromPort", from)
                    .field("ToPort", to),
            ))
        })
        .collect::<Result<Vec<_>, FunctionError>>()?;
    Ok(Value::from(List::of(
        ElementType::Object("provisioner.PortRange"),
        ranges,
    )))
}

fn ingress_ranges(text: &str) -> Outcome {
    let ranges = text
        .split(',')
        .map(|range| {
            let parts: Vec<&str> = range.split(':').collect();
            let (protocol, cidr, ports) = match parts[..] {
                [cidr, ports] => ("tcp", cidr, ports),
                [protocol @ ("tcp" | "udp"), cidr, ports] => (protocol, cidr, ports),
                [_, _, _] => return Err(failed("invalid protocol, only 'tcp' or 'udp' supported")),
                _ => return Err(failed("invalid input for sgIngressRanges")),
            };
            let cidr = Cidr::parse(cidr)?;
            let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
            let (from, to) = port_pair(from, to)?;
            Ok(Value::object(
                Record::new("provisioner.SGIngressRange")
                    .field("CIDR", format!("{}/{}", cidr.network, cidr.prefix))
                    .field("FromPort", from)
                    .field("ToPort", to)
                    .field("Protocol", protocol),
            ))
        })
        .collect::<Result<Vec<_>, FunctionError>>()?;
    Ok(Value::from(List::of(
        ElementType::Object("provisioner.SGIngressRange"),
        ranges,
    )))
}

/// `host:port` as Go's `net.SplitHostPort` reads it: brackets around addresses with colons, one colon else.
fn split_host_port(text: &str) -> Outcome {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| failed("missing ']' in address"))?;
        let port = after
            .strip_prefix(':')
            .ok_or_else(|| failed("missing port in address"))?;
        (host, port)
    } else {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| failed("missing port in address"))?;
        if host.contains(':') {
            return Err(failed("too many colons in address"));
        }
        (host, port)
    };
    if port.contains(':') {
        return Err(failed("too many colons in address"));
    }
    if [host, port].iter().any(|part| part.contains(['[', ']'])) {
        return Err(failed("unexpected bracket in address"));
    }
    Ok(Value::object(
        Record::new("provisioner.HostPort")
            .field("Host", host)
            .field("Port", port),
    ))
}

/// Distinct host names of a comma list of URLs or `host:port`, sorted (fact 37).
fn endpoint_hosts(text: &str) -> Outcome {
    let mut hosts = BTreeSet::new();
    for endpoint in text.split(',') {
        let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        if authority.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(failed("unable to parse endpoint: invalid character in host name"));
        }
        hosts.insert(host_of(authority)?.to_owned());
    }
    Ok(Value::strings(hosts))
}

fn host_of(authority: &str) -> Result<&str, FunctionError> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':').unwrap_or(after)),
        None => authority.rsplit_once(':').unwrap_or((authority, "")),
    };
    if port.bytes().all(|b| b.is_ascii_digit()) {
        Ok(host)
    } else {
        Err(failed("unable to parse endpoint: invalid port"))
    }
}

/// Three /28 at the start of the second quarter of a VPC (fact 35).
fn nat_subnets(text: &str) -> Outcome {
    let vpc = Cidr::parse(text)?;
    let IpAddr::V4(start) = vpc.network else {
        return Err(failed("only ipv4 subnets are supported"));
    };
    if vpc.prefix == 0 || vpc.prefix > 24 {
        return Err(failed("invalid subnet, expecting at least /24"));
    }
    let quarter = 1u32 << (32 - vpc.prefix - 2);
    let first = start.to_bits().wrapping_add(quarter);
    let subnets = (0..3u32).map(|i| format!("{}/28", std::net::Ipv4Addr::from_bits(first.wrapping_add(i * 16))));
    Ok(Value::strings(subnets))
}

/// The network address with its last byte counted up n times, so that it wraps after 255 (fact 36).
fn nth_address(text: &str, n: i64) -> Outcome {
    let cidr = Cidr::parse(text)?;
    let steps = u8::try_from(n.max(0) % 256).unwrap_or(0);
    let address = match cidr.network {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            IpAddr::from([a, b, c, d.wrapping_add(steps)])
        }
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            let [.., last] = &mut octets;
            *last = last.wrapping_add(steps);
            IpAddr::from(octets)
        }
    };
    Ok(Value::from(address.to_string()))
}
