//! The guard in front of every write to a cluster's API.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kube_access::{Access, Gate};

use crate::fence::Fence;
use crate::guard::{Guard, Refusal, Touches};

/// Asks the guard and the cluster's own mark before each write, and remembers the first refusal: the client only learns that it
/// was stopped.
#[derive(Debug)]
pub(crate) struct WriteGate {
    guard: Guard,
    touches: Touches,
    fence: Option<Fence>,
    refused: Mutex<Option<Refusal>>,
}

impl WriteGate {
    /// The gate in front of the cluster that `access` reaches.
    pub(crate) fn new(guard: Guard, access: &Access) -> Arc<Self> {
        Self::touching(guard, access, Touches::Configuration)
    }

    /// In front of writes that take nodes and pods away: a block of nodes alone stops them too.
    pub(crate) fn for_nodes(guard: Guard, access: &Access) -> Arc<Self> {
        Self::touching(guard, access, Touches::Nodes)
    }

    fn touching(guard: Guard, access: &Access, touches: Touches) -> Arc<Self> {
        let fence = guard.fence(access.clone());
        Arc::new(Self {
            guard,
            touches,
            fence,
            refused: Mutex::new(None),
        })
    }

    /// The work is done: who comes next need not wait.
    pub(crate) async fn close(&self) {
        // With a lease that is about to end it is the business of who comes next.
        let holds = |guard: &Guard| guard.hold.as_ref().is_some_and(|hold| hold.holds(guard.clock.now()));
        if let Some(fence) = self.fence.as_ref().filter(|_| holds(&self.guard)) {
            fence.give_back().await;
        }
    }

    async fn may(&self) -> Result<(), Refusal> {
        if let Some(fence) = &self.fence
            && !fence.counts().await
        {
            // The mark is a write as well.
            self.guard.permit(Touches::Configuration).await?;
            let compared = fence.permits().await;
            compared.map_err(|error| Refusal::FencedOff(error.to_string()))?;
        }
        self.guard.permit(self.touches).await
    }

    /// Why a write was stopped, if one was.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Gate for WriteGate {
    async fn permits(&self) -> bool {
        match self.may().await {
            Ok(()) => true,
            Err(refusal) => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.get_or_insert(refusal);
                false
            }
        }
    }
}
