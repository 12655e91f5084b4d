//! One job and what became of its objects.

use super::{
    super::{Made, loose::Loose},
    FINISH, KIND, OBJECT, OBJECT_STATUS, START, STATUS,
};
use crate::model::{Hints, Record, Source, Timestamp};

/// Most status codes that the end of a job names.
const CODES_MAX: usize = 10;

/// A backup or a restore.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// Its id; that of the sync it is shown as.
    pub run_id: String,
    /// Whose it is: policy, org.
    pub policy: Option<String>,
    /// The org's id.
    pub org: Option<String>,
    /// `BACKUP` or `RESTORE`, or what was written.
    pub kind: Option<String>,
    /// `COMPLETED`, `COMPLETED_WITH_ERRORS`, `FAILED`, `RUNNING`, or what was written.
    pub status: Option<String>,
    /// When it began.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub finish: Option<Timestamp>,
    /// Why it failed.
    pub message: Option<String>,
    /// Outcomes.
    pub objects: Vec<Object>,
    /// Objects beyond the bound.
    pub objects_left_out: usize,
    /// Whether only one of its objects is known.
    pub is_row: bool,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    name: String,
    status: String,
    records: Option<u64>,
    message: Option<String>,
    /// When that was, where it says so.
    time: Option<Timestamp>,
    /// Its own part of the report.
    original: String,
}

/// A status in one form: upper case, words joined by underscores.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for c in text.trim().chars() {
        if c.is_alphanumeric() {
            code.extend(c.to_uppercase());
        } else if !code.ends_with('_') {
            code.push('_');
        }
    }
    code
}

impl Object {
    pub(super) fn new(name: String, status: String, loose: &Loose<'_>, original: String) -> Self {
        Self {
            name,
            status: code(&status),
            records: loose.count(&["records", "recordcount", "rows", "rowcount", "numberofrecords"]),
            message: loose.text(&["message", "errormessage", "error", "details", "reason"]),
            time: None,
            original,
        }
    }

    fn level(&self) -> &'static str {
        match self.status.as_str() {
            "SUCCESS" | "SUCCESSFUL" | "COMPLETED" => "INFO",
            "NOT_VISIBLE" => "WARNING",
            _ => "SEVERE",
        }
    }
}

impl Job {
    /// Reads what an object or a row says of the job.
    pub(in crate::systems) fn read(&mut self, loose: &Loose<'_>) {
        let first = |kept: &mut Option<String>, said: Option<String>| {
            if kept.is_none() {
                *kept = said;
            }
        };
        first(&mut self.policy, loose.text(&["policy", "policyname", "backuppolicy", "logname", "jobname"]));
        first(&mut self.org, loose.text(&["orgid", "organizationid", "org", "organization"]));
        first(&mut self.kind, loose.text(KIND).map(|kind| code(&kind)));
        // In a row, `status` and `message` may be the object's.
        let (status, message): (&[&str], &[&str]) =
            if self.is_row { (&STATUS[..2], &[]) } else { (STATUS, &["errormessage", "error", "message"]) };
        first(&mut self.status, loose.text(status).map(|status| code(&status)));
        first(&mut self.message, loose.text(message));
        self.start = self.start.or_else(|| loose.time(START));
        self.finish = self.finish.or_else(|| loose.time(FINISH));
    }

    /// Adds an object that says its name and status.
    pub(in crate::systems) fn add(&mut self, loose: &Loose<'_>, original: String) {
        if let (Some(name), Some(status)) = (loose.text(OBJECT), loose.text(OBJECT_STATUS)) {
            let time = loose.time(FINISH);
            self.objects.push(Object { time, ..Object::new(name, status, loose, original) });
        }
    }

    /// Whether its kind tells that it is a job of this system.
    pub(super) fn is_known_kind(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.contains("BACKUP") || kind.contains("RESTORE"))
    }

    fn connection_id(&self) -> &str {
        self.org.as_deref().or(self.policy.as_deref()).unwrap_or("salesforce_backup")
    }

    fn event(&self, name: &str) -> Made {
        let mut made = Made::new(Source::SalesforceBackup, name, self.connection_id());
        made.text("connection_name", self.policy.as_deref());
        made.text("sync_id", Some(&self.run_id));
        made.put_some("job_type", self.kind.as_deref());
        made
    }

    /// Its events; `original` is the report, without its objects where there are many.
    pub fn records(&self, original: &str, hints: &Hints) -> Vec<Record<'static>> {
        let running = matches!(
            self.status.as_deref(),
            Some("RUNNING" | "IN_PROGRESS" | "STARTED" | "QUEUED" | "PENDING" | "PROCESSING")
        );
        let mut records = Vec::with_capacity(self.objects.len() + 2);
        if self.start.is_some() || running {
            let mut made = self.event("salesforce_backup_job_started");
            made.time = self.start;
            made.level = Some("INFO".to_owned());
            records.push(made.record(original, hints));
        }
        for object in &self.objects {
            let mut made = self.event("salesforce_backup_object");
            // Its own time, or the one that every report of the job names: what is told again is the same event.
            made.time = object.time.or(self.start).or(self.finish);
            made.level = Some(object.level().to_owned());
            made.put("object", object.name.as_str());
            made.put("object_status", object.status.as_str());
            made.put_some("records", object.records);
            made.put_some("message", object.message.as_deref());
            records.push(made.record(&object.original, hints));
        }
        if !running && (self.finish.is_some() && !self.is_row || self.status.is_some()) {
            records.push(self.finished().record(original, hints));
        }
        records
    }

    fn finished(&self) -> Made {
        let failed = self.objects.iter().filter(|object| object.level() == "SEVERE").count();
        let hidden = self.objects.iter().filter(|object| object.level() == "WARNING").count();
        let status = match self.status.as_deref() {
            None | Some("COMPLETED" | "COMPLETE" | "SUCCESS" | "SUCCESSFUL" | "FINISHED" | "DONE") => {
                if failed + hidden > 0 { "COMPLETED_WITH_ERRORS" } else { "COMPLETED" }
            }
            Some("COMPLETED_WITH_ERRORS" | "COMPLETE_WITH_ERRORS" | "PARTIAL" | "PARTIALLY_COMPLETED") => {
                "COMPLETED_WITH_ERRORS"
            }
            Some("FAILED" | "FAILURE" | "ERROR") => "FAILED",
            Some("CANCELED" | "CANCELLED" | "ABORTED") => "CANCELED",
            Some(other) => other,
        };
        let mut made = self.event("salesforce_backup_job_finished");
        made.time = self.finish.or(self.start);
        let level = match status {
            "COMPLETED" => "INFO",
            "FAILED" => "SEVERE",
            _ => "WARNING",
        };
        made.level = Some(level.to_owned());
        made.put("status", status);
        if !self.is_row {
            made.put("objects", self.objects.len() + self.objects_left_out);
            made.put("objects_with_errors", failed);
            made.put("objects_not_visible", hidden);
            let mut codes: Vec<&str> = Vec::new();
            for object in self.objects.iter().filter(|object| object.level() != "INFO") {
                if codes.len() < CODES_MAX && !codes.contains(&object.status.as_str()) {
                    codes.push(&object.status);
                }
            }
            made.put_some("object_statuses", (!codes.is_empty()).then_some(codes));
        }
        made.put_some("message", self.message.as_deref());
        made
    }
}
