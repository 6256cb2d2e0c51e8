//! What feeds a machine: the mains, or a battery and how full it is.
//!
//! Batteries of mice and headphones do not count. A USB port that says it is online may be one that *gives* power, so a
//! battery that discharges is believed before it.

use tern_core::observe::{Class, Power};

use super::Root;

const SUPPLIES: &str = "sys/class/power_supply";

struct Battery {
    status: String,
    /// Per cent, as the battery itself tells it.
    capacity: Option<i64>,
    /// What is in it and what fits in, in the battery's own unit.
    content: Option<(i64, i64)>,
}

pub(super) fn read(root: &Root, class: Option<Class>) -> Power {
    look(root, class).0
}

/// What feeds the machine, and how full its batteries are, whatever feeds it.
pub fn look(root: &Root, class: Option<Class>) -> (Power, Option<u8>) {
    let names = root.names(SUPPLIES).unwrap_or_default();
    let field = |name: &str, field: &str| root.text(format!("{SUPPLIES}/{name}/{field}"));
    let online = |kind: fn(&str) -> bool| {
        let mut wanted = names.iter().filter(|name| field(name, "type").is_some_and(|found| kind(&found))).peekable();
        let any = wanted.peek().is_some();
        (any, wanted.any(|name| field(name, "online").is_some_and(|online| online != "0")))
    };
    let (mains, mains_online) = online(|kind| kind == "Mains");
    let (port, port_online) = online(|kind| kind.starts_with("USB") || kind == "Wireless");
    let batteries = batteries(root, &names);
    let is = |status: &str| batteries.iter().any(|battery| battery.status == status);
    let charge = charge(&batteries);
    let power = if mains_online || (port_online && !is("Discharging")) {
        Power::Mains
    } else if batteries.is_empty() {
        // Nothing tells; a machine of these kinds without a battery has but one other source.
        let fixed = matches!(class, Some(Class::Server | Class::Desktop | Class::SingleBoard));
        if fixed { Power::Mains } else { Power::Unknown }
    } else if is("Discharging") || ((mains || port) && !is("Charging") && !is("Full")) {
        Power::battery(charge)
    } else if is("Charging") || is("Full") || is("Not charging") {
        Power::Mains
    } else {
        Power::Unknown
    };
    (power, charge)
}

/// Whether the machine, and not only a mouse of it, has a battery.
pub(super) fn has_battery(root: &Root) -> bool {
    !batteries(root, &root.names(SUPPLIES).unwrap_or_default()).is_empty()
}

fn batteries(root: &Root, names: &[String]) -> Vec<Battery> {
    let battery = |name: &String| {
        let text = |field: &str| root.text(format!("{SUPPLIES}/{name}/{field}"));
        let number = |field: &str| root.number(format!("{SUPPLIES}/{name}/{field}"));
        let of_this_machine = text("type")? == "Battery"
            && text("scope").is_none_or(|scope| scope != "Device")
            && number("present").is_none_or(|present| present != 0);
        let pair = |unit: &str| Some((number(&format!("{unit}_now"))?, number(&format!("{unit}_full"))?));
        let content = pair("energy").or_else(|| pair("charge"));
        of_this_machine.then(|| Battery {
            status: text("status").unwrap_or_default(),
            capacity: number("capacity").filter(|percent| (0..=100).contains(percent)),
            content: content.filter(|(now, full)| *now >= 0 && *full > 0),
        })
    };
    names.iter().filter_map(battery).collect()
}

/// Per cent of all batteries together: by content, since a small and a large one are often in one machine.
fn charge(batteries: &[Battery]) -> Option<u8> {
    if let [only] = batteries
        && let Some(capacity) = only.capacity
    {
        return u8::try_from(capacity).ok();
    }
    if batteries.is_empty() {
        return None;
    }
    let contents: Option<Vec<(i64, i64)>> = batteries.iter().map(|battery| battery.content).collect();
    let percent = if let Some(contents) = contents {
        let sum = contents
            .iter()
            .fold((0i128, 0i128), |sum, (now, full)| (sum.0 + i128::from(*now), sum.1 + i128::from(*full)));
        (sum.0 * 100 / sum.1.max(1)).min(100)
    } else {
        let told: Vec<i64> = batteries.iter().filter_map(|battery| battery.capacity).collect();
        i128::from(told.iter().sum::<i64>() / i64::try_from(told.len()).ok().filter(|count| *count > 0)?)
    };
    u8::try_from(percent).ok()
}
