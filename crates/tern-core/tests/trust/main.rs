//! Who belongs to a grid, driven from outside: by its attacks, by its laws, and as a person uses it; and what members may say.

mod bytes;
mod chain;
mod join;
mod laws;
mod life;
mod mesh;
#[path = "../shared/mutated.rs"]
mod mutated;
mod people;
