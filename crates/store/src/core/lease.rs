//! Leases without a database: who may hold one, and with which token.

use jiff::Timestamp;
use ports::{Lease, LeaseError, LeaseName};

/// A lease as it is kept. The row stays after a release, so that tokens never repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseRow {
    /// Absent after a release.
    pub(crate) holder: Option<String>,
    pub(crate) token: i64,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
}

/// A change to a lease.
#[derive(Debug, Clone)]
pub(crate) enum LeaseWrite {
    Claim {
        holder: String,
        ttl_millis: i64,
    },
    Renew {
        token: i64,
        holder: String,
        ttl_millis: i64,
    },
    Release {
        token: i64,
        holder: String,
    },
}

impl LeaseRow {
    /// True when this token is the newest and was not given back; an expired lease that nobody took still counts.
    pub(crate) fn is_held_with(&self, token: i64) -> bool {
        self.holder.is_some() && self.token == token
    }

    /// This row as a lease, when it is held.
    pub(crate) fn lease(&self, name: &LeaseName) -> Option<Lease> {
        Some(Lease {
            name: name.clone(),
            holder: self.holder.clone()?,
            token: self.token,
            expires_at: at(self.expires_at),
        })
    }
}

impl LeaseWrite {
    /// The row that this write makes of the present one.
    pub(crate) fn apply(&self, name: &LeaseName, row: Option<&LeaseRow>, now: i64) -> Result<LeaseRow, LeaseError> {
        match self {
            Self::Claim { holder, ttl_millis } => claim(name, row, holder, now, now.saturating_add(*ttl_millis)),
            Self::Renew {
                token,
                holder,
                ttl_millis,
            } => {
                let held = held(name, row, *token, holder)?;
                Ok(LeaseRow {
                    expires_at: now.saturating_add(*ttl_millis),
                    ..held.clone()
                })
            }
            Self::Release { token, holder } => {
                let held = held(name, row, *token, holder)?;
                Ok(LeaseRow {
                    holder: None,
                    ..held.clone()
                })
            }
        }
    }
}

fn claim(
    name: &LeaseName,
    row: Option<&LeaseRow>,
    holder: &str,
    now: i64,
    expires_at: i64,
) -> Result<LeaseRow, LeaseError> {
    let last = row.map_or(0, |r| r.token);
    let token = match row.and_then(|r| r.holder.as_deref().map(|h| (h, r))) {
        Some((present, _)) if present == holder => last,
        Some((present, row)) if row.expires_at > now => {
            return Err(LeaseError::Held {
                name: name.clone(),
                holder: present.to_owned(),
                expires_at: at(row.expires_at),
            });
        }
        _ => last + 1,
    };
    Ok(LeaseRow {
        holder: Some(holder.to_owned()),
        token,
        expires_at,
    })
}

fn held<'a>(name: &LeaseName, row: Option<&'a LeaseRow>, token: i64, holder: &str) -> Result<&'a LeaseRow, LeaseError> {
    row.filter(|r| r.is_held_with(token) && r.holder.as_deref() == Some(holder))
        .ok_or_else(|| LeaseError::Lost {
            name: name.clone(),
            token,
        })
}

/// The instant of a stored time; times outside of what an instant can be stand for the farthest one.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
