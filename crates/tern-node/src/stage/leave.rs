//! The borrower's side, when a task has ended: what it made is looked for, and output that no message holds is put beside it as a
//! file. Both may take long, and the loop goes on meanwhile.

use std::path::{Path, PathBuf};

use tern_core::promise::Outcome;
use tern_core::wire::Made;
use tern_core::words::{Bytes, GrantId, NodeId};

use super::{Inputs, Stager};
use crate::files::aside::blocking;
use crate::files::names;
use crate::files::wire::Trouble;
use crate::node::input::Peer;
use crate::store::results::copy_output;

/// An end of which something waits to be fetched.
pub struct Leaving {
    /// The owner.
    pub to: NodeId,
    pub grant: GrantId,
    pub outcome: Outcome,
    /// The work folder as it was before, and the outputs that its job names; None: its files do not travel.
    pub made: Option<(Inputs, Vec<Bytes>)>,
    /// The folder of the loan.
    pub folder: PathBuf,
    /// Which of output and error output are too long for a message.
    pub long: [bool; 2],
    /// The folder of the checkpoint that it left; empty: none.
    pub checkpoint: Bytes,
}

/// What goes with the end of a borrowed task.
#[derive(Clone, Debug)]
pub enum Along {
    /// It is being looked for.
    Coming,
    /// `refused`: what it made cannot go back, and why.
    Here { made: Made, refused: Option<Trouble> },
    /// What it wrote cannot be read, or has no room.
    Lost,
}

/// Of most ends: nothing.
impl Default for Along {
    fn default() -> Self {
        Self::Here { made: Made::default(), refused: None }
    }
}

/// An end that was [`Leaving`] and can be told now.
pub struct Left {
    pub to: NodeId,
    pub grant: GrantId,
    pub outcome: Outcome,
    pub along: Along,
}

impl Stager {
    /// Looks for what goes with an end, and tells the loop.
    pub fn leave(&self, leaving: Leaving) {
        let stager = self.clone();
        self.live().insert(leaving.folder.clone());
        self.runtime.spawn(async move {
            let Ok(place) = stager.leaving.clone().acquire_owned().await else { return };
            let Leaving { to, grant, outcome, folder, checkpoint, .. } = leaving;
            let (made, long, within) = (leaving.made, leaving.long, stager.clone());
            let aside = blocking(move || Ok(within.put_aside(&outcome, made, &folder, long))).await;
            drop(place);
            let aside = aside.map(|aside| match aside {
                Along::Here { made, refused } => Along::Here { made: Made { checkpoint, ..made }, refused },
                other => other,
            });
            let along = aside.unwrap_or_else(|trouble| {
                tracing::warn!(%trouble, "what a lent task made could not be looked for");
                Along::Lost
            });
            // A loop that has ended tells nobody.
            let left = Box::new(Left { to, grant, outcome, along });
            let _ended = stager.peers.to_loop().send(Peer::Left(left)).await;
        });
    }

    /// Blocks.
    fn put_aside(
        &self,
        outcome: &Outcome,
        made: Option<(Inputs, Vec<Bytes>)>,
        folder: &Path,
        long: [bool; 2],
    ) -> Along {
        let made = made.map_or_else(|| Ok(Made::default()), |(inputs, outputs)| inputs.made(&outputs));
        let (mut made, refused) = made.map_or_else(|trouble| (Made::default(), Some(trouble)), |made| (made, None));
        for (which, range) in [outcome.stdout, outcome.stderr].into_iter().enumerate().filter(|(which, _)| long[*which])
        {
            let place = folder.join(format!("{}.{which}", outcome.attempt.task));
            let wanted = || self.live().contains(folder);
            if let Err(error) = copy_output(&self.home, range, which == 1, &place, wanted) {
                tracing::warn!(%error, "output of a lent task could not be put aside");
                // Half of it helps nobody, and fills the disk.
                for which in 0..2 {
                    let _none = std::fs::remove_file(folder.join(format!("{}.{which}", outcome.attempt.task)));
                }
                self.discard_unless_live(folder);
                return Along::Lost;
            }
            made.long[which] = Some(names::bytes(&place).into());
        }
        self.discard_unless_live(folder);
        Along::Here { made, refused }
    }
}
