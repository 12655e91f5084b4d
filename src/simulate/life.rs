//! A simulated connection from its creation to its deletion, and the one that takes its place.
//!
//! Each episode is one thing that happens: set-up, a sync with what people do after it, or the end. Failures come in
//! runs, as they do: something breaks, stays broken for a few syncs, is mended. The shares are those of the oracle's notes:
//! about 93 % of syncs succeed, 4 % fail with a task, 2 to 3 % are put off.

use super::{
    Connection, DAY, Episodes, HOUR, MINUTE, MS, Rng, SECOND, SimEvent, SimOptions, Spelling,
    catalog::{TASKS, TYPES, WORDS},
    others::Account,
    sync::{Ending, Habits, Pen, write_sync},
};
use std::{collections::VecDeque, sync::Arc};

/// How often connections sync, in minutes; the frequent choices more than once. A few connections make most of the volume.
const EVERY_MIN: [i64; 14] = [5, 15, 15, 30, 60, 60, 60, 180, 360, 360, 360, 720, 1440, 1440];

/// One place in the account, filled by one connection after another.
pub(super) struct Life {
    rng: Rng,
    account: Arc<Account>,
    spelling: Spelling,
    /// How many connections live at a time, which keeps ids of successors apart.
    slots: u64,
    slot: u64,
    generation: u64,
    connection: Arc<Connection>,
    habits: Habits,
    every_us: i64,
    /// When the next thing happens.
    clock: i64,
    /// Whether it has been set up.
    exists: bool,
    /// Whether its first sync has succeeded.
    synced: bool,
    /// Failing syncs that are still to come, and which task they have.
    failing: Option<(u8, Ending)>,
}

impl Life {
    pub(super) fn new(options: &SimOptions, account: &Arc<Account>, slot: u64) -> Self {
        let mut rng = Rng::new(options.seed, slot + 1);
        let slots = options.connections.max(1) as u64;
        let (connection, habits) = make(&mut rng, account, slot, 0, slots, options.spelling);
        let every_us = rng.pick(&EVERY_MIN) * MINUTE;
        let exists = !slot.is_multiple_of(3);
        let first = if slot == 0 { 30 * SECOND } else { every_us.min(6 * HOUR) };
        let start = options.start_us.div_euclid(MS) * MS;
        let clock = start + rng.range(0, first) / MS * MS;
        Self {
            rng,
            account: Arc::clone(account),
            spelling: options.spelling,
            slots,
            slot,
            generation: 0,
            connection,
            habits,
            every_us,
            clock,
            exists,
            synced: exists,
            failing: None,
        }
    }

    fn pen<'p>(&'p mut self, out: &'p mut VecDeque<SimEvent>) -> Pen<'p> {
        Pen { at: self.clock, rng: &mut self.rng, connection: &self.connection, sync_id: None, out }
    }

