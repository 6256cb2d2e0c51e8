//! The way to the API: a unix socket, or the router itself.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::Service;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;

use super::DoorError;
use crate::control::api::Refusal;
use crate::control::serve::{ServeError, is_own_socket};
use crate::home::Home;
use crate::process::pidfd::is_stopped;

/// How long an agent that died may take to come back before a client that it served gives up. Its warden starts it again
/// at once; a service of the system may take a while.
const BACK_MAX: Duration = Duration::from_secs(10);
/// The same for a command that finds a dead agent's socket and its warden alive.
const BACK_AT_OPEN_MAX: Duration = Duration::from_secs(2);
/// The same where the socket is gone as well: the agent ended in order.
const ENDED_MAX: Duration = Duration::from_millis(500);
/// The kind of refusal of an agent that a signal has stopped.
const STOPPED: &str = "agent_stopped";
const BACK_LOOK: Duration = Duration::from_millis(20);
/// Times one call or stream goes on with an agent that died under it.
pub(super) const REJOINS_MAX: u32 = 64;

/// Either way to the API.
pub(super) enum Reach {
    Agent {
        home: Home,
        /// The last connection, when its answer was read whole.
        idle: Mutex<Option<SendRequest<Full<Bytes>>>>,
    },
    Router(TowerToHyperService<Router>),
}

/// An answer's body, whichever way it came.
pub(super) enum Incoming {
    Socket(hyper::body::Incoming),
    Router(Body),
}

