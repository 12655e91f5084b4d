//! What an export is: a signed note that binds filter, period, tree and every byte of the file together.
//!
//! In: what is known at the end of a file. Out: the note. Nothing in it comes from a clock: `made_at` is the time of the checkpoint, so
//! that the same export has the same manifest.

use super::{Ends, Format, PrunedView};
use crate::{
    audit::note::{MANIFEST_FORMAT, Manifest},
    store::trail::RecordFilter,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The filter without its period: what is set, by name.
#[must_use]
pub fn filter(filter: &RecordFilter) -> Map<String, Value> {
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
    set.collect()
}

/// The whole filter as a line of JSON: what it asks, with its period.
#[must_use]
pub fn filter_text(wanted: &RecordFilter) -> String {
    let mut all = filter(wanted);
    let (from, to) = wanted.fine.given(wanted.from, wanted.to);
    all.extend(from.map(|at| ("from".to_owned(), at.to_string().into())));
    all.extend(to.map(|at| ("to".to_owned(), at.to_string().into())));
    Value::Object(all).to_string()
}

impl Ends<'_> {
    /// The signed manifest.
    pub(super) fn manifest(&self) -> String {
        let plan = self.plan;
        let pruned: Vec<_> = self.pruned.iter().map(PrunedView::from).collect();
        // Only where the ranges stand in the file as well.
        let shown = matches!(plan.format, Format::Ndjson | Format::Zip);
        // Texts and numbers: nothing that JSON could refuse.
        let pruned_sha256 = || hex::encode(Sha256::digest(serde_json::to_vec(&pruned).unwrap_or_default()));
        let (from, to) = plan.filter.fine.given(plan.filter.from, plan.filter.to);
        let manifest = Manifest {
            origin: plan.origin.clone(),
            log: plan.log.as_str().to_owned(),
            format: plan.format.as_str().to_owned(),
            filter: filter(&plan.filter),
            from: from.map(|at| at.to_string()),
            to: to.map(|at| at.to_string()),
            tree_size: plan.size,
            root_hash: hex::encode(plan.root),
            records: self.records,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            sha256: hex::encode(self.sha256),
            pruned_sha256: shown.then(pruned_sha256),
            made_at: plan.made_at.clone(),
            product: concat!("lifeline ", env!("CARGO_PKG_VERSION")).to_owned(),
            key_id: plan.key_id.clone(),
        };
        if self.files.is_empty() {
            return (plan.sign)(&manifest.text());
        }
        let files: Map<_, _> =
            self.files.iter().map(|(name, hash)| ((*name).to_owned(), hex::encode(hash).into())).collect();
        let text = manifest.text();
        let open = text.trim_end().strip_suffix('}').unwrap_or_default();
        debug_assert!(text.starts_with(MANIFEST_FORMAT));
        (plan.sign)(&format!("{open},\"files\":{}}}\n", Value::Object(files)))
    }
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
        let nothing = hex::encode(Sha256::digest("[]"));
        let zeros = "00".repeat(32);
        let product = concat!("lifeline ", env!("CARGO_PKG_VERSION"));
        let expected = format!(
            concat!(
                r#"{{"origin":"lifeline/0123456789ab/trail","log":"trail","format":"ndjson","filter":{{"actor":"who"}},"#,
                r#""from":"2025-07-07T16:34:20.536752Z","to":null,"tree_size":7,"root_hash":"{}","records":2,"first_seq":3,"#,
                r#""last_seq":5,"sha256":"{}","pruned_sha256":"{}","made_at":"2025-07-07T16:34:20.536Z","product":"{}","key_id":"01020304"}}"#
            ),
            root, zeros, nothing, product
        );
        assert_eq!(json, expected);
        assert!(note.starts_with("lifeline audit manifest v1\n") && note.ends_with("— signed\n"));
    }
}
