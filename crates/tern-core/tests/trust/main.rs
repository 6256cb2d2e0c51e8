//! Who belongs to a grid, driven from outside: by its attacks, by its laws, and as a person uses it.

mod bytes;
mod chain;
mod join;
mod laws;
mod life;
mod people;
