//! Machines that are not at hand, as the files that their readers would find.

use std::os::unix::fs::symlink;
use std::path::Path;

use tern_core::observe::{Class, Facts, Gpu, Power};

use super::{Root, heat, read_at};

/// A folder with these files in it; a text that begins with `->` is a link.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("->") {
            Some(target) => symlink(target, path).unwrap(),
            None => std::fs::write(path, text).unwrap(),
        }
    }
    let root = Root::at(folder.path());
    (folder, root)
}

fn facts(files: &[(&str, &str)]) -> (Facts, Option<i8>) {
    let (_folder, root) = machine(files);
    let facts = read_at(&root, 4, Some(1000));
    assert_eq!(facts.check(), Ok(()), "{facts:?}");
    assert!(facts.encode().len() < 200);
    (facts, heat::read(&root))
}

const ROUTE_HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

#[test]
fn a_laptop_on_battery() {
    let route = format!("{ROUTE_HEAD}wlp2s0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n");
    let (facts, heat) = facts(&[
        ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-1185G7 @ 3.00GHz\nflags\t\t: fpu vmx\n"),
        ("proc/meminfo", "MemTotal:       16204532 kB\nMemFree: 1 kB\n"),
        ("proc/sys/kernel/osrelease", "6.12.30-amd64\n"),
        ("proc/net/route", &route),
        ("sys/class/net/wlp2s0/uevent", "DEVTYPE=wlan\nINTERFACE=wlp2s0\n"),
        ("sys/class/dmi/id/chassis_type", "10\n"),
        ("sys/class/dmi/id/sys_vendor", "LENOVO\n"),
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "0\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/status", "Discharging\n"),
        ("sys/class/power_supply/BAT0/capacity", "18\n"),
        // A mouse that is nearly full.
        ("sys/class/power_supply/hidpp_battery_0/type", "Battery\n"),
        ("sys/class/power_supply/hidpp_battery_0/scope", "Device\n"),
        ("sys/class/power_supply/hidpp_battery_0/status", "Discharging\n"),
        ("sys/class/power_supply/hidpp_battery_0/capacity", "95\n"),
        ("sys/class/thermal/thermal_zone0/temp", "45500\n"),
        ("sys/class/thermal/thermal_zone1/temp", "nonsense\n"),
        ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "61600\n"),
        // A disk, which is not asked.
        ("sys/class/hwmon/hwmon1/name", "drivetemp\n"),
        ("sys/class/hwmon/hwmon1/temp1_input", "90000\n"),
        ("sys/devices/0000:00:02.0/vendor", "0x8086\n"),
        ("sys/devices/0000:00:02.0/device", "0x9a49\n"),
        ("sys/class/drm/card0/device", "->../../../devices/0000:00:02.0"),
        ("sys/class/drm/card0-eDP-1/status", "connected\n"),
        (
            "usr/share/misc/pci.ids",
            "8085  Other\n\t9a49  No\n8086  Intel\n\t9a48  No\n\t9a49  TigerLake GT2 [Iris Xe]\n",
        ),
        ("sys/power/state", "freeze mem disk\n"),
    ]);
    assert_eq!(facts.class, Some(Class::Laptop));
    assert_eq!(facts.power, Power::Battery { percent: Some(15) });
    assert_eq!(facts.cpu_model.as_deref(), Some("Intel Core i7-1185G7"));
    assert_eq!((facts.memory_mib, facts.kernel.as_deref()), (Some(15_824), Some("6.12.30-amd64")));
    assert_eq!(facts.gpus, [Gpu { vendor: "intel".into(), model: "Iris Xe".into() }]);
    // Behind a wireless network anything can be.
    assert_eq!(facts.metered, None);
    assert_eq!(facts.capabilities, ["suspend"]);
    assert_eq!(heat, Some(62));
}

