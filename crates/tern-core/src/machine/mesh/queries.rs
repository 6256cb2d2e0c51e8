//! What faces ask of the mesh.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::links::Pulse;
use super::node::Mesh;
use super::topology::Known;
use crate::observe::{Facts, Fit, LinkTrit, Vitals};
use crate::promise::Refusal;
use crate::words::NodeId;

/// How a member can be reached now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub trit: LinkTrit,
    /// The nodes on the way, the member itself last; empty: none.
    pub path: Vec<NodeId>,
    /// Sum of the round trips on that way, microseconds.
    pub rtt_us: Option<u64>,
}

/// One member, as this node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    pub node: NodeId,
    pub name: String,
    pub zone: String,
    pub here: bool,
    pub up: bool,
    pub reach: Reach,
    pub facts: Option<Facts>,
    pub vitals: Option<Vitals>,
    /// Nanoseconds since the vitals were heard.
    pub vitals_age: Option<u64>,
    pub addresses: Vec<SocketAddr>,
    pub main_addresses: Vec<SocketAddr>,
    pub disputed: bool,
}

/// One link of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    pub peer: NodeId,
    pub pulse: &'static str,
    pub rtt_us: Option<u32>,
    pub wanted: bool,
    pub outgoing: bool,
}

impl Mesh {
    /// What a member's machine has for tasks; none: it has not said so yet.
    #[must_use]
    pub fn fit(&self, node: &NodeId) -> Option<Fit> {
        let profile = self.nodes.get(node)?.profile.as_ref()?;
        Some(Fit::of(&self.zone_of(node), &profile.value.facts))
    }

    /// All members in the order of keys, this node among them.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        let nobody = Known::default();
        let others = self.roll.member_keys().filter(|key| *key != self.me);
        let views = others.map(|key| self.view(&key, self.nodes.get(&key).unwrap_or(&nobody)));
        let mut views: Vec<NodeView> = views.chain([self.own_view()]).collect();
        views.sort_by_key(|view| view.node);
        views
    }

    fn own_view(&self) -> NodeView {
        NodeView {
            node: self.me,
            name: self.name_of(&self.me),
            zone: self.zone_of(&self.me),
            here: true,
            up: true,
            reach: Reach { trit: LinkTrit::Direct, path: Vec::new(), rtt_us: Some(0) },
            facts: Some(self.here.facts.clone()),
            vitals: self.pulse.own,
            vitals_age: self.pulse.own.map(|_| 0),
            addresses: self.here.link_addresses.clone(),
            main_addresses: self.here.main_addresses.clone(),
            disputed: self.disputed.contains_key(&self.me),
        }
    }

    fn view(&self, key: &NodeId, known: &Known) -> NodeView {
        let profile = known.profile.as_ref().map(|held| &held.value);
        NodeView {
            node: *key,
            name: self.name_of(key),
            zone: self.zone_of(key),
            here: false,
            up: known.up || self.is_elsewhere(key),
            reach: self.reach(key),
            facts: profile.map(|profile| profile.facts.clone()),
            vitals: known.vitals.map(|(vitals, _)| vitals),
            vitals_age: known.vitals.map(|(_, at)| self.now.boot.saturating_sub(at)),
            addresses: known.addresses(),
            main_addresses: known.adjacency.as_ref().map_or_else(Vec::new, |held| held.value.main_addresses.clone()),
            disputed: self.disputed.contains_key(key),
        }
    }

    /// How a member can be reached. A link of its own or a direct path is +1, a way over others 0, none −1.
    #[must_use]
    pub fn reach(&self, to: &NodeId) -> Reach {
        let near = self.topology.path(&self.me, to);
        let path = if near.is_empty() { self.far_path(to) } else { near };
        let linked = self.links.get(to).is_some_and(super::links::Link::counts);
        let direct = linked || self.nodes.get(to).is_some_and(|known| known.direct && known.up);
        let trit = match path.is_empty() {
            true => LinkTrit::Failed,
            false if direct => LinkTrit::Direct,
            false => LinkTrit::Relayed,
        };
        let tolls = u64::from(crate::decide::route::HOP_TOLL_US) * path.len() as u64;
        Reach { trit, rtt_us: self.topology.cost(to).map(|cost| cost.saturating_sub(tolls)), path }
    }

    #[must_use]
    pub fn links(&self) -> Vec<LinkView> {
        let views = self.links.iter().map(|(peer, link)| LinkView {
            peer: *peer,
            pulse: match link.pulse {
                Pulse::Alive => "alive",
                Pulse::Suspect => "suspect",
                Pulse::Silent => "silent",
            },
            rtt_us: link.rtt_us,
            wanted: link.wanted,
            outgoing: link.outgoing,
        });
        views.collect()
    }

    /// The name on the roll, else the short form of the key.
    #[must_use]
    pub fn name_of(&self, node: &NodeId) -> String {
        let given = || self.roll.name_of(*node).map(ToString::to_string);
        self.names.get(node).cloned().or_else(given).unwrap_or_else(|| node.to_string())
    }

    /// What was refused, and how often.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.refused.iter().map(|(refusal, count)| (*refusal, *count))
    }

    /// Where members were last known to be, for the time after a restart.
    pub fn known_addresses(&self) -> impl Iterator<Item = (NodeId, Vec<SocketAddr>)> {
        self.nodes.iter().map(|(key, known)| (*key, known.addresses())).filter(|(_, addresses)| !addresses.is_empty())
    }
}
