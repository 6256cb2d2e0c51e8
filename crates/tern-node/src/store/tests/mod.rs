//! The smaller files: inputs, contexts, the lock, the key, the grid.

mod files;
mod grid;
mod holders;
