//! Doing something of one's own while many others go on.
//!
//! A loop that holds futures and waits for something else by itself must not leave them unpolled: one of them may hold what
//! the loop waits for. Four passes in the middle of a read hold all connections of a store with four readers; a loop that
//! then reads by itself, and never polls them, waits for ever.

use std::collections::VecDeque;
use std::pin::pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// Does `work` while `others` go on; what they end with is kept in `ended`, in order.
pub async fn meanwhile<T, F: Future>(
    others: &mut FuturesUnordered<F>,
    ended: &mut VecDeque<F::Output>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Some(one) = others.next(), if !others.is_empty() => ended.push_back(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn one_waits_for_what_another_holds() {
        let only = Arc::new(Semaphore::new(1));
        let taken = Arc::clone(&only);
        let other = async move {
            let held = taken.acquire().await.unwrap();
            tokio::task::yield_now().await;
            drop(held);
            1
        };
        let mut others: FuturesUnordered<_> = [other.boxed()].into_iter().collect();
        assert!(others.next().now_or_never().is_none(), "it holds the only permit now");
        let mut ended = VecDeque::new();
        let mine = meanwhile(&mut others, &mut ended, async { only.acquire().await.is_ok() }).await;
        assert_eq!((mine, ended.pop_front()), (true, Some(1)));
    }
}
