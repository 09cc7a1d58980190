//! Our own configuration files, read strictly into types.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, Options as SaphyrOptions};

use crate::error::{Error, Reason};
use crate::options::Limits;

/// Reads one document into a type: duplicate keys are refused, only `true` and `false` are booleans, `0644` is octal.
///
/// An empty text is read as `null`, so a type whose fields all have defaults should be read with `Option`. Errors carry
/// the place; values are left out of their text, since configuration files may hold secrets.
///
/// # Errors
/// [`Error`] if the text is not YAML, does not fit the type, or is too large.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let limits = Limits::default();
    if text.len() > limits.text_bytes {
        let what = "text too long (bytes)";
        let limit = limits.text_bytes;
        return Err(Error::new((0, 0), Reason::Limit { what, limit }));
    }
    let options: SaphyrOptions = serde_saphyr::options! {
        legacy_octal_numbers: true,
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            max_nodes: limits.nodes,
            max_total_scalar_bytes: limits.scalar_bytes,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error
            .location()
            .map_or((0, 0), |at| (to_usize(at.line()), to_usize(at.column())));
        Error::new(place, Reason::Type(without_values(&error.to_string())))
    })
}

fn to_usize(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(0)
}

/// Takes the quoted value out of the texts that serde makes, and the place that the message repeats.
fn without_values(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = match message.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => message,
    };
    let message = match message.rfind(" at line ") {
        Some(at) => &message[..at],
        None => message,
    };
    for (marker, keep) in [
        ("invalid type: ", "invalid type"),
        ("invalid value: ", "invalid value"),
        ("unknown variant ", "unknown variant"),
        ("invalid length ", "invalid length"),
    ] {
        if let Some(start) = message.find(marker)
            && let Some(end) = message.rfind(", expected ")
        {
            return format!("{}{keep}{}", &message[..start], &message[end..]);
        }
    }
    message.to_owned()
}
