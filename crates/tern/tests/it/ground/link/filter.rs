//! What a machine lets pass: nothing at all, a part, or only answers to what it asked, as behind a home router.
//!
//! Silence and loss are made where packets come in, before anything else sees them; were they made where packets go
//! out, the sender would get an error, which no wire gives.

use crate::ground::node::Node;

/// A machine that accepts nothing from outside: only answers to what it sent itself, by the kernel's own memory of that.
pub fn close(node: &Node) -> Result<(), String> {
    nft(node, "add table inet closed")?;
    nft(node, "add chain inet closed in { type filter hook input priority 0; policy drop; }")?;
    nft(node, "add rule inet closed in iif lo accept")?;
    nft(node, "add rule inet closed in ct state established,related accept")?;
    // The question who has an address is not a connection; without it IPv6 would not be closed but absent.
    nft(node, "add rule inet closed in icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")
}

pub fn open(node: &Node) -> Result<(), String> {
    nft(node, "delete table inet closed")
}

/// A router of a home: what leaves by `outside` bears its address, and only answers to that come in.
pub fn translate(router: &Node, outside: &str) -> Result<(), String> {
    nft(router, "add table ip home")?;
    nft(router, "add chain ip home out { type nat hook postrouting priority 100; }")?;
    nft(router, &format!("add rule ip home out oifname \"{outside}\" masquerade"))?;
    for way in ["input", "forward"] {
        nft(router, &format!("add chain ip home {way} {{ type filter hook {way} priority 0; }}"))?;
        nft(router, &format!("add rule ip home {way} iifname \"{outside}\" ct state new,invalid drop"))?;
    }
    Ok(())
}

/// Loses `percent` of what comes in on `interface`; 100 is silence, 0 is the end of it.
pub fn lose(node: &Node, interface: &str, percent: u8) -> Result<(), String> {
    let table = format!("netdev lost_{}", interface.replace('-', "_"));
    nft(node, &format!("add table {table}"))?;
    let hook = format!("{{ type filter hook ingress device \"{interface}\" priority 0; }}");
    nft(node, &format!("add chain {table} in {hook}"))?;
    nft(node, &format!("flush chain {table} in"))?;
    match percent {
        0 => Ok(()),
        100.. => nft(node, &format!("add rule {table} in drop")),
        _ => nft(node, &format!("add rule {table} in numgen random mod 100 < {percent} drop")),
    }
}

/// Whether this kernel has it all.
pub fn probe(node: &Node) -> Result<(), String> {
    let all = close(node).and_then(|()| translate(node, "lo")).and_then(|()| lose(node, "lo", 50));
    all.map_err(|error| format!("packets cannot be filtered: {error}"))
}

fn nft(node: &Node, text: &str) -> Result<(), String> {
    let out = node.run(&["nft", text]);
    if out.code == 0 { Ok(()) } else { Err(format!("nft {text}: {}", out.stderr.trim())) }
}
