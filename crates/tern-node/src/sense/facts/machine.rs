//! All facts of a machine together, and those that need no more than a line: processor, memory, kernel.

use tern_core::observe::{Class, Facts};
use tern_core::words::limits::{CORES_MAX, FACT_NAME_BYTES_MAX, FACT_TEXT_BYTES_MAX, MEMORY_MIB_MAX};

use super::{Root, abilities, class, gpu, metered, power};

/// The facts of the machine that this process runs on, as they can be sent. `speed` is what [`speed::of`](super::speed::of) found.
#[must_use]
pub fn read(root: &Root, speed: Option<u16>) -> Facts {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(CORES_MAX));
    read_at(root, cores, speed)
}

/// The facts of the machine whose files lie below `root`.
#[must_use]
pub fn read_at(root: &Root, cores: u16, speed: Option<u16>) -> Facts {
    let class = class::read(root);
    let guest = matches!(class, Some(Class::Virtual | Class::Container));
    let facts = Facts {
        version: name(env!("CARGO_PKG_VERSION")),
        arch: name(std::env::consts::ARCH),
        os: name(std::env::consts::OS),
        kernel: root.text("proc/sys/kernel/osrelease").and_then(|release| text(&release)),
        cpu_model: cpu_model(root),
        cores: cores.clamp(1, CORES_MAX),
        memory_mib: memory_mib(root),
        gpus: gpu::read(root),
        class,
        power: power::read(root, class),
        // A guest does not see what its host's cable is plugged into.
        metered: metered::read(root).filter(|metered| *metered || !guest),
        capabilities: abilities::read(root),
        speed,
    };
    facts.fitted()
}

/// A description as facts may hold it: printable ASCII, one blank between words, cut at its limit. None of nothing.
pub(super) fn text(found: &str) -> Option<String> {
    cut(found, FACT_TEXT_BYTES_MAX)
}

/// A name as facts may hold it; a question mark where there is none.
pub(super) fn name(found: &str) -> String {
    cut(found, FACT_NAME_BYTES_MAX).unwrap_or_else(|| "?".into())
}

fn cut(found: &str, most: usize) -> Option<String> {
    let words: Vec<&str> = found.split_whitespace().collect();
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let cut: String = words.join(" ").chars().map(printable).take(most).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

fn memory_mib(root: &Root) -> Option<u32> {
    let text = root.text("proc/meminfo")?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let mib = u32::try_from(kib / 1024).unwrap_or(MEMORY_MIB_MAX).min(MEMORY_MIB_MAX);
    (mib > 0).then_some(mib)
}

/// The processor by name: what it calls itself, or for ARM, which only tells numbers, the names of its kinds of cores.
pub(super) fn cpu_model(root: &Root) -> Option<String> {
    let info = root.text("proc/cpuinfo")?;
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        value.map(str::trim).filter(|value| !value.is_empty())
    };
    if let Some(model) = field("model name") {
        return text(&without_ornaments(model));
    }
    // POWER, RISC-V.
    arm_cores(&info).or_else(|| field("cpu")).or_else(|| field("uarch")).and_then(text)
}

/// `Intel(R) Core(TM) i7-1185G7 CPU @ 3.00GHz` says no more than `Intel Core i7-1185G7`.
fn without_ornaments(model: &str) -> String {
    let plain = model.replace("(R)", "").replace("(r)", "").replace("(TM)", "").replace("(tm)", "");
    let plain = plain.split(" @ ").next().unwrap_or_default();
    plain.split_whitespace().filter(|word| *word != "CPU" && *word != "Processor").collect::<Vec<_>>().join(" ")
}

/// The kinds of cores that the numbers of `CPU implementer` and `CPU part` stand for, each once, as they come.
fn arm_cores(info: &str) -> Option<&'static str> {
    let mut best: Option<(usize, &str)> = None;
    for line in info.lines().filter(|line| line.starts_with("CPU part")) {
        let number = line.split(':').nth(1).map(str::trim).unwrap_or_default();
        // Of big and little cores the big one names the processor: it stands further down in the list.
        if let Some(place) = ARM_PARTS.iter().position(|(part, _)| *part == number)
            && best.is_none_or(|(most, _)| place > most)
        {
            best = Some((place, ARM_PARTS[place].1));
        }
    }
    let arm = info.lines().any(|line| line.starts_with("CPU implementer") && line.ends_with("0x41"));
    best.filter(|_| arm).map(|(_, name)| name)
}

/// Cores by Arm itself, small before big.
const ARM_PARTS: [(&str, &str); 24] = [
    ("0xc07", "Cortex-A7"),
    ("0xc09", "Cortex-A9"),
    ("0xc0f", "Cortex-A15"),
    ("0xd04", "Cortex-A35"),
    ("0xd03", "Cortex-A53"),
    ("0xd05", "Cortex-A55"),
    ("0xd46", "Cortex-A510"),
    ("0xd80", "Cortex-A520"),
    ("0xd07", "Cortex-A57"),
    ("0xd08", "Cortex-A72"),
    ("0xd09", "Cortex-A73"),
    ("0xd0a", "Cortex-A75"),
    ("0xd0b", "Cortex-A76"),
    ("0xd0d", "Cortex-A77"),
    ("0xd41", "Cortex-A78"),
    ("0xd47", "Cortex-A710"),
    ("0xd4d", "Cortex-A715"),
    ("0xd44", "Cortex-X1"),
    ("0xd48", "Cortex-X2"),
    ("0xd4e", "Cortex-X3"),
    ("0xd0c", "Neoverse-N1"),
    ("0xd40", "Neoverse-V1"),
    ("0xd49", "Neoverse-N2"),
    ("0xd4f", "Neoverse-V2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_named_without_ornaments_and_within_the_limit() {
        let plain = |model| text(&without_ornaments(model)).unwrap();
        assert_eq!(plain("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"), "Intel Xeon E5-2680 v4");
        assert_eq!(plain("AMD Ryzen 9 7950X 16-Core Processor"), "AMD Ryzen 9 7950X 16-Core");
        assert_eq!(plain("Evil\u{1b}[2J \u{202e}CPU"), "Evil?[2J ?CPU");
        assert_eq!(plain(&"x".repeat(500)).len(), FACT_TEXT_BYTES_MAX);
        assert_eq!((text(" \t"), name("")), (None, "?".into()));
    }

    #[test]
    fn an_arm_processor_is_named_by_its_big_cores() {
        let core = |part: &str| format!("CPU implementer\t: 0x41\nCPU part\t: {part}\n");
        assert_eq!(arm_cores(&(core("0xd05") + &core("0xd0b") + &core("0xd05"))), Some("Cortex-A76"));
        assert_eq!(arm_cores(&core("0xfff")), None);
        // The same number of another maker is another core.
        assert_eq!(arm_cores("CPU implementer\t: 0x61\nCPU part\t: 0xd0b\n"), None);
    }
}
