//! Driving one world on a clock that runs by itself.

use ports::Clock;

use super::shared::Shared;
use super::world::World;

/// A world that runs on a clock while others reach into it.
pub type SharedWorld = Shared<World>;

impl SharedWorld {
    /// Lets the world live on its clock, for ever: sleeps until somebody writes to the API or reaches into the world, or
    /// something is due. Drop the future to stop it.
    pub async fn run(&self, clock: &dyn Clock) {
        let mut tap = self.drive().await.server().tap();
        loop {
            let due = {
                let mut world = self.drive().await;
                tap.take();
                world.settle().await;
                world.next_due()
            };
            // What the world wrote itself is in the tap as well: one more look, which finds nothing to do, and then it rests.
            self.rest(clock, due, tap.filled()).await;
        }
    }
}
