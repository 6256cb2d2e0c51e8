//! What must hold of a mesh, judged by somebody who sees all of it.

use std::collections::BTreeSet;

use tern_core::machine::mesh::LinkId;
use tern_core::words::limits::LINKS_MAX;

use super::world::World;

impl World {
    /// Whether a computer takes part: it lives, is a member, and is no puppet.
    #[must_use]
    pub fn takes_part(&self, node: usize) -> bool {
        self.nodes[node].is_alive() && !self.removed.contains(&node)
    }

    /// For each computer that takes part: those that it could reach over any number of others.
    #[must_use]
    pub fn parts(&self) -> Vec<BTreeSet<usize>> {
        let all: Vec<usize> = (0..self.nodes.len()).filter(|node| self.takes_part(*node)).collect();
        let mut parts = vec![BTreeSet::new(); self.nodes.len()];
        for start in &all {
            let mut open = vec![*start];
            let mut seen = BTreeSet::from([*start]);
            while let Some(at) = open.pop() {
                let next = all.iter().filter(|next| self.net.can_meet(at, **next));
                open.extend(next.filter(|next| seen.insert(**next)).copied());
            }
            parts[*start] = seen;
        }
        parts
    }

    /// One picture: everybody sees up exactly those who are connected with it.
    ///
    /// # Errors
    /// Who sees what wrongly.
    pub fn one_picture(&self) -> Result<(), String> {
        for (node, part) in self.parts().iter().enumerate().filter(|(node, _)| self.takes_part(*node)) {
            let seen = self.seen_up(node);
            if seen != *part {
                let missing: Vec<_> = part.difference(&seen).collect();
                let extra: Vec<_> = seen.difference(part).collect();
                return Err(format!("{node} misses {missing:?} and sees {extra:?} for nothing"));
            }
        }
        Ok(())
    }

    /// Whom a computer calls up, itself among them.
    fn seen_up(&self, node: usize) -> BTreeSet<usize> {
        let computer = &self.nodes[node];
        if self.nodes.len() <= self.flat_members {
            return computer.up.keys().filter_map(|key| self.number(key)).chain([node]).collect();
        }
        let views = computer.mesh.as_ref().map(tern_core::machine::mesh::Mesh::nodes).unwrap_or_default();
        views.iter().filter(|view| view.up).filter_map(|view| self.number(&view.node)).collect()
    }

    /// Routes lead, hop by hop, over links that exist, to whom they name.
    ///
    /// # Errors
    /// The first loop or hole.
    pub fn routes_lead(&self) -> Result<(), String> {
        for (node, part) in self.parts().iter().enumerate() {
            for to in part.iter().filter(|to| **to != node) {
                let walked = self.carry(node, *to).map_err(|why| format!("from {node} to {to}: {why}"))?;
                let mesh = self.nodes[node].mesh.as_ref().ok_or("no mesh")?;
                let said = mesh.reach(&self.nodes[*to].key).path.len();
                if said == 0 {
                    return Err(format!("{node} reaches {to} in {walked} hops and says it does not"));
                }
            }
        }
        Ok(())
    }

    /// Walks the route of a packet. Returns the hops.
    ///
    /// # Errors
    /// Why it does not arrive.
    pub fn carry(&self, from: usize, to: usize) -> Result<usize, String> {
        let mut at = from;
        for hops in 0..=self.nodes.len() {
            if at == to {
                return Ok(hops);
            }
            let link = self.nodes[at].route(&self.nodes[to].key).ok_or_else(|| format!("{at} has no route"))?;
            let (index, end) = Self::link_of(LinkId(link.0));
            let link = &self.net.links[index];
            let passes = link.open == [true; 2] && link.broken.is_none() && link.ends[end] == at;
            if !passes {
                return Err(format!("the link from {at} to {} is gone", link.ends[1 - end]));
            }
            at = link.ends[1 - end];
        }
        Err("a loop".to_owned())
    }

    /// Links over which something passes, once for each pair.
    #[must_use]
    pub fn edges(&self) -> BTreeSet<(usize, usize)> {
        let links = self.net.links.iter().filter(|link| link.open == [true; 2] && link.broken.is_none());
        links.map(|link| (link.ends[0].min(link.ends[1]), link.ends[0].max(link.ends[1]))).collect()
    }

    /// The links as they are keep everybody together whichever one computer dies.
    ///
    /// # Errors
    /// Whose death would cut the grid in two.
    pub fn survives_any_death(&self) -> Result<(), String> {
        let edges = self.edges();
        let all: Vec<usize> = (0..self.nodes.len()).filter(|node| self.takes_part(*node)).collect();
        for dead in &all {
            let Some(start) = all.iter().find(|node| *node != dead) else { continue };
            let mut open = vec![*start];
            let mut seen = BTreeSet::from([*start, *dead]);
            while let Some(at) = open.pop() {
                let ends = edges.iter().filter(|(a, b)| *a == at || *b == at).map(|(a, b)| a + b - at);
                open.extend(ends.filter(|next| seen.insert(*next)));
            }
            if seen.len() < all.len() {
                return Err(format!("without {dead} only {} of {} hang together", seen.len() - 1, all.len() - 1));
            }
        }
        Ok(())
    }

    /// No more links than there may be, and nothing that broke a law on the way.
    ///
    /// # Errors
    /// What was broken.
    pub fn within_bounds(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate() {
            let links = node.mesh.as_ref().map_or(0, |mesh| mesh.links().len());
            if links > LINKS_MAX {
                return Err(format!("{number} keeps {links} links"));
            }
        }
        self.broken.first().map_or(Ok(()), |what| Err(what.clone()))
    }

    /// One picture, and routes that lead.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn is_well(&self) -> Result<(), String> {
        self.within_bounds()?;
        self.one_picture()?;
        self.routes_lead()
    }

    /// Lets time pass until all see one picture. Returns how long that took, milliseconds.
    ///
    /// # Errors
    /// Who still saw something else at the end.
    pub fn one_picture_within(&mut self, ms: u64) -> Result<u64, String> {
        for took in (0..=ms).step_by(100) {
            if self.nodes.iter().all(|node| node.mesh.is_some()) && self.one_picture().is_ok() {
                return Ok(took);
            }
            self.run_ms(100);
        }
        self.one_picture().map(|()| ms)
    }

    /// Lets time pass until all is well. Returns how long that took, milliseconds.
    ///
    /// # Errors
    /// What was still wrong at the end.
    pub fn well_within(&mut self, ms: u64) -> Result<u64, String> {
        let began = self.now;
        loop {
            let end = self.is_well();
            let took = (self.now - began) / super::world::MS;
            match end {
                Ok(()) => return Ok(took),
                Err(why) if took >= ms => return Err(format!("after {took} ms: {why}")),
                Err(_) => self.run_ms(50),
            }
        }
    }

    /// What another computer's lies must not change: the picture, the links, the routes.
    #[must_use]
    pub fn knowledge(&self, node: usize) -> String {
        let Some(mesh) = &self.nodes[node].mesh else { return String::new() };
        let honest = |key: &tern_core::words::NodeId| !self.number(key).is_some_and(|at| self.nodes[at].puppet);
        let views = mesh.nodes().into_iter().filter(|view| honest(&view.node)).map(|mut view| {
            (view.vitals, view.vitals_age, view.reach.rtt_us) = (None, None, None);
            view
        });
        let views: Vec<_> = views.into_iter().collect();
        let peers: Vec<_> = mesh.links().into_iter().map(|link| (link.peer, link.pulse)).collect();
        format!("{views:?} {peers:?} {:?}", self.nodes[node].admitted)
    }
}
