//! Which config items may hold secrets, and how they are masked wherever people or logs read them.

use crate::ConfigItems;

/// What stands in place of a secret value.
pub const MASK: &str = "<masked>";

/// Words of a key (between underscores) that mark its value as secret, as long as no schema says otherwise.
const MARKS: [&str; 12] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "token",
    "tokens",
    "credential",
    "credentials",
    "private",
    "key",
    "keys",
];
/// Words after a mark that make the value one about the secret and not the secret itself.
const ABOUT: [&str; 12] = [
    "id", "ids", "arn", "arns", "ttl", "len", "size", "name", "names", "url", "enabled", "issuer",
];

/// True when the value of this key must not appear in logs, audit records, plans or pages.
///
/// Values that are ciphertext (`aws:kms:…`) are masked too: they are useless to readers and long. Empty values, truth values
/// and numbers never are: masking each `true` of a text would hide everything and protect nothing.
#[must_use]
pub fn is_secret(key: &str, value: &str) -> bool {
    if value.starts_with("aws:kms:") {
        return true;
    }
    if matches!(value, "" | "true" | "false") || value.parse::<i64>().is_ok() {
        return false;
    }
    let words: Vec<&str> = key.split('_').collect();
    let about = words.last().is_some_and(|last| ABOUT.contains(last)) || words.contains(&"public");
    !about && words.iter().any(|word| MARKS.contains(word))
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
            ("apiserver_key_decompressed", "LS0t", true),
            ("skipper_local_tokeninfo", "production", false),
            ("rotate_service_account_tokens", "true", false),
            ("enable_encryption", "true", false),
            ("ssh_public_key", "ssh-rsa", false),
            ("db_password", "", false),
        ] {
            assert_eq!(is_secret(key, value), secret, "{key}");
        }
    }
}
