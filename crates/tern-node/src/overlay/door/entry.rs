//! The actor's answers about the grid: who is let in, who is sent away, and this node's own coming and going.

use std::net::SocketAddr;

use iroh::SecretKey;
use tern_core::machine::mesh::MeshEvent;
use tern_core::trust::enter::Arrival;
use tern_core::trust::{
    self, Admission, Answer, Impossible, Invitation, Invitations, JoinRefusal, Name, Roll, Statement, Ticket,
};
use tern_core::words::NodeId;
use tern_core::words::limits::NODE_ADDRESSES_MAX;

use crate::clock;
use crate::overlay::actor::Actor;
use crate::overlay::door::join::{self, Knock};
use crate::overlay::grid::{GridAsk, GridError, GridView, Invited, Joined, TICKET_MS_MAX};
use crate::store::StoreError;
use crate::store::grid::{self as durable, GridStore, public, verify, with_signer};

impl Actor {
    pub(in crate::overlay) async fn answer(&mut self, ask: GridAsk) {
        // Who asked may have gone; then nobody waits for the answer.
        match ask {
            GridAsk::View(_) | GridAsk::Reach { .. } => self.look_up(ask),
            GridAsk::Invite { admin, lasts_ms, reply } => drop(reply.send(self.invite(admin, lasts_ms).await)),
            GridAsk::Join { ticket, name, reply } => drop(reply.send(self.join(&ticket, name).await)),
            GridAsk::Leave { reply } => drop(reply.send(self.leave().await)),
            GridAsk::Remove { node, reply } => drop(reply.send(self.remove(node).await)),
            GridAsk::Rotate { reply } => drop(reply.send(self.rotate().await)),
            GridAsk::Recover { root, lost, reply } => drop(reply.send(self.recover(&root, &lost).await)),
        }
    }

    /// Answers who only looks.
    pub(in crate::overlay) fn look_up(&self, ask: GridAsk) {
        match ask {
            GridAsk::View(reply) => drop(reply.send(self.view())),
            GridAsk::Reach { node, reply } => drop(reply.send(self.mesh.reach(&node))),
            _ => {}
        }
    }

    fn view(&self) -> GridView {
        let roll = self.mesh.roll();
        let counts = &self.fabric().counts;
        let read = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        GridView {
            grid: roll.grid(),
            me: public(&self.secret),
            admin: self.admin().is_some(),
            admins: roll.admins(),
            nodes: self.mesh.nodes(),
            links: self.mesh.links(),
            zones: self.mesh.zones(),
            refused: self.mesh.refused().map(|(refusal, count)| (refusal.name(), count)).collect(),
            strangers: self.members.refused(),
            nearby: self.neighbourhood.list().filter(|one| !roll.is_member(one.node)).cloned().collect(),
            open_invitations: self.durable.invitations.open(clock::now().wall_ms).count(),
            forwarded: read(&counts.forwarded),
            dropped: read(&counts.dropped),
            notes: self.notes.clone(),
        }
    }

    /// The admin key of this machine, if it is one that counts.
    fn admin(&self) -> Option<&SecretKey> {
        self.admin.as_ref().filter(|key| self.mesh.roll().is_admin(public(key)))
    }

    fn admin_or_who_is(&self) -> Result<SecretKey, GridError> {
        self.admin().cloned().ok_or_else(|| {
            let names: Vec<String> =
                self.mesh.roll().admins().iter().map(|admin| self.mesh.name_of(&admin.machine)).collect();
            GridError::NotAdmin { admins: names.join(", ") }
        })
    }

    /// The door stays open for tickets that are used or over, too, as long as they are remembered: who comes by one is told so.
    pub(in crate::overlay) fn tell_inviting(&self) {
        self.members.set_inviting(!self.durable.invitations.list().is_empty());
    }

