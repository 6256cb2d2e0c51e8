//! `cargo xtask shape`: the code keeps the sizes, names and directions that make it readable.
//!
//! Rules are about text, not types, so that they run in a moment and can be understood from one line of output:
//! `path:line: what; what to do`. A note is printed and does not fail; a finding fails.

mod crates;
mod files;
mod functions;
mod graph;
mod lexer;
mod names;
mod pages;
mod report;
mod source;

pub use report::{Report, shape};
pub use source::{Source, tests};
