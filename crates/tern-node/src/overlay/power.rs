//! What feeds this machine, as the grid hears of it: a change between battery and mains at once, a charge now and then.
//!
//! Each time is a new signed record that travels to everybody. A plug that is pulled changes how this node is treated; a battery
//! that empties is only shown.

use std::time::Duration;

use tern_core::observe::Power;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::actor::Said;
use crate::sense::Conditions;

/// Between two tellings of the charge alone.
const CHARGE_TOLD_EVERY: Duration = Duration::from_secs(120);

/// Whether `now` is worth telling, when `before` was told `ago`.
fn is_news(before: Power, now: Power, ago: Duration) -> bool {
    let source = std::mem::discriminant(&before) != std::mem::discriminant(&now);
    source || before != now && ago >= CHARGE_TOLD_EVERY
}

/// Tells the actor until nobody looks at the machine any more.
pub async fn follow(mut conditions: Conditions, to_actor: mpsc::Sender<Said>) {
    let mut told: Option<(Power, Instant)> = None;
    loop {
        let now = conditions.borrow_and_update().power;
        if told.is_none_or(|(before, at)| is_news(before, now, at.elapsed())) {
            told = Some((now, Instant::now()));
            if to_actor.send(Said::Power(now)).await.is_err() {
                return;
            }
        }
        if conditions.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_plug_is_told_at_once_and_a_charge_seldom() {
        let (full, less) = (Power::battery(Some(100)), Power::battery(Some(95)));
        let soon = CHARGE_TOLD_EVERY / 2;
        for (before, now, ago, told) in [
            (Power::Mains, full, Duration::ZERO, true),
            (full, Power::Mains, Duration::ZERO, true),
            (Power::Unknown, Power::Mains, Duration::ZERO, true),
            (full, less, soon, false),
            (full, less, CHARGE_TOLD_EVERY, true),
            (full, full, CHARGE_TOLD_EVERY * 9, false),
        ] {
            assert_eq!(is_news(before, now, ago), told, "{before:?} → {now:?} after {ago:?}");
        }
    }
}