    async fn invite(&mut self, admin: bool, lasts_ms: u64) -> Result<Invited, GridError> {
        self.admin_or_who_is()?;
        if let Some(by) = self.exiled_by {
            return Err(GridError::Exile { by: self.mesh.name_of(&by) });
        }
        let secret = SecretKey::generate();
        let made_ms = clock::now().wall_ms;
        let expires_ms = made_ms + lasts_ms.min(TICKET_MS_MAX);
        let ticket = public(&secret);
        let mut invitations = self.durable.invitations.clone();
        if !invitations.add(Invitation { ticket, made_ms, expires_ms, admin, used_by: None }) {
            return Err(GridError::TooManyInvitations);
        }
        self.keep(self.mesh.roll().clone(), invitations).await?;
        self.tell_inviting();
        let addresses: Vec<SocketAddr> = self.here.link_addresses.iter().copied().take(NODE_ADDRESSES_MAX).collect();
        let issuer = public(&self.secret);
        let grid = self.mesh.roll().grid();
        Ok(Invited {
            ticket: Ticket { grid, issuer, secret: secret.to_bytes(), admin, expires_ms, addresses },
            expires_ms,
        })
    }

    /// Judges a stranger who said everything, and makes durable that it is in before it is told so.
    pub(in crate::overlay) async fn knock(&mut self, knock: Knock) {
        let Knock { hello, challenge, proof, reply } = knock;
        let now_ms = clock::now().wall_ms;
        let arrival = Arrival { hello: &hello, challenge: &challenge, proof: &proof, issuer: public(&self.secret) };
        let admission = self.durable.invitations.judge(self.mesh.roll(), &arrival, now_ms, verify);
        let answer = match admission {
            Ok(Admission::Again) => Ok(()),
            Ok(Admission::Admit { admin }) => self.admit(&hello, admin).await,
            Err(reason) => Err(reason),
        };
        let answer = match answer {
            Ok(()) => {
                let clock_ahead_ms = hello.wall_ms.cast_signed().wrapping_sub(now_ms.cast_signed());
                Answer::Welcome { statements: self.mesh.roll().statements(), clock_ahead_ms }
            }
            Err(reason) => {
                self.note(format!("a machine that wanted to join was refused: {reason}"));
                Answer::Refused { reason }
            }
        };
        let _gone = reply.send(answer);
    }

    async fn admit(&mut self, hello: &trust::Hello, admin: bool) -> Result<(), JoinRefusal> {
        let key = self.admin().cloned().ok_or(JoinRefusal::NotAdmin)?;
        let refusal = |impossible: Impossible| match impossible {
            Impossible::Full => JoinRefusal::Full,
            _ => JoinRefusal::NotAdmin,
        };
        let roll = self.mesh.roll();
        let mut list = with_signer(&key, |by| trust::admit(roll, by, hello.node, &hello.name)).map_err(refusal)?;
        if admin {
            let made = with_signer(&key, |by| trust::make_admin(roll, by, hello.admin, hello.node));
            list.extend(made.map_err(refusal)?);
        }
        let mut invitations = self.durable.invitations.clone();
        if !invitations.mark_used(hello.ticket, hello.node) {
            return Err(JoinRefusal::Used);
        }
        let mut after: Roll = roll.clone();
        after.merge(&list, verify);
        if let Err(error) = self.keep(after, invitations).await {
            self.note(format!("a machine could not be let in: {error}"));
            return Err(JoinRefusal::Unwritten);
        }
        self.handle(MeshEvent::Statements(list));
        Ok(())
    }

    /// Makes roll and invitations durable.
    async fn keep(&mut self, roll: Roll, invitations: Invitations) -> Result<(), GridError> {
        let addresses = self.mesh.known_addresses().collect();
        let durable = durable::Grid { roll, invitations, addresses };
        let (store, written) = (self.store.clone(), durable.clone());
        self.aside(move || store.save(&written)).await.map_err(unwritten)?;
        self.durable = durable;
        Ok(())
    }

    fn others(&self) -> usize {
        self.mesh.roll().members().len().saturating_sub(1)
    }

