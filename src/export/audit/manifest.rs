//! What an export is: a signed note that binds filter, period, tree and every byte of the file together.
//!
//! In: what is known at the end of a file. Out: the note. Nothing in it comes from a clock: `made_at` is the time of the checkpoint, so
//! that the same export has the same manifest.

use super::{Ends, PrunedView};
use crate::store::trail::RecordFilter;
use serde::Serialize;
use serde_json::{Map, Value};

/// First line of the note.
pub(super) const TITLE: &str = "lifeline audit manifest v1";

#[derive(Serialize)]
struct Manifest<'m> {
    origin: &'m str,
    log: &'m str,
    format: &'m str,
    filter: Value,
    from: Option<String>,
    to: Option<String>,
    tree_size: u64,
    root_hash: String,
    records: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    sha256: String,
    pruned: Vec<PrunedView>,
    made_at: &'m str,
    product: &'m str,
    key_id: &'m str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    files: Map<String, Value>,
}

/// The filter without its period: what is set, by name.
#[must_use]
pub fn filter(filter: &RecordFilter) -> Value {
    let event_id = filter.event_id.map(|id| id.to_string());
    let members = [
        ("actor", &filter.actor),
        ("action", &filter.action),
        ("event", &filter.event),
        ("use_case", &filter.use_case),
        ("method", &filter.method),
        ("resource_type", &filter.resource_type),
        ("resource_id", &filter.resource_id),
        ("event_id", &event_id),
        ("q", &filter.q),
    ];
    let set = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())));
    Value::Object(set.collect())
}

impl Ends<'_> {
    /// The signed manifest.
    pub(super) fn manifest(&self) -> String {
        let plan = self.plan;
        let manifest = Manifest {
            origin: &plan.origin,
            log: plan.log.as_str(),
            format: plan.format.as_str(),
            filter: filter(&plan.filter),
            from: plan.filter.from.map(time),
            to: plan.filter.to.map(time),
            tree_size: plan.size,
            root_hash: hex::encode(plan.root),
            records: self.records,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            sha256: hex::encode(self.sha256),
            pruned: self.pruned.iter().map(PrunedView::from).collect(),
            made_at: &plan.made_at,
            product: concat!("lifeline ", env!("CARGO_PKG_VERSION")),
            key_id: &plan.key_id,
            files: self.files.iter().map(|(name, hash)| ((*name).to_owned(), hex::encode(hash).into())).collect(),
        };
        // The members are texts and numbers.
        let json = serde_json::to_string(&manifest).unwrap_or_default();
        (plan.sign)(&format!("{TITLE}\n{json}\n"))
    }
}

/// A bound of the period, to the microsecond.
fn time(at: crate::model::Micros) -> String {
    crate::model::Timestamp::from_micros(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::plan, *};

    #[test]
    fn a_manifest_says_what_was_asked_and_what_was_given() {
        let mut plan = plan();
        plan.filter.actor = Some("who".into());
        plan.filter.from = Some(1_751_906_060_536_752);
        let mut ends = Ends::of(&plan);
        (ends.records, ends.first_seq, ends.last_seq) = (2, Some(3), Some(5));
        let note = ends.manifest();
        let json = note.lines().nth(1).expect("a line");
        let root = "09".repeat(32);
        let zeros = "00".repeat(32);
        let product = concat!("lifeline ", env!("CARGO_PKG_VERSION"));
        let expected = format!(
            concat!(
                r#"{{"origin":"lifeline/0123456789ab/trail","log":"trail","format":"ndjson","filter":{{"actor":"who"}},"#,
                r#""from":"2025-07-07T16:34:20.536752Z","to":null,"tree_size":7,"root_hash":"{}","records":2,"first_seq":3,"#,
                r#""last_seq":5,"sha256":"{}","pruned":[],"made_at":"2025-07-07T16:34:20.536Z","product":"{}","key_id":"01020304"}}"#
            ),
            root, zeros, product
        );
        assert_eq!(json, expected);
        assert!(note.starts_with("lifeline audit manifest v1\n") && note.ends_with("— signed\n"));
    }
}
