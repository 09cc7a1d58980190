//! From the claims of a token whose signature holds to its caller.

use jiff::Timestamp;
use serde_json::Value;

use super::OidcOptions;
use crate::auth::{AuthError, Caller, Role};

/// Longest subject that is taken; it stands in every audit record.
const MAX_SUBJECT: usize = 256;

/// The caller, when the token is meant for us, now.
pub(super) fn caller(claims: &Value, options: &OidcOptions, now: Timestamp) -> Result<Caller, AuthError> {
    let refused = |reason: &str| AuthError::Refused(reason.to_owned());
    if claims.get("iss").and_then(Value::as_str) != Some(options.issuer.as_str()) {
        return Err(refused("the token is from another issuer"));
    }
    let audience = claims.get("aud").unwrap_or(&Value::Null);
    if !texts(audience).any(|name| options.audiences.iter().any(|ours| ours == name)) {
        return Err(refused("the token is for another audience"));
    }
    let skew = i64::try_from(options.skew.as_secs()).unwrap_or(i64::MAX);
    let (earliest, latest) = (
        now.as_second().saturating_sub(skew),
        now.as_second().saturating_add(skew),
    );
    match seconds(claims.get("exp")) {
        Some(end) if end > earliest => {}
        Some(_) => return Err(refused("the token has expired")),
        None => return Err(refused("the token does not say when it expires")),
    }
    if let Some(begin) = claims.get("nbf")
        && seconds(Some(begin)).is_none_or(|begin| begin > latest)
    {
        return Err(refused("the token is not valid yet"));
    }
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.chars().any(char::is_control) {
        return Err(refused("the token names no usable subject"));
    }
    let role =
        role(claims, options).ok_or_else(|| refused("the token gives none of the roles reader, operator, admin"))?;
    Ok(Caller {
        name: subject.to_owned(),
        role,
    })
}

/// The highest role that any of the claims gives.
fn role(claims: &Value, options: &OidcOptions) -> Option<Role> {
    options
        .role_claims
        .iter()
        .filter_map(|path| find(claims, path))
        .flat_map(texts)
        .filter_map(|name| options.roles.get(name).copied())
        .max()
}

/// The claim of this very name, since names may hold dots (`https://example.org/roles`), or else the way through objects.
fn find<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims
        .get(path)
        .or_else(|| path.split('.').try_fold(claims, |inner, name| inner.get(name)))
}

/// A text, the words of a text as in `scope`, or the texts of a list.
fn texts(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(text.split_whitespace()),
        Value::Array(items) => Box::new(items.iter().filter_map(Value::as_str)),
        _ => Box::new(std::iter::empty()),
    }
}

/// Seconds since 1970; the standard allows fractions, which do not matter beside the skew.
fn seconds(value: Option<&Value>) -> Option<i64> {
    let number = value?;
    number.as_i64().or_else(|| {
        let text = number.as_f64()?.trunc().to_string();
        text.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(changes: Value) -> String {
        let mut claims =
            json!({"iss": "https://id", "aud": "fw", "exp": 1000, "sub": "ann", "roles": ["reader", "admin"]});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let options = OidcOptions {
            skew: std::time::Duration::from_secs(60),
            ..OidcOptions::new("https://id", "fw")
        };
        match caller(&claims, &options, Timestamp::from_second(1000).unwrap()) {
            Ok(caller) => format!("{} {}", caller.name, caller.role),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn claims_are_judged_by_the_clock_with_skew() {
        for (changes, expected) in [
            (json!({}), "ann admin"),
            (json!({"exp": 941}), "ann admin"),
            (json!({"exp": 940}), "the token has expired"),
            (json!({"exp": 941.9}), "ann admin"),
            (json!({"exp": null}), "the token does not say when it expires"),
            (json!({"nbf": 1060}), "ann admin"),
            (json!({"nbf": 1061}), "the token is not valid yet"),
            (json!({"nbf": "soon"}), "the token is not valid yet"),
            (json!({"iss": "https://id/"}), "the token is from another issuer"),
            (json!({"aud": ["other", "fw"]}), "ann admin"),
            (json!({"aud": ["other"]}), "the token is for another audience"),
            (json!({"aud": null}), "the token is for another audience"),
            (json!({"sub": ""}), "the token names no usable subject"),
            (json!({"sub": "a\nb"}), "the token names no usable subject"),
            (json!({"roles": null, "groups": "x operator"}), "ann operator"),
            (
                json!({"roles": ["root"]}),
                "the token gives none of the roles reader, operator, admin",
            ),
        ] {
            assert_eq!(judged(changes.clone()), expected, "{changes}");
        }
    }

    #[test]
    fn claims_are_found_by_name_and_by_way() {
        let claims = json!({"realm_access": {"roles": ["a"]}, "https://x.org/roles": ["b"]});
        assert_eq!(find(&claims, "realm_access.roles"), Some(&json!(["a"])));
        assert_eq!(find(&claims, "https://x.org/roles"), Some(&json!(["b"])));
        assert_eq!(find(&claims, "none.roles"), None);
    }
}
