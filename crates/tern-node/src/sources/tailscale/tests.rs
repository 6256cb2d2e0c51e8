use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;
use crate::process::pidfd::Pidfd;

/// An answer in the form that Tailscale gives, with names and keys of nobody.
const ANSWER: &str = r#"{
  "Version": "1.86.2-t0c5d3e1f0-g4b0f9a7c2",
  "TUN": true,
  "BackendState": "Running",
  "HaveNodeKey": true,
  "AuthURL": "",
  "TailscaleIPs": ["100.101.7.1", "fd7a:115c:a1e0::1101:701"],
  "Self": {
    "ID": "nSelf7CNTRL", "PublicKey": "nodekey:00aa", "HostName": "desk", "DNSName": "desk.tail0000.ts.net.", "OS": "linux",
    "UserID": 11, "TailscaleIPs": ["100.101.7.1", "fd7a:115c:a1e0::1101:701"], "Online": true, "ExitNode": false
  },
  "Health": [],
  "MagicDNSSuffix": "tail0000.ts.net",
  "CertDomains": null,
  "Peer": {
    "nodekey:11bb": {
      "ID": "nZed1CNTRL", "PublicKey": "nodekey:11bb", "HostName": "raspberrypi", "DNSName": "raspberrypi.tail0000.ts.net.",
      "OS": "linux", "UserID": 11, "TailscaleIPs": ["100.101.7.2", "fd7a:115c:a1e0::1101:702"],
      "AllowedIPs": ["100.101.7.2/32"], "Addrs": null, "CurAddr": "192.168.2.9:41641", "Relay": "fra", "RxBytes": 1840,
      "TxBytes": 2200, "Created": "2024-03-01T10:00:00Z", "LastSeen": "0001-01-01T00:00:00Z", "Online": true, "ExitNode": false,
      "Active": true, "PeerAPIURL": ["http://100.101.7.2:34567"], "InNetworkMap": true, "InMagicSock": true, "InEngine": true
    },
    "nodekey:22cc": {
      "ID": "nAda2CNTRL", "PublicKey": "nodekey:22cc", "HostName": "raspberrypi", "DNSName": "raspberrypi-1.tail0000.ts.net.",
      "OS": "linux", "UserID": 11, "TailscaleIPs": ["100.101.7.3"], "Addrs": null, "CurAddr": "", "Relay": "fra", "Online": true
    },
    "nodekey:33dd": {
      "ID": "nOld3CNTRL", "PublicKey": "nodekey:33dd", "HostName": "laptop", "DNSName": "laptop.tail0000.ts.net.", "OS": "macOS",
      "UserID": 11, "TailscaleIPs": ["100.101.7.4"], "CurAddr": "", "LastSeen": "2025-01-04T08:00:00Z", "Online": false
    },
    "nodekey:44ee": {
      "ID": "nZed1CNTRL", "PublicKey": "nodekey:44ee", "HostName": "copy", "DNSName": "", "OS": "linux", "UserID": 11,
      "TailscaleIPs": ["100.101.7.5"], "Online": true
    },
    "nodekey:55ff": {
      "ID": "nBare4CNTRL", "PublicKey": "nodekey:55ff", "HostName": "bare", "OS": "", "TailscaleIPs": null, "Online": true
    },
    "nodekey:66aa": {
      "ID": "nBad5CNTRL", "HostName": "bad", "TailscaleIPs": ["100.101.7.400", "; rm -rf"], "Online": true
    }
  },
  "User": { "11": { "ID": 11, "LoginName": "somebody@example.com", "DisplayName": "Somebody" } },
  "ClientVersion": null
}"#;

fn machine(id: &str, host_name: &str, addresses: &[&str]) -> Machine {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Machine { id: id.into(), host_name: host_name.into(), addresses }
}

/// A program in its own folder that stands for `tailscale`.
pub(crate) fn program(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tailscale");
    // Written by another process: a child that another test starts at this moment would hold the file open for writing,
    // and what is open for writing cannot be run.
    let mut writer = Command::new("tee").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (folder, path)
}

