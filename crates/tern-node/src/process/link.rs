//! The agent's end of the line to the warden: find one or start one, send in batches, hear what it says.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::frame::{self, FrameError, Frames};
use super::protocol::{FromWarden, PROTOCOL_VERSION, ToWarden};
use super::warden::{Options, connect};
use crate::home::Home;

/// A warden that takes longer to begin is given up on. It may have much to recover, but not that much.
const READY_MS: u16 = 10_000;
/// A warden that does not read for so long is stuck.
const SEND_PATIENCE: Duration = Duration::from_secs(5);
/// The descriptor on which a new warden says that it listens.
const READY_FD: i32 = 3;

/// Why there is no line to a warden, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("{0}: nobody answers there; no warden runs for this state folder")]
    Absent(PathBuf),
    #[error("the warden is this very program, and its file is not known: {0}; nothing was started")]
    NoProgram(io::Error),
    #[error("cannot start the warden {exe}: {source}; nothing was started")]
    Spawn { exe: PathBuf, source: io::Error },
    #[error("the warden {pid} did not begin: it ended, or took longer than {READY_MS} ms; its standard error says why")]
    NotReady { pid: i32 },
    #[error(
        "the warden speaks version {found} of the protocol, this agent {PROTOCOL_VERSION}: it goes when its tasks have ended"
    )]
    Version { found: u16 },
    #[error("the line to the warden broke: {0}; its tasks go on")]
    Io(#[from] io::Error),
    #[error("the warden cannot be understood: {0}; its tasks go on")]
    Frame(#[from] FrameError),
    #[error("the warden ended")]
    Closed,
}

/// What the reading thread hands on.
#[derive(Debug)]
pub enum LinkEvent {
    Message(FromWarden),
    /// The last event.
    Down(LinkError),
}

/// An open line. Dropping it hangs up.
pub struct WardenLink {
    stream: UnixStream,
    out: Vec<u8>,
}

impl WardenLink {
    /// Connects to the warden of this folder, says Hello, and starts a thread that calls `deliver` for all it says.
    /// `agent`: how the warden starts this process again should it die; empty: not at all.
    ///
    /// # Errors
    /// [`LinkError::Absent`] where there is none.
    pub fn connect(
        home: &Home,
        slots: u32,
        agent: &[OsString],
        deliver: impl FnMut(LinkEvent) + Send + 'static,
    ) -> Result<Self, LinkError> {
        let path = home.warden_socket();
        let stream = connect(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LinkError::Absent(path.clone()),
            _ => LinkError::Io(error),
        })?;
        stream.set_write_timeout(Some(SEND_PATIENCE))?;
        let reading = stream.try_clone()?;
        let mut link = Self { stream, out: Vec::new() };
        let agent = agent.iter().map(|word| word.as_bytes().into()).collect();
        link.send(&[ToWarden::Hello { version: PROTOCOL_VERSION, agent_pid: std::process::id(), slots, agent }])?;
        thread::Builder::new()
            .name("warden-link".into())
            .stack_size(256 << 10)
            .spawn(move || read_all(reading, deliver))?;
        Ok(link)
    }

    /// Connects, and starts a warden first where there is none: `exe` with the word `warden` and the options. `agent` is
    /// as in [`WardenLink::connect`]. Returns the pid of one that was started: the caller's child.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn connect_or_start(
        home: &Home,
        exe: &Path,
        options: &Options,
        slots: u32,
        agent: &[OsString],
        deliver: impl FnMut(LinkEvent) + Send + 'static,
    ) -> Result<(Self, Option<i32>), LinkError> {
        // A warden that is just ending may answer the first call and not the second.
        let absent = connect(&home.warden_socket()).is_err();
        let started = absent.then(|| spawn_warden(home, exe, options)).transpose()?;
        Ok((Self::connect(home, slots, agent, deliver)?, started))
    }

    /// Sends messages in one write.
    ///
    /// # Errors
    /// [`LinkError::Io`] when the warden is gone or stuck; what of the messages arrived is not known, and the next
    /// Welcome tells.
    pub fn send(&mut self, messages: &[ToWarden]) -> Result<(), LinkError> {
        self.out.clear();
        for message in messages {
            frame::push(&mut self.out, message)?;
        }
        self.stream.write_all(&self.out)?;
        self.out.shrink_to(64 << 10);
        Ok(())
    }
}

