//! An agent that takes part in a grid, on loopback and nowhere else. Several of them on one machine are a grid.

use std::process::Command;

use serde_json::Value;

use crate::grid::{Out, Tern};

pub struct Machine(pub Tern);

impl Machine {
    /// With these settings, and these of `[mesh]`. Its agent does not run yet.
    pub fn with(name: &str, settings: &str, mesh: &str) -> Self {
        let machine = Self(Tern::new());
        let text = format!(
            "listen = \"127.0.0.1:0\"\n{settings}\n[mesh]\nname = \"{name}\"\nmdns = false\nport_mapping = false\n{mesh}"
        );
        std::fs::write(machine.0.path().join("config.toml"), text).unwrap();
        machine
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.0.command(words);
        command.env_remove("TERN_MESH__ENABLED");
        command
    }

    pub fn run(&self, words: &[&str]) -> Out {
        let out = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Out { code: out.status.code().unwrap_or(-1), stdout: text(out.stdout), stderr: text(out.stderr) }
    }

    /// What it printed; it must have gone well.
    pub fn good(&self, words: &[&str]) -> String {
        let out = self.run(words);
        assert_eq!(out.code, 0, "{words:?}: {out:?}");
        out.stdout
    }

    pub fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.good(&words)).unwrap()
    }

    /// With its agent running, in a grid of its own.
    pub fn begun(self) -> Self {
        self.good(&["up", "--detach"]);
        self
    }

    /// Lets `other` in.
    pub fn admit(&self, other: &Self) {
        let ticket = self.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
        other.good(&["join", &ticket]);
    }
}