    /// Created by a person, tested, sometimes in vain at first, switched on.
    fn set_up(&mut self, out: &mut VecDeque<SimEvent>) {
        let account = Arc::clone(&self.account);
        let user = account.user(&mut self.rng);
        let connection = Arc::clone(&self.connection);
        let (id, actor) = (&connection.id, &user.email);
        let mut pen = self.pen(out);
        let properties = properties(pen.rng, true);
        pen.put("create_connector", format!(r#"{{"actor":"{actor}","id":"{id}","properties":{properties}}}"#));
        let rest = format!(
            r#","oldValues":{{"credentials":null,"schema":null,"service":null}},"newValues":{{"credentials":{{"user":"fivetran","password":"*****"}},"schema":"{}","service":"{}"}}"#,
            connection.name, connection.kind.name
        );
        pen.wait(20, 90).audit("create_connection", "CREATE", &user.id, "WEB_UI", &rest);
        for failed in [pen.rng.chance(0.2), false] {
            let tests = pen.rng.range(2, 6);
            let data = format!(r#"{{"actor":"{actor}","id":"{id}","testCount":{tests}}}"#);
            pen.wait(4_000, 90_000).put("test_connector_connection", data);
            let (name, message) = if failed {
                ("connection_failure", "The ssh key might have changed")
            } else {
                ("connection_successful", "")
            };
            let data = format!(
                r#"{{"actor":"{actor}","id":"{id}","testName":"Connecting to SSH tunnel","message":"{message}"}}"#
            );
            pen.wait(1_500, 20_000).put(name, data);
            if !failed {
                break;
            }
        }
        let rest = r#","oldValues":{"setup_status":"incomplete"},"newValues":{"setup_status":"connected"}"#;
        pen.wait(100, 900).audit("edit_connection", "EDIT", &user.id, "SYSTEM", rest);
        pen.wait(2_000, 60_000).put("resume_connector", format!(r#"{{"actor":"{actor}","id":"{id}"}}"#));
        let at = pen.at;
        self.clock = at + self.rng.range(1, 60) * SECOND;
        self.exists = true;
        self.synced = false;
    }

    /// How the next sync ends.
    fn ending(&mut self) -> Ending {
        match self.failing.take() {
            Some((left, ending)) => {
                if left > 1 {
                    self.failing = Some((left - 1, ending));
                }
                return ending;
            }
            None if self.rng.chance(0.0125) => {
                let which = self.rng.index(TASKS.len());
                let ending = if self.rng.chance(0.92) { Ending::Task(which) } else { Ending::Failure };
                let left = self.rng.range(0, 5) as u8;
                self.failing = (left > 0).then_some((left, ending));
                return ending;
            }
            None => {}
        }
        let dice = self.rng.unit();
        match dice {
            d if d < 0.021 => Ending::Quota,
            d if d < 0.027 => Ending::Priority,
            d if d < 0.029 => Ending::Canceled,
            d if d < 0.031 => Ending::Crashed,
            _ => Ending::Successful,
        }
    }

    fn sync(&mut self, out: &mut VecDeque<SimEvent>) {
        let was_failing = self.failing.is_some();
        let ending = self.ending();
        let (habits, initial, began) = (self.habits, !self.synced, self.clock);
        let ended = write_sync(self.pen(out), habits, ending, initial);
        if ending == Ending::Successful {
            self.synced = true;
        }
        let gap = match ending {
            Ending::Quota | Ending::Priority => 30 * MINUTE,
            Ending::Crashed => self.rng.range(5, 50) * MINUTE,
            _ => self.every_us,
        };
        let jitter = self.rng.range(-(gap / 40), gap / 40);
        self.clock = (began + gap + jitter).max(ended + 2 * SECOND) / MS * MS;
        let mended = was_failing && self.failing.is_none();
        if mended || self.rng.chance(0.006) {
            self.people(out, ended + 500 * MS, mended);
        }
    }

    /// What people do to a running connection, between two syncs.
    fn people(&mut self, out: &mut VecDeque<SimEvent>, from: i64, mended: bool) {
        let next = self.clock;
        let account = Arc::clone(&self.account);
        let user = account.user(&mut self.rng);
        let connection = Arc::clone(&self.connection);
        let every_min = self.every_us / MINUTE;
        let (id, schema, table) = (&connection.id, &connection.schemas[0], connection.tables[0]);
        let actor = if self.rng.chance(0.85) { &user.email } else { &user.id };
        let deed = if mended { 0 } else { self.rng.index(12) };
        self.clock = from;
        let mut pen = self.pen(out);
        let simple = format!(r#"{{"actor":"{actor}","id":"{id}"}}"#);
        match deed {
            0 | 1 => {
                let (new, old) = (properties(pen.rng, false), properties(pen.rng, false));
                pen.put(
                    "edit_connector",
                    format!(
                        r#"{{"actor":"{actor}","editType":"CREDENTIALS","id":"{id}","properties":{new},"oldProperties":{old}}}"#
                    ),
                );
                pen.wait(300, 2_000)
                    .put("test_connector_connection", format!(r#"{{"actor":"{actor}","id":"{id}","testCount":3}}"#));
                let data = format!(r#"{{"actor":"{actor}","id":"{id}","testName":"Connecting to host","message":""}}"#);
                pen.wait(800, 9_000).put("connection_successful", data);
            }
            2 | 3 => {
                let key = *pen.rng.pick(&["ENABLED_TABLES", "DISABLED_TABLES"]);
                let ids = &connection.id_in_data;
                let data = format!(
                    r#"{{"actor":"{actor}",{ids},"properties":{{"{key}":[{{"schema":"{schema}","tables":["{table}"]}}]}}}}"#
                );
                pen.put("change_schema_config", data);
                let rest = format!(
                    r#","oldValues":{{"tables":{{"{schema}.{table}":{{"blocked":true}}}},"schemas":{{}},"columns":{{}}}},"newValues":{{"tables":{{"{schema}.{table}":{{"blocked":false}}}},"schemas":{{}},"columns":{{}}}}"#
                );
                pen.audit("edit_connection", "EDIT", &user.id, "WEB_UI", &rest);
            }
            4 | 5 => {
                pen.put("force_update_connector", simple);
                let rest = r#","oldValues":{"sync_method":null,"trigger_resync":null,"type":null},"newValues":{"sync_method":"FORCED","trigger_resync":false,"type":"CONNECTION"}"#;
                pen.audit("sync_connection", "SYNC", &user.id, "WEB_UI", rest);
            }
            6 => {
                let data = format!(r#"{{"actor":"{actor}","id":"{id}","schema":"{schema}","table":"{table}"}}"#);
                pen.put("resync_table", data);
                let data = format!(
                    r#"{{"schema":"{schema}","table":"{table}","reason":"Re-sync was asked for in the dashboard","cause":"STRATEGY"}}"#
                );
                pen.wait(100, 900).put("forced_resync_table", data);
            }
            7 => {
                let old = *pen.rng.pick(&[5, 15, 60, 360]);
                let rest =
                    format!(r#","oldValues":{{"sync_frequency":{old}}},"newValues":{{"sync_frequency":{every_min}}}"#);
                pen.audit("edit_connection", "EDIT", &user.id, "API", &rest);
            }
            8 => {
                let ids = &connection.id_in_data;
                let data = format!(
                    r#"{{"actor":"{actor}",{ids},"properties":{{"ENABLED":["{schema}"],"includeNewByDefault":false,"includeNewColumnsByDefault":false}}}}"#
                );
                pen.put("change_schema_config_via_api", data);
            }
            9 => {
                pen.put("resync_connector", simple);
                pen.wait(100, 900).put(
                    "forced_resync_connector",
                    r#"{"reason":"Re-sync was asked for in the dashboard","cause":"MIGRATION"}"#.to_owned(),
                );
            }
            10 => {
                let (names, ticket) = (&connection.name_in_data, pen.rng.range(10_000, 99_999));
                let data = format!(
                    r#"{{"message":"Data access granted for 21 days.","ticketId":"{ticket}","destinationName":"{}",{names},"actor":"{actor}"}}"#,
                    connection.destination
                );
                pen.put("diagnostic_access_approved", data);
            }
            _ => {
                self.stop_for_a_while(out, next, &simple, &user.id);
                return;
            }
        }
        let at = pen.at;
        self.clock = next.max(at + SECOND);
    }

    /// Paused and, days later, resumed or deleted.
    fn stop_for_a_while(&mut self, out: &mut VecDeque<SimEvent>, next: i64, simple: &str, user: &str) {
        let deleted = self.rng.chance(0.25);
        let mut pen = self.pen(out);
        if deleted {
            pen.put("delete_connector", simple.to_owned());
            pen.audit("delete_connection", "DELETE", user, "WEB_UI", "");
            let at = pen.at;
            self.replace(at);
            return;
        }
        pen.put("pause_connector", simple.to_owned());
        let rest = r#","oldValues":{"is_paused":false},"newValues":{"is_paused":true}"#;
        pen.audit("edit_connection", "EDIT", user, "WEB_UI", rest);
        pen.at += pen.rng.range(2 * HOUR, 3 * DAY) / MS * MS;
        pen.put("resume_connector", simple.to_owned());
        let rest = r#","oldValues":{"is_paused":true},"newValues":{"is_paused":false}"#;
        pen.audit("edit_connection", "EDIT", user, "WEB_UI", rest);
        let at = pen.at;
        self.clock = next.max(at + 2 * SECOND);
    }

    /// A new connection takes the place of a deleted one, some time later.
    fn replace(&mut self, deleted_at: i64) {
        self.generation += 1;
        let (connection, habits) =
            make(&mut self.rng, &self.account, self.slot, self.generation, self.slots, self.spelling);
        self.connection = connection;
        self.habits = habits;
        self.every_us = self.rng.pick(&EVERY_MIN) * MINUTE;
        self.clock = deleted_at + self.rng.range(HOUR, 2 * DAY) / MS * MS;
        self.exists = false;
        self.synced = false;
        self.failing = None;
    }
}

impl Episodes for Life {
    fn next_episode(&mut self, out: &mut VecDeque<SimEvent>) {
        if self.exists {
            self.sync(out);
        } else {
            self.set_up(out);
        }
    }
}

/// A connection with an id of its own and random habits.
fn make(
    rng: &mut Rng,
    account: &Account,
    slot: u64,
    generation: u64,
    slots: u64,
    spelling: Spelling,
) -> (Arc<Connection>, Habits) {
    let kind = &TYPES[rng.index(TYPES.len())];
    let id = unique_id(slot + generation * slots);
    let name = format!("{}_{}", kind.name, rng.pick(WORDS));
    let count = rng.skewed(3.0).clamp(1, kind.tables.len() as i64) as usize;
    let first = rng.index(kind.tables.len());
    let tables = (0..count).map(|nth| kind.tables[(first + nth) % kind.tables.len()]).collect();
    let destination = account.destinations[rng.index(account.destinations.len())].clone();
    let habits = Habits {
        camel_summary: rng.chance(0.3),
        old_api_calls: rng.chance(0.15),
        rows_first: rng.chance(0.3),
        rows: f64::from(*rng.pick(&[4, 20, 20, 80, 300, 2_000])),
        touched: 0.25 + 0.6 * rng.unit(),
    };
    (Arc::new(Connection::new(id, name, kind, destination, tables, spelling)), habits)
}

/// Two words for each number, three for large ones; never the same for two numbers below 800,000.
fn unique_id(number: u64) -> String {
    let words = WORDS.len() as u64;
    let pairs = words * words;
    // A stride without a common factor with the number of pairs visits each pair once.
    let pair = (number % pairs * 4_801 + 1_237) % pairs;
    let word = |at: u64| WORDS[(at % words) as usize];
    let id = format!("{}_{}", word(pair / words), word(pair));
    match number / pairs {
        0 => id,
        round => format!("{id}_{}", word(round)),
    }
}

/// The settings of a source as Fivetran logs them: secrets masked, but for the one that the documentation's own example shows in
/// clear.
fn properties(rng: &mut Rng, with_password: bool) -> String {
    let (host, port) = (rng.range(1, 250), rng.pick(&[1433, 3306, 5432]));
    let clear = if with_password && rng.chance(0.2) {
        format!(r#""databasePassword":"{}-{:04x}","#, super::catalog::two_words(rng), rng.bits() & 0xffff)
    } else {
        String::new()
    };
    format!(
        r#"{{"host":"10.0.7.{host}","password":"************",{clear}"user":"fivetran","database":"app","port":{port},"tunnelHost":null,"alwaysEncrypted":true,"publicKey":"...","connectionType":"SshTunnel"}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::unique_id;
    use std::collections::HashSet;

    #[test]
    fn ids_do_not_repeat() {
        let ids: HashSet<String> = (0..50_000).map(unique_id).collect();
        assert_eq!(ids.len(), 50_000);
    }
}
