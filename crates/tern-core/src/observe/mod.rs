//! What a node knows of itself and of others.

pub mod facts;
pub mod fit;
pub mod history;
pub mod kpi;
pub mod link;
pub mod queue;
pub mod reading;
pub mod trit;
pub mod vitals;
pub mod zone;

pub use facts::{Class, Facts, FactsError, Gpu, Power};
pub use fit::{Fit, is_in_zone};
pub use history::{History, Remembered};
pub use link::LinkTrit;
pub use queue::QueueTrit;
pub use reading::Reading;
pub use trit::NodeTrit;
pub use trit::signs::Signs;
pub use vitals::{Vitals, VitalsError};
pub use zone::{Area, ZoneLoad};
