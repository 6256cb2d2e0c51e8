//! A server for ssh of the benchmark's own, with keys that live as long as it: what GNU parallel crosses machines with.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::capture;

pub struct Server {
    child: Child,
    /// Takes the place of `ssh`.
    pub client: PathBuf,
}

impl Server {
    /// On the two addresses of loopback that stand for two machines, with its keys in this folder.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)).stdin(Stdio::null());
            capture(keygen)?;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(failed)?.port();
        let at = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\n\
             MaxStartups 200\nMaxSessions 200\nUsePAM no\n",
            at("host"),
            at("user.pub")
        );
        std::fs::write(folder.join("settings"), settings).map_err(failed)?;
        // Where it separates its privileges.
        std::fs::create_dir_all("/run/sshd").map_err(failed)?;
        let mut server = Command::new("/usr/sbin/sshd");
        server.args(["-D", "-e", "-f", &at("settings")]).stdin(Stdio::null()).stderr(Stdio::null());
        let child = server.spawn().map_err(|error| format!("sshd: {error}"))?;
        let client = folder.join("client");
        let words = format!(
            "#!/bin/sh\nexec ssh -p {port} -i {} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o LogLevel=ERROR \"$@\"\n",
            at("user")
        );
        std::fs::write(&client, words).map_err(failed)?;
        std::fs::set_permissions(&client, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(failed)?;
        let server = Self { child, client };
        for left in (0..50).rev() {
            let mut ask = Command::new(&server.client);
            match capture({
                ask.args(["127.0.0.1", "true"]).stdin(Stdio::null());
                ask
            }) {
                Ok(_) => return Ok(server),
                Err(why) if left == 0 => return Err(why),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(100)),
            }
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
