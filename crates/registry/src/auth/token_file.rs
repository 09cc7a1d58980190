//! Static tokens in a file: one line each with name, role and hash.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::Clock;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{AuthError, Authenticate, Caller, Role};

/// How often the file is looked at again.
const CHECKED_EVERY: Duration = Duration::from_secs(5);

/// Why a token file cannot be used; names the line, never what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file cannot be read.
    #[error("token file {path} cannot be read")]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line breaks a rule.
    #[error("token file {path}, line {line}: {rule}")]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The rule in words.
        rule: &'static str,
    },
    /// The file holds no token, so nobody could call.
    #[error("token file {0} holds no token")]
    Empty(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    caller: Caller,
    hash: [u8; 32],
}

struct Loaded {
    entries: Vec<Entry>,
    text_hash: [u8; 32],
    checked: Timestamp,
}

/// Static tokens. Each line of the file is `NAME ROLE sha256:HEX`; blank lines and lines that start with `#` are left out.
///
/// The file holds hashes ([`hash_token`], or `printf %s TOKEN | sha256sum`), so who reads it cannot call. It is read again
/// when it has changed; a changed file that cannot be read or breaks a rule is reported and leaves the tokens as they were.
pub struct TokenFile {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    loaded: Mutex<Loaded>,
}

/// The hash of a token as the file holds it.
#[must_use]
pub fn hash_token(token: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(token.as_bytes())))
}

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, a line breaks a rule, or it holds no token.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, TokenFileError> {
        let text = read(path).await?;
        let loaded = Loaded {
            entries: parse(path, &text)?,
            text_hash: Sha256::digest(text.as_bytes()).into(),
            checked: clock.now(),
        };
        Ok(Self {
            path: path.to_owned(),
            clock,
            loaded: Mutex::new(loaded),
        })
    }

    /// Reads the file again when it is time to and it has changed.
    async fn refresh(&self, loaded: &mut Loaded) {
        let now = self.clock.now();
        let age = now.duration_since(loaded.checked);
        if age.unsigned_abs() < CHECKED_EVERY {
            return;
        }
        loaded.checked = now;
        let read = async {
            let text = read(&self.path).await?;
            let text_hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
            if text_hash == loaded.text_hash {
                return Ok(None);
            }
            // Remembered even when the text is refused, so that one mistake is reported once.
            loaded.text_hash = text_hash;
            parse(&self.path, &text).map(Some)
        };
        match read.await {
            Ok(None) => {}
            Ok(Some(entries)) => {
                tracing::info!(path = %self.path.display(), tokens = entries.len(), "token file read again");
                loaded.entries = entries;
            }
            Err(error) => tracing::error!(%error, "the token file has changed and cannot be used: the old tokens stay"),
        }
    }
}

#[async_trait]
impl Authenticate for TokenFile {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut loaded = self.loaded.lock().await;
        self.refresh(&mut loaded).await;
        // Every entry is compared in full, so that time tells nothing about where a hash differs.
        let mut found = None;
        for entry in &loaded.entries {
            if same(&entry.hash, &hash) {
                found = Some(entry.caller.clone());
            }
        }
        found.ok_or(AuthError::Unknown)
    }
}

/// Equality in constant time.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a
        .iter()
        .zip(b)
        .fold(0_u8, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    difference == 0
}

async fn read(path: &Path) -> Result<String, TokenFileError> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|source| TokenFileError::Read {
            path: path.to_owned(),
            source,
        })
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, TokenFileError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut names = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |rule| TokenFileError::Line {
            path: path.to_owned(),
            line: number + 1,
            rule,
        };
        let entry = entry(line).map_err(refused)?;
        if !names.insert(entry.caller.name.clone()) {
            return Err(refused("the name is there twice"));
        }
        if entries.iter().any(|other| other.hash == entry.hash) {
            return Err(refused("the token is there twice, under two names"));
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        Err(TokenFileError::Empty(path.to_owned()))
    } else {
        Ok(entries)
    }
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(role), Some(hash), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err("must be a name, a role and the token's hash");
    };
    if name.len() > 128
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.@/:".contains(&b))
    {
        return Err("the name must have at most 128 characters out of letters, digits and `-_.@/:`");
    }
    let role: Role = role
        .parse()
        .map_err(|_| "role must be one of reader, operator, admin")?;
    let digits = hash
        .strip_prefix("sha256:")
        .ok_or("the hash must start with `sha256:`; never put the token itself here")?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| "the hash must be 64 hexadecimal digits")?;
    Ok(Entry {
        caller: Caller {
            name: name.to_owned(),
            role,
        },
        hash: bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        match parse(Path::new("tokens"), text) {
            Ok(entries) => entries
                .iter()
                .map(|e| format!("{}={} ", e.caller.name, e.caller.role))
                .collect::<String>(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_line_is_name_role_and_hash() {
        let (a, b) = (hash_token("a"), hash_token("b"));
        for (text, expected) in [
            (
                format!("# people\n\nci operator {a}\n root admin\t{b}\n"),
                "ci=operator root=admin ",
            ),
            (
                "ci operator".to_owned(),
                "token file tokens, line 1: must be a name, a role and the token's hash",
            ),
            (
                "\nci operator s3cret".to_owned(),
                "token file tokens, line 2: the hash must start with `sha256:`; never put the token itself here",
            ),
            (
                "ci operator sha256:12".to_owned(),
                "token file tokens, line 1: the hash must be 64 hexadecimal digits",
            ),
            (
                format!("ci root {a}"),
                "token file tokens, line 1: role must be one of reader, operator, admin",
            ),
            (
                format!("ci admin {a}\nci admin {b}"),
                "token file tokens, line 2: the name is there twice",
            ),
            (
                format!("ci admin {a}\ncd admin {a}"),
                "token file tokens, line 2: the token is there twice, under two names",
            ),
            ("# nothing".to_owned(), "token file tokens holds no token"),
        ] {
            assert_eq!(lines(&text), expected);
        }
    }
}
