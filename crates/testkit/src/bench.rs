//! What benchmarks print beside their figures: the machine, and time by the wall and by the processor. On a machine that
//! does other things as well only the second one can be compared.
#![allow(clippy::disallowed_methods, reason = "benchmarks measure real time")]

use std::time::{Duration, Instant};

/// Processor, cores and memory in a line.
///
/// ```
/// assert!(testkit::bench::machine().starts_with("machine: "));
/// ```
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(':').nth(1));
        value.unwrap_or("?").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let name = field(&processor, "model name");
    format!("machine: {name}, {cores} cores, {}", field(&memory, "MemTotal"))
}

/// Runs from its making; both times are of the whole process.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    begun: Instant,
    before: Duration,
}

/// What a stopwatch showed.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// By the wall.
    pub wall: Duration,
    /// Of the processor, in user and kernel, with the resolution of the kernel's ticks; zero where nothing tells.
    pub processor: Duration,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self {
            before: processor(),
            begun: Instant::now(),
        }
    }

    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Taken {
        Taken {
            wall: self.begun.elapsed(),
            processor: processor().saturating_sub(self.before),
        }
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (wall, processor) = (self.wall.as_secs_f64(), self.processor.as_secs_f64());
        write!(f, "{wall:.2} s ({processor:.2} s of the processor)")
    }
}

/// Time of the processor that this process has had.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold anything but the last closing bracket.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    // Ticks of ten milliseconds, as Linux has them on every common machine.
    Duration::from_millis(ticks.saturating_mul(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopwatch_shows_both_times() {
        let watch = Stopwatch::start();
        let first = watch.read();
        let second = watch.read();
        assert!(second.wall >= first.wall && second.processor >= first.processor);
        let shown = Taken {
            wall: Duration::from_millis(1_500),
            processor: Duration::from_millis(250),
        };
        assert_eq!(shown.to_string(), "1.50 s (0.25 s of the processor)");
    }
}
