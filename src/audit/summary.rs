//! How much was done in a period: counts by actor, action, use case and resource.
//!
//! In: canonical bytes of records, in any order. Out: counts, the largest first. Refused: a text that is no record. Memory is bounded: of
//! each kind the first [`KEYS_MAX`] different names are counted apart, the [`TOP_MAX`] with most records are listed, all others are one
//! number.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Most names of each kind that are listed.
pub const TOP_MAX: usize = 1_000;

/// Most names of each kind that are counted apart.
pub const KEYS_MAX: usize = 50_000;

/// A name, or two that belong together, and its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Actor kind, event of a use case, or type of resource; null for actions.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Id of the actor or resource, the action, the use case; null when nobody says.
    pub name: Option<String>,
    /// Records.
    pub records: u64,
    /// The first record, by number.
    pub first_seq: u64,
    /// The last record, by number.
    pub last_seq: u64,
}

/// Counts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// The names with most records, largest first, then by name.
    pub top: Vec<Count>,
    /// Records of all other names.
    pub other: u64,
    /// How many names those are; at least, when there were more than [`KEYS_MAX`].
    pub other_names: u64,
}

/// What a period holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// The lowest number.
    pub first_seq: Option<u64>,
    /// The highest.
    pub last_seq: Option<u64>,
    /// By who acted.
    pub actors: Counts,
    /// By what was done.
    pub actions: Counts,
    /// By use case, with the event.
    pub use_cases: Counts,
    /// By what it was done to.
    pub resources: Counts,
}

/// The members of a record that are counted.
#[derive(Deserialize)]
struct Counted<'r> {
    seq: u64,
    #[serde(borrow)]
    actor: Named<'r>,
    #[serde(borrow)]
    action: Cow<'r, str>,
    #[serde(borrow)]
    use_case: Cow<'r, str>,
    #[serde(borrow)]
    event: Cow<'r, str>,
    #[serde(borrow)]
    primary_resource: Option<Named<'r>>,
}

#[derive(Deserialize)]
struct Named<'r> {
    #[serde(borrow)]
    id: Option<Cow<'r, str>>,
    #[serde(alias = "type", borrow)]
    kind: Cow<'r, str>,
}

/// The counting. Give it records, then take [`Summary::finish`].
#[derive(Debug, Clone, Default)]
pub struct Summary {
    totals: Totals,
    actors: Tally,
    actions: Tally,
    use_cases: Tally,
    resources: Tally,
}

impl Summary {
    /// Counts a record.
    ///
    /// # Errors
    /// The text is no record; nothing was counted.
    pub fn take(&mut self, canonical: &str) -> Result<(), serde_json::Error> {
        let record: Counted<'_> = serde_json::from_str(canonical)?;
        let seq = record.seq;
        let totals = &mut self.totals;
        totals.records += 1;
        totals.first_seq = Some(totals.first_seq.map_or(seq, |first| first.min(seq)));
        totals.last_seq = Some(totals.last_seq.map_or(seq, |last| last.max(seq)));
        self.actors.add(seq, Some(&record.actor.kind), record.actor.id.as_deref());
        self.actions.add(seq, None, Some(&record.action));
        self.use_cases.add(seq, Some(&record.event), Some(&record.use_case));
        let resource = record.primary_resource.as_ref();
        self.resources.add(seq, resource.map(|it| &*it.kind), resource.and_then(|it| it.id.as_deref()));
        Ok(())
    }

    /// The counts.
    #[must_use]
    pub fn finish(self) -> Totals {
        Totals {
            actors: self.actors.finish(),
            actions: self.actions.finish(),
            use_cases: self.use_cases.finish(),
            resources: self.resources.finish(),
            ..self.totals
        }
    }
}

/// Records, the first and the last number.
type Tallied = (u64, u64, u64);

#[derive(Debug, Clone, Default)]
struct Tally {
    /// By kind, then name.
    counts: BTreeMap<Option<String>, BTreeMap<Option<String>, Tallied>>,
    names: usize,
    other: u64,
}

impl Tally {
    fn add(&mut self, seq: u64, kind: Option<&str>, name: Option<&str>) {
        let (kind, name) = (kind.map(str::to_owned), name.map(str::to_owned));
        let known = self.counts.get(&kind).is_some_and(|names| names.contains_key(&name));
        if !known && self.names >= KEYS_MAX {
            self.other += 1;
            return;
        }
        self.names += usize::from(!known);
        let (records, first, last) = self.counts.entry(kind).or_default().entry(name).or_insert((0, seq, seq));
        *records += 1;
        *first = (*first).min(seq);
        *last = (*last).max(seq);
    }

    fn finish(self) -> Counts {
        let uncounted = u64::from(self.other > 0);
        let mut top: Vec<Count> = Vec::with_capacity(self.names);
        for (kind, names) in self.counts {
            top.extend(names.into_iter().map(|(name, (records, first_seq, last_seq))| Count {
                kind: kind.clone(),
                name,
                records,
                first_seq,
                last_seq,
            }));
        }
        // Stable: names of as many records stay in their order.
        top.sort_by_key(|count| std::cmp::Reverse(count.records));
        let rest = top.split_off(top.len().min(TOP_MAX));
        Counts {
            top,
            other: self.other + rest.iter().map(|count| count.records).sum::<u64>(),
            other_names: rest.len() as u64 + uncounted,
        }
    }
}

#[cfg(test)]
mod tests;
