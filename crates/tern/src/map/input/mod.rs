//! Where the arguments come from: words after `:::`, files, standard input, and how they make the rows of the job.

pub mod colsep;
pub mod sources;

pub use sources::Sources;
