//! The file that keeps the measured speed, with the machine that it is true of: a state folder may move to another.
//!
//! Anything but a whole line of this form about this very processor is as good as no file: it is measured again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use tern_core::observe::facts;

use super::measure::LOOP;
use crate::home::Home;

/// Bytes of the file that are looked at.
const FILE_BYTES_MAX: u64 = 256;

/// All that the speed depends on, on one line.
fn line(processor: Option<&str>, cores: u16, speed: u16) -> String {
    format!("{LOOP}\t{speed}\t{}\t{cores}\t{}\n", std::env::consts::ARCH, processor.unwrap_or("?"))
}

/// What was measured of this processor before.
#[must_use]
pub fn kept(home: &Home, processor: Option<&str>, cores: u16) -> Option<u16> {
    let mut text = String::new();
    File::open(home.speed()).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let speed = text.split('\t').nth(1)?.parse().ok()?;
    let whole = text == line(processor, cores, speed);
    // What another node would refuse is not told.
    (whole && facts::speed(f64::from(speed) / 1000.0) == Some(speed)).then_some(speed)
}

/// Keeps it: under another name first, so that the file is whole or not there.
///
/// # Errors
/// The system's; then the file is as it was.
pub(super) fn keep(home: &Home, processor: Option<&str>, cores: u16, speed: u16) -> io::Result<()> {
    crate::home::make_folder(home.path())?;
    let new = home.speed().with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(line(processor, cores, speed).as_bytes())?;
    fs::rename(&new, home.speed())
}

/// Lets it be measured again.
///
/// # Errors
/// The system's; that there was none is no error.
pub fn forget(home: &Home) -> io::Result<()> {
    match fs::remove_file(home.speed()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_speed_is_true_of_its_processor_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("state"));
        assert_eq!(kept(&home, Some("Ryzen 7"), 16), None);
        keep(&home, Some("Ryzen 7"), 16, 1240).unwrap();
        assert_eq!(kept(&home, Some("Ryzen 7"), 16), Some(1240));
        assert_eq!(
            [kept(&home, Some("Ryzen 9"), 16), kept(&home, Some("Ryzen 7"), 8), kept(&home, None, 16)],
            [None; 3]
        );
        keep(&home, None, 4, 20).unwrap();
        assert_eq!(kept(&home, None, 4), Some(20));
        forget(&home).unwrap();
        forget(&home).unwrap();
        assert_eq!(kept(&home, None, 4), None);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let good = line(Some("Ryzen 7"), 16, 1240);
        let damaged = [
            good[..good.len() - 1].to_owned(),
            good.clone() + "x",
            good.replace("1240", "1250"),
            good.replace("1240", "0"),
            good.replace("1240", "64000"),
            good.replace("1240", "01240"),
            "\t".repeat(1 << 16),
        ];
        for text in damaged {
            fs::write(home.speed(), &text).unwrap();
            assert_eq!(kept(&home, Some("Ryzen 7"), 16), None, "{text:?}");
        }
        let speed = super::super::of(&home, Some("Ryzen 7"), 16);
        assert!(speed.is_some());
        assert_eq!(kept(&home, Some("Ryzen 7"), 16), speed);
    }
}
