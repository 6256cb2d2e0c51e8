//! The door for joining: four messages on a connection of their own, on either side of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::{Endpoint, EndpointAddr, EndpointId, SecretKey, TransportAddr};
use tern_core::trust::{Answer, Challenge, Hello, JoinRefusal, Name, Proof, Statement, Talk, Ticket};
use tern_core::words::limits::{STATEMENT_BYTES_MAX, STATEMENT_LIST_BYTES_MAX};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::overlay::JOIN_ALPN;
use crate::overlay::actor::Said;
use crate::overlay::carry::links::frame;
use crate::store::grid::{public, with_signer};

/// All of it, from the first byte to the last.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Strangers at the door at once. With one more, the one who has stood there longest is turned away: who has a ticket is in
/// within moments, and who says nothing keeps nobody out.
const KNOCKS_MAX: usize = 8;

/// Why this node is in no other grid than before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the machine that made the ticket cannot be reached at {addresses}: {why}. Nothing was changed")]
    Unreachable { addresses: String, why: String },
    #[error("the machine that made the ticket turned this one away: {0}. Nothing was changed")]
    Closed(String),
    #[error("the connection to the machine that made the ticket broke: {0}. Nothing was changed")]
    Broken(String),
    #[error("{0}. Nothing was changed")]
    Refused(JoinRefusal),
    #[error("the answer of the machine that made the ticket is not one of this version: {0}. Nothing was changed")]
    Answer(String),
}

/// A stranger who has said everything; the actor judges.
pub struct Knock {
    pub hello: Hello,
    pub challenge: Challenge,
    pub proof: Proof,
    pub reply: oneshot::Sender<Answer>,
}

/// What a successful join brings.
pub struct Welcome {
    pub statements: Vec<Statement>,
    /// This machine's clock minus the other's.
    pub clock_ahead_ms: i64,
    /// The secret behind the admin key that was offered.
    pub admin: SecretKey,
}

/// Those who stand at the door, the longest first; all copies are one.
#[derive(Clone, Default)]
pub struct Door(Arc<Mutex<VecDeque<Connection>>>);

/// A place at the door, until it is dropped.
struct Place<'a>(&'a Door, usize);

impl Door {
    fn take(&self, connection: &Connection) -> Place<'_> {
        let mut knocking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        knocking.push_back(connection.clone());
        if knocking.len() > KNOCKS_MAX
            && let Some(longest) = knocking.pop_front()
        {
            tracing::debug!(key = %longest.remote_id(), "somebody stood at the door for too long");
            longest.close(503u32.into(), b"too many at the door; try again");
        }
        Place(self, connection.stable_id())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut knocking = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        knocking.retain(|connection| connection.stable_id() != self.1);
    }
}

/// The issuer's side of one connection.
pub async fn serve(connection: Connection, to_actor: mpsc::Sender<Said>, door: &Door) {
    let _place = door.take(&connection);
    let talked = tokio::time::timeout(JOIN_TIMEOUT, talk(&connection, &to_actor)).await;
    match talked {
        Ok(Ok(())) => {
            // The joiner closes when it has read the answer.
            let _gone = tokio::time::timeout(JOIN_TIMEOUT, connection.closed()).await;
        }
        Ok(Err(why)) => {
            tracing::debug!(%why, "somebody at the door was sent away");
            connection.close(400u32.into(), why.as_bytes());
        }
        Err(_) => connection.close(408u32.into(), b"it took too long"),
    }
}

async fn talk(connection: &Connection, to_actor: &mpsc::Sender<Said>) -> Result<(), String> {
    let (mut send, mut receive) = connection.accept_bi().await.map_err(|error| error.to_string())?;
    let Talk::Hello(hello) = of_joiner(&mut receive).await? else { return Err("not a hello".to_owned()) };
    if hello.node.0 != *connection.remote_id().as_bytes() {
        return Err("the hello names another key than the connection's".to_owned());
    }
    let nonce = SecretKey::generate().to_bytes();
    let challenge = Challenge { nonce };
    say(&mut send, &Talk::Challenge(challenge)).await?;
    let Talk::Proof(proof) = of_joiner(&mut receive).await? else { return Err("not a proof".to_owned()) };
    let (reply, answer) = oneshot::channel();
    let knock = Knock { hello, challenge, proof, reply };
    to_actor.send(Said::Knock(Box::new(knock))).await.map_err(|_| "the node ends".to_owned())?;
    let answer = answer.await.map_err(|_| "the node ends".to_owned())?;
    say(&mut send, &Talk::Answer(answer)).await?;
    send.finish().map_err(|error| error.to_string())
}

