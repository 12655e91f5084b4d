//! Salesforce Backup: reports of backup and restore jobs.
//!
//! In: a job's report as an object, with its objects and their status codes; or rows of such a report, gathered by [`Job`]. Out: events: the
//! job began, each object's outcome, the job ended; a running job has no end yet. Nothing is refused here.
//! Source: Salesforce Backup logs help page: run id, kind of job, status, start, finish, and per object SUCCESS, NOT_VISIBLE or a status
//! code. The page shows a screen, no file format; names are read in any case and with any separators.

mod job;

use super::{Reading, loose::Loose};
use crate::model::Hints;
pub use job::Job;
use serde_json::{Map, Value};

/// Objects of one report that become events.
pub(super) const OBJECTS_MAX: usize = 10_000;

const RUN_ID: &[&str] = &["runid", "jobid", "executionid", "jobrunid"];
/// The first two are never an object's.
const STATUS: &[&str] = &["jobstatus", "runstatus", "status"];
const START: &[&str] = &["start", "started", "starttime", "startedat", "startdate", "began", "begintime", "jobstart"];
const FINISH: &[&str] = &[
    "finish",
    "finished",
    "finishtime",
    "finishedat",
    "end",
    "ended",
    "endtime",
    "endedat",
    "completed",
    "completedat",
];
const KIND: &[&str] = &["jobtype", "type", "kind", "operation"];
const OBJECTS: &[&str] = &["objects", "allobjects", "objectresults", "items", "objectswitherrors"];
const OBJECT: &[&str] = &["object", "objectname", "apiname", "objectapiname", "name", "sobject"];
const OBJECT_STATUS: &[&str] = &["objectstatus", "statuscode", "status", "errorcode", "code"];

/// A job's report.
pub(super) fn report(object: &Map<String, Value>, text: &str, hints: &Hints) -> Option<Reading> {
    let loose = Loose::of(object);
    let run_id = loose.text(RUN_ID)?;
    let mut job = Job { run_id, ..Job::default() };
    let listed = loose.get(OBJECTS).and_then(Value::as_array);
    let single = listed.is_none().then(|| row_object(&loose, text)).flatten();
    job.is_row = single.is_some();
    job.read(&loose);
    let ours = listed.is_some() || single.is_some() || job.is_known_kind() && job.status.is_some();
    if !ours {
        return None;
    }
    job.objects.extend(single);
    for value in listed.into_iter().flatten().take(OBJECTS_MAX) {
        if let Some(object) = value.as_object() {
            job.add(&Loose::of(object), value.to_string());
        }
    }
    job.objects_left_out = listed.map_or(0, |listed| listed.len().saturating_sub(OBJECTS_MAX));
    let short = (text.len() > REPORT_BYTES_MAX).then(|| without_objects(object));
    Some(Reading::Events(job.records(short.as_deref().unwrap_or(text), hints)))
}

/// Reports up to this are kept whole with the events of their job; each object's own part is kept with its event anyway.
const REPORT_BYTES_MAX: usize = 32 << 10;

/// A report without its lists.
fn without_objects(object: &Map<String, Value>) -> String {
    let kept = object.iter().filter(|(_, value)| !value.is_array());
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
}

/// The object of a row that tells of one, beside the members of its job.
fn row_object(loose: &Loose<'_>, text: &str) -> Option<job::Object> {
    let name = loose.text(&["object", "objectname", "apiname", "objectapiname", "sobject"])?;
    let status = loose.text(&["objectstatus", "statuscode", "errorcode"])?;
    Some(job::Object::new(name, status, loose, text.to_owned()))
}

#[cfg(test)]
mod tests;
