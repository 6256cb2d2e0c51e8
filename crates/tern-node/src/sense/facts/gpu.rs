//! The graphics processors that programs can use: those with a driver, by name where the machine knows it.
//!
//! What only draws the console of a server, or the window of a virtual machine, is left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use tern_core::observe::Gpu;
use tern_core::words::limits::GPUS_MAX;

use super::Root;
use super::machine::{name, text};

/// Bytes of the list of device names that are looked through; today's has one and a half million.
const NAMES_BYTES_MAX: u64 = 8 << 20;

/// Graphics drivers of boards and phones, whose cards have no vendor number.
const DRIVERS: [(&str, &str, &str); 10] = [
    ("v3d", "broadcom", "VideoCore"),
    ("panfrost", "arm", "Mali"),
    ("panthor", "arm", "Mali"),
    ("lima", "arm", "Mali"),
    ("msm", "qualcomm", "Adreno"),
    ("msm_dpu", "qualcomm", "Adreno"),
    ("etnaviv", "vivante", "GC"),
    ("nouveau", "nvidia", "Tegra"),
    ("asahi", "apple", "AGX"),
    ("powervr", "imagination", "PowerVR"),
];

pub(super) fn read(root: &Root) -> Vec<Gpu> {
    // By place on the bus, since both sources may name the same.
    let mut found = BTreeMap::new();
    nvidia(root, &mut found);
    for card in root.names("sys/class/drm").unwrap_or_default() {
        let number = card.strip_prefix("card").unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let device = format!("sys/class/drm/{card}/device");
        let place = root.link_name(&device).unwrap_or(card);
        if let Some(gpu) = (!found.contains_key(&place)).then(|| card_at(root, &device)).flatten() {
            found.insert(place, gpu);
        }
    }
    found.into_values().take(GPUS_MAX).collect()
}

/// What NVIDIA's own driver tells; it knows names, and cards that draw nothing.
fn nvidia(root: &Root, found: &mut BTreeMap<String, Gpu>) {
    for place in root.names("proc/driver/nvidia/gpus").unwrap_or_default() {
        let information = root.text(format!("proc/driver/nvidia/gpus/{place}/information")).unwrap_or_default();
        let model = information.lines().find_map(|line| line.strip_prefix("Model:")).map(str::trim);
        if let Some(model) = model.and_then(|model| text(model.trim_start_matches("NVIDIA "))) {
            found.insert(place, Gpu { vendor: "nvidia".into(), model });
        }
    }
}

fn card_at(root: &Root, device: &str) -> Option<Gpu> {
    let Some(vendor) = root.text(format!("{device}/vendor")) else { return by_driver(root, device) };
    let known = match vendor.as_str() {
        "0x10de" => "nvidia",
        "0x1002" => "amd",
        "0x8086" => "intel",
        _ => return None,
    };
    let number = root.text(format!("{device}/device"))?;
    let told = root.text(format!("{device}/product_name"));
    let model = told.or_else(|| listed(root, &vendor, &number)).unwrap_or(number);
    Some(Gpu { vendor: name(known), model: text(&model)? })
}

fn by_driver(root: &Root, device: &str) -> Option<Gpu> {
    let driver = root.value(format!("{device}/uevent"), "DRIVER")?;
    let (_, vendor, model) = DRIVERS.iter().find(|(name, ..)| *name == driver)?;
    Some(Gpu { vendor: name(vendor), model: text(model)? })
}

/// The name in the list of devices that most distributions have: `Navi 31 [Radeon RX 7900 XTX]` gives what is in the
/// brackets.
fn listed(root: &Root, vendor: &str, device: &str) -> Option<String> {
    let (vendor, device) = (vendor.strip_prefix("0x")?, device.strip_prefix("0x")?);
    let open = |path: &&str| File::open(root.path(path)).ok();
    let file = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"].iter().find_map(open)?;
    let lines = BufReader::new(file.take(NAMES_BYTES_MAX)).split(b'\n').map_while(Result::ok);
    let mut lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.find(|line| line.starts_with(vendor))?;
    let mut of_vendor = lines.take_while(|line| line.starts_with('\t') || line.starts_with('#'));
    let name =
        of_vendor.find_map(|line| line.strip_prefix('\t')?.strip_prefix(device).map(|name| name.trim().to_owned()))?;
    let bracketed = name.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    Some(bracketed.map_or(name.clone(), |(inner, _)| inner.to_owned()))
}
