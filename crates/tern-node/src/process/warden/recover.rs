//! What an earlier warden left behind.

use std::io;

use tern_core::words::Attempt;

use super::hub::Hub;
use super::worker::Running;
use crate::home::Home;
use crate::process::inflight::{Row, Table};
use crate::process::pidfd::{Pidfd, boot_id};

/// A task of an earlier warden that still runs.
pub struct Adopted {
    pub row: usize,
    pub noted: Row,
    pidfd: Pidfd,
}

impl Adopted {
    /// Opens its output files and makes it fit for a slot.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn follow(self, hub: &Hub) -> io::Result<Running> {
        let outputs = hub.numbers.adopt_pair(&hub.home, self.noted.file)?;
        Ok(Running::new(self.row, self.noted, self.pidfd, true, outputs, hub.full_times()))
    }
}

/// The result of a recovery.
pub struct Left {
    pub table: Table,
    pub adopted: Vec<Adopted>,
    pub lost: Vec<Attempt>,
}

pub fn recover(home: &Home) -> io::Result<Left> {
    let table = Table::open(home)?;
    table.set_boot(boot_id()?);
    Ok(Left { table, adopted: Vec::new(), lost: Vec::new() })
}
