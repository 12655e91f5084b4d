//! Tables of Fivetran's neighbours.
//!
//! In: columns, rows. Out: an object of each row, as the pipeline reads it. Refused: activity of a Heroku Connect add-on that nobody names.
//! Neither format is documented: columns are found by their meaning, in any case and with any separators.

use super::table::{Connections, Made, Row, Table};
use serde_json::{Map, Value, json};

/// A column's name without case and separators.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

const TIME: &[&str] = &["timestamp", "time", "date", "createdat", "created", "occurredat", "when"];
const MESSAGE: &[&str] = &["message", "event", "action", "activity", "description", "logmessage"];
const USER: &[&str] = &["user", "useremail", "username", "actor", "email", "who", "performedby"];
const ADD_ON: &[&str] = &["addonid", "connectionid", "addon"];

/// The table of a neighbour that has these columns.
pub(super) fn table_of(columns: &[String]) -> Option<Table> {
    let plain: Vec<String> = columns.iter().map(|column| plain(column)).collect();
    let any = |names: &[&str]| names.iter().any(|name| plain.iter().any(|column| column == name));
    if any(&["runid", "jobid", "executionid"])
        && any(&["object", "objectname", "apiname", "sobject"])
        && any(&["objectstatus", "statuscode", "errorcode"])
    {
        Some(Table::BackupObjects)
    } else if any(TIME) && any(MESSAGE) && any(USER) {
        Some(Table::HerokuActivity)
    } else {
        None
    }
}

/// A row of a backup's log, as it is.
pub(super) fn backup_row(row: &dyn Row) -> Made {
    let values = row.columns().into_iter().filter_map(|name| Some((name.to_owned(), Value::from(&*row.get(name)?))));
    Made { text: Value::Object(values.collect::<Map<_, _>>()).to_string(), level: None }
}

/// A row of the activity, as a line of the drain has it. The row itself comes back with the reason when the add-on is unknown.
pub(super) fn activity_row(row: &dyn Row, connections: &Connections) -> Result<Made, (String, String)> {
    let columns = row.columns();
    let get = |names: &[&str]| {
        names
            .iter()
            .find_map(|wanted| columns.iter().find(|name| plain(name) == *wanted).and_then(|name| row.get(name)))
    };
    let Some(add_on) = get(ADD_ON).map(std::borrow::Cow::into_owned).or_else(|| connections.add_on.clone()) else {
        let reason = "activity of Heroku Connect without its add-on; name it with --add-on ID";
        return Err((backup_row(row).text, reason.to_owned()));
    };
    let object = json!({"addon_id": add_on, "object_type": "connection", "state": get(&["state", "status"]),
        "app_name": get(&["appname", "app"]), "message": get(MESSAGE), "user": get(USER), "timestamp": get(TIME),
        "level": get(&["level", "severity"])});
    Ok(Made { text: object.to_string(), level: None })
}
