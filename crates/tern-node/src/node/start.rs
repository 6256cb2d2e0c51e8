//! Starting a node on a state folder, and ending it.

use super::Handle;
use crate::config::Config;
use crate::home::Home;

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// None: from the configuration, else one a CPU.
    pub slots: Option<u32>,
    /// The warden ends with this process.
    pub private: bool,
    /// Only look: nothing is dispatched and no warden is started.
    pub idle: bool,
    pub config: Config,
}

/// A node that runs in this process.
pub struct Running {
    pub handle: Handle,
}

/// Why a node could not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error("another node holds this folder")]
    Locked { pid: Option<u32> },
    #[error("{0}")]
    Failed(String),
}

/// Starts a node on `home`.
///
/// # Errors
/// [`StartError`]
pub async fn start(home: Home, options: StartOptions) -> Result<Running, StartError> {
    let _ = (home, options);
    todo!()
}

impl Running {
    /// Ends it in order.
    ///
    /// # Errors
    /// As text: what was not done.
    pub async fn stop(self, drain: bool, keep_tasks: bool) -> Result<(), StartError> {
        let _ = (drain, keep_tasks);
        todo!()
    }
}
