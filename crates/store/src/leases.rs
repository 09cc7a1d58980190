//! Leases in the database.

use std::time::Duration;

use async_trait::async_trait;
use ports::{Lease, LeaseError, LeaseName, Leases};

use crate::Store;
use crate::batch::{Job, Outcome};
use crate::core::{LeaseRow, LeaseWrite};
use crate::error::{Closed, lease_error};
use crate::sql::Sql;

pub(crate) fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    async fn lease_write(&self, name: &LeaseName, write: LeaseWrite) -> Result<LeaseRow, LeaseError> {
        match self.enqueue(Job::Lease(name.clone(), write)).await {
            Ok(Outcome::Lease(row)) => row,
            Ok(Outcome::Registry(_)) | Err(_) => Err(LeaseError::Unavailable(Box::new(Closed))),
        }
    }
}

/// The row of a lease that was just claimed or renewed always names its holder.
pub(crate) fn held(row: &LeaseRow, name: &LeaseName) -> Result<Lease, LeaseError> {
    row.lease(name).ok_or_else(|| LeaseError::Lost {
        name: name.clone(),
        token: row.token,
    })
}

pub(crate) fn claiming(holder: &str, ttl: Duration) -> LeaseWrite {
    LeaseWrite::Claim {
        holder: holder.to_owned(),
        ttl_millis: millis(ttl),
    }
}

pub(crate) fn renewing(lease: &Lease, ttl: Duration) -> LeaseWrite {
    LeaseWrite::Renew {
        token: lease.token,
        holder: lease.holder.clone(),
        ttl_millis: millis(ttl),
    }
}

pub(crate) fn releasing(lease: &Lease) -> LeaseWrite {
    LeaseWrite::Release {
        token: lease.token,
        holder: lease.holder.clone(),
    }
}

#[async_trait]
impl Leases for Store {
    async fn claim(&self, name: &LeaseName, holder: &str, ttl: Duration) -> Result<Lease, LeaseError> {
        held(&self.lease_write(name, claiming(holder, ttl)).await?, name)
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LeaseError> {
        held(&self.lease_write(&lease.name, renewing(lease, ttl)).await?, &lease.name)
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseError> {
        self.lease_write(&lease.name, releasing(lease)).await.map(drop)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        if prefix.contains('\0') {
            return Ok(Vec::new());
        }
        // A comparison of beginnings instead of LIKE, in which `_` and `%` of a name would have to be quoted.
        let select =
            Sql::new("SELECT name, holder, token, expires_at FROM leases WHERE holder IS NOT NULL AND expires_at > ")
                .bind(self.clock.now_millis())
                .push(" AND substr(name, 1, CAST(")
                .bind(i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX))
                .push(" AS INTEGER)) = ")
                .bind(prefix)
                .push(" ORDER BY name");
        let rows = self
            .readers
            .fetch(select, |row| {
                let name = LeaseName::new(row.text(0)?).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
                let lease = LeaseRow {
                    holder: row.maybe_text(1)?.map(ToOwned::to_owned),
                    token: row.int(2)?,
                    expires_at: row.int(3)?,
                };
                Ok(lease.lease(&name))
            })
            .await
            .map_err(lease_error)?;
        Ok(rows.into_iter().flatten().collect())
    }
}
