//! Which config items may hold secrets, and how they are masked wherever people or logs read them.

use crate::ConfigItems;

/// What stands in place of a secret value.
pub const MASK: &str = "<masked>";

/// Parts of a key that mark its value as secret, as long as no schema says otherwise.
const MARKS: [&str; 9] = [
    "secret",
    "password",
    "passwd",
    "token",
    "credential",
    "private",
    "_key",
    "client_id_secret",
    "encryption",
];
/// Endings of keys that look secret by [`MARKS`] but name public things.
const PUBLIC: [&str; 4] = ["_key_id", "_key_arn", "_token_ttl", "_public_key"];

/// True when the value of this key must not appear in logs, audit records, plans or pages.
///
/// Values that are ciphertext (`aws:kms:…`) are masked too: they are useless to readers and long.
#[must_use]
pub fn is_secret(key: &str, value: &str) -> bool {
    if value.starts_with("aws:kms:") {
        return true;
    }
    !PUBLIC.iter().any(|p| key.ends_with(p)) && MARKS.iter().any(|mark| key.contains(mark))
}

/// The items with every secret value replaced by [`MASK`].
#[must_use]
pub fn masked(items: &ConfigItems) -> ConfigItems {
    items
        .iter()
        .map(|(key, value)| {
            let shown = if is_secret(key.as_str(), value) {
                MASK.to_owned()
            } else {
                value.clone()
            };
            (key.clone(), shown)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_hold_secrets_are_masked() {
        for (key, value, secret) in [
            ("worker_key", "LS0t", true),
            ("skipper_ingress_encryption_key", "x", true),
            ("lightstep_token", "x", true),
            ("etcd_kms_key_arn", "arn:aws:kms:k", false),
            ("region", "eu-central-1", false),
            ("anything", "aws:kms:AQID", true),
        ] {
            assert_eq!(is_secret(key, value), secret, "{key}");
        }
    }
}
