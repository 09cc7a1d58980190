//! How many objects were pruned on the way to a version, kept in the ledger: what may go without consent is counted over all
//! passes (V9), and a restart in the middle must not begin the count anew.

use std::sync::Arc;

use model::ClusterId;
use ports::ledger::{EntryDraft, EntryKind};
use ports::{Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};

/// The count of one cluster.
pub(crate) struct Tally {
    pub(crate) cluster: ClusterId,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) context: WriteContext,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Body {
    version: String,
    count: usize,
}

fn kind() -> EntryKind {
    match "pruned".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

impl Tally {
    /// How many went on the way to this version.
    ///
    /// # Errors
    /// Those of the ledger: a count that cannot be read is not 0.
    pub(crate) async fn of(&self, version: &str) -> Result<usize, RegistryError> {
        let entry = match self.ledger.get_entry(&kind(), &self.cluster.as_str().parse()?).await {
            Ok(entry) => entry,
            Err(RegistryError::NotFound { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let body: Body =
            serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        Ok(if body.version == version { body.count } else { 0 })
    }

    /// Writes the count down. It is written before the objects go, as if all of them went.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) async fn set(&self, version: &str, count: usize) -> Result<(), RegistryError> {
        let body = Body {
            version: version.to_owned(),
            count,
        };
        let draft = EntryDraft {
            kind: kind(),
            id: self.cluster.as_str().parse()?,
            cluster: Some(self.cluster.clone()),
            open: true,
            body: serde_json::to_value(body).map_err(|error| RegistryError::Internal(Box::new(error)))?,
            items: Vec::new(),
        };
        self.ledger.put_entry(draft, &self.context).await.map(drop)
    }
}
