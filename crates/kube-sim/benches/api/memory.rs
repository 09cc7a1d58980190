//! What servers and pods keep resident, as the kernel counts it.

use crate::{filled, runtime, server};

/// Resident bytes of this process; none where the kernel does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

/// Prints figures before the timed benchmarks run.
pub(crate) fn print() {
    const SERVERS: u64 = 150;
    const PODS: u64 = 10_000;
    let runtime = runtime();
    // What the first server sets up for all of them (tables, schemas) is not counted.
    let first = runtime.block_on(filled(10));
    let Some(before) = resident() else {
        println!("resident memory is not told on this system");
        return;
    };
    let servers: Vec<_> = (0..SERVERS).map(|_| server()).collect();
    let empty = (resident().unwrap_or(before) - before) / SERVERS;
    println!("resident: {} KiB for each of {SERVERS} empty servers", empty / 1_024);
    let before = resident().unwrap_or_default();
    let full = runtime.block_on(filled(usize::try_from(PODS).unwrap_or_default()));
    let pod = resident().unwrap_or(before).saturating_sub(before) / PODS;
    println!("resident: {pod} bytes for each of {PODS} typical pods, the server and its event log included");
    drop((first, servers, full));
}
