//! Grids on machines of their own: each machine is a network namespace with its own interfaces and addresses.
//!
//! `cargo test --release -p tern --test it` runs all of them, and `… --test it -- a_cut_link` those whose names hold
//! that. They need root, `ip` and, some of them, `nft` and `tcpdump` (`cargo xtask test` installs these on Debian); what
//! cannot run here says so and returns. Namespaces are named `tern-it.…` and go away with the test, also one that failed;
//! those of a test program that was killed go when the next one starts.
//! [`ground`] is what the tests stand on, `standing` shows that it holds, and the other files are about grids.

mod crossing;
mod deaths;
mod ground;
mod history;
mod mesh;
mod moving;
mod outward;
mod standing;
mod strange;
mod two;
