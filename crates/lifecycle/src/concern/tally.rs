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
    /// Objects about to go: those that are gone count as well.
    #[serde(default)]
    going: Vec<String>,
}

fn kind() -> EntryKind {
    match "pruned".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

impl Tally {
    /// How many went on the way to this version, when these are to go and still there.
    ///
    /// # Errors
    /// Those of the ledger: a count that cannot be read is not 0.
    pub(crate) async fn of(&self, version: &str, present: &[String]) -> Result<usize, RegistryError> {
        let entry = match self.ledger.get_entry(&kind(), &self.cluster.as_str().parse()?).await {
            Ok(entry) => entry,
            Err(RegistryError::NotFound { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let body: Body =
            serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        if body.version != version {
            return Ok(0);
        }
        let gone = body.going.iter().filter(|object| !present.contains(object));
        Ok(body.count + gone.count())
    }

    /// Writes down how many went, and before they go, which ones are about to: who is killed in between knows from what is left
    /// how many it was.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) async fn set(&self, version: &str, count: usize, going: Vec<String>) -> Result<(), RegistryError> {
        let body = Body {
            version: version.to_owned(),
            count,
            going,
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
