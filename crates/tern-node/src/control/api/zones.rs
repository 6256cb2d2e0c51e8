//! Zones, each shown as if it were one large node.
//!
//! Fields that a node has, too, have the same names here: `vitals.trit`, `vitals.load_ratio`, `link.trit`. The figures are those of all its
//! nodes together, those of zones inside it included. What was not measured, or not heard yet, is absent and never zero.

use serde::{Deserialize, Serialize};
use tern_core::machine::mesh::ZoneView;
use tern_core::observe::{LinkTrit, ZoneLoad};
use utoipa::ToSchema;

use super::trit;
use crate::overlay::grid::GridView;

/// Zones that one answer has, and zones that one entry names inside it.
pub const ZONES_SHOWN_MAX: usize = 1_024;

/// `GET /v1/zones`: where the nodes of the grid stand.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ZonesView {
    pub grid: String,
    /// Each is followed by those inside it.
    pub zones: Vec<ZoneEntry>,
    /// So many more are known than are shown.
    pub left_out: u32,
}

/// `GET /v1/zones/{zone}`: one zone, with all that is known of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ZoneEntry {
    /// Its whole name: segments from the outermost, joined by `/`.
    pub zone: String,
    /// The node that answers stands in it.
    pub here: bool,
    /// Nodes of it that can be reached.
    pub up: u32,
    /// Whole names of the zones directly inside it.
    pub inner: Vec<String>,
    /// How its nearest node is reached.
    pub link: ZoneLinkView,
    pub memory_total_mib: Option<u64>,
    pub vitals: Option<ZoneVitalsView>,
}

/// How a zone is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ZoneLinkView {
    /// +1 direct, 0 relayed, −1 failed, and the same as a word.
    pub trit: i8,
    pub word: String,
}

/// How a zone is at this moment: its nodes added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ZoneVitalsView {
    /// That of the whole, load over cores: -1, 0 or +1, and the same as a word. No sum of the trits of its nodes.
    pub trit: Option<i8>,
    pub trit_word: Option<String>,
    /// Sum of the load averages, the cores that carry it, and the one over the other.
    pub load: Option<f64>,
    pub cores: Option<u64>,
    pub load_ratio: Option<f64>,
    /// Nodes by their own trits.
    pub overloaded: u32,
    pub balanced: u32,
    pub idle: u32,
    /// Overloaded nodes less idle ones: below zero there is room.
    pub surplus: i64,
    pub running: u64,
    pub slots: u64,
    pub queued: u64,
}

impl ZonesView {
    #[must_use]
    pub fn new(view: &GridView) -> Self {
        let mut zones: Vec<&ZoneView> = view.zones.iter().collect();
        // By segments: by letters alone `home-2` would stand between `home` and `home/attic`.
        zones.sort_by(|a, b| a.zone.split('/').cmp(b.zone.split('/')));
        let left_out = zones.len().saturating_sub(ZONES_SHOWN_MAX);
        Self {
            grid: view.grid.to_string(),
            zones: zones.into_iter().take(ZONES_SHOWN_MAX).map(ZoneEntry::new).collect(),
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        }
    }
}

impl ZoneEntry {
    #[must_use]
    pub fn new(view: &ZoneView) -> Self {
        Self {
            zone: view.zone.clone(),
            here: view.here,
            up: view.up,
            inner: view.inner.iter().take(ZONES_SHOWN_MAX).cloned().collect(),
            link: ZoneLinkView::new(view.link),
            // No machine has none.
            memory_total_mib: Some(view.load.memory_mib).filter(|mib| *mib > 0),
            vitals: ZoneVitalsView::new(&view.load),
        }
    }
}

impl ZoneLinkView {
    #[must_use]
    pub fn new(link: LinkTrit) -> Self {
        let trit = match link {
            LinkTrit::Failed => -1,
            LinkTrit::Relayed => 0,
            LinkTrit::Direct => 1,
        };
        Self { trit, word: link.word().to_owned() }
    }
}

impl ZoneVitalsView {
    /// None: no node of it has said how it is.
    #[must_use]
    pub fn new(load: &ZoneLoad) -> Option<Self> {
        let heard = load.overloaded > 0 || load.balanced > 0 || load.idle > 0;
        let measured = load.cores > 0;
        let whole = load.trit().map(trit);
        heard.then(|| Self {
            trit: whole.map(|(number, _)| number),
            trit_word: whole.map(|(_, word)| word.to_owned()),
            load: measured.then(|| load.load_milli as f64 / 1_000.0),
            cores: measured.then_some(load.cores),
            load_ratio: load.rho_milli().map(|milli| milli as f64 / 1_000.0),
            overloaded: load.overloaded,
            balanced: load.balanced,
            idle: load.idle,
            surplus: load.surplus(),
            running: load.running,
            slots: load.slots,
            queued: load.queued,
        })
    }
}
