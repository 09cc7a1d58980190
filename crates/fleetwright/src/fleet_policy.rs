//! The fleet policy of a server: read at the start, and again whenever its file changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifecycle::Policies;
use plan::policy::FleetPolicy;
use ports::Clock;

use crate::failure::Failure;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Reads the policy; without a file the given one holds.
///
/// # Errors
/// When the file cannot be read or is no policy: a server that was told rules does not start without them.
pub(crate) fn open(file: Option<&Path>, otherwise: FleetPolicy) -> Result<Policies, Failure> {
    let policy = match file {
        Some(file) => {
            read(file).map_err(|why| Failure::new(why).while_doing(format!("--fleet-policy {}", file.display())))?
        }
        None => otherwise,
    };
    Ok(Policies::new(policy))
}

fn read(file: &Path) -> Result<FleetPolicy, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    FleetPolicy::parse(&text).map_err(|error| error.to_string())
}

/// Follows the file for ever. A new policy that is none is refused with its error, and the old one stays in force.
pub(crate) async fn follow(file: PathBuf, policies: Policies, clock: impl Clock) {
    let mut refused = None;
    loop {
        clock.sleep(LOOK).await;
        match read(&file) {
            Ok(policy) => {
                if refused.take().is_some() || policy != *policies.now() {
                    tracing::info!(file = %file.display(), "the fleet policy was read again");
                }
                policies.replace(policy);
            }
            Err(why) => {
                // Said once, not every few seconds.
                if refused.as_ref() != Some(&why) {
                    tracing::error!(file = %file.display(), why, "the fleet policy is refused; the one before stays in force");
                }
                refused = Some(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ports::SimClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_policy_is_followed_and_a_bad_one_leaves_the_old_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write("kind: FleetPolicy\nlimits: {fleet: 0}\n");
        let refused = open(Some(&file), FleetPolicy::default()).unwrap_err();
        assert!(
            format!("{refused:?}").contains("limits.fleet: must be at least 1"),
            "{refused:?}"
        );
        write("kind: FleetPolicy\nlimits: {fleet: 3}\n");
        let policies = open(Some(&file), FleetPolicy::default()).unwrap();
        let clock = Arc::new(SimClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        let following = tokio::spawn(follow(file.clone(), policies.clone(), clock.clone()));
        for (text, fleet) in [
            ("limits: {fleet: 7}\n", 7),
            ("limits: {fleeet: 9}\n", 7),
            ("limits: {fleet: 8}\n", 8),
        ] {
            write(&format!("kind: FleetPolicy\n{text}"));
            clock.sleep(LOOK * 2).await;
            assert_eq!(policies.now().limits.fleet, fleet, "{text}");
        }
        following.abort();
    }
}
