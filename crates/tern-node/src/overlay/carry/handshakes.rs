//! The first packets of strangers and members alike: few at once, each for a few seconds, and no memory for forged addresses.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use iroh::Endpoint;
use iroh::endpoint::Connection;
use tokio::sync::Semaphore;

/// Handshakes at once on one endpoint; more wait.
const HANDSHAKES_MAX: usize = 64;
/// With more than so many at once each caller shows first that it hears what is sent to its address.
const HANDSHAKES_TRUSTED: usize = HANDSHAKES_MAX / 2;
/// A handshake that takes longer is a stranger's game.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves each connection whose handshake was good, until the endpoint closes.
pub async fn accept<F>(endpoint: &Endpoint, serve: impl Fn(Connection) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Some(incoming) = endpoint.accept().await {
        if places.available_permits() < HANDSHAKES_MAX - HANDSHAKES_TRUSTED && !incoming.remote_addr_validated() {
            // A caller that is one comes again at once, with the token that it is sent.
            let _late = incoming.retry();
            continue;
        }
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let serve = serve.clone();
        tokio::spawn(async move {
            let connected = tokio::time::timeout(HANDSHAKE_TIMEOUT, async { incoming.await }).await;
            drop(place);
            if let Ok(Ok(connection)) = connected {
                serve(connection).await;
            }
        });
    }
}