#[test]
fn those_online_are_listed_once_by_id_whatever_they_are_called() {
    let expected = [
        machine("nAda2CNTRL", "raspberrypi", &["100.101.7.3"]),
        machine("nZed1CNTRL", "raspberrypi", &["100.101.7.2", "fd7a:115c:a1e0::1101:702"]),
    ];
    assert_eq!(read(ANSWER.as_bytes()).unwrap(), expected);
    // A network of one.
    assert_eq!(read(br#"{"BackendState":"Running","Peer":null}"#).unwrap(), []);
    let alone = read(br#"{"BackendState":"NeedsLogin","Peer":null}"#).unwrap_err();
    assert!(alone.to_string().contains("NeedsLogin"), "{alone}");
}

#[test]
fn an_answer_that_was_cut_or_is_none_gives_its_reason() {
    for cut in (0..ANSWER.len()).step_by(7) {
        assert!(matches!(read(&ANSWER.as_bytes()[..cut]), Err(Silence::Form(_))), "cut at {cut}");
    }
    for other in [
        "[]",
        "{}",
        "\u{7}",
        r#"{"BackendState":"Running","Peer":[]}"#,
        r#"{"BackendState":"Running","Peer":{"k":{"Online":"yes"}}}"#,
        &"[".repeat(100_000),
    ] {
        assert!(matches!(read(other.as_bytes()), Err(Silence::Form(_))), "{other:.20}");
    }
}

#[test]
fn more_machines_than_the_limit_are_left_out() {
    let peer =
        |n: usize| format!(r#""k{n}":{{"ID":"n{n:05}","HostName":"h","TailscaleIPs":["100.64.0.1"],"Online":true}}"#);
    let peers: Vec<String> = (0..MACHINES_MAX + 9).map(peer).collect();
    let found = read(format!(r#"{{"BackendState":"Running","Peer":{{{}}}}}"#, peers.join(",")).as_bytes()).unwrap();
    assert_eq!(found.len(), MACHINES_MAX);
    assert_eq!(found.last().unwrap().id, format!("n{:05}", MACHINES_MAX - 1));
}

#[test]
fn a_machine_without_tailscale_has_an_empty_list_and_a_reason() {
    let found = online_by(Path::new("/nonexistent/tailscale"));
    assert!(found.machines.is_empty());
    assert!(matches!(found.silent, Some(Silence::NotInstalled)), "{:?}", found.silent);
    let (folder, path) = program("no program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(online_by(&path).silent, Some(Silence::NotRun(_))));
    drop(folder);
}

#[test]
fn the_program_is_asked_for_its_status_and_believed_only_if_it_succeeds() {
    let asked = r#"#!/bin/sh
[ "$*" = "status --json" ] || exit 2
"#;
    let (_folder, path) = program(&format!("{asked}cat <<'END'\n{ANSWER}\nEND\n"));
    let found = online_by(&path);
    assert_eq!((found.machines.len(), found.silent.is_none()), (2, true), "{:?}", found.silent);
    let (_folder, path) = program(&format!("{asked}cat <<'END'\n{ANSWER}\nEND\nexit 1\n"));
    let found = online_by(&path);
    assert!(found.machines.is_empty() && matches!(found.silent, Some(Silence::Failed { .. })), "{:?}", found.silent);
}

#[test]
fn a_program_that_says_too_much_or_nothing_is_ended_with_what_it_started() {
    let run = |text: &str, limit| {
        let (folder, path) = program(text);
        (run::output(&path, &[], limit, 1000), folder)
    };
    assert!(matches!(run("#!/bin/sh\nexec yes\n", TIME_LIMIT * 30).0, Err(Silence::TooMuch)));
    // It closes its output and stays.
    let short = Duration::from_millis(100);
    assert!(matches!(run("#!/bin/sh\nexec sleep 600 >&-\n", short).0, Err(Silence::TooLate)));
    // Its child keeps the output open, and outlives it.
    let (late, folder) = run("#!/bin/sh\nsleep 600 &\necho $! >\"$0.child\"\n", TIME_LIMIT);
    assert!(matches!(late, Err(Silence::TooLate)));
    let child = std::fs::read_to_string(folder.path().join("tailscale.child")).unwrap().trim().parse().unwrap();
    // No such process, or one that ends now.
    let goes_on = Pidfd::open(child).is_ok_and(|child| !child.wait(60_000).unwrap());
    assert!(!goes_on, "process {child} goes on");
}
