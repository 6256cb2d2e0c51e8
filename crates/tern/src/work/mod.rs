//! Commands about work as it moves: machines that stand back, why a job waits, and how well the grid works.

pub mod args;
mod balance;
mod benchmark;
mod drain;
mod explain;
mod kpi;
mod ledger;
mod measure;
mod migrate;
