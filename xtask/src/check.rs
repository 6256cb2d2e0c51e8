//! `cargo xtask check`: what can be said about the code without running it.
//!
//! All of it uses the release profile, so that nothing is built for a second one.

use crate::run::{Parts, cargo, run};
use crate::{policy, shape, suite};

/// Formatting, clippy, documentation, dependency policy, shape.
pub fn check() -> Result<(), String> {
    let mut parts = Parts::new();
    parts.part("format", || run(cargo(&["fmt", "--all", "--check"])));
    parts.part("clippy", || {
        let arguments = ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        run(cargo(&arguments))
    });
    parts.part("documentation", || {
        let mut doc = cargo(&["doc", "--release", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        run(doc)
    });
    parts.part("policy", policy::policy);
    parts.part("shape", || shape::shape(&[]));
    parts.finish()
}

/// `test`, then `check`; both run whatever the first one says.
pub fn ci() -> Result<(), String> {
    let (tested, checked) = (suite::test(), check());
    match (tested, checked) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(one), Ok(())) | (Ok(()), Err(one)) => Err(one),
        (Err(one), Err(other)) => Err(format!("{one}\n{other}")),
    }
}