impl Incoming {
    /// The next bytes, or None at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, DoorError> {
        loop {
            let frame = match self {
                Self::Socket(body) => body.frame().await.map(|frame| frame.map_err(io::Error::other)),
                Self::Router(body) => body.frame().await.map(|frame| frame.map_err(io::Error::other)),
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    async fn collect(mut self) -> Result<Bytes, DoorError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut all = Vec::with_capacity(first.len() + second.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }
}

impl Reach {
    pub(super) fn router(router: Router) -> Self {
        Self::Router(TowerToHyperService::new(router))
    }

    /// The agent of `home`; None where none listens. One that died a moment ago is given the time to come back, or this
    /// command would take the folder from it.
    pub(super) async fn agent(home: &Home) -> Result<Option<Self>, DoorError> {
        let mut connection = connect(home).await?;
        if connection.is_none() && is_own_socket(&home.control_socket()).is_ok_and(|dead| dead) && has_warden(home) {
            connection = back(home, BACK_AT_OPEN_MAX).await?;
        }
        Ok(connection.map(|connection| Self::Agent { home: home.clone(), idle: Mutex::new(Some(connection)) }))
    }

    pub(super) fn is_agent(&self) -> bool {
        matches!(self, Self::Agent { .. })
    }

    /// Asks and reads the whole answer. What only looks is asked again where the agent dies under it.
    pub(super) async fn whole(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, DoorError> {
        if method != Method::GET || !self.is_agent() {
            return self.whole_once(method, path, body).await;
        }
        let mut left = REJOINS_MAX;
        loop {
            match self.whole_once(Method::GET, path, Vec::new()).await {
                Err(error) if left > 0 && is_break(&error) => left -= 1,
                answer => return answer,
            }
        }
    }

    async fn whole_once(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, DoorError> {
        let request = request(method, path, body)?;
        match self {
            Self::Router(router) => {
                let response = call(router, request).await?;
                good(response.status(), Incoming::Router(response.into_body())).await?.collect().await
            }
            Self::Agent { home, idle } => {
                let mut connection = ready(home, idle).await?;
                let response = connection.send_request(request).await.map_err(|error| broken(&error))?;
                let answer = good(response.status(), Incoming::Socket(response.into_body())).await;
                let answer = match answer {
                    Ok(answer) => answer.collect().await?,
                    Err(refused) => {
                        keep(idle, connection);
                        return Err(refused);
                    }
                };
                keep(idle, connection);
                Ok(answer)
            }
        }
    }

    /// Asks and reads the whole answer, which may take its time, on a connection of its own.
    pub(super) async fn alone(&self, path: &str) -> Result<Bytes, DoorError> {
        let mut left = if self.is_agent() { REJOINS_MAX } else { 0 };
        loop {
            match self.open(path).await?.collect().await {
                Err(error) if left > 0 && is_break(&error) => left -= 1,
                answer => return answer,
            }
        }
    }

    /// Asks for a stream. It has a connection of its own, so that other calls go on beside it.
    pub(super) async fn open(&self, path: &str) -> Result<Incoming, DoorError> {
        let mut left = if self.is_agent() { REJOINS_MAX } else { 0 };
        loop {
            match self.open_once(Method::GET, path, Vec::new()).await {
                Err(error) if left > 0 && is_break(&error) => left -= 1,
                answer => return answer,
            }
        }
    }

    /// As [`Self::open`], for what may not be asked twice.
    pub(super) async fn open_once(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Incoming, DoorError> {
        let request = request(method, path, body)?;
        match self {
            Self::Router(router) => {
                let response = call(router, request).await?;
                good(response.status(), Incoming::Router(response.into_body())).await
            }
            Self::Agent { home, idle } => {
                let mut connection = ready(home, idle).await?;
                let response = connection.send_request(request).await.map_err(|error| broken(&error))?;
                good(response.status(), Incoming::Socket(response.into_body())).await
            }
        }
    }
}

async fn call(
    router: &TowerToHyperService<Router>,
    request: Request<Full<Bytes>>,
) -> Result<axum::response::Response, DoorError> {
    match router.call(request.map(Body::new)).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, DoorError> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "tern")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| DoorError::Io(io::Error::new(io::ErrorKind::InvalidInput, error)))
}

fn keep(idle: &Mutex<Option<SendRequest<Full<Bytes>>>>, connection: SendRequest<Full<Bytes>>) {
    if let Ok(mut slot) = idle.lock() {
        *slot = Some(connection);
    }
}

/// Whether the connection broke, so that the same question may be asked again.
pub(super) fn is_break(error: &DoorError) -> bool {
    matches!(error, DoorError::Io(error) if error.kind() == io::ErrorKind::ConnectionAborted)
}

/// Waits for an agent that was there.
async fn back(home: &Home, most: Duration) -> Result<Option<SendRequest<Full<Bytes>>>, DoorError> {
    let since = Instant::now();
    loop {
        match connect(home).await {
            Ok(Some(connection)) => return Ok(Some(connection)),
            // Stopped for a moment, as by a shell that puts it into the background.
            Err(DoorError::Unreachable { kind: STOPPED, .. }) if since.elapsed() < most => {
                tokio::time::sleep(BACK_LOOK).await;
                continue;
            }
            answer => drop(answer?),
        }
        let dead = is_own_socket(&home.control_socket()).is_ok_and(|dead| dead);
        if since.elapsed() >= if dead { most } else { ENDED_MAX } {
            return Ok(None);
        }
        tokio::time::sleep(BACK_LOOK).await;
    }
}

/// Whether a warden lives that may start its agent again. It is not spoken to: another caller would take the place of the
/// agent that is just introducing itself there.
fn has_warden(home: &Home) -> bool {
    crate::process::warden::living(home).is_some()
}

/// The idle connection if it still stands, else a fresh one.
async fn ready(
    home: &Home,
    idle: &Mutex<Option<SendRequest<Full<Bytes>>>>,
) -> Result<SendRequest<Full<Bytes>>, DoorError> {
    let kept = idle.lock().ok().and_then(|mut slot| slot.take());
    if let Some(mut connection) = kept
        && connection.ready().await.is_ok()
    {
        return Ok(connection);
    }
    back(home, BACK_MAX).await?.ok_or_else(|| DoorError::Unreachable {
        kind: "agent_gone",
        message: format!(
            "the agent of {} has gone. What it accepted is durable: start it again with `tern up --detach`",
            home.path().display()
        ),
    })
}

/// Connects to the folder's agent, if there is one. A socket of another user, or one that another user's process serves, is
/// refused.
async fn connect(home: &Home) -> Result<Option<SendRequest<Full<Bytes>>>, DoorError> {
    let path = home.control_socket();
    match is_own_socket(&path) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(ServeError::Io { path, source }) => {
            let message = format!("{}: {source}", path.display());
            return Err(DoorError::Io(io::Error::new(source.kind(), message)));
        }
        Err(foreign) => return Err(DoorError::Unreachable { kind: "foreign_socket", message: foreign.to_string() }),
    }
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        // A dead agent's socket, or one that went in between.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(error) => return Err(DoorError::Io(error)),
    };
    let serves = stream.peer_cred()?;
    let (own, peer) = (nix::unistd::geteuid().as_raw(), serves.uid());
    if peer != own {
        let message =
            format!("{} is served by user {peer}, and this is user {own}: nothing was said to it", path.display());
        return Err(DoorError::Unreachable { kind: "foreign_socket", message });
    }
    // It would take the question, and answer when somebody lets it go on.
    if let Some(pid) = serves.pid().filter(|pid| is_stopped(*pid)) {
        let message = format!(
            "the agent (process {pid}) is stopped by a signal and answers nobody. `kill -CONT {pid}` lets it go on; nothing was said to it"
        );
        return Err(DoorError::Unreachable { kind: STOPPED, message });
    }
    let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(async move {
        // Its end is seen by whoever waits for an answer.
        let _end = driver.await;
    });
    Ok(Some(connection))
}

async fn good(status: StatusCode, body: Incoming) -> Result<Incoming, DoorError> {
    if status.is_success() {
        return Ok(body);
    }
    let text = body.collect().await?;
    let refusal: Refusal = serde_json::from_slice(&text).unwrap_or_else(|_| Refusal {
        kind: "other".to_owned(),
        message: format!("the node answered {status}: {}", String::from_utf8_lossy(&text)),
        what_to_do: String::new(),
    });
    let mut message = refusal.message;
    if !refusal.what_to_do.is_empty() {
        message = format!("{message}. {}", refusal.what_to_do);
    }
    Err(DoorError::Refused { status: status.as_u16(), kind: refusal.kind, message })
}

fn broken(error: &dyn std::error::Error) -> DoorError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    let message = format!(
        "the connection to the node broke ({reason}). What was asked may have been done or not: `tern jobs` shows accepted jobs, \
             `tern members` the grid"
    );
    DoorError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, message))
}
