//! The list of what is held, on disk before anything is changed.
//!
//! A JSON file, replaced whole, readable by its owner alone. It says who holds, since which boot, and for each process
//! what was found, so that the next holder or the watchdog can put it back. It needs no fsync: it must outlive a process,
//! and after a reboot nothing that it names exists any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ThrottleError;
use crate::process::protocol::{Asker, ThrottleMethod, ThrottleState};
use crate::sense::stat;

/// A list of another version is left alone.
const VERSION: u32 = 1;
/// Bytes of the list that are read.
const BYTES_MAX: u64 = 1 << 20;

/// One process, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub pid: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
    pub percent: u8,
    pub found: Found,
    /// A list of an earlier program does not say: then only a person lets go of it.
    #[serde(default)]
    pub asked_by: Asker,
}

impl Record {
    #[must_use]
    pub const fn state(&self) -> ThrottleState {
        let Self { pid, start_time, percent, asked_by, .. } = *self;
        let method = self.found.method();
        let percent = if method.keeps_to_a_share() { Some(percent) } else { None };
        ThrottleState { pid, start_time, percent, method, asked_by }
    }
}

/// What must be put back, and with it the method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Found {
    /// It was in the control group `from` and is now in our `group`.
    Group { method: ThrottleMethod, group: PathBuf, from: PathBuf },
    /// Its control group's `file` said `before`.
    Here { method: ThrottleMethod, file: PathBuf, before: String },
    /// Its session's group number and nice value.
    Autogroup { id: u64, nice: i32 },
    /// It was not stopped.
    Running,
}

impl Found {
    #[must_use]
    pub const fn method(&self) -> ThrottleMethod {
        match self {
            Self::Group { method, .. } | Self::Here { method, .. } => *method,
            Self::Autogroup { .. } => ThrottleMethod::Autogroup,
            Self::Running => ThrottleMethod::DutyCycle,
        }
    }
}

/// A holder's identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: i32,
    pub start_time: u64,
}

impl Holder {
    /// This process.
    pub fn own() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let own = stat(pid)?.ok_or_else(|| io::Error::other("this process is not in /proc"))?;
        Ok(Self { pid, start_time: own.start_time })
    }
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    version: u32,
    boot: String,
    pub holder: Holder,
    pub throttles: Vec<Record>,
}

/// The file, and the lock beside it that the next holder and the watchdog take turns by.
#[derive(Debug)]
pub struct ListFile(PathBuf);

impl ListFile {
    pub fn new(path: &Path) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for the lock; it goes with the file that is given back.
    pub fn lock(&self) -> Result<File, ThrottleError> {
        let failed = |source| ThrottleError::Write { path: self.0.clone(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.0.with_extension("lock")).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Reads it. A missing file, or one of an earlier boot, holds nothing.
    pub fn read(&self) -> Result<List, ThrottleError> {
        let unreadable = |why: String| ThrottleError::Unreadable { path: self.0.clone(), why };
        let mut text = String::new();
        match File::open(&self.0).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(List::default()),
            Err(error) => return Err(unreadable(error.to_string())),
            // Made and never written: a power cut between the two.
            Ok(0) => return Ok(List::default()),
            Ok(_) => {}
        }
        /// Read first: the rest of another version may have another form.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let version: Version = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if version.version != VERSION {
            return Err(unreadable(format!("it has version {}, this program knows {VERSION}", version.version)));
        }
        let list: List = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if list.throttles.len() > super::set::THROTTLES_MAX {
            return Err(unreadable(format!("it names more than {} processes", super::set::THROTTLES_MAX)));
        }
        Ok(if list.boot == boot_id() { list } else { List::default() })
    }

    /// Replaces it whole.
    pub fn write(&self, holder: Holder, throttles: Vec<Record>) -> Result<(), ThrottleError> {
        let failed = |source| ThrottleError::Write { path: self.0.clone(), source };
        let list = List { version: VERSION, boot: boot_id(), holder, throttles };
        let text = serde_json::to_vec_pretty(&list).map_err(|error| failed(error.into()))?;
        let new = self.0.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&new).and_then(|mut file| file.write_all(&text)).map_err(failed)?;
        fs::rename(&new, &self.0).map_err(failed)
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, ListFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = ListFile::new(&folder.path().join("throttles"));
        (folder, file)
    }

    fn records() -> Vec<Record> {
        let found = [
            Found::Group { method: ThrottleMethod::Quota, group: "/c/tern-throttle-7".into(), from: "/c".into() },
            Found::Here { method: ThrottleMethod::Weight, file: "/c/cpu.weight".into(), before: "100".into() },
            Found::Autogroup { id: 9, nice: -2 },
            Found::Running,
        ];
        found
            .into_iter()
            .map(|found| Record { pid: 7, start_time: 11, percent: 50, found, asked_by: Asker::Matrix })
            .collect()
    }

    #[test]
    fn what_was_written_is_read_and_only_its_owner_may() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, file) = file();
        assert_eq!(file.read().unwrap(), List::default());
        file.write(Holder { pid: 3, start_time: 4 }, records()).unwrap();
        let list = file.read().unwrap();
        assert_eq!((list.holder.pid, list.throttles), (3, records()));
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_an_earlier_program_wrote_is_a_persons() {
        let (_folder, file) = file();
        file.write(Holder::default(), records()).unwrap();
        let mut list: serde_json::Value = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
        for record in list["throttles"].as_array_mut().unwrap() {
            assert_eq!(record.as_object_mut().unwrap().remove("asked_by"), Some("matrix".into()));
        }
        fs::write(file.path(), list.to_string()).unwrap();
        let read = file.read().unwrap().throttles;
        assert!(
            read.len() == records().len() && read.iter().all(|record| record.asked_by == Asker::Person),
            "{read:?}"
        );
    }

    #[test]
    fn a_list_of_an_earlier_boot_names_nothing() {
        let (_folder, file) = file();
        file.write(Holder::default(), records()).unwrap();
        let text = fs::read_to_string(file.path()).unwrap().replace(&boot_id(), "another");
        fs::write(file.path(), text).unwrap();
        assert!(file.read().unwrap().throttles.is_empty());
    }

    #[test]
    fn a_list_that_is_cut_or_from_a_later_version_is_refused_with_its_path() {
        let (_folder, file) = file();
        file.write(Holder::default(), records()).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(file.path(), "").unwrap();
        assert!(file.read().unwrap().throttles.is_empty(), "made and never written");
        for bad in [
            "{}",
            "[1]",
            &text[..text.len() / 2],
            &text.replace("\"version\": 1", "\"version\": 2"),
            "{\"version\": 2}",
        ] {
            fs::write(file.path(), bad).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("throttles") && error.contains("move it away"), "{error}");
        }
    }
}
