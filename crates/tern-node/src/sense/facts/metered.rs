//! Whether the way to the world is paid for by volume.
//!
//! Judged by the device that the default route goes through: a modem or a tethered phone is metered, a network card with
//! a cable is not. Behind a wireless network anything can be: that stays unknown.

use super::Root;

/// Drivers of phones that share their connection through a cable.
const TETHERS: [&str; 2] = ["ipheth", "rndis_host"];

pub(super) fn read(root: &Root) -> Option<bool> {
    let interface = default_interface(root)?;
    let folder = format!("sys/class/net/{interface}");
    let kind = root.value(format!("{folder}/uevent"), "DEVTYPE").unwrap_or_default();
    let modem = ["wwan", "rmnet", "ccmni"].iter().any(|start| kind == *start || interface.starts_with(start));
    if modem
        || root.link_name(format!("{folder}/device/driver")).is_some_and(|driver| TETHERS.contains(&driver.as_str()))
    {
        return Some(true);
    }
    let wireless = kind == "wlan" || root.has(format!("{folder}/wireless")) || root.has(format!("{folder}/phy80211"));
    // A type of 1 is Ethernet; one without a device is made of software.
    let cable = !wireless && root.number(format!("{folder}/type")) == Some(1) && root.has(format!("{folder}/device"));
    cable.then_some(false)
}

/// The interface of the default route with the least metric.
fn default_interface(root: &Root) -> Option<String> {
    let routes = root.text("proc/net/route")?;
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let to_all = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        let interface = fields.first().filter(|name| to_all && !name.contains('/'))?;
        Some((fields.get(6)?.parse::<u32>().ok()?, (*interface).to_owned()))
    };
    routes.lines().skip(1).filter_map(route).min().map(|(_, interface)| interface)
}
