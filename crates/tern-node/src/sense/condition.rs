//! What changes of a machine while it runs: what feeds it, how full its battery is, how hot it is.
//!
//! A few small files, read every ten seconds by a thread of their own: a driver that is slow to answer, or never does, holds up
//! nothing but that thread, and what was read last stays.

use std::io;
use std::time::Duration;

use tern_core::observe::{Class, Power};
use tokio::sync::watch;

use super::facts::{Root, class_of, power_and_charge, temperature_of};

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How a machine is fed and how hot it is. What cannot be read is absent, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub power: Power,
    /// Per cent of all batteries together, also while they are charged.
    pub charge: Option<u8>,
    /// The hottest sensor of processor and board.
    pub celsius: Option<i8>,
}

/// The newest condition; all copies see the same.
pub type Conditions = watch::Receiver<Condition>;

impl Condition {
    /// One look. `class` as the facts tell it: a machine that is known to have no battery is fed by the mains though nothing says
    /// so.
    #[must_use]
    pub fn read(root: &Root, class: Option<Class>) -> Self {
        let (power, charge) = power_and_charge(root, class);
        Self { power, charge, celsius: temperature_of(root) }
    }
}

/// The condition now, which nobody looks at again.
#[must_use]
pub fn once(root: &Root) -> Conditions {
    watch::channel(Condition::read(root, class_of(root))).1
}

/// Looks at once, and again each `every` until nobody holds what it returns.
///
/// # Errors
/// No thread could be had. Nothing is looked at then.
pub fn follow(root: Root, every: Duration) -> io::Result<Conditions> {
    let class = class_of(&root);
    let (newest, conditions) = watch::channel(Condition::read(&root, class));
    let look = move || {
        while !newest.is_closed() {
            std::thread::sleep(every);
            newest.send_replace(Condition::read(&root, class));
        }
    };
    std::thread::Builder::new().name("tern-senses".to_owned()).spawn(look)?;
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SUPPLY: &str = "sys/class/power_supply";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn read(files: &[(&str, &str)]) -> Condition {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), files);
        *once(&Root::at(folder.path())).borrow()
    }

    #[tokio::test]
    async fn a_laptop_that_is_unplugged_is_noticed_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mains = [
            (&*format!("{SUPPLY}/AC/type"), "Mains\n"),
            (&format!("{SUPPLY}/AC/online"), "1\n"),
            (&format!("{SUPPLY}/BAT0/type"), "Battery\n"),
            (&format!("{SUPPLY}/BAT0/status"), "Charging\n"),
            (&format!("{SUPPLY}/BAT0/capacity"), "83\n"),
            ("sys/class/thermal/thermal_zone0/temp", "45500\n"),
        ];
        write(folder.path(), &mains);
        let mut conditions = follow(Root::at(folder.path()), Duration::from_millis(5)).unwrap();
        let plugged = Condition { power: Power::Mains, charge: Some(83), celsius: Some(46) };
        assert_eq!(*conditions.borrow_and_update(), plugged);
        let battery = [(&*format!("{SUPPLY}/AC/online"), "0\n"), (&format!("{SUPPLY}/BAT0/status"), "Discharging\n")];
        write(folder.path(), &battery);
        let unplugged = |now: &Condition| now.power == Power::battery(Some(83)) && now.charge == Some(83);
        conditions.wait_for(unplugged).await.unwrap();
    }

    #[test]
    fn a_desktop_has_no_battery_and_says_so_by_saying_nothing() {
        let desktop = read(&[
            ("sys/class/dmi/id/chassis_type", "3\n"),
            ("sys/class/hwmon/hwmon0/name", "k10temp\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "38250\n"),
        ]);
        assert_eq!(desktop, Condition { power: Power::Mains, charge: None, celsius: Some(38) });
        assert_eq!(read(&[]), Condition::default());
    }

    #[test]
    fn broken_and_absurd_files_are_absent_and_not_believed() {
        let battery = format!("{SUPPLY}/BAT0/type");
        let (status, capacity) = (format!("{SUPPLY}/BAT0/status"), format!("{SUPPLY}/BAT0/capacity"));
        for absurd in ["101", "-1", "99999999999999999999", "", "half", "\0\0", "1e2"] {
            let files = [(&*battery, "Battery"), (&*status, "Discharging"), (&*capacity, absurd)];
            let expected = Condition { power: Power::Battery { percent: None }, ..Condition::default() };
            assert_eq!(read(&files), expected, "{absurd:?}");
        }
        for absurd in ["999999999", "-274000", "0", "", "hot", "\u{7f}", "45.5"] {
            assert_eq!(read(&[("sys/class/thermal/thermal_zone0/temp", absurd)]).celsius, None, "{absurd:?}");
        }
        let (now, full) = (format!("{SUPPLY}/BAT0/energy_now"), format!("{SUPPLY}/BAT0/energy_full"));
        let too_full =
            read(&[(&battery, "Battery"), (&status, "Discharging"), (&now, "9223372036854775807"), (&full, "1")]);
        assert_eq!(too_full.charge, Some(100));
        let endless = "9".repeat(1 << 20);
        assert_eq!(read(&[(&battery, "Battery"), (&status, &endless), (&capacity, &endless)]).charge, None);
    }
}
