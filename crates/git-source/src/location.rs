//! Where a git repository is, and what it is called.

use std::fmt;

use gix::bstr::ByteSlice;
use gix::url::Scheme;
use ports::config_source::Location;
use sha2::{Digest, Sha256};

/// Why a text is no location of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// There is no last path element to name the repository by (fact 12).
    #[error("the git location has no repository name: its last path element is empty, '.' or '..'")]
    NoName,
    /// The text is not a URL and not a path.
    #[error("the git location is neither a URL nor a path: {reason}")]
    Malformed {
        /// What the parser said.
        reason: String,
    },
    /// A protocol that is not supported.
    #[error(
        "git locations begin with https://, http://, ssh:// or file://, or are user@host:path or a path, not {scheme}://"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
    },
}

/// A repository that can be fetched: a URL with `https`, `http`, `ssh` or `file`, `user@host:path`, or a path.
///
/// It may carry a password or token, which neither [`Display`](fmt::Display) nor [`Debug`] show.
#[derive(Clone, PartialEq, Eq)]
pub struct GitLocation {
    url: gix::Url,
    shown: String,
    repo_name: String,
}

impl GitLocation {
    /// Reads a location; a relative path is taken from the current directory, once and for all.
    ///
    /// # Errors
    /// [`LocationError`], which never repeats the text.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let repo_name = repo_name(text)?.to_owned();
        let malformed = |error: &dyn fmt::Display| LocationError::Malformed {
            reason: error.to_string(),
        };
        let mut url =
            gix::url::parse(text.as_bytes().as_bstr()).map_err(|_| malformed(&"it cannot be split into its parts"))?;
        match url.scheme {
            Scheme::Https | Scheme::Http | Scheme::Ssh => {}
            Scheme::File => {
                let path = url.path.to_path().map_err(|error| malformed(&error))?;
                let absolute = std::path::absolute(path).map_err(|error| malformed(&error))?;
                let path = absolute.to_str().ok_or_else(|| malformed(&"the path is not UTF-8"))?;
                url = gix::url::parse(path.as_bytes().as_bstr()).map_err(|_| malformed(&"the path is not usable"))?;
            }
            other => {
                return Err(LocationError::Scheme {
                    scheme: other.as_str().to_owned(),
                });
            }
        }
        Ok(Self {
            shown: shown(&url),
            url,
            repo_name,
        })
    }

    /// Last path element without `.git` (fact 12).
    #[must_use]
    pub fn repo_name(&self) -> &str {
        &self.repo_name
    }

    /// The URL, credentials included.
    pub(crate) fn url(&self) -> &gix::Url {
        &self.url
    }

    /// The form for errors and pages.
    pub(crate) fn to_shown(&self) -> Location {
        Location(self.shown.clone())
    }

    /// Texts that must not appear in errors.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let web = matches!(self.url.scheme, Scheme::Https | Scheme::Http);
        // Some services take a token in place of the user's name.
        let user = self.url.user().filter(|_| web);
        user.into_iter()
            .chain(self.url.password())
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Name of the directory that holds the mirror: readable, and different for different locations, also when their last
    /// elements are equal. Credentials do not count, so that a renewed token finds the same mirror.
    pub(crate) fn mirror_name(&self) -> String {
        let clean: String = self
            .repo_name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(64)
            .collect();
        let digest = hex::encode(Sha256::digest(self.shown.as_bytes()));
        format!("{clean}-{}", digest.get(..16).unwrap_or(&digest))
    }
}

impl fmt::Display for GitLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for GitLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitLocation({})", self.shown)
    }
}

/// The URL without password, and without user where that may be a token.
fn shown(url: &gix::Url) -> String {
    let mut clean = url.clone();
    clean.set_password(None);
    if matches!(url.scheme, Scheme::Https | Scheme::Http) {
        clean.set_user(None);
    }
    clean.to_bstring().to_string()
}

/// Last path element without `.git`.
fn repo_name(text: &str) -> Result<&str, LocationError> {
    let last = text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    if matches!(name, "" | "." | "..") {
        Err(LocationError::NoName)
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_12_repository_names() {
        for (text, expected) in [
            (
                "https://github.com/zalando-incubator/kubernetes-on-aws.git",
                "kubernetes-on-aws",
            ),
            ("./kubernetes-on-aws", "kubernetes-on-aws"),
            ("/kubernetes-on-aws.git", "kubernetes-on-aws"),
            ("https://example.org/a/b/", "b"),
            ("git@example.org:team/config.git", "config"),
            ("git@example.org:config.git", "config"),
            ("ssh://git@example.org:7999/team/config.git", "config"),
        ] {
            assert_eq!(
                GitLocation::parse(text).map(|l| l.repo_name().to_owned()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
        for text in ["./", "/", "", ".", "..", "https://", ".git", "a/.."] {
            assert_eq!(GitLocation::parse(text), Err(LocationError::NoName), "{text}");
        }
    }

    #[test]
    fn equal_last_elements_do_not_collide() {
        let name = |text: &str| GitLocation::parse(text).unwrap().mirror_name();
        let (a, b) = (
            name("https://example.org/a/config.git"),
            name("https://example.org/b/config.git"),
        );
        assert!(a.starts_with("config-") && b.starts_with("config-"));
        assert_ne!(a, b);
        assert_eq!(
            name("https://u:old@example.org/a/config.git"),
            name("https://u:new@example.org/a/config.git")
        );
        assert_eq!(name("https://example.org/a/config.git"), a);
    }

    #[test]
    fn credentials_are_never_shown() {
        let location = GitLocation::parse("https://robot:s3cret@example.org/config.git").unwrap();
        assert_eq!(location.to_string(), "https://example.org/config.git");
        assert!(!format!("{location:?}").contains("s3cret"));
        assert_eq!(location.secrets(), ["robot", "s3cret"]);
        let location = GitLocation::parse("https://t0ken@example.org/config.git").unwrap();
        assert_eq!(location.to_string(), "https://example.org/config.git");
        let location = GitLocation::parse("git@example.org:team/config.git").unwrap();
        assert!(location.to_string().contains("git@example.org"), "{location}");
        assert!(location.secrets().is_empty());
    }

    #[test]
    fn other_protocols_are_refused() {
        for text in [
            "git://example.org/config",
            "ext::sh -c id/config",
            "ftp://example.org/config",
        ] {
            assert!(
                matches!(
                    GitLocation::parse(text),
                    Err(LocationError::Scheme { .. } | LocationError::Malformed { .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn paths_become_absolute() {
        let location = GitLocation::parse("some/where/config").unwrap();
        assert!(location.to_string().contains("/some/where/config"), "{location}");
    }
}
