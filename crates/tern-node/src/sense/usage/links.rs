//! The network interfaces, as `/proc/net/dev` counts them.
//!
//! Those with a device behind them: what bridges, tunnels and pairs between containers drop, they are often meant to. In a
//! container none has a device, and then all count but the loopback.

use std::collections::BTreeMap;

use tern_core::decide::bottleneck::{Absent, Measured, Traffic};

/// Interfaces that are looked at.
const LINKS_MAX: usize = 64;
/// Bytes of a name; the kernel has 16.
const NAME_BYTES_MAX: usize = 16;

/// What went through an interface since it was made, received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    bytes: [u64; 2],
    packets: [u64; 2],
    errors: [u64; 2],
    dropped: [u64; 2],
}

impl Counters {
    /// It never carried anything.
    pub(super) fn is_unused(&self) -> bool {
        self.packets == [0, 0] && self.errors == [0, 0] && self.dropped == [0, 0]
    }
}

/// Interfaces by name, without the loopback; none where no line has the known form.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, Counters>> {
    let all: BTreeMap<&str, Counters> = text.lines().filter_map(line).collect();
    let wanted = all.iter().filter(|(name, _)| **name != "lo");
    (!all.is_empty()).then(|| wanted.take(LINKS_MAX).map(|(name, it)| ((*name).to_owned(), *it)).collect())
}

/// `name: bytes packets errs drop fifo frame compressed multicast` received, then eight of what was sent. Older kernels leave
/// out the blank behind the colon.
fn line(line: &str) -> Option<(&str, Counters)> {
    let (name, numbers) = line.rsplit_once(':')?;
    let name = name.trim();
    let plain = |letter: char| letter.is_ascii_graphic() && letter != '/';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let numbers: Vec<u64> = numbers.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect();
    let both = |place: usize| Some([*numbers.get(place)?, *numbers.get(place + 8)?]);
    Some((name, Counters { bytes: both(0)?, packets: both(1)?, errors: both(2)?, dropped: both(3)? }))
}

/// What went through in `seconds` between two looks.
pub(super) fn traffic(before: Counters, after: Counters, seconds: f64) -> Measured<Traffic> {
    let each = |before: [u64; 2], after: [u64; 2]| -> Measured<[u64; 2]> {
        let since = |way: usize| after[way].checked_sub(before[way]).ok_or(Absent::Restarted);
        Ok([since(0)?, since(1)?])
    };
    let all = |before, after| each(before, after).map(|[one, other]| one.saturating_add(other));
    let [received, sent] = each(before.bytes, after.bytes)?;
    if seconds <= 0.0 {
        return Err(Absent::Restarted);
    }
    Ok(Traffic {
        bytes: received.max(sent) as f64 / seconds,
        packets: all(before.packets, after.packets)?,
        errors: all(before.errors, after.errors)?,
        dropped: all(before.dropped, after.dropped)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo \
                        frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    #[test]
    fn interfaces_are_read_with_and_without_a_blank_and_the_loopback_is_left_out() {
        let text = format!(
            "{HEAD}    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  eth0:100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\nwlan0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        let links = parse(&text).unwrap();
        assert_eq!(links.keys().collect::<Vec<_>>(), ["eth0", "wlan0"]);
        assert!(links["wlan0"].is_unused() && !links["eth0"].is_unused());
        let eth0 = links["eth0"];
        assert_eq!((eth0.bytes, eth0.packets, eth0.errors, eth0.dropped), ([100, 500], [2, 6], [3, 7], [4, 8]));
    }

    #[test]
    fn lines_that_are_cut_or_strange_are_left_out_and_a_file_of_nothing_else_is_none() {
        let line = "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        assert!(parse(line).is_some());
        for strange in [
            "",
            HEAD,
            "eth0:",
            "eth0: 1 2 3 4 5 6 7 8 9 10 11",
            "../../etc: 1 2 3 4 5 6 7 8 9 10 11 12",
            ": 1 2 3 4 5 6 7 8 9 10 11 12",
            "eth0: a b",
        ] {
            assert_eq!(parse(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn the_busier_direction_counts_and_an_interface_that_begins_anew_is_not_known() {
        let before = Counters { bytes: [1_000, 1_000], packets: [10, 10], errors: [1, 0], dropped: [0, 5] };
        let after = Counters { bytes: [5_000, 2_000], packets: [14, 12], errors: [1, 2], dropped: [1, 5] };
        assert_eq!(traffic(before, after, 2.0), Ok(Traffic { bytes: 2_000.0, packets: 6, errors: 2, dropped: 1 }));
        assert_eq!(traffic(after, before, 2.0), Err(Absent::Restarted));
        assert_eq!(traffic(before, after, 0.0), Err(Absent::Restarted));
    }
}
