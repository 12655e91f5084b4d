//! What other systems log.
//!
//! In: name and data of an event of Heroku Connect, Salesforce Backup or Code42, as the room `systems` makes them. Out: a signal; `None`
//! for a name that is not known. A backup job is a sync, its objects are tables.

use super::{
    super::{Action, Channel, Edit, Ending, Happening, Job, Message, Moved, News, Signal, TableName},
    values::{LONG_TEXT_CHARS_MAX, Members, TEXT_CHARS_MAX, cut},
};

use crate::model::Source;

/// Status codes that the reason of a failed job names.
const CODES_MAX: usize = 10;

/// Most objects of one line.
const OBJECTS_MAX: usize = 200;

pub(super) fn signal(name: &str, data: Members<'_>) -> Option<Signal> {
    if let Some(what) = name.strip_prefix("heroku_connect_") {
        return Some(heroku_connect(what, data));
    }
    Some(match name {
        "salesforce_backup_job_started" => Signal::SyncStart,
        "salesforce_backup_object" => backup_object(data),
        "salesforce_backup_job_finished" => Signal::SyncEnd(Box::new(backup_end(data))),
        "code42_connection_status" => {
            let what = Happening::Trouble {
                topic: "status".into(),
                over: data.str(&["status"]) != Some("ERROR"),
                text: data.said(&["message"], LONG_TEXT_CHARS_MAX),
            };
            Signal::News(Box::new(News { id: None, name: None, state: data.text(&["status"]), whole: true, what }))
        }
        _ => return None,
    })
}

/// What an event of a backup says of its job.
pub(super) fn job(source: Source, data: Members<'_>) -> Option<Box<Job>> {
    if source != Source::SalesforceBackup {
        return None;
    }
    let object = data.text(&["object"]).zip(data.text(&["object_status"]));
    Some(Box::new(Job { kind: data.text(&["job_type"]), object }))
}

/// What an administrator did to a connection or its mappings.
fn configuration(data: Members<'_>) -> Signal {
    let actor = data.text(&["actor"]);
    let action = Action { actor, channel: Channel::Dashboard, method: None, reason: None };
    let what = data.str(&["what"]).unwrap_or_default().to_lowercase();
    match data.str(&["action"]) {
        Some("paused") if !what.contains("mapping") => Signal::Paused(Box::new(action)),
        Some("resumed") if !what.contains("mapping") => Signal::Resumed(Box::new(action)),
        _ => {
            let edit_type = data.said(&["message"], TEXT_CHARS_MAX);
            Signal::Edited(Box::new(Edit { edit_type, ..Edit::by(action) }))
        }
    }
}

fn heroku_connect(what: &str, data: Members<'_>) -> Signal {
    if what == "configuration" {
        return configuration(data);
    }
    let message = || data.said(&["message"], LONG_TEXT_CHARS_MAX);
    // Lines of syncs and of the connection name the add-on as their object.
    let object_type = data.str(&["object_type"]);
    let is_mapping = object_type == Some("mapping");
    let name = data.text(&["object_name"]).filter(|_| object_type != Some("connection"));
    let what = match what {
        "reload_started" => Happening::LoadStarted,
        "reload_completed" => Happening::LoadEnded,
        "rows" => moved(data).map_or(Happening::Noted, Happening::Moved),
        "back_off" => {
            Happening::BackOff(i64::try_from(data.count(&["back_off_seconds"])).unwrap_or(0).saturating_mul(1_000_000))
        }
        "notification" => Happening::Trouble {
            topic: data.text(&["notification"]).unwrap_or_default(),
            over: data.flag(&["resolved"]) == Some(true),
            text: message(),
        },
        "error" => Happening::Failed(message()),
        _ => Happening::Noted,
    };
    Signal::News(Box::new(News {
        id: data.text(&["object_id"]).filter(|_| is_mapping),
        // A line of a sync names the mapping whose rows it moves, and the state of the connection.
        whole: name.is_none() || object_type == Some("sync"),
        name,
        state: data.text(&["state"]),
        what,
    }))
}

fn moved(data: Members<'_>) -> Option<Moved> {
    let seconds = data.get("seconds").and_then(serde_json::Value::as_f64).unwrap_or(0.0).clamp(0.0, 1e9);
    let all = data.count(&["rows"]);
    let listed = data.list(&["objects"]);
    let objects = listed.iter().take(OBJECTS_MAX).filter_map(|object| {
        let object = Members::of(Some(object));
        let rows = if object.has("rows") {
            object.count(&["rows"])
        } else if listed.len() == 1 {
            all
        } else {
            0
        };
        Some((object.text(&["object"])?, rows))
    });
    let objects: Vec<_> = objects.collect();
    Some(Moved {
        direction: data.text(&["direction"])?,
        operation: data.text(&["operation"])?,
        api: data.text(&["api"]),
        // Positive and bounded above.
        took_us: (seconds * 1e6) as u64,
        objects,
    })
}

fn backup_object(data: Members<'_>) -> Signal {
    let table = TableName { schema: None, table: data.text(&["object"]).unwrap_or_default() };
    let status = data.text(&["object_status"]);
    match status.as_deref() {
        Some("SUCCESS" | "SUCCESSFUL" | "COMPLETED") => Signal::Processed(Box::new(table), data.count(&["records"])),
        _ => {
            let text = data.said(&["message"], TEXT_CHARS_MAX).or_else(|| status.clone());
            let hidden = status.as_deref() == Some("NOT_VISIBLE");
            let message = Box::new(Message { kind: status, text, table: Some(table.table) });
            if hidden { Signal::Warning(message) } else { Signal::Error(message) }
        }
    }
}

fn backup_end(data: Members<'_>) -> Ending {
    let status = data.text(&["status"]);
    let failed = data.count(&["objects_with_errors"]);
    let hidden = data.count(&["objects_not_visible"]);
    let codes = data.list(&["object_statuses"]).iter().filter_map(serde_json::Value::as_str).take(CODES_MAX);
    let codes = codes.map(|code| cut(code, 100)).collect::<Vec<_>>().join(", ");
    let codes = if codes.is_empty() { codes } else { format!(": {codes}") };
    let reason = data.said(&["message"], TEXT_CHARS_MAX).or_else(|| {
        let said = |n: u64, what: &str| (n > 0).then(|| format!("{n} {what}"));
        let parts: Vec<String> =
            [said(failed, "with errors"), said(hidden, "not visible")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| {
            format!("of {} objects {}{}", data.count(&["objects"]), parts.join(" and "), codes).into_boxed_str()
        })
    });
    let status = status.map(|status| match &*status {
        "COMPLETED" => "SUCCESSFUL".into(),
        "FAILED" => "FAILURE".into(),
        _ => status,
    });
    Ending { status, reason, task_type: None, rescheduled_us: None }
}
