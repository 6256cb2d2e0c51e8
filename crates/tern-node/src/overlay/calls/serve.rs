//! The asked end of all services.

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tern_core::words::NodeId;

use super::{Call, forward, read, work as asked, write};
use crate::overlay::PATH_ALPN;
use crate::overlay::carry::handshakes;
use crate::overlay::peers::Peers;
use crate::overlay::work;

/// Bytes of an echo in hand.
const ECHO_BYTES: usize = 64 * 1024;

/// Accepts connections of members until the endpoint closes.
pub async fn accept(peers: Peers) {
    let endpoint = peers.endpoint().clone();
    handshakes::accept(&endpoint, move |connection| {
        let peers = peers.clone();
        async move {
            let from = NodeId(*connection.remote_id().as_bytes());
            if connection.alpn() == PATH_ALPN {
                // It stays open for as long as the other end needs it.
                if let Some(_served) = peers.serve(&from, &connection) {
                    connection.closed().await;
                }
                return;
            }
            peers.accepted(&from, &connection);
            serve(connection, from, peers).await;
        }
    })
    .await;
}

/// Serves one connection until it ends. The endpoint's own limit on streams bounds what is served at once.
pub async fn serve(connection: Connection, from: NodeId, peers: Peers) {
    let Some(_served) = peers.serve(&from, &connection) else { return };
    let calls = async {
        while let Ok((send, receive)) = connection.accept_bi().await {
            tokio::spawn(answer(send, receive, peers.clone()));
        }
    };
    let frames = async {
        while let Ok(stream) = connection.accept_uni().await {
            tokio::spawn(work::receive(stream, from, peers.to_loop().clone()));
        }
    };
    tokio::join!(calls, frames);
}

async fn answer(mut send: SendStream, mut receive: RecvStream, peers: Peers) {
    let answered = match read::<Call>(&mut receive).await {
        Ok(Call::Echo) => echo(&mut send, &mut receive).await,
        Ok(Call::Swallow) => swallow(&mut send, &mut receive).await,
        Ok(Call::Files(ask)) => match write(&mut send, &Ok::<(), String>(())).await {
            Ok(()) => return crate::files::serve(&peers, ask, send, receive).await,
            Err(why) => Err(why),
        },
        Ok(Call::Connect { port }) => match forward::connect(port).await {
            Ok(stream) => {
                if write(&mut send, &Ok::<(), String>(())).await.is_ok() {
                    forward::join(stream, send, receive).await;
                }
                return;
            }
            Err(why) => write(&mut send, &Err::<(), String>(why)).await,
        },
        Ok(Call::Work(ask)) => asked::answer(&peers, ask, &mut send).await,
        Err(why) => write(&mut send, &Err::<(), String>(format!("the question could not be read: {why}"))).await,
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "a call ended early");
    }
    let _closed = send.finish();
}

async fn swallow(send: &mut SendStream, receive: &mut RecvStream) -> Result<(), String> {
    write(send, &Ok::<(), String>(())).await?;
    let mut count = 0;
    while let Some(chunk) = receive.read_chunk(ECHO_BYTES).await.map_err(|error| error.to_string())? {
        count += chunk.len() as u64;
    }
    write(send, &count).await
}

async fn echo(send: &mut SendStream, receive: &mut RecvStream) -> Result<(), String> {
    write(send, &Ok::<(), String>(())).await?;
    let mut bytes = vec![0; ECHO_BYTES];
    while let Some(count) = receive.read(&mut bytes).await.map_err(|error| error.to_string())? {
        send.write_all(&bytes[..count]).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
