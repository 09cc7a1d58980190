//! `sim up --event-log`: everything that happens in a simulation, a line each, appended to a file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use service::Shutdown;
use twin::LogSink;

use crate::failure::Failure;

/// What became of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct EventLog {
    failure: Arc<Mutex<Option<(PathBuf, std::io::Error)>>>,
}

impl EventLog {
    /// Opens the file and gives what takes its lines. Each line is written when it comes, in one piece, so that a reader sees
    /// whole lines at any time. When it can no longer be written the simulation ends: a log with a hole tells lies.
    pub(super) fn open(path: &Path, shutdown: Shutdown) -> Result<(Self, LogSink), Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        if is_torn(&mut file).map_err(failed)? {
            file.write_all(b"\n").map_err(failed)?;
        }
        let log = Self::default();
        let (failure, path) = (log.failure.clone(), path.to_owned());
        let mut line = Vec::new();
        let sink = move |text: &str| {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.is_some() {
                return;
            }
            line.clear();
            line.extend_from_slice(text.as_bytes());
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                *failure = Some((path.clone(), error));
                shutdown.begin();
            }
        };
        Ok((log, Box::new(sink)))
    }

    /// Why the log is not whole, if it is not.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((path, error)) => {
                Err(Failure::new(format!("{}: {error}", path.display())).while_doing("writing the event log"))
            }
        }
    }
}

/// Whether the last line of a file has no end: whoever wrote it was killed.
fn is_torn(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.log");
        std::fs::write(&path, "a line\ntorn").unwrap();
        let (log, mut sink) = EventLog::open(&path, Shutdown::new()).unwrap();
        sink("one");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\ntorn\none\n");
        let (_, mut other) = EventLog::open(&path, Shutdown::new()).unwrap();
        other("two");
        sink("three");
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\none\ntwo\nthree\n"));
        assert!(log.check().is_ok());
        assert!(EventLog::open(folder.path(), Shutdown::new()).is_err());
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_the_simulation() {
        // The device that is always full.
        let full = Path::new("/dev/full");
        if !full.exists() {
            println!("there is no /dev/full here: passed over");
            return;
        }
        let shutdown = Shutdown::new();
        let (log, mut sink) = EventLog::open(full, shutdown.clone()).unwrap();
        assert!(log.check().is_ok());
        sink("one");
        assert!(shutdown.has_begun());
        assert!(log.check().is_err());
    }
}
