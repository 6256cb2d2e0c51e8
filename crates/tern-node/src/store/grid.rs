//! The grid as this node has it on its disk: who is in it, its own invitations, where the others were last seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use iroh::SecretKey;
use serde::{Deserialize, Serialize};
use tern_core::trust::{self, GridId, Invitations, Name, Roll, Statement};
use tern_core::words::NodeId;

use crate::home::Home;
use crate::overlay::sign;

/// Addresses by member.
pub type Addresses = BTreeMap<NodeId, Vec<SocketAddr>>;

#[derive(Serialize, Deserialize)]
struct File {
    grid: NodeId,
    statements: Vec<Statement>,
    invitations: Invitations,
    addresses: Addresses,
}

/// One grid.
pub struct GridStore {
    home: Home,
    roll: Roll,
    invitations: Invitations,
    addresses: Addresses,
    admin: Option<SecretKey>,
}

impl GridStore {
    pub fn open(home: &Home) -> std::io::Result<Option<Self>> {
        let path = home.path().join("grid.roll");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let file: File = postcard::from_bytes(&bytes).map_err(std::io::Error::other)?;
        let mut roll = Roll::new(GridId(file.grid));
        roll.merge(&file.statements, sign::verify);
        let admin = std::fs::read(home.path().join("grid.admin")).ok();
        let admin = admin.and_then(|bytes| Some(SecretKey::from_bytes(&bytes.try_into().ok()?)));
        let (invitations, addresses) = (file.invitations, file.addresses);
        Ok(Some(Self { home: home.clone(), roll, invitations, addresses, admin }))
    }

    pub fn found(home: &Home, node: NodeId, name: &Name) -> std::io::Result<Self> {
        let (root, admin) = (SecretKey::generate(), SecretKey::generate());
        let list = sign::with(&root, |root| sign::with(&admin, |admin| trust::found(root, admin, node, name)));
        let mut roll = Roll::new(GridId(sign::node(&root)));
        roll.merge(&list, sign::verify);
        std::fs::write(home.path().join("grid.recovery"), root.to_bytes())?;
        Self::enter(home, roll, Addresses::new(), Some(admin))
    }

    pub fn enter(home: &Home, roll: Roll, addresses: Addresses, admin: Option<SecretKey>) -> std::io::Result<Self> {
        if let Some(admin) = &admin {
            std::fs::write(home.path().join("grid.admin"), admin.to_bytes())?;
        }
        let store = Self { home: home.clone(), roll, invitations: Invitations::default(), addresses, admin };
        store.write()?;
        Ok(store)
    }

    pub fn save(&mut self, roll: &Roll, addresses: Addresses) -> std::io::Result<()> {
        (self.roll, self.addresses) = (roll.clone(), addresses);
        self.write()
    }

    pub fn save_invitations(&mut self, roll: &Roll, invitations: Invitations) -> std::io::Result<()> {
        (self.roll, self.invitations) = (roll.clone(), invitations);
        self.write()
    }

    fn write(&self) -> std::io::Result<()> {
        let file = File {
            grid: self.roll.grid().0,
            statements: self.roll.statements(),
            invitations: self.invitations.clone(),
            addresses: self.addresses.clone(),
        };
        std::fs::write(self.home.path().join("grid.roll"), postcard::to_stdvec(&file).map_err(std::io::Error::other)?)
    }

    pub fn home(&self) -> &Home {
        &self.home
    }
    pub fn roll(&self) -> &Roll {
        &self.roll
    }
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }
    pub fn invitations(&self) -> &Invitations {
        &self.invitations
    }
    pub fn admin(&self) -> Option<&SecretKey> {
        self.admin.as_ref()
    }
    pub fn set_admin(&mut self, admin: SecretKey) -> std::io::Result<()> {
        std::fs::write(self.home.path().join("grid.admin"), admin.to_bytes())?;
        self.admin = Some(admin);
        Ok(())
    }
}
