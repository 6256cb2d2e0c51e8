//! How hot the machine is: the hottest of its thermal zones and of the processor's own sensors.
//!
//! Sensors of disks and of radios are not asked: reading them can wake the device.

use super::Root;

/// Sensors that are looked at.
const SENSORS_MAX: usize = 64;
/// What a sensor can mean; outside of it, it is broken or not connected.
const BELIEVED: std::ops::RangeInclusive<i64> = -60_000..=125_000;
/// Drivers of sensors within processors.
const PROCESSORS: [&str; 5] = ["coretemp", "k10temp", "zenpower", "cpu_thermal", "k8temp"];

pub fn read(root: &Root) -> Option<i8> {
    let zones = root.names("sys/class/thermal").unwrap_or_default().into_iter();
    let zones = zones.filter(|name| name.starts_with("thermal_zone"));
    let zones = zones.map(|name| format!("sys/class/thermal/{name}/temp"));
    let sensors = zones.chain(processor_sensors(root)).take(SENSORS_MAX);
    // A zone of the firmware that is stuck says exactly nothing, which is zero.
    let hottest = sensors.filter_map(|path| root.number(path)).filter(|t| *t != 0 && BELIEVED.contains(t)).max()?;
    i8::try_from((hottest as f64 / 1000.0).round() as i64).ok()
}

fn processor_sensors(root: &Root) -> impl Iterator<Item = String> {
    let chips = root.names("sys/class/hwmon").unwrap_or_default().into_iter();
    chips.flat_map(|chip| {
        let folder = format!("sys/class/hwmon/{chip}");
        let name = root.text(format!("{folder}/name")).unwrap_or_default();
        let of_processor = PROCESSORS.contains(&name.as_str());
        let files = if of_processor { root.names(&folder).unwrap_or_default() } else { Vec::new() };
        let inputs = files.into_iter().filter(|file| file.starts_with("temp") && file.ends_with("_input"));
        inputs.map(move |file| format!("{folder}/{file}")).collect::<Vec<_>>()
    })
}
