//! Jobs: CronJobs through the day, long Jobs, and the workers that feed them.

use super::fill::{Filler, cron_job, job};
use super::shop;

/// Schedules and how long a run takes.
const SCHEDULES: [(&str, &str, &str); 4] = [
    ("import", "*/30 * * * *", "4m"),
    ("report", "17 * * * *", "11m"),
    ("cleanup", "45 3 * * *", "25m"),
    ("export", "5 */6 * * *", "50m"),
];

/// Adds a team's jobs while there is room.
pub(super) fn team(filler: &mut Filler, round: usize) {
    let namespace = format!("batch{round}-jobs");
    let crons = if round == 0 { 4 } else { 1 };
    for at in 0..crons {
        if let Some((name, schedule, takes)) = SCHEDULES.get((round + at) % SCHEDULES.len()) {
            let app = filler.app(&namespace, name, 1);
            let object = cron_job(filler, &app, schedule, takes);
            filler.add(object);
        }
    }
    let workers = filler.draw(3, 12);
    shop::web(filler, &namespace, "worker", workers);
    if filler.is_full() {
        return;
    }
    let pods = filler.draw(2, 8);
    let app = filler.app(&namespace, "training", pods);
    let hours = filler.draw(4, 20);
    let object = job(filler, &app, &format!("{hours}h"));
    filler.add_with_pods(object, app.replicas);
}
