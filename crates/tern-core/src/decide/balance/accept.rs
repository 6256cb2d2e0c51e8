//! Whether a piece of work may move from one node to another.
//!
//! A node's backlog B is the work that waits and runs there; over its speed S that is the time x = B / S until it is done. Unevenness
//! is measured by Φ = Σ B² / S, which is least where all nodes are done at the same time. Work w from p to m changes Φ by
//! −2w (x_p − x_m) + w² (1/S_p + 1/S_m): it falls up to twice the amount w = (x_p − x_m) / (1/S_p + 1/S_m). No more than that
//! amount moves at once, so that every move makes Φ smaller by w (x_p − x_m) at least, no state comes back, and moves end.
//!
//! Work that runs already is bound more tightly: the receiver may not become overloaded nor the sender idle by it, and what is
//! gained has to be more than what the move costs.

/// By this ratio of load to cores and above a node is full.
const FULL: f64 = 0.8;
/// Below this one it is idle.
const IDLE: f64 = 0.3;

/// One end of a move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// B: milliseconds on the reference core, of all that waits and runs.
    pub backlog: f64,
    /// S: reference cores; above 0.
    pub speed: f64,
}

impl Side {
    /// x: milliseconds until all is done.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.backlog / self.speed
    }

    /// Its part of Φ.
    #[must_use]
    pub fn unevenness(&self) -> f64 {
        self.backlog * self.backlog / self.speed
    }
}

/// What a move of running work changes beside the backlogs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    /// Loads of both nodes as they would be after it, over their cores.
    pub sender: f64,
    pub receiver: f64,
    /// Milliseconds by which the work is expected to end earlier, and which it stands still for the move.
    pub gain: f64,
    pub cost: f64,
}

/// A move that is thought of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// w: milliseconds on the reference core.
    pub work: f64,
    pub from: Side,
    pub to: Side,
    /// A slot is free there and nothing waits for it: the first task into it may be longer than what would even both out.
    pub free: bool,
    /// None: it waits.
    pub running: Option<Running>,
}

/// Why a move is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// A figure is no number, or a speed is not above 0.
    Unknown,
    /// The receiver would be done no earlier.
    NotBehind,
    /// It is more than what would even both out.
    TooMuch,
    /// The receiver would be overloaded.
    ReceiverFull,
    /// The sender would be idle.
    SenderIdle,
    /// It costs more than it gains.
    NotWorth,
}

/// By how much Φ falls.
///
/// # Errors
/// [`No`]: the first rule that keeps the move from being made.
pub fn accept(it: &Move) -> Result<f64, No> {
    let sound =
        |side: &Side| side.backlog.is_finite() && side.backlog >= 0.0 && side.speed.is_finite() && side.speed > 0.0;
    if !sound(&it.from) || !sound(&it.to) || !it.work.is_finite() || it.work <= 0.0 || it.work > it.from.backlog {
        return Err(No::Unknown);
    }
    let (ahead, slowness) = (it.from.time() - it.to.time(), 1.0 / it.from.speed + 1.0 / it.to.speed);
    if ahead <= 0.0 {
        return Err(No::NotBehind);
    }
    if it.work > ahead / slowness && !(it.free && it.running.is_none()) {
        return Err(No::TooMuch);
    }
    if let Some(running) = &it.running {
        // Each refuses what is no number.
        let caps = [
            (running.receiver <= FULL, No::ReceiverFull),
            (running.sender >= IDLE, No::SenderIdle),
            (running.gain > running.cost, No::NotWorth),
        ];
        if let Some((_, no)) = caps.into_iter().find(|(kept, _)| !kept) {
            return Err(no);
        }
    }
    Ok(2.0 * it.work * ahead - it.work * it.work * slowness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn node(backlog: f64, speed: f64) -> Side {
        Side { backlog, speed }
    }

    #[test]
    fn half_of_the_way_is_the_most() {
        let it = Move { work: 50.0, from: node(100.0, 1.0), to: node(0.0, 1.0), free: false, running: None };
        assert_eq!(accept(&it), Ok(5000.0));
        assert_eq!(accept(&Move { work: 51.0, ..it }), Err(No::TooMuch));
        assert_eq!(accept(&Move { work: 51.0, free: true, ..it }), Ok(2.0 * 51.0 * 100.0 - 51.0 * 51.0 * 2.0));
        assert_eq!(accept(&Move { to: node(200.0, 2.0), ..it }), Err(No::NotBehind));
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(accept(&Move { to: node(0.0, speed), ..it }), Err(No::Unknown));
        }
    }

    #[test]
    fn running_work_has_its_caps() {
        let sound = Running { sender: 0.3, receiver: 0.8, gain: 2.0, cost: 1.0 };
        let with = |running| Move {
            work: 10.0,
            from: node(100.0, 1.0),
            to: node(0.0, 1.0),
            free: true,
            running: Some(running),
        };
        assert!(accept(&with(sound)).is_ok());
        assert_eq!(accept(&with(Running { receiver: 0.81, ..sound })), Err(No::ReceiverFull));
        assert_eq!(accept(&with(Running { receiver: f64::NAN, ..sound })), Err(No::ReceiverFull));
        assert_eq!(accept(&with(Running { sender: 0.29, ..sound })), Err(No::SenderIdle));
        assert_eq!(accept(&with(Running { gain: 1.0, ..sound })), Err(No::NotWorth));
    }

    proptest! {
        /// Whatever moves in whatever order: Φ falls with each accepted move, no state comes back, and moves end.
        #[test]
        fn accepted_moves_lower_unevenness_and_end(
            speeds in proptest::collection::vec(0.2f64..16.0, 2..8),
            tasks in proptest::collection::vec((1.0f64..1000.0, 0usize..8), 1..60),
            seed in any::<u64>(),
        ) {
            let nodes = speeds.len();
            let mut on: Vec<usize> = tasks.iter().map(|(_, place)| place % nodes).collect();
            let mut side: Vec<Side> = speeds.iter().map(|speed| node(0.0, *speed)).collect();
            for (task, place) in on.iter().enumerate() {
                side[*place].backlog += tasks[task].0;
            }
            let phi = |side: &[Side]| side.iter().map(Side::unevenness).sum::<f64>();
            let (mut draw, mut since, mut moves) = (seed, 0, 0);
            while since < 40 * tasks.len() * nodes {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (task, to) = ((draw >> 33) as usize % tasks.len(), (draw >> 13) as usize % nodes);
                let (work, from) = (tasks[task].0, on[task]);
                since += 1;
                let it = Move { work, from: side[from], to: side[to], free: false, running: None };
                let Some(fall) = accept(&it).ok().filter(|_| from != to) else { continue };
                let before = phi(&side);
                side[from].backlog -= work;
                side[to].backlog += work;
                on[task] = to;
                let fell = before - phi(&side);
                prop_assert!(fell > 0.0 && (fell - fall).abs() <= 1e-6 * before.max(1.0), "{fell} for {fall}");
                (since, moves) = (0, moves + 1);
                prop_assert!(moves <= 100 * tasks.len(), "it goes on and on");
            }
        }
    }
}
