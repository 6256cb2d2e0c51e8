//! The systemd units say what the warden relies on: only the main process is signalled, and it comes
//! back after a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

fn units() -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    ["tern.service", "tern-system.service"].map(|name| folder.join(name))
}

/// (section, key, value) of each line, as systemd reads them; anything else is an error.
fn parse(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !section.is_empty()) {
            settings.push((section.clone(), key.to_owned(), value.to_owned()));
        } else {
            return Err(format!("line {}: {line}", index + 1));
        }
    }
    Ok(settings)
}

#[test]
fn both_units_keep_tasks_alive_and_come_back() {
    for path in units() {
        let settings = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (section, key, value) in [
            ("Service", "Type", "exec"),
            ("Service", "KillMode", "process"),
            ("Service", "Restart", "on-failure"),
            ("Service", "RestartPreventExitStatus", "64 65 73 77 78"),
            ("Service", "ExecStart", "/usr/bin/env tern up"),
            ("Service", "UMask", "0077"),
        ] {
            let found = settings.iter().find(|(s, k, _)| s == section && k == key).map(|(_, _, value)| value.as_str());
            assert_eq!(found, Some(value), "{} of {}", key, path.display());
        }
        assert!(settings.iter().any(|(section, key, _)| section == "Install" && key == "WantedBy"));
        let keys: Vec<_> = settings.iter().map(|(section, key, _)| (section, key)).collect();
        let mut unique = keys.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), keys.len(), "{} sets a key twice", path.display());
    }
}

#[test]
fn systemd_itself_finds_nothing_wrong_where_it_is_installed() {
    let there = Command::new("systemd-analyze").arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        let name = "systemd_itself_finds_nothing_wrong_where_it_is_installed";
        return skip(name, "systemd-analyze is not installed");
    }
    for path in units() {
        let out = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        // Other units of the machine, and an account or man page that is not there yet, are not ours to judge.
        let ours: Vec<_> = said.lines().filter(|line| line.contains("tern") && line.contains("Unknown")).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}
