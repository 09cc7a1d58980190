//! A guard that a test turns, and that kills the engine at its n-th question.

use std::sync::Mutex;

use async_trait::async_trait;
use rollout::{MayDisrupt, Permission};
use tokio::sync::Notify;

pub(crate) struct TestGuard {
    pub(crate) permission: Mutex<Permission>,
    pub(crate) turned: Notify,
    pub(crate) asked: Mutex<u64>,
    /// The question that is never answered; whoever asks it hangs until the engine is dropped.
    cut: Option<u64>,
    pub(crate) dead: Notify,
}

impl TestGuard {
    pub(crate) fn new(cut: Option<u64>) -> Self {
        Self {
            permission: Mutex::new(Permission::Granted),
            turned: Notify::new(),
            asked: Mutex::new(0),
            cut,
            dead: Notify::new(),
        }
    }
}

#[async_trait]
impl MayDisrupt for TestGuard {
    async fn permission(&self) -> Permission {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        if self.cut == Some(number) {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
        self.permission.lock().unwrap().clone()
    }

    async fn changed(&self) {
        self.turned.notified().await;
    }
}
