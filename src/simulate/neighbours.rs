//! Made-up logs of Fivetran's neighbours.
//!
//! In: a system, a seed and a size. Out: lines in order of time, lazily: the drain of Heroku Connect add-ons, reports of Salesforce
//! Backup jobs, status changes of Code42 data connections. Errors come, last and go. The same options give the same bytes.

use super::{HOUR, MINUTE, Rng, SECOND, SimOptions, write::uuid_text, write_time};
use crate::model::Source;
use serde_json::{Value, json};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// One line, or one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourLine {
    /// When it was written, microseconds since 1970.
    pub at_us: i64,
    /// What was written, without what a transport puts around it and without a newline.
    pub text: String,
}

/// Objects that add-ons map and jobs back up.
const OBJECTS: &[&str] =
    &["Account", "Contact", "Lead", "Opportunity", "Broker__c", "Property__c", "Invoice__c", "Case"];

/// Errors of Heroku Connect that come and go.
const ERRORS: &[&str] = &[
    "(psycopg2.IntegrityError) duplicate key value violates unique constraint \"contact_idx_sfid\"",
    "Error during sync: This connection is closed",
    "SOAP Transport error: BadStatusLine",
    "QUERY_TIMEOUT: Your query request was running for too long.",
    "(psycopg2.OperationalError) FATAL: too many connections for role",
    "urlopen error [Errno -3] Temporary failure in name resolution",
];

/// Status codes of objects that were not backed up.
const CODES: &[&str] =
    &["NOT_VISIBLE", "UNABLE_TO_LOCK_ROW", "ENTITY_IS_LOCKED", "INVALID_SESSION_ID", "UNKNOWN_EXCEPTION"];

const CAUSES: &[&str] = &[
    "The Salesforce service account user that authorized this data connection has been deactivated. Reactivate the user account to return this data connection to monitoring.",
    "The Salesforce service account user that authorized this data connection has been frozen. Unfreeze the user account to return this data connection to monitoring.",
    "The Salesforce profile for the service account user that authorized this data connection does not have the correct permissions. Verify the profile's permissions to return this data connection to monitoring.",
];

/// One connection and what it does next.
struct Neighbour {
    source: Source,
    rng: Rng,
    id: String,
    name: String,
    now: i64,
    waiting: VecDeque<NeighbourLine>,
}

impl Neighbour {
    fn new(source: Source, options: &SimOptions, number: u64) -> Self {
        // Of its own in each system: one seed for all of them gives no two connections of one id.
        let system = match source {
            Source::HerokuConnect => 1,
            Source::SalesforceBackup => 2,
            Source::Code42 | Source::Fivetran => 3,
        };
        let mut rng = Rng::new(options.seed, system * 1_000_000 + number);
        let id = uuid_text(u128::from(rng.bits()) << 64 | u128::from(rng.bits())).to_string();
        let now = options.start_us + rng.range(0, HOUR);
        Self { source, rng, id, name: format!("app-{number}"), now, waiting: VecDeque::new() }
    }

    /// When its next line is.
    fn peek(&mut self) -> i64 {
        loop {
            if let Some(line) = self.waiting.front() {
                return line.at_us;
            }
            match self.source {
                Source::HerokuConnect => self.heroku(),
                Source::SalesforceBackup => self.backup(),
                Source::Code42 | Source::Fivetran => self.code42(),
            }
        }
    }

    fn say(&mut self, text: String) {
        self.waiting.push_back(NeighbourLine { at_us: self.now, text });
    }

    fn pass(&mut self, low: i64, high: i64) {
        self.now += self.rng.range(low, high);
    }

    /// A line of an add-on.
    fn drain(&mut self, event: &str, kind: &str, object: &str, state: &str, level: &str) {
        let event = event.replace('\\', "\\\\").replace('"', "\\\"");
        let (id, app) = (&self.id, &self.name);
        let object_id = if kind == "mapping" { format!("{object}-of-{id}") } else { id.clone() };
        let text = format!(
            "event=\"{event}\" addon_id={id} app_name={app} object_type={kind} object_id={object_id} object_name={object} state={state} level={level}"
        );
        self.say(text);
        // Lines of one second are told apart by their microseconds.
        self.pass(1_000, 400_000);
    }

    fn moved(&mut self, object: &str) {
        let rows = self.rng.skewed(20.0);
        let seconds = self.rng.range(1, 400) as f64 / 100.0;
        let message = format!("{object} QUERY ↷SALESFORCE {rows} rows ({seconds:.2} secs)");
        self.drain(&message, "sync", object, "IDLE", "info");
        let message = format!("{object} UPDATE ↓DATABASE {rows} rows ({:.2} secs)", seconds / 2.0);
        self.drain(&message, "sync", object, "IDLE", "debug");
        if self.rng.chance(0.3) {
            let up = self.rng.range(1, 9);
            let message = format!("{up} {object} UPDATE ↑SALESFORCE {up} rows total ({seconds:.2} secs) [SOAP]");
            self.drain(&message, "sync", object, "IDLE", "info");
        }
    }

