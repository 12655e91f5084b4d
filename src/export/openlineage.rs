//! Syncs as OpenLineage run events, one JSON object a line: `START`, and `COMPLETE`, `FAIL` or `ABORT` when the sync is over.
//!
//! A connection is a job, a sync is a run, a written table is an output dataset with its number of rows.
//! Source: openlineage.io/spec/2-0-2/OpenLineage.json and the facets named below, read 2026-11. A run's id has to be a UUID: a sync
//! id that is one is taken as it is, any other run gets a name-based one that is the same in every export.

use super::{rows, tables, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";
/// Who says so.
const PRODUCER: &str = concat!("urn:lifeline:", env!("CARGO_PKG_VERSION"));
/// Names of runs are made in this space: the UUID of `lifeline/openlineage/run` in the namespace of URLs.
const RUN_SPACE: &str = "lifeline/openlineage/run";

/// The events of one sync of a connection, each line ended. A sync that still runs has only begun.
#[must_use]
pub fn sync(connection: &Value, sync: &Value) -> Vec<u8> {
    let [began, ended] = times(sync);
    let start = event(connection, sync, "START", began);
    let end = ending(sync).map(|kind| event(connection, sync, kind, ended));
    let mut out = Vec::new();
    for event in [Some(start), end].into_iter().flatten() {
        out.extend_from_slice(event.to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

/// When it began and ended; where that was not seen, when the first and the last of its events was.
fn times(sync: &Value) -> [Option<&str>; 2] {
    let began = text(sync, "at").or_else(|| text(sync, "first_event_at"));
    [began, text(sync, "until").or_else(|| text(sync, "last_event_at")).or(began)]
}

/// How a sync ended, in OpenLineage's words: what neither succeeded nor failed was given up.
fn ending(sync: &Value) -> Option<&'static str> {
    let status = text(sync, "status").unwrap_or("RUNNING").to_ascii_uppercase();
    match status.as_str() {
        "RUNNING" => None,
        "SUCCESSFUL" => Some("COMPLETE"),
        failed if failed.starts_with("FAIL") => Some("FAIL"),
        _ => Some("ABORT"),
    }
}

fn event(connection: &Value, sync: &Value, kind: &str, at: Option<&str>) -> Value {
    let is_end = kind != "START";
    let mut facets = Map::new();
    if let Some(start) = text(sync, "at") {
        let mut nominal = facet("1-0-1", "NominalTimeRunFacet");
        nominal.insert("nominalStartTime".to_owned(), json!(start));
        if let Some(end) = text(sync, "until").filter(|_| is_end) {
            nominal.insert("nominalEndTime".to_owned(), json!(end));
        }
        facets.insert("nominalTime".to_owned(), nominal.into());
    }
    let mut engine = facet("1-1-0", "ProcessingEngineRunFacet");
    engine.insert("name".to_owned(), json!(text(connection, "source").unwrap_or("fivetran")));
    // The facet asks for a version, and no log says it.
    engine.insert("version".to_owned(), json!("unknown"));
    engine.insert("openlineageAdapterVersion".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    facets.insert("processing_engine".to_owned(), engine.into());
    if kind == "FAIL" {
        let status = text(sync, "status").unwrap_or("FAILURE");
        let mut error = facet("1-0-0", "ErrorMessageRunFacet");
        error.insert("message".to_owned(), json!(text(sync, "reason").unwrap_or(status)));
        error.insert("programmingLanguage".to_owned(), json!("unknown"));
        facets.insert("errorMessage".to_owned(), error.into());
    }
    json!({
        "eventType": kind,
        "eventTime": at.unwrap_or("1970-01-01T00:00:00.000Z"),
        "run": {"runId": run_id(connection, sync).to_string(), "facets": facets},
        "job": job(connection),
        "inputs": [],
        "outputs": if is_end { outputs(connection, sync) } else { Vec::new() },
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    })
}

/// The two members that every facet has.
fn facet(version: &str, name: &str) -> Map<String, Value> {
    let mut facet = Map::new();
    facet.insert("_producer".to_owned(), json!(PRODUCER));
    facet.insert("_schemaURL".to_owned(), json!(format!("{FACETS}/{version}/{name}.json#/$defs/{name}")));
    facet
}

/// A connection's id is unique within its source, and its name may change; so the id names the job.
fn job(connection: &Value) -> Value {
    let mut kind = facet("2-0-4", "JobTypeJobFacet");
    for (member, value) in [("processingType", "BATCH"), ("integration", "FIVETRAN"), ("jobType", "SYNC")] {
        kind.insert(member.to_owned(), json!(value));
    }
    let mut facets = Map::new();
    facets.insert("jobType".to_owned(), kind.into());
    if let Some(name) = text(connection, "connection_name") {
        let kind = text(connection, "connector_type").map(|kind| format!(" ({kind})")).unwrap_or_default();
        let mut words = facet("1-0-1", "DocumentationJobFacet");
        words.insert("description".to_owned(), json!(format!("{name}{kind}")));
        facets.insert("documentation".to_owned(), words.into());
    }
    json!({
        "namespace": text(connection, "source").unwrap_or("fivetran"),
        "name": text(connection, "connection_id").unwrap_or_default(),
        "facets": facets,
    })
}

/// Each written table once, with the rows of all its windows.
fn outputs(connection: &Value, sync: &Value) -> Vec<Value> {
    let space = format!("fivetran-destination://{}", text(connection, "destination").unwrap_or("unknown"));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for table in tables(sync) {
        let name = match (text(table, "schema"), text(table, "table").unwrap_or_default()) {
            (Some(schema), table) => format!("{schema}.{table}"),
            (None, table) => table.to_owned(),
        };
        let count = counts.entry(name).or_default();
        *count = rows(table).into_iter().fold(*count, u64::saturating_add);
    }
    let dataset = |(name, count): (String, u64)| {
        let mut statistics = facet("1-0-1", "OutputStatisticsOutputDatasetFacet");
        statistics.insert("rowCount".to_owned(), json!(count));
        json!({"namespace": space, "name": name, "outputFacets": {"outputStatistics": statistics}})
    };
    counts.into_iter().map(dataset).collect()
}

fn run_id(connection: &Value, sync: &Value) -> Uuid {
    let id = text(sync, "sync_id");
    if let Some(uuid) = id.and_then(|id| Uuid::try_parse(id).ok()) {
        return uuid;
    }
    let anchor = sync["event_ids"][0].as_str().or_else(|| text(sync, "at")).unwrap_or_default();
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, RUN_SPACE.as_bytes());
    // Lengths apart from texts, so that no two runs share a name.
    let name = json!([text(connection, "source"), text(connection, "connection_id"), id, anchor]).to_string();
    Uuid::new_v5(&space, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Value {
        json!({"connection_id": "brave_otter", "connection_name": "shop", "connector_type": "postgres", "source": "fivetran", "destination": "warehouse"})
    }

    fn events(body: &Value) -> Vec<Value> {
        let bytes = sync(&connection(), body);
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// What the RunEvent schema and the base of every facet require.
    #[track_caller]
    fn required(event: &Value) {
        for member in ["eventType", "eventTime", "producer", "schemaURL"] {
            assert!(event[member].is_string(), "{member}: {event}");
        }
        Uuid::try_parse(event["run"]["runId"].as_str().expect("an id")).expect("a UUID");
        assert!(event["job"]["namespace"].is_string() && event["job"]["name"].is_string());
        let mut facets: Vec<&Value> = Vec::new();
        for place in [&event["run"]["facets"], &event["job"]["facets"]] {
            facets.extend(place.as_object().expect("facets").values());
        }
        for output in event["outputs"].as_array().expect("a list") {
            assert!(output["namespace"].is_string() && output["name"].is_string());
            assert!(output["outputFacets"]["outputStatistics"]["rowCount"].is_u64());
            facets.push(&output["outputFacets"]["outputStatistics"]);
        }
        for facet in facets {
            assert!(facet["_producer"].is_string() && facet["_schemaURL"].is_string(), "{facet}");
        }
    }

    #[test]
    fn a_sync_is_a_start_and_an_end() {
        let body = json!({"stage": "sync", "sync_id": "2a1b3c4d-0000-4000-8000-000000000001", "status": "FAILURE_WITH_TASK",
            "reason": "connection refused", "at": "2026-07-07T16:30:00.000Z", "until": "2026-07-07T16:35:14.456Z",
            "tables": [{"schema": "public", "table": "orders", "rows": {"UPDATED": 3, "DELETED": 2}},
                       {"schema": "public", "table": "orders", "rows": {"UPDATED": 1}},
                       {"schema": null, "table": "items", "rows": {}}]});
        let events = events(&body);
        events.iter().for_each(required);
        insta::assert_snapshot!(serde_json::to_string_pretty(&events).expect("JSON"));
    }

    #[test]
    fn every_status_has_its_word() {
        let kinds = |status: Value| -> Vec<String> {
            let body = json!({"stage": "sync", "status": status, "at": "2026-07-07T16:30:00.000Z"});
            let events = events(&body);
            events.iter().for_each(required);
            events.iter().map(|event| event["eventType"].as_str().expect("a word").to_owned()).collect()
        };
        assert_eq!(kinds(json!("SUCCESSFUL")), ["START", "COMPLETE"]);
        assert_eq!(kinds(json!("FAILURE")), ["START", "FAIL"]);
        for given_up in ["CANCELED", "RESCHEDULED", "INTERRUPTED", "SOMETHING_NEW"] {
            assert_eq!(kinds(json!(given_up)), ["START", "ABORT"], "{given_up}");
        }
        assert_eq!(kinds(json!("RUNNING")), ["START"]);
        assert_eq!(kinds(json!(null)), ["START"]);
    }

    #[test]
    fn runs_without_a_uuid_get_one_of_their_own_that_stays() {
        let id = |sync_id: Value, first: &str| {
            let body = json!({"sync_id": sync_id, "status": "SUCCESSFUL", "at": "x", "event_ids": [first]});
            let events = events(&body);
            assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
            events[0]["run"]["runId"].as_str().expect("an id").to_owned()
        };
        let all = [id(json!("0f3a"), "a"), id(json!("0f3a"), "b"), id(json!(null), "a"), id(json!("0f3b"), "a")];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(id(json!("0f3a"), "a"), all[0]);
        assert_eq!(all[0], "81f4a4fe-2954-5e44-ae88-f5dea93518b1", "it must not change");
    }

    #[test]
    fn odd_bodies_still_make_events() {
        for odd in
            [json!(null), json!(7), json!({"tables": [1, null], "sync_id": 5, "status": "FAILURE", "event_ids": "x"})]
        {
            events(&odd).iter().for_each(required);
        }
    }
}
