//! What kind of a machine this is.
//!
//! The nearest wall counts: a container in a virtual machine on a laptop is a container. Behind it the firmware is
//! asked, by DMI or by the device tree. A machine that nothing is certain of has no class.

use tern_core::observe::Class;

use super::Root;

/// Vendors and products by which hypervisors give themselves away in DMI.
const VIRTUAL: [&str; 13] = [
    "QEMU",
    "KVM",
    "VMware",
    "VirtualBox",
    "innotek GmbH",
    "Xen",
    "Bochs",
    "Parallels",
    "BHYVE",
    "Apple Virtualization",
    "Google Compute Engine",
    "OpenStack",
    "vServer",
];

pub fn read(root: &Root) -> Option<Class> {
    if in_container(root) {
        return Some(Class::Container);
    }
    if is_virtual(root) {
        return Some(Class::Virtual);
    }
    // Android and its relatives, whose firmware tells nothing to programs.
    if root.has("system/build.prop") {
        return Some(Class::Phone);
    }
    by_chassis(root).or_else(|| by_device_tree(root))
}

fn in_container(root: &Root) -> bool {
    if ["run/.containerenv", ".dockerenv", "run/systemd/container"].iter().any(|marker| root.has(marker)) {
        return true;
    }
    let Some(groups) = root.text("proc/self/cgroup") else { return false };
    ["/docker/", "/kubepods", "/lxc/", "/libpod-"].iter().any(|mark| groups.contains(mark))
}

fn is_virtual(root: &Root) -> bool {
    // The first CPU's flags stand for all.
    let flags = root.text("proc/cpuinfo").unwrap_or_default();
    let flags = flags.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_ascii_whitespace().any(|flag| flag == "hypervisor") {
        // The first domain of Xen sees the flag too, and owns the machine.
        return !root.text("proc/xen/capabilities").is_some_and(|abilities| abilities.contains("control_d"));
    }
    let dmi = |name: &str| root.text(format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let (vendor, product) = (dmi("sys_vendor"), dmi("product_name"));
    VIRTUAL.iter().any(|name| vendor.contains(name) || product.contains(name))
        || (vendor.starts_with("Microsoft") && product == "Virtual Machine")
        || (vendor == "Amazon EC2" && !product.contains("metal"))
        || root.has("proc/device-tree/hypervisor")
        || tree(root, "compatible").is_some_and(|kinds| kinds.contains("linux,dummy-virt"))
}

/// The chassis as DMI numbers it (SMBIOS 7.4.1).
fn by_chassis(root: &Root) -> Option<Class> {
    Some(match root.number("sys/class/dmi/id/chassis_type")? {
        3..=7 | 13 | 15 | 16 | 24 | 35 | 36 => Class::Desktop,
        // Tablets and convertibles among them.
        8..=10 | 14 | 30..=32 => Class::Laptop,
        11 => Class::Phone,
        17 | 23 | 25 | 28 | 29 => Class::Server,
        33 | 34 => Class::SingleBoard,
        _ => return None,
    })
}

fn tree(root: &Root, name: &str) -> Option<String> {
    root.text(format!("proc/device-tree/{name}"))
}

/// Machines without DMI: a board, unless its tree names another kind.
fn by_device_tree(root: &Root) -> Option<Class> {
    let kinds = tree(root, "compatible");
    match tree(root, "chassis-type").as_deref() {
        Some("desktop") => return Some(Class::Desktop),
        Some("laptop" | "convertible") => return Some(Class::Laptop),
        Some("server") => return Some(Class::Server),
        Some("handset" | "tablet" | "watch") => return Some(Class::Phone),
        Some("embedded") => return Some(Class::SingleBoard),
        _ => {}
    }
    let phone = |kinds: &String| ["phone", "librem5"].iter().any(|mark| kinds.contains(mark));
    if kinds.is_some_and(|kinds| phone(&kinds)) {
        return Some(Class::Phone);
    }
    // A board that is fed by a battery may be anything.
    let fed = super::power::has_battery(root);
    (tree(root, "model").is_some() && !fed).then_some(Class::SingleBoard)
}
