//! Services that one node asks of another, each on a stream of its own: a question, an answer, then what the service is about.
//!
//! A stream that does not ask within seconds is dropped, so that who opens many and says nothing holds nothing.

mod forward;
mod ping;
mod serve;
mod work;

pub use forward::{Forward, Forwards};
pub use ping::{Round, flood, ping};
pub use serve::{accept, serve};
pub use work::{FlowRow, Standing, WorkAnswer, WorkAsk, ask, rows};

use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::overlay::carry::links::frame;

/// Bytes of a question or an answer.
const CALL_BYTES_MAX: usize = 16 * 1024;
/// How long a question or an answer may take to come.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Send back what comes.
    Echo,
    /// Join this stream to a TCP port of the asked node's own loopback.
    Connect { port: u16 },
    /// Take what comes, and say at its end how many bytes that were.
    Swallow,
    /// Something about files.
    Files(crate::files::wire::Ask),
    /// Something about work.
    Work(WorkAsk),
}

/// Writes one question or answer.
pub async fn write<T: Serialize>(stream: &mut SendStream, value: &T) -> Result<(), String> {
    let body = postcard::to_stdvec(value).map_err(|error| error.to_string())?;
    let length = u32::try_from(body.len()).map_err(|error| error.to_string())?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes).await.map_err(|error| error.to_string())
}

/// Reads one question or answer.
pub async fn read<T: DeserializeOwned>(stream: &mut RecvStream) -> Result<T, String> {
    let framed = tokio::time::timeout(CALL_TIMEOUT, frame(stream, CALL_BYTES_MAX));
    decode(&framed.await.map_err(|_| "nothing was said in time".to_owned())??)
}

/// One question or answer, and nothing after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(_) => Err("not of this version".to_owned()),
    }
}
