//! The grid that this node belongs to: who else does, what it invited, and the keys by which it may say so.
//!
//! ```text
//! $TERN_HOME/grid/
//!   roll        statements, invitations, last known addresses; replaced as a whole, durable before anything is answered
//!   admin.key   the secret of this machine's admin key, 0600; admin.key.next: one that is to take its place
//!   recovery    the secret of the grid's root, 0600, for its owner to move away
//! ```
//!
//! A node without `roll` belongs to no grid. Only the holder of the state folder's lock writes here.

mod file;
mod recovery;
mod secret;
mod sign;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use iroh::SecretKey;
use tern_core::trust::{self, GridId, Invitations, Name, Roll};
use tern_core::words::NodeId;

use super::{StoreError, job, key};
use crate::home::Home;

pub use recovery::{RecoveryError, read_recovery};
pub use sign::{public, sign, verify, with_signer};

/// What is durable about a grid, beside keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub roll: Roll,
    pub invitations: Invitations,
    /// Where members were last; at most [`ADDRESSES_MAX`](tern_core::words::limits::ADDRESSES_MAX) each are kept.
    pub addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
}

impl Grid {
    #[must_use]
    pub fn new(roll: Roll) -> Self {
        Self { roll, invitations: Invitations::default(), addresses: BTreeMap::new() }
    }
}

/// The folder `grid/` of a node that belongs to one.
#[derive(Clone, Debug)]
pub struct GridStore {
    home: Home,
}

impl GridStore {
    /// What was saved last, or `None` for a node that belongs to no grid. What a death left half written is removed.
    ///
    /// # Errors
    /// [`StoreError::GridDamaged`], [`StoreError::GridMode`], [`StoreError::KeyMode`], [`StoreError::Newer`],
    /// [`StoreError::Io`].
    pub fn open(home: &Home) -> Result<Option<(Self, Grid)>, StoreError> {
        file::sweep(&home.grid())?;
        let Some(grid) = file::read(&home.roll())? else { return Ok(None) };
        secret::check_mode(&home.recovery())?;
        let store = Self { home: home.clone() };
        store.admin_key(&grid.roll)?;
        Ok(Some((store, grid)))
    }

    /// Founds a grid with this node as its first member and admin. The recovery key lies in `grid/recovery` afterwards.
    ///
    /// # Errors
    /// [`StoreError::InGrid`], the node key's errors, [`StoreError::Io`]. A grid is founded as a whole or not at all.
    pub fn found(home: &Home, name: &Name) -> Result<(Self, Grid), StoreError> {
        let node = key::node_id(home)?;
        let store = Self::lay_out(home)?;
        let (root, admin) = (SecretKey::generate(), SecretKey::generate());
        let list = with_signer(&root, |root| with_signer(&admin, |admin| trust::found(root, admin, node, name)));
        let mut roll = Roll::new(GridId(public(&root)));
        let founded = roll.apply(&list, verify);
        founded.map_err(|why| StoreError::damaged(&home.roll(), format!("its own statements are refused: {why}")))?;
        recovery::set_aside(home)?;
        secret::write(&home.admin_key(), &admin.to_bytes())?;
        secret::write(&home.recovery(), recovery::text(&root, name).as_bytes())?;
        let grid = Grid::new(roll);
        store.save(&grid)?;
        Ok((store, grid))
    }

    /// Makes durable that this node has joined a grid.
    ///
    /// # Errors
    /// [`StoreError::InGrid`], [`StoreError::Io`]
    pub fn enter(home: &Home, grid: &Grid) -> Result<Self, StoreError> {
        let store = Self::lay_out(home)?;
        store.save(grid)?;
        Ok(store)
    }

    fn lay_out(home: &Home) -> Result<Self, StoreError> {
        let folder = home.grid();
        if home.roll().exists() {
            return Err(StoreError::InGrid { path: home.roll() });
        }
        crate::home::make_folder(&folder).map_err(StoreError::io("cannot be made", &folder))?;
        job::sync_folder(home.path())?;
        file::sweep(&folder)?;
        Ok(Self { home: home.clone() })
    }

    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Replaces what was saved before. Durable when this returns; whoever dies in between finds the old state whole.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]
    pub fn save(&self, grid: &Grid) -> Result<(), StoreError> {
        file::write(&self.home.roll(), grid)
    }

    /// The secret of this machine's admin key, if the roll says that it is one. A staged key takes its place here.
    ///
    /// # Errors
    /// [`StoreError::KeyMode`], [`StoreError::GridDamaged`], [`StoreError::Io`]
    pub fn admin_key(&self, roll: &Roll) -> Result<Option<SecretKey>, StoreError> {
        let counts = |secret: &SecretKey| roll.is_admin(public(secret));
        let (path, next) = (self.home.admin_key(), self.home.next_admin_key());
        if let Some(staged) = secret::read(&next)?.filter(counts) {
            fs::rename(&next, &path).map_err(StoreError::io("cannot be renamed", &next))?;
            job::sync_folder(&self.home.grid())?;
            return Ok(Some(staged));
        }
        Ok(secret::read(&path)?.filter(counts))
    }

    /// Keeps a secret that is to be this machine's admin key, beside the one that is. To be durable before the statement
    /// that makes it one: so there is no instant at which a death loses both.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]
    pub fn stage_admin_key(&self, secret: &SecretKey) -> Result<(), StoreError> {
        secret::write(&self.home.next_admin_key(), &secret.to_bytes())
    }

    /// Leaves: this node belongs to no grid any more. The recovery key, where it still lies here, stays under another name.
    ///
    /// # Errors
    /// [`StoreError::Io`]
    pub fn forget(home: &Home) -> Result<(), StoreError> {
        recovery::set_aside(home)?;
        // The roll first: a node that died here belongs to no grid, and its keys are nobody's.
        for path in [home.roll(), home.admin_key(), home.next_admin_key()] {
            file::remove(&path)?;
        }
        file::sweep(&home.grid())
    }
}
