//! Listeners of load balancers: which certificates they hold, and how many.

use serde_json::Value;

use super::make::property;
use crate::world::World;

/// How many certificates a listener takes besides its own.
const MOST_BESIDES: usize = 25;

fn certificates(properties: &Value) -> impl Iterator<Item = String> {
    let list = properties.get("Certificates").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| property(one, "CertificateArn"))
}

/// Whether an id is one that the certificate service gives. Others, such as those of uploaded certificates, are not kept here.
fn is_issued(arn: &str) -> bool {
    arn.starts_with("arn:aws:acm:") && arn.contains(":certificate/")
}

impl World {
    /// Gives a listener its certificates: its own, or (for a listed certificate resource) some besides.
    pub(super) fn attach_certificates(&mut self, holder: &str, properties: &Value) -> Result<(), String> {
        let wanted: Vec<String> = certificates(properties).filter(|arn| is_issued(arn)).collect();
        if let Some(unknown) = wanted.iter().find(|arn| !self.state.certificates.contains_key(*arn)) {
            return Err(format!("Certificate '{unknown}' not found"));
        }
        let listener = property(properties, "ListenerArn");
        if let Some(listener) = &listener {
            let besides = format!("{listener}#");
            let users = |users: &[String]| users.iter().any(|user| user.starts_with(&besides));
            let held = self.state.certificates.values();
            let held = held.filter(|certificate| users(&certificate.in_use_by)).count();
            if held + wanted.len() > MOST_BESIDES {
                return Err("The maximum number of certificates has been reached on the listener".to_owned());
            }
        }
        let user = listener.map_or_else(|| holder.to_owned(), |listener| format!("{listener}#{holder}"));
        for arn in wanted {
            if let Some(certificate) = self.state.certificates.get_mut(&arn) {
                certificate.in_use_by.push(user.clone());
            }
        }
        Ok(())
    }

    /// A resource holds no certificates any more.
    pub(super) fn detach_certificates(&mut self, holder: &str) {
        let besides = format!("#{holder}");
        for certificate in self.state.certificates.values_mut() {
            certificate
                .in_use_by
                .retain(|user| user != holder && !user.ends_with(&besides));
        }
    }
}
