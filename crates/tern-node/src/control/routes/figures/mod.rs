//! The routes of figures: of a time, from the event log, and of this instant, for those who collect metrics.

pub mod kpi;
pub mod metrics;