    fn heroku(&mut self) {
        self.pass(MINUTE, 20 * MINUTE);
        let object = *self.rng.pick(OBJECTS);
        let table = object.to_lowercase();
        match self.rng.unit() {
            chance if chance < 0.04 => {
                self.drain(&format!("RELOAD TABLE {table}"), "mapping", object, "RELOAD_TABLE", "info");
                self.drain(&format!("Cleared table {table} for load"), "mapping", object, "RELOAD_TABLE", "info");
                self.drain(&format!("Loading table {table} via SOAP"), "mapping", object, "RELOAD_TABLE", "info");
                self.moved(object);
                self.drain("RELOAD COMPLETE", "mapping", object, "RELOAD_TABLE", "info");
            }
            chance if chance < 0.07 => {
                let error = *self.rng.pick(ERRORS);
                for _ in 0..self.rng.range(1, 3) {
                    self.drain(error, "mapping", object, "IDLE", "error");
                    self.pass(SECOND, MINUTE);
                }
                let message = "Too many sync errors. Sync operations may be disabled for up to 15 minute(s).";
                self.drain(message, "mapping", object, "IDLE", "error");
                self.pass(15 * MINUTE, HOUR);
                self.moved(object);
            }
            chance if chance < 0.075 => {
                self.drain("Unexpected error", "connection", "connection", "SYSTEM_ERROR", "error");
                self.pass(HOUR, 6 * HOUR);
                self.drain("Connection recovered", "connection", "connection", "IDLE", "info");
            }
            chance if chance < 0.15 => {
                let message = format!("{object}, Streaming poll found {} changes", self.rng.range(1, 5));
                self.drain(&message, "sync", object, "IDLE", "debug");
            }
            _ => self.moved(object),
        }
    }

    fn time(&self) -> String {
        let mut text = Vec::new();
        write_time(self.now, 3, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn backup(&mut self) {
        self.pass(20 * HOUR, 28 * HOUR);
        let start = self.time();
        let run = uuid_text(u128::from(self.rng.bits()) << 64 | u128::from(self.rng.bits())).to_string();
        let restore = self.rng.chance(0.05);
        self.pass(5 * MINUTE, 3 * HOUR);
        let bad = self.rng.chance(0.15);
        let failed = bad && self.rng.chance(0.2);
        let mut wrong = 0;
        let mut objects: Vec<Value> = Vec::new();
        for object in OBJECTS {
            let hurt = bad && self.rng.chance(0.3);
            wrong += i32::from(hurt);
            let status = if hurt { *self.rng.pick(CODES) } else { "SUCCESS" };
            objects.push(json!({"object": object, "status": status, "records": self.rng.skewed(5_000.0)}));
        }
        let status = match (failed, wrong) {
            (true, _) => "Failed",
            (false, 0) => "Completed",
            (false, _) => "Completed with Errors",
        };
        let report = json!({"run_id": run, "org_id": self.id, "policy": format!("Nightly of {}", self.name),
            "job_type": if restore { "Restore" } else { "Backup" }, "job_status": status, "start": start,
            "finish": self.time(), "objects": objects});
        self.say(report.to_string());
    }

    fn code42(&mut self) {
        self.pass(6 * HOUR, 200 * HOUR);
        let status = |at: String, id: &str, name: &str, status: &str, message: Option<&str>| {
            json!({"source": "code42", "data_connection_id": id, "data_connection_name": name, "status": status,
                "message": message, "timestamp": at})
            .to_string()
        };
        let cause = *self.rng.pick(CAUSES);
        let line = status(self.time(), &self.id, &self.name, "Error", Some(cause));
        self.say(line);
        self.pass(20 * MINUTE, 5 * HOUR);
        let line = status(self.time(), &self.id, &self.name, "Monitoring", None);
        self.say(line);
    }
}

/// Lines of a system in order of time.
pub struct NeighbourLog {
    neighbours: Vec<Neighbour>,
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    end_us: i64,
    left: u64,
}

impl NeighbourLog {
    /// Of a system other than Fivetran.
    #[must_use]
    pub fn new(source: Source, options: &SimOptions) -> Self {
        let mut neighbours: Vec<Neighbour> =
            (0..options.connections.max(1) as u64).map(|number| Neighbour::new(source, options, number)).collect();
        let queue = neighbours.iter_mut().enumerate().map(|(at, one)| Reverse((one.peek(), at))).collect();
        let end_us = options.end_us.unwrap_or(i64::MAX);
        Self { neighbours, queue, end_us, left: options.events_max.unwrap_or(u64::MAX) }
    }
}

impl Iterator for NeighbourLog {
    type Item = NeighbourLine;

    fn next(&mut self) -> Option<NeighbourLine> {
        self.left = self.left.checked_sub(1)?;
        let mut first = self.queue.peek_mut()?;
        let Reverse((at, index)) = *first;
        if at >= self.end_us {
            return None;
        }
        let one = &mut self.neighbours[index];
        let line = one.waiting.pop_front();
        *first = Reverse((one.peek(), index));
        line
    }
}
