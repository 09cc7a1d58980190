//! The note that a running simulation leaves, so that other commands find its control endpoint.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cli_args::env_vars;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::settings::Env;

/// What the note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The process.
    pub(super) pid: u32,
    /// URL of the control endpoint, up to `/sim/v1`.
    pub(super) control: String,
    /// What requests to it carry. Only the user can read the note, so pages in a browser and other users cannot steer it.
    pub(super) token: String,
}

/// A note in its place; dropping it takes it away.
#[derive(Debug)]
pub(super) struct Posted(PathBuf);

impl Drop for Posted {
    fn drop(&mut self) {
        // Whoever has removed it already is right.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where notes are: `$XDG_RUNTIME_DIR`, else `$XDG_STATE_HOME`, else `~/.local/state`.
pub(super) fn folder(env: &Env) -> Result<PathBuf, Failure> {
    let runtime = env.get(&env_vars::XDG_RUNTIME_DIR).map(PathBuf::from);
    let base = runtime
        .filter(|path| path.is_absolute())
        .or_else(|| env.xdg(&env_vars::XDG_STATE_HOME, ".local/state"));
    let base = base.ok_or_else(|| {
        Failure::new("there is no place to note running simulations").hint("set XDG_RUNTIME_DIR or HOME")
    })?;
    Ok(base.join("fleetwright").join("sim"))
}

fn file(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("{pid}.json"))
}

/// Leaves a note that only this user can read.
pub(super) fn post(folder: &Path, note: &Note) -> Result<Posted, Failure> {
    let path = file(folder, note.pid);
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    // A note of a process that had this id before and was killed; an own file keeps nobody else's permissions.
    let _ = fs::remove_file(&path);
    let text = serde_json::to_string(note).map_err(|error| Failure::of(&error))?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(Posted(path))
}

/// All notes, in order of process ids. Some may be of simulations that were killed.
pub(super) fn all(folder: &Path) -> Result<Vec<Note>, Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::new(format!("{}: {error}", folder.display()))),
    };
    let mut notes: Vec<Note> = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect();
    notes.sort_by_key(|note| note.pid);
    Ok(notes)
}

/// Takes the note of a simulation away that is no longer there.
pub(super) fn forget(folder: &Path, note: &Note) {
    let _ = fs::remove_file(file(folder, note.pid));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_there_while_it_is_held() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        assert_eq!(all(&folder).unwrap(), []);
        let note = |pid| Note {
            pid,
            control: "http://127.0.0.1:1/sim/v1".to_owned(),
            token: "t".to_owned(),
        };
        let later = post(&folder, &note(20)).unwrap();
        let first = post(&folder, &note(3)).unwrap();
        fs::write(folder.join("5.json"), "torn").unwrap();
        assert_eq!(all(&folder).unwrap(), [note(3), note(20)]);
        drop(first);
        assert_eq!(all(&folder).unwrap(), [note(20)]);
        drop(later);
        assert_eq!(all(&folder).unwrap(), []);
    }
}
