//! Causes that may be shown: the texts of a chain of errors, without credentials.

use std::error::Error;
use std::fmt;

/// One error of a chain as text. The network library puts URLs into its errors, and URLs may carry tokens.
#[derive(Debug)]
pub(super) struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// The chain of `error` with every secret replaced.
    pub(super) fn scrubbed(error: &(dyn Error + 'static), secrets: &[String]) -> Self {
        let mut text = error.to_string();
        for secret in secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let source = error.source().map(|source| Box::new(Self::scrubbed(source, secrets)));
        // Markers that only classify an error have no text of their own.
        match source {
            Some(source) if text.is_empty() || source.text == text => *source,
            source => Self { text, source },
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_along_the_chain() {
        let inner = std::io::Error::other("GET https://robot:s3cret@example.org failed");
        let outer = std::io::Error::other(Cause {
            text: "fetch with s3cret".to_owned(),
            source: Some(Box::new(Cause::scrubbed(&inner, &[]))),
        });
        let cause = Cause::scrubbed(&outer, &["robot".to_owned(), "s3cret".to_owned()]);
        assert_eq!(cause.to_string(), "fetch with ***");
        assert_eq!(
            cause.source().map(ToString::to_string).as_deref(),
            Some("GET https://***:***@example.org failed")
        );
    }
}
