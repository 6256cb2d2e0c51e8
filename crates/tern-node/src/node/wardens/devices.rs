//! Which task has which graphics processor: each gets the numbers of its own by the environment that its vendor's library reads.

use std::collections::BTreeMap;

use tern_core::observe::Gpu;
use tern_core::words::{Attempt, Bytes};

/// Vendors, as facts name them, and the variables by which their libraries are told which processors to see.
const VENDORS: [(&str, &[&str]); 3] = [
    ("nvidia", &["CUDA_VISIBLE_DEVICES"]),
    ("amd", &["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"]),
    ("intel", &["ZE_AFFINITY_MASK"]),
];

/// The graphics processors of this machine.
#[derive(Debug, Default)]
pub struct Devices {
    /// Place of the vendor in [`VENDORS`], number at the vendor, and whose it is.
    all: Vec<(Option<usize>, usize, Option<Attempt>)>,
}

impl Devices {
    #[must_use]
    pub fn new(gpus: &[Gpu]) -> Self {
        let mut counts = BTreeMap::new();
        let all = gpus.iter().map(|gpu| {
            let vendor = VENDORS.iter().position(|(name, _)| gpu.vendor.eq_ignore_ascii_case(name));
            let number = counts.entry(vendor).or_insert(0_usize);
            *number += 1;
            (vendor, *number - 1, None)
        });
        Self { all: all.collect() }
    }

    /// The variables for an attempt that wants so many; none where it wants none.
    pub fn take(&mut self, attempt: Attempt, wanted: u8) -> Vec<(Bytes, Bytes)> {
        if wanted == 0 {
            return Vec::new();
        }
        let mut mine: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (vendor, number, whose) in self.all.iter_mut().filter(|(_, _, whose)| whose.is_none()).take(wanted.into()) {
            *whose = Some(attempt);
            if let Some(vendor) = vendor {
                mine.entry(*vendor).or_default().push(number.to_string());
            }
        }
        let all = VENDORS.iter().enumerate().flat_map(|(at, (_, names))| names.iter().map(move |name| (at, name)));
        all.map(|(at, name)| {
            (Bytes::from(*name), Bytes::from(mine.get(&at).map_or_else(String::new, |it| it.join(","))))
        })
        .collect()
    }

    /// The attempt is over.
    pub fn give_back(&mut self, attempt: &Attempt) {
        for (_, _, whose) in self.all.iter_mut().filter(|(_, _, whose)| whose.as_ref() == Some(attempt)) {
            *whose = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::words::{Epoch, JobId};

    #[test]
    fn no_two_tasks_see_the_same_processor() {
        let gpu = |vendor: &str| Gpu { vendor: vendor.to_owned(), model: "x".to_owned() };
        let mut devices = Devices::new(&[gpu("nvidia"), gpu("amd"), gpu("nvidia")]);
        let epoch = Epoch { counter: 0, keeper: 1, incarnation: 1 };
        let attempt = |task| Attempt { job: JobId(1), task, round: 0, epoch, n: 1 };
        let text =
            |env: Vec<(Bytes, Bytes)>| env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let (cuda, hip) = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES");
        let both = |cuda_has: &str, hip_has: &str| {
            let rocr = hip_has.to_owned();
            vec![
                format!("{cuda}={cuda_has}"),
                format!("{hip}={hip_has}"),
                format!("ROCR_VISIBLE_DEVICES={rocr}"),
                "ZE_AFFINITY_MASK=".to_owned(),
            ]
        };
        assert_eq!(text(devices.take(attempt(0), 2)), both("0", "0"));
        assert_eq!(text(devices.take(attempt(1), 1)), both("1", ""));
        devices.give_back(&attempt(0));
        assert_eq!(text(devices.take(attempt(2), 1)), both("0", ""));
        assert!(devices.take(attempt(3), 0).is_empty());
    }
}
