//! The smaller files: inputs, contexts, the lock, the key.

mod files;
mod holders;
