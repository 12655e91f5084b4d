//! Actions that may be told of once more.
//!
//! In: deeds in the order of their times. Out: the stage of each, one for all that tell of the same action.

use super::{Deed, TWIN_US};
use crate::{
    lifecycle::{Channel, Stage, StageKind},
    model::{EventKey, Micros},
};
use serde::{Deserialize, Serialize};

/// Most actions that wait for a twin.
const WAITING_MAX: usize = 16;

/// Actions whose twin may still come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting(Vec<Deed>);

impl Waiting {
    /// Forgets those whose twin would have come by now.
    pub fn expire(&mut self, now: Micros) {
        if !self.0.is_empty() {
            self.0.retain(|earlier| earlier.anchor.created_us.saturating_add(TWIN_US) >= now);
        }
    }

    /// Takes a deed: gives its stage, and whether it is a new one.
    pub fn take(&mut self, deed: Deed) -> (Stage, bool) {
        self.expire(deed.anchor.created_us);
        if let Some(earlier) = self.0.iter_mut().find(|earlier| deed.is_told_by(earlier)) {
            earlier.ids.extend(deed.ids);
            return (earlier.stage(), false);
        }
        if let Some(earlier) = self.0.iter_mut().find(|earlier| deed.is_twin_of(earlier)) {
            earlier.merge(deed);
            return (earlier.stage(), false);
        }
        let stage = deed.stage();
        if !deed.channels.contains(&Channel::Connector) {
            if self.0.len() >= WAITING_MAX {
                self.0.remove(0);
            }
            self.0.push(deed);
        }
        (stage, true)
    }

    /// What their stages are known by.
    pub fn anchors(&self) -> impl Iterator<Item = (EventKey, StageKind)> + '_ {
        self.0.iter().map(|deed| (deed.anchor, deed.kind))
    }

    /// Their stages.
    pub fn stages(&self) -> impl Iterator<Item = Stage> + '_ {
        self.0.iter().map(Deed::stage)
    }
}
