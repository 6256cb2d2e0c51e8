//! Files between nodes: `tern cp` and `tern share`.
//!
//! Whoever wants a file fetches it: to send one means to ask the other node to fetch it from here. A content is named by its BLAKE3
//! hash, which is asked of the node that has it, from end to end; then it comes over the nodes between, each of which checks what it
//! passes on. See [`content`] for the stream and [`outline`] for the checking.

pub mod aside;
pub mod content;
mod copy;
pub mod names;
pub mod outline;
pub mod receive;
pub mod source;
#[cfg(test)]
mod tests;
pub mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use iroh::endpoint::{RecvStream, SendStream};
use tokio::sync::{Semaphore, mpsc};

use crate::overlay::peers::{CallError, Peers};
use content::hand::Memory;
pub use copy::{Copy, Files, choose};
use receive::pull;
use wire::{Ask, Event, Kind, Listed, Order, Outlined, Trouble, say};

/// Contents, lists and copies that other nodes are served at once; who comes later is told to try again.
const SERVED_MAX: usize = 64;
/// Lines of a list, and events of a copy, that wait to be sent.
const LINES_AHEAD: usize = 256;

/// What a node remembers of the files it gives, and whether it gives any.
#[derive(Debug)]
pub struct Service {
    outlines: source::Outlines,
    open: AtomicBool,
    places: Arc<Semaphore>,
    memory: Memory,
    /// Changes what it passes on, so that tests see who notices.
    #[cfg(test)]
    lies: AtomicBool,
}

impl Default for Service {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(SERVED_MAX));
        Self {
            outlines: source::Outlines::default(),
            open: AtomicBool::new(true),
            places,
            memory: Memory::default(),
            #[cfg(test)]
            lies: AtomicBool::new(false),
        }
    }
}

impl Service {
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    /// What merely passes is passed on in any case.
    fn admit(&self, ask: &Ask) -> Result<tokio::sync::OwnedSemaphorePermit, Trouble> {
        let passes = matches!(ask, Ask::Content(wanted) if !wanted.way.is_empty());
        if let Ask::Content(wanted) = ask
            && wanted.way.len() > content::WAY_MAX
        {
            return Err(Trouble::new(Kind::Refused, "a way with too many nodes on it"));
        }
        if !passes && !self.open.load(Relaxed) {
            return Err(Trouble::new(Kind::Refused, "that node gives and takes no files ([mesh] files = false there)"));
        }
        let busy = |_| Trouble::new(Kind::Busy, format!("that node serves {SERVED_MAX} copies already"));
        self.places.clone().try_acquire_owned().map_err(busy)
    }
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        let kind = match error {
            CallError::Unreachable { .. } => Kind::Unreachable,
            CallError::Broken { .. } => Kind::Broken,
            CallError::Refused(_) => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

/// Answers what another node asks about files. Boxed, because a copy asks other nodes in its turn.
pub fn serve(
    peers: &Peers,
    ask: Ask,
    send: SendStream,
    receive: RecvStream,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let peers = peers.clone();
    Box::pin(async move { answer(&peers, ask, send, receive).await })
}

async fn answer(peers: &Peers, ask: Ask, mut send: SendStream, mut receive: RecvStream) {
    let place = peers.files().admit(&ask);
    let answered = match (ask, &place) {
        (Ask::List { .. }, Err(trouble)) => say(&mut send, &Listed::Failed(trouble.clone())).await,
        (Ask::Outline { .. }, Err(trouble)) => say(&mut send, &Err::<Outlined, Trouble>(trouble.clone())).await,
        (Ask::Content(_), Err(trouble)) => say(&mut send, &Err::<u64, Trouble>(trouble.clone())).await,
        (Ask::Take(_), Err(trouble)) => say(&mut send, &Event::Failed(trouble.clone())).await,
        (Ask::List { sources, recursive }, Ok(_)) => list(&mut send, sources, recursive).await,
        (Ask::Outline { path, bare }, Ok(_)) => outline(peers, &mut send, path, bare).await,
        (Ask::Content(wanted), Ok(_)) => return content::serve(peers, wanted, send).await,
        (Ask::Take(order), Ok(_)) => take(peers, &order, &mut send, &mut receive).await,
    };
    if let Err(trouble) = answered {
        tracing::debug!(%trouble, "a question about files was not answered to its end");
    }
    let _closed = send.finish();
}

async fn list(send: &mut SendStream, sources: Vec<Vec<u8>>, recursive: bool) -> Result<(), Trouble> {
    let (lines, mut listed) = mpsc::channel(LINES_AHEAD);
    tokio::task::spawn_blocking(move || source::list(&sources, recursive, &lines));
    while let Some(line) = listed.recv().await {
        say(send, &line).await?;
    }
    Ok(())
}

async fn outline(peers: &Peers, send: &mut SendStream, path: Vec<u8>, bare: bool) -> Result<(), Trouble> {
    let service = peers.files().clone();
    let gone = send.stopped();
    let found = tokio::select! {
        found = aside::while_wanted(move |stop| service.outlines.outlined(&source::absolute(&path)?, bare, stop)) => found,
        _ = gone => return Err(Trouble::new(Kind::Broken, "who asked for an outline went away")),
    };
    let (outlined, outline) = match found {
        Ok(found) => found,
        Err(trouble) => return say(send, &Err::<Outlined, Trouble>(trouble)).await,
    };
    say(send, &Ok::<Outlined, Trouble>(outlined)).await?;
    let hashes = send.write_all(&outline.groups().concat()).await;
    hashes.map_err(|error| Trouble::new(Kind::Broken, error.to_string()))
}

/// Fetches for another node, as long as it listens.
async fn take(peers: &Peers, order: &Order, send: &mut SendStream, receive: &mut RecvStream) -> Result<(), Trouble> {
    let (events, mut happened) = mpsc::channel(LINES_AHEAD);
    let work = async move {
        let ended = pull::run(peers, order, &events).await;
        let last = ended.map_or_else(Event::Failed, Event::Done);
        let _gone = events.send(last).await;
    };
    let tell = async {
        while let Some(event) = happened.recv().await {
            say(send, &event).await?;
        }
        Ok(())
    };
    let mut nothing = [0];
    tokio::select! {
        ((), told) = async { tokio::join!(work, tell) } => told,
        // It says nothing more: its end is the end of the wish.
        _ = receive.read(&mut nothing) => Err(Trouble::new(Kind::Broken, "who asked for a copy went away")),
    }
}
