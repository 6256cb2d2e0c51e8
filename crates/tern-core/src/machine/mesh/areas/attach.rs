//! To which zone this node belongs now, and what a change of that means for its neighbours.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::decide::zones::private_network;
use crate::machine::mesh::effect::{LinkId, MeshEffect};
use crate::machine::mesh::links::Link;
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Known;
use crate::wire::mesh::{LinkFrame, encode_frame};
use crate::words::NodeId;
use crate::words::limits::AREA_PATIENCE;

/// The zone of a machine: as declared, else by its private network.
fn home(declared: &str, addresses: &[core::net::SocketAddr]) -> String {
    if declared.is_empty() { private_network(addresses) } else { declared.to_string() }
}

impl Known {
    fn home(&self) -> String {
        home(self.zone(), self.adjacency.as_ref().map_or(&[], |held| held.value.link_addresses.as_slice()))
    }
}

impl Mesh {
    /// The zone whose nodes this one knows; None: it knows all.
    pub(in crate::machine::mesh) fn area(&self) -> Option<&str> {
        let areas = &self.areas;
        areas.areal.then(|| areas.attached.as_deref().unwrap_or(&areas.home))
    }

    /// Whether the other end of a link is told everything.
    pub(in crate::machine::mesh) fn is_within(&self, link: &Link) -> bool {
        link.area.as_deref() == self.area()
    }

    /// The neighbour's word on where it belongs.
    pub(in crate::machine::mesh) fn neighbour_belongs(
        &mut self,
        peer: NodeId,
        area: Option<String>,
        out: &mut Vec<MeshEffect>,
    ) {
        let Some(link) = self.links.get_mut(&peer).filter(|link| link.area != area) else { return };
        link.area = area;
        let id = link.id;
        self.gained();
        self.topology.changed = true;
        if self.links.get(&peer).is_some_and(|link| self.is_within(link)) {
            self.send_digest(id, out);
        }
    }

    pub(in crate::machine::mesh) fn listening_frame(&self) -> Vec<u8> {
        encode_frame(&LinkFrame::Listening { roll: self.roll_digest, area: self.area().map(ToString::to_string) })
    }

    /// This machine is somewhere else, or says so.
    pub(in crate::machine::mesh) fn home_changed(&mut self) {
        self.areas.home = home(&self.here.zone, &self.here.link_addresses);
    }

    /// Follows where this machine is, and tells the neighbours where that is somewhere else.
    pub(in crate::machine::mesh) fn follow_area(&mut self, out: &mut Vec<MeshEffect>) {
        let areal = self.roll_size > self.areas.above;
        self.areas.areal = areal;
        if !areal && self.areas.told.is_none() {
            return;
        }
        self.stray();
        if self.areas.told.as_deref() == self.area() {
            return;
        }
        let area = self.area().map(ToString::to_string);
        self.areas.told.clone_from(&area);
        // The neighbours follow in this moment; those that do not say so soon.
        for (peer, link) in &mut self.links {
            let follows = |known: &Known| link.area.clone().unwrap_or_else(|| known.home());
            link.area = area.as_ref().and(self.nodes.get(peer).map(follows));
        }
        // Others of that zone stay known; who is elsewhere is heard of from there.
        for known in self.nodes.values_mut() {
            if area.as_ref().is_some_and(|area| known.home() != *area) {
                known.forget_what_was_said();
            }
        }
        if !areal {
            self.know_all();
        }
        let frame = self.listening_frame();
        // Who was welcomed in the moment before was told the zone of that moment, and would believe it once the link counts.
        for link in self.welcomed() {
            out.push(MeshEffect::Frame { link, bytes: frame.clone() });
        }
        let links: Vec<(LinkId, bool)> = self.links.values().map(|link| (link.id, self.is_within(link))).collect();
        for (link, within) in links {
            out.push(MeshEffect::Frame { link, bytes: frame.clone() });
            if within {
                self.send_digest(link, out);
            }
        }
        (self.topology.changed, self.areas.changed) = (true, true);
        self.gained();
        self.next_tend_now();
    }

    /// A machine that has only neighbours of other zones, while its own zone is somewhere else, belongs to the nearest of these.
    fn stray(&mut self) {
        let now = self.now.boot;
        let near = |link: &&Link| link.counts() && link.area.is_some();
        let at_home = self.links.values().filter(near).any(|link| link.area.as_ref() == Some(&self.areas.home));
        let hosts = self.links.iter().filter(|(_, link)| near(link));
        let host = hosts.min_by_key(|(peer, link)| (link.told_rtt_us, **peer)).and_then(|(_, link)| link.area.clone());
        let lives_elsewhere = || self.standing().any(|(_, roster)| roster.zone == self.areas.home);
        let Some(host) = host.filter(|_| self.areas.areal && !at_home && lives_elsewhere()) else {
            let stays = self.areas.areal && !at_home && self.areas.attached.is_some();
            if !stays {
                (self.areas.strays_since, self.areas.attached) = (None, None);
            }
            return;
        };
        let since = *self.areas.strays_since.get_or_insert(now);
        if since + AREA_PATIENCE <= now && self.areas.attached.is_none() {
            self.areas.attached = Some(host);
        }
    }
}
