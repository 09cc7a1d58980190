//! The guard in front of every write to a cluster's API.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kube_access::Gate;

use crate::guard::{Guard, Refusal, Touches};

/// Asks the guard before each write, and remembers the first refusal: the client only learns that it was stopped.
#[derive(Debug)]
pub(crate) struct WriteGate {
    guard: Guard,
    touches: Touches,
    refused: Mutex<Option<Refusal>>,
}

impl WriteGate {
    pub(crate) fn new(guard: Guard) -> Arc<Self> {
        Self::touching(guard, Touches::Configuration)
    }

    /// In front of writes that take nodes and pods away: a block of nodes alone stops them too.
    pub(crate) fn for_nodes(guard: Guard) -> Arc<Self> {
        Self::touching(guard, Touches::Nodes)
    }

    fn touching(guard: Guard, touches: Touches) -> Arc<Self> {
        Arc::new(Self {
            guard,
            touches,
            refused: Mutex::new(None),
        })
    }

    /// Why a write was stopped, if one was.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Gate for WriteGate {
    async fn permits(&self) -> bool {
        match self.guard.permit(self.touches).await {
            Ok(()) => true,
            Err(refusal) => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.get_or_insert(refusal);
                false
            }
        }
    }
}