async fn of_joiner(stream: &mut RecvStream) -> Result<Talk, String> {
    let bytes = frame(stream, STATEMENT_BYTES_MAX).await?;
    Talk::decode_of_joiner(&bytes).map_err(|error| error.to_string())
}

async fn of_issuer(stream: &mut RecvStream) -> Result<Talk, String> {
    let bytes = frame(stream, STATEMENT_LIST_BYTES_MAX).await?;
    Talk::decode_of_issuer(&bytes).map_err(|error| error.to_string())
}

async fn say(stream: &mut SendStream, talk: &Talk) -> Result<(), String> {
    let body = talk.encode();
    let length = u32::try_from(body.len()).map_err(|error| error.to_string())?;
    stream.write_all(&length.to_le_bytes()).await.map_err(|error| error.to_string())?;
    stream.write_all(&body).await.map_err(|error| error.to_string())
}

/// Joins by a ticket: the joiner's side.
///
/// # Errors
/// [`JoinError`]
pub async fn join(endpoint: &Endpoint, secret: &SecretKey, ticket: &Ticket, name: Name) -> Result<Welcome, JoinError> {
    let shown: Vec<String> = ticket.addresses.iter().map(ToString::to_string).collect();
    let unreachable = |why: String| JoinError::Unreachable { addresses: shown.join(", "), why };
    let id = EndpointId::from_bytes(&ticket.issuer.0).map_err(|error| unreachable(error.to_string()))?;
    let target = EndpointAddr::from_parts(id, ticket.addresses.iter().copied().map(TransportAddr::Ip));
    let connecting = tokio::time::timeout(JOIN_TIMEOUT / 2, endpoint.connect(target, JOIN_ALPN));
    let connection = connecting
        .await
        .map_err(|_| unreachable("no answer".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))?;
    let talked = tokio::time::timeout(JOIN_TIMEOUT, knock(&connection, secret, ticket, name));
    let welcome = match talked.await {
        Ok(Err(JoinError::Answer(why))) => Err(closed(&connection).unwrap_or(JoinError::Answer(why))),
        Ok(welcome) => welcome,
        Err(_) => Err(unreachable("it stopped answering".to_owned())),
    };
    connection.close(0u32.into(), b"thank you");
    welcome
}

/// The reason that the other side gave with its closing, which says more than a broken stream.
fn closed(connection: &Connection) -> Option<JoinError> {
    match connection.close_reason()? {
        iroh::endpoint::ConnectionError::ApplicationClosed(closed) => {
            Some(JoinError::Closed(String::from_utf8_lossy(&closed.reason).into_owned()))
        }
        other => Some(JoinError::Broken(other.to_string())),
    }
}

async fn knock(connection: &Connection, secret: &SecretKey, ticket: &Ticket, name: Name) -> Result<Welcome, JoinError> {
    let broken = |why: String| JoinError::Answer(why);
    let (mut send, mut receive) = connection.open_bi().await.map_err(|error| broken(error.to_string()))?;
    let (by_ticket, admin) = (SecretKey::from_bytes(&ticket.secret), SecretKey::generate());
    let hello = Hello {
        grid: ticket.grid,
        ticket: public(&by_ticket),
        node: public(secret),
        name,
        admin: public(&admin),
        wall_ms: clock::now().wall_ms,
    };
    say(&mut send, &Talk::Hello(hello.clone())).await.map_err(broken)?;
    let Talk::Challenge(challenge) = of_issuer(&mut receive).await.map_err(broken)? else {
        return Err(broken("no challenge came".to_owned()));
    };
    let proof = with_signer(&by_ticket, |by_ticket| {
        with_signer(secret, |by_node| hello.prove(ticket.issuer, &challenge, by_ticket, by_node))
    });
    say(&mut send, &Talk::Proof(proof)).await.map_err(broken)?;
    match of_issuer(&mut receive).await.map_err(broken)? {
        Talk::Answer(Answer::Welcome { statements, clock_ahead_ms }) => {
            Ok(Welcome { statements, clock_ahead_ms, admin })
        }
        Talk::Answer(Answer::Refused { reason }) => Err(JoinError::Refused(reason)),
        _ => Err(broken("no answer came".to_owned())),
    }
}
