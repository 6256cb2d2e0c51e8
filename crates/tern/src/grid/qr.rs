//! A ticket as a picture for a terminal, so that a machine with a camera need not type it.
//!
//! Half blocks make two rows of one line. What is drawn is the light modules, so that the picture is right on a dark terminal;
//! where colours are wanted, white on black is asked for, and it is right on any.

use qrcode::{EcLevel, QrCode};

/// Light modules around the picture that a camera needs.
const QUIET: usize = 4;

/// The lines of the picture; None: the text is too long for one.
pub fn lines(text: &str) -> Option<Vec<String>> {
    // Capitals and digits: the alphanumeric mode takes 5.5 bits a letter and not 8. Low correction: it is read off a
    // screen, where nothing is dirty.
    let code = QrCode::with_error_correction_level(text.to_ascii_uppercase(), EcLevel::L).ok()?;
    let width = code.width();
    let colours = code.to_colors();
    let whole = width + 2 * QUIET;
    let light = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        !inside || colours[(y - QUIET) * width + (x - QUIET)] == qrcode::Color::Light
    };
    let line = |y: usize| {
        let halves = |x: usize| match (light(x, y), y + 1 < whole && light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..whole).map(halves).collect()
    };
    Some((0..whole).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_square_with_a_quiet_zone_and_small_for_capitals() {
        let lines = lines("TERN1ABCDEF0123456789").unwrap();
        let width = lines[0].chars().count();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines.iter().all(|line| line.chars().count() == width));
        assert!(lines[..QUIET / 2].iter().all(|line| line.chars().all(|half| half == '█')), "{lines:#?}");
        let [edge, side] = ["█".repeat(QUIET), "▀".repeat(QUIET)];
        let quiet = |line: &String| [&edge, &side].iter().any(|it| line.starts_with(*it) && line.ends_with(*it));
        assert!(lines.iter().all(quiet), "{lines:#?}");
        // 21 letters fit into version 1 (25 of them), which bytes (17) would not.
        assert_eq!(width, 21 + 2 * QUIET);
    }

    #[test]
    fn a_text_that_is_too_long_has_no_picture() {
        assert_eq!(lines(&"A".repeat(5_000)), None);
    }
}