#[test]
fn a_raspberry_pi() {
    let route = format!("{ROUTE_HEAD}eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
    let (facts, heat) = facts(&[
        ("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5\n"),
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ("proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0"),
        ("proc/net/route", &route),
        ("sys/class/net/eth0/type", "1\n"),
        ("sys/class/net/eth0/device/uevent", "DRIVER=macb\n"),
        ("sys/class/thermal/thermal_zone0/temp", "-4200\n"),
        ("sys/class/drm/card0/device/uevent", "DRIVER=v3d\nOF_NAME=v3d\n"),
        ("sys/class/drm/card1/device/uevent", "DRIVER=vc4-drm\n"),
        ("dev/kvm", ""),
        ("sys/fs/cgroup/cgroup.controllers", "cpu io memory\n"),
    ]);
    assert_eq!((facts.class, facts.power), (Some(Class::SingleBoard), Power::Mains));
    assert_eq!(facts.cpu_model.as_deref(), Some("Cortex-A76"));
    assert_eq!(facts.gpus, [Gpu { vendor: "broadcom".into(), model: "VideoCore".into() }]);
    assert_eq!((facts.metered, heat), (Some(false), Some(-4)));
    assert_eq!(facts.capabilities, ["cgroup2", "kvm"]);
}

#[test]
fn a_virtual_machine_and_a_container_in_it() {
    let cpu = "model name\t: AMD EPYC\nflags\t\t: fpu hypervisor lm\n";
    let route = format!("{ROUTE_HEAD}eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
    let vm = [("proc/cpuinfo", cpu), ("sys/class/dmi/id/chassis_type", "1\n")];
    let (in_vm, heat) = facts(&[
        vm[0],
        vm[1],
        ("proc/net/route", &route),
        ("sys/class/net/eth0/type", "1\n"),
        ("sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\n"),
    ]);
    // What the host's cable is plugged into is not known.
    assert_eq!(in_vm.metered, None);
    assert_eq!((in_vm.class, in_vm.power, heat), (Some(Class::Virtual), Power::Unknown, None));
    let (inside, _) = facts(&[vm[0], vm[1], ("run/.containerenv", "")]);
    assert_eq!(inside.class, Some(Class::Container));
    // The first domain of Xen sees a hypervisor, and is the machine.
    let (first, _) = facts(&[vm[0], ("proc/xen/capabilities", "control_d\n"), ("sys/class/dmi/id/chassis_type", "23")]);
    assert_eq!(first.class, Some(Class::Server));
    // A machine of ARM tells by DMI alone.
    let (arm, _) = facts(&[("sys/class/dmi/id/sys_vendor", "QEMU\n")]);
    assert_eq!(arm.class, Some(Class::Virtual));
    let (amazon, product) = (("sys/class/dmi/id/sys_vendor", "Amazon EC2\n"), "sys/class/dmi/id/product_name");
    let kinds = ["m7g.large\n", "m7g.metal\n"].map(|name| facts(&[amazon, (product, name)]).0.class);
    assert_eq!(kinds, [Some(Class::Virtual), None]);
}

#[test]
fn a_headless_server_with_cards_that_compute() {
    let (facts, _) = facts(&[
        ("sys/class/dmi/id/chassis_type", "23\n"),
        ("sys/class/dmi/id/sys_vendor", "Supermicro\n"),
        // What draws the console.
        ("sys/devices/0000:03:00.0/vendor", "0x1a03\n"),
        ("sys/class/drm/card0/device", "->../../../devices/0000:03:00.0"),
        // One that both drivers tell of, and one that draws nothing.
        ("sys/devices/0000:41:00.0/vendor", "0x10de\n"),
        ("sys/devices/0000:41:00.0/device", "0x2330\n"),
        ("sys/class/drm/card1/device", "->../../../devices/0000:41:00.0"),
        ("proc/driver/nvidia/gpus/0000:41:00.0/information", "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 5\n"),
        ("proc/driver/nvidia/gpus/0000:42:00.0/information", "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 6\n"),
        ("sys/devices/0000:43:00.0/vendor", "0x1002\n"),
        ("sys/devices/0000:43:00.0/device", "0x740f\n"),
        ("sys/class/drm/card2/device", "->../../../devices/0000:43:00.0"),
    ]);
    assert_eq!((facts.class, facts.power), (Some(Class::Server), Power::Mains));
    let nvidia = Gpu { vendor: "nvidia".into(), model: "H100 80GB HBM3".into() };
    assert_eq!(facts.gpus, [nvidia.clone(), nvidia, Gpu { vendor: "amd".into(), model: "0x740f".into() }]);
}

#[test]
fn a_phone_on_its_modem() {
    let modem = format!("{ROUTE_HEAD}rmnet_data0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    let (phone, _) = facts(&[
        ("system/build.prop", "ro.product.model=Pixel\n"),
        ("proc/net/route", &modem),
        ("sys/class/power_supply/battery/type", "Battery\n"),
        ("sys/class/power_supply/battery/status", "Charging\n"),
        ("sys/class/power_supply/battery/capacity", "80\n"),
        ("sys/class/power_supply/usb/type", "USB\n"),
        ("sys/class/power_supply/usb/online", "1\n"),
    ]);
    assert_eq!((phone.class, phone.power, phone.metered), (Some(Class::Phone), Power::Mains, Some(true)));
    let (linux, _) = facts(&[
        ("proc/device-tree/model", "Pine64 PinePhone\0"),
        ("proc/device-tree/compatible", "pine64,pinephone-1.2\0allwinner,sun50i-a64\0"),
        // The port says that it is online since it feeds something.
        ("sys/class/power_supply/usb/type", "USB\n"),
        ("sys/class/power_supply/usb/online", "1\n"),
        ("sys/class/power_supply/axp20x/type", "Battery\n"),
        ("sys/class/power_supply/axp20x/status", "Discharging\n"),
    ]);
    assert_eq!((linux.class, linux.power), (Some(Class::Phone), Power::Battery { percent: None }));
}

#[test]
fn two_batteries_count_by_what_is_in_them() {
    let (facts, _) = facts(&[
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "0\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/status", "Not charging\n"),
        ("sys/class/power_supply/BAT0/energy_now", "0\n"),
        ("sys/class/power_supply/BAT0/energy_full", "20000000\n"),
        ("sys/class/power_supply/BAT1/type", "Battery\n"),
        ("sys/class/power_supply/BAT1/status", "Discharging\n"),
        ("sys/class/power_supply/BAT1/energy_now", "40000000\n"),
        ("sys/class/power_supply/BAT1/energy_full", "60000000\n"),
        // Taken out.
        ("sys/class/power_supply/BAT2/type", "Battery\n"),
        ("sys/class/power_supply/BAT2/present", "0\n"),
    ]);
    assert_eq!(facts.power, Power::Battery { percent: Some(50) });
}

#[test]
fn a_machine_that_tells_nothing_has_no_zeroes() {
    let (facts, heat) = facts(&[]);
    let absent = (facts.class, facts.kernel, facts.cpu_model, facts.memory_mib, facts.metered, heat);
    assert_eq!(absent, (None, None, None, None, None, None));
    assert_eq!(facts.power, Power::Unknown);
    assert!(facts.gpus.is_empty() && facts.capabilities.is_empty());
}

#[test]
fn this_machine_can_be_read() {
    let facts = super::read(&Root::system(), None);
    println!(
        "{facts:#?}\n{:?} °C, {:?}, {} bytes",
        heat::read(&Root::system()),
        super::power::read(&Root::system(), facts.class),
        facts.encode().len()
    );
    assert_eq!(facts.check(), Ok(()));
    assert_eq!(Facts::decode(&facts.encode()), Ok(facts.clone()));
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts, "{json}");
    if cfg!(target_os = "linux") {
        assert!(facts.kernel.is_some() && facts.memory_mib.is_some());
    }
    assert_eq!(read_at(&Root::at(Path::new("/nonexistent")), 0, None).check(), Ok(()));
}