impl Drop for WardenLink {
    fn drop(&mut self) {
        // Ends the reading thread, too.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn read_all(mut stream: UnixStream, mut deliver: impl FnMut(LinkEvent)) {
    let mut frames = Frames::default();
    let error = loop {
        match frames.fill(&mut stream) {
            Ok(0) => break LinkError::Closed,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break LinkError::Io(error),
        }
        if let Some(error) = hand_on(&mut frames, &mut deliver) {
            break error;
        }
    };
    deliver(LinkEvent::Down(error));
}

fn hand_on(frames: &mut Frames, deliver: &mut impl FnMut(LinkEvent)) -> Option<LinkError> {
    loop {
        match frames.next_frame() {
            Ok(Some(FromWarden::Welcome { version, .. })) if version != PROTOCOL_VERSION => {
                return Some(LinkError::Version { found: version });
            }
            Ok(Some(message)) => deliver(LinkEvent::Message(message)),
            Ok(None) => return None,
            Err(error) => return Some(error.into()),
        }
    }
}

/// Starts a warden in a session of its own and waits until it listens. Returns its pid. The caller need not reap it
/// while it runs; it is the caller's child.
///
/// # Errors
/// [`LinkError::Spawn`], [`LinkError::NotReady`]
pub fn spawn_warden(home: &Home, exe: &Path, options: &Options) -> Result<i32, LinkError> {
    let spawn_error = |source: io::Error| LinkError::Spawn { exe: exe.to_owned(), source };
    let (ready, told) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|error| spawn_error(error.into()))?;
    let options = Options { ready_fd: Some(READY_FD), ..options.clone() };
    let mut words: Vec<OsString> = vec![exe.into(), "warden".into()];
    words.extend(options.to_args(home));
    // One that stays must not hold the caller's stderr: whoever reads that would wait for the warden's end.
    let log = (!options.die_with_client).then(|| home.path().join("warden.log"));
    let pid = spawn_session(exe, words, &told, log.as_deref()).map_err(spawn_error)?;
    drop(told);
    let mut watched = [PollFd::new(std::os::fd::AsFd::as_fd(&ready), PollFlags::POLLIN)];
    while let Err(Errno::EINTR) = poll(&mut watched, PollTimeout::from(READY_MS)) {}
    let is_ready = watched[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN));
    let mut byte = [0];
    if !is_ready || File::from(ready).read(&mut byte).ok() != Some(1) {
        return Err(LinkError::NotReady { pid });
    }
    Ok(pid)
}

fn spawn_session(exe: &Path, words: Vec<OsString>, told: &OwnedFd, log: Option<&Path>) -> io::Result<i32> {
    use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
    use nix::sys::signal::SigSet;
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(io::Error::other);
    let exe = text(exe.as_os_str().as_bytes().to_vec())?;
    let words = words.into_iter().map(|word| text(word.into_vec())).collect::<io::Result<Vec<_>>>()?;
    let env: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.into_vec(), value.into_vec()].join(&b'=')).ok())
        .collect();
    // dup2 onto itself would keep the close-on-exec flag.
    let moved = if told.as_raw_fd() == READY_FD { Some(told.try_clone()?) } else { None };
    let told = moved.as_ref().unwrap_or(told);
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_open(0, c"/dev/null", OFlag::O_RDONLY, nix::sys::stat::Mode::empty())?;
    // Whoever reads our output must not wait for the warden to end. Complaints of one that ends with us do come along.
    actions.add_open(1, c"/dev/null", OFlag::O_WRONLY, nix::sys::stat::Mode::empty())?;
    if let Some(log) = log {
        let log = text(log.as_os_str().as_bytes().to_vec())?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_APPEND;
        actions.add_open(2, log.as_c_str(), flags, nix::sys::stat::Mode::from_bits_truncate(0o600))?;
    }
    actions.add_dup2(told.as_raw_fd(), READY_FD)?;
    let mut attributes = PosixSpawnAttr::init()?;
    let flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK.bits() | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF.bits();
    attributes.set_flags(PosixSpawnFlags::from_bits_retain(flags | i32::from(libc::POSIX_SPAWN_SETSID)))?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_sigdefault(&SigSet::all())?;
    Ok(posix_spawn(exe.as_c_str(), &actions, &attributes, &words, &env)?.as_raw())
}