    async fn join(&mut self, ticket: &Ticket, name: Option<Name>) -> Result<Joined, GridError> {
        if self.others() > 0 {
            return Err(GridError::InAGrid { others: self.others() });
        }
        let me = public(&self.secret);
        if ticket.issuer == me {
            return Err(GridError::Ticket("this machine made the ticket itself: use it on another one".to_owned()));
        }
        let name = name.unwrap_or_else(|| self.name.clone());
        let (endpoint, secret) = (self.links.endpoint.clone(), self.secret.clone());
        let welcome = self.meanwhile(join::join(&endpoint, &secret, ticket, name)).await?;
        let mut roll = Roll::new(ticket.grid);
        roll.merge(&welcome.statements, verify);
        if !roll.is_member(me) {
            return Err(GridError::Ticket("the grid's answer does not name this node as a member".to_owned()));
        }
        let is_admin = roll.is_admin(public(&welcome.admin));
        let addresses = [(ticket.issuer, ticket.addresses.clone())].into();
        let durable = durable::Grid { addresses, ..durable::Grid::new(roll) };
        // Dying between these steps leaves a node without a grid, which the same ticket brings in again.
        let (home, before, entered) = (self.store.home().clone(), self.store.clone(), durable.clone());
        let admin = is_admin.then_some(welcome.admin);
        let store = self.aside(move || {
            GridStore::forget(&home)?;
            admin.map_or(Ok(()), |key| before.stage_admin_key(&key))?;
            GridStore::enter(&home, &entered)
        });
        self.store = store.await.map_err(half_done)?;
        self.durable = durable;
        self.enter();
        let name = self.mesh.name_of(&me);
        Ok(Joined { grid: ticket.grid, name, admin: is_admin, clock_ahead_ms: welcome.clock_ahead_ms })
    }

    /// Takes a list that this machine made: durable first, then told.
    async fn say(&mut self, list: Vec<Statement>) -> Result<(), GridError> {
        let mut after = self.mesh.roll().clone();
        after.merge(&list, verify);
        self.keep(after, self.durable.invitations.clone()).await?;
        self.handle(MeshEvent::Statements(list));
        Ok(())
    }

    /// Tells the others, and is a grid of its own again.
    async fn leave(&mut self) -> Result<(), GridError> {
        let me = public(&self.secret);
        let name = self.name.clone();
        // One that was sent away has nobody to tell.
        if self.others() > 0 && self.mesh.roll().is_member(me) {
            let roll = self.mesh.roll();
            let admin = self.admin.clone();
            let list = with_signer(&self.secret, |node| match &admin {
                Some(admin) => with_signer(admin, |admin| trust::leave(roll, node, Some(admin))),
                None => trust::leave(roll, node, None),
            });
            self.handle(MeshEvent::Statements(list.map_err(GridError::Impossible)?));
            self.handle(MeshEvent::Leave);
            // The links carry it before they are closed.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let home = self.store.home().clone();
        let founded = self.aside(move || {
            GridStore::forget(&home)?;
            GridStore::found(&home, &name)
        });
        (self.store, self.durable) = founded.await.map_err(half_done)?;
        self.enter();
        Ok(())
    }

    async fn remove(&mut self, node: NodeId) -> Result<(), GridError> {
        let key = self.admin_or_who_is()?;
        let roll = self.mesh.roll();
        let list = with_signer(&key, |by| trust::remove_machine(roll, by, node)).map_err(GridError::Impossible)?;
        self.say(list).await
    }

    /// With the recovery key: this machine becomes an admin, and those that are lost have nothing to say any more.
    async fn recover(&mut self, root: &SecretKey, lost: &[NodeId]) -> Result<(), GridError> {
        let (me, new) = (public(&self.secret), SecretKey::generate());
        let roll = self.mesh.roll();
        let list = with_signer(root, |root| with_signer(&new, |admin| trust::recover(roll, root, admin, me, lost)));
        let list = list.map_err(GridError::Impossible)?;
        // The key first, as with a rotation.
        let store = self.store.clone();
        self.aside(move || store.stage_admin_key(&new)).await.map_err(unwritten)?;
        self.say(list).await?;
        self.read_admin_key();
        Ok(())
    }

    /// A new admin key for this machine, in the place of the old one.
    async fn rotate(&mut self) -> Result<(), GridError> {
        let (old, new) = (self.admin_or_who_is()?, SecretKey::generate());
        let roll = self.mesh.roll();
        let list = with_signer(&old, |old| with_signer(&new, |new| trust::rotate(roll, old, new)));
        let list = list.map_err(GridError::Impossible)?;
        // The new key first: a crash between the two leaves a key that is not needed, never a grid without its admin.
        let store = self.store.clone();
        self.aside(move || store.stage_admin_key(&new)).await.map_err(unwritten)?;
        self.say(list).await?;
        self.read_admin_key();
        Ok(())
    }
}

/// In the middle of a change of grids.
fn half_done(error: StoreError) -> GridError {
    GridError::HalfDone(error.to_string())
}

fn unwritten(error: StoreError) -> GridError {
    GridError::Store(error.to_string())
}
