//! A state folder and the real binary on it. Whatever a test leaves running is ended with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// An event that has not come by then will not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command left behind.
#[derive(Debug)]
pub struct Out {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub struct Tern {
    folder: TempDir,
    home: PathBuf,
}

impl Tern {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tern-").tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self { folder, home }
    }

    /// The state folder.
    pub fn path(&self) -> &Path {
        &self.home
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.args(words).env("TERN_HOME", &self.home).env_remove("NO_COLOR").current_dir(self.folder.path());
        // One machine is enough for what these tests are about, and it need not look for others.
        command.env("TERN_MESH__ENABLED", "false").stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Out {
        let out = self.command(words).output().unwrap();
        Out {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8(out.stdout).unwrap(),
            stderr: String::from_utf8(out.stderr).unwrap(),
        }
    }

    /// What it printed; it must have gone well.
    pub fn good(&self, words: &[&str]) -> String {
        let out = self.run(words);
        assert_eq!(out.code, 0, "{words:?}: {out:?}");
        out.stdout
    }

    pub fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.good(words)).unwrap()
    }

    pub fn submit(&self, words: &[&str]) -> String {
        let words: Vec<_> = ["submit", "--json"].iter().chain(words).copied().collect();
        self.json(&words)["job"].as_str().unwrap().to_owned()
    }

    /// Starts the agent and returns its pid.
    pub fn up(&self) -> u64 {
        self.json(&["up", "--detach", "--json"])["pid"].as_u64().unwrap()
    }

    /// Waits until something is so that has no event of its own.
    #[expect(clippy::unused_self, reason = "it reads as the other steps of a test do")]
    pub fn until(&self, so: impl Fn() -> bool) {
        let since = Instant::now();
        while !so() {
            assert!(since.elapsed() < PATIENCE, "it never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Tern {
    fn drop(&mut self) {
        // A test that failed may leave an agent; one that went well has none, and this says so and nothing else.
        let _none = self.run(&["down", "--now"]);
    }
}
