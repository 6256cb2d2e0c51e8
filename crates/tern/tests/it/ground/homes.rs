//! An internet: machines that everybody reaches, and homes behind routers that translate addresses.
//!
//! Here, and nowhere else, something forwards: the internet (`net`) between its cables, and each router between its
//! home and the internet. A router gives what leaves a home its own address, with the same port where that is free, and
//! lets in only answers.

use std::net::Ipv4Addr;

use super::grid::Grid;
use super::link::filter;
use super::net::Net;

/// What forwards between all cables of the internet.
const INTERNET: &str = "net";

impl Net {
    /// Machines of `public` on an internet, and each of `homes` behind a router of its own, which is called `r-` and
    /// the label of the home. Needs [`Need::Filter`](super::Need::Filter). A cable that is cut or an address that
    /// roams takes the route to the internet with it.
    pub fn internet(&self, public: &[&str], homes: &[&str]) -> Grid {
        let routers: Vec<String> = homes.iter().map(|home| router(home)).collect();
        let routers: Vec<&str> = routers.iter().map(String::as_str).collect();
        let outer: Vec<&str> = [public, &routers].concat();
        let to_net = outer.iter().map(|label| (*label, INTERNET));
        let cables: Vec<_> = to_net.chain(homes.iter().copied().zip(routers.iter().copied())).collect();
        let grid = self.grid(&[&outer, homes, &[INTERNET]].concat(), &cables);
        for (from, by) in &cables {
            let hop = grid.link(from, by).address(by).unwrap().to_string();
            grid.node(from).ip(&["route", "add", "default", "via", &hop]).unwrap();
        }
        for forwards in routers.iter().chain(&[INTERNET]) {
            grid.node(forwards).inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")).unwrap();
        }
        for router in &routers {
            filter::translate(grid.node(router), &format!("to-{INTERNET}")).unwrap();
        }
        grid
    }
}

impl Grid {
    /// The address by which the internet knows that home: its router's.
    pub fn outer_address(&self, home: &str) -> Ipv4Addr {
        self.link(&router(home), INTERNET).address(&router(home)).unwrap()
    }
}

fn router(home: &str) -> String {
    format!("r-{home}")
}
