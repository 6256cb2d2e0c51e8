//! What it costs to find a place for one task, with a hundred machines and with ten thousand.
//!
//! Prints nanoseconds a placement: a token is taken among all free machines, and another machine becomes free.

use std::hint::black_box;
use std::time::Instant;

use tern_core::decide::balance::guard::Guard;
use tern_core::decide::balance::token::Tokens;

const PLACEMENTS: u32 = 1_000_000;

fn main() {
    for count in [10u32, 100, 1_000, 10_000] {
        let mut tokens = Tokens::default();
        for node in 0..count {
            tokens.set(node, 1 + node % 4, 0.3 + f64::from(node % 10) / 10.0);
        }
        let mut draw = 1u64;
        let began = Instant::now();
        for _ in 0..PLACEMENTS {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let may = |_, speed| Guard { speed, fastest: 1.2, drain_ms: 20_000.0, stuck_ms: 0.0 }.allows(5_900.0);
            let taken = black_box(tokens.take(may, draw.rotate_left(17)));
            // It has taken the task; some time later a slot of it is free again.
            if let Some(node) = taken {
                tokens.set(node, 1 + node % 4, 0.3 + f64::from(node % 10) / 10.0);
            }
        }
        println!("{count:6} machines: {} ns a placement", began.elapsed().as_nanos() / u128::from(PLACEMENTS));
    }
}
