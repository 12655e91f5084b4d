//! News of systems that log objects and states rather than syncs.
//!
//! In: news. Out: loads of an object as syncs (kind re-sync, the object being their table), incidents for what is wrong, how the connection
//! stands. A trouble has a topic and lasts until the same topic is over; an error of an object lasts until rows of that object
//! move again or it was loaded anew; the incident ends with the last trouble.

use super::{
    Action, Channel, Ending, Fact, Happening, Modified, Moved, News, Output, Signal, SyncId, TableName,
    incidents::Case,
    state::{Settled, State},
    sync::TriggerKind,
    time_text,
};
use crate::model::Micros;

/// The state that means that nothing goes on. Source: Heroku Connect's error page.
const SYSTEM_ERROR: &str = "SYSTEM_ERROR";

/// What people are told of when a load failed.
const BULK_LOAD_ERROR: &str = "salesforce_bulk_load_error";

impl State {
    /// Takes news in. Always tells something.
    pub(super) fn news(&mut self, fact: &Fact, news: &News, out: &mut Vec<Output>) -> bool {
        let at = fact.key.created_us;
        let name = news.name.as_deref();
        if let Some(object) = name.and_then(|name| self.objects.get(name)) {
            object.last_us = at;
            if news.id.is_some() {
                object.id.clone_from(&news.id);
            }
            if news.state.is_some() && !matches!(news.what, Happening::Moved(_)) {
                object.state.clone_from(&news.state);
            }
        }
        self.state_told(fact, news, out);
        match &news.what {
            Happening::LoadStarted => self.load_started(fact, name.unwrap_or_default(), out),
            Happening::LoadEnded => self.load_ended(fact, name.unwrap_or_default(), out),
            Happening::Moved(moved) => self.moved(fact, moved, out),
            Happening::BackOff(us) => self.back_off(at.saturating_add(*us), name),
            Happening::Trouble { topic, over: false, text } if &**topic == BULK_LOAD_ERROR => {
                self.load_failed(fact, name, topic, text.as_deref(), out);
            }
            Happening::Trouble { topic, over: false, text } => self.trouble(fact, topic, text.as_deref(), out),
            Happening::Trouble { topic, over: true, .. } => self.trouble_over(fact, topic, out),
            Happening::Failed(text) => {
                if let Some(object) = name.and_then(|name| self.objects.get(name)) {
                    object.errors += 1;
                    object.last_error.clone_from(text);
                }
                let topic = if is_system_error(news) { state_topic(news) } else { error_topic(name) };
                self.trouble(fact, &topic, text.as_deref(), out);
            }
            Happening::Noted => self.works(),
        }
        true
    }

    /// A state that means trouble, or its end. An error that comes with such a state opens the trouble itself, with its text.
    fn state_told(&mut self, fact: &Fact, news: &News, out: &mut Vec<Output>) {
        if news.state.is_none() {
            return;
        }
        if !is_system_error(news) {
            self.trouble_over(fact, &state_topic(news), out);
            if news.name.is_some() {
                self.trouble_over(fact, &state_topic(&News { whole: false, ..news.clone() }), out);
            }
        } else if !matches!(news.what, Happening::Failed(_)) {
            self.trouble(fact, &state_topic(news), Some(SYSTEM_ERROR), out);
        }
    }

    /// Nothing is wrong as far as anyone knows.
    fn works(&mut self) {
        if !self.objects.is_troubled() && self.settled.is_none() {
            self.settled = Some(Settled::Success);
        }
    }

    fn trouble(&mut self, fact: &Fact, topic: &str, text: Option<&str>, out: &mut Vec<Output>) {
        self.objects.trouble(topic);
        self.settled = Some(Settled::Failure);
        match self.case.as_mut().filter(|case| case.is_open()) {
            Some(case) => {
                case.troubled(fact.key, text);
                out.push(Output::Incident(case.row()));
            }
            None => self.broken(Case::of_trouble(fact.key, text), None, text, None, out),
        }
    }

    fn trouble_over(&mut self, fact: &Fact, topic: &str, out: &mut Vec<Output>) {
        let was = self.objects.over(topic);
        if self.objects.is_troubled() {
            return;
        }
        if was || self.settled.is_none() {
            self.settled = Some(Settled::Success);
            self.last_success_us = Some(fact.key.created_us);
        }
        if was {
            self.errors = 0;
            self.warnings = 0;
            self.recover(fact.key, None, out);
        }
    }

    fn back_off(&mut self, until: Micros, name: Option<&str>) {
        if let Some(object) = name.and_then(|name| self.objects.get(name)) {
            object.back_off_us = Some(until);
        }
        if !self.objects.is_troubled() {
            self.settled = Some(Settled::Rescheduled);
            self.rescheduled_us = Some(until);
        }
    }

    fn load_started(&mut self, fact: &Fact, name: &str, out: &mut Vec<Output>) {
        let id = SyncId::of(&format!("{name} {}", time_text(fact.key.created_us)));
        if let Some(object) = self.objects.get(name) {
            object.load = Some(id.clone());
            object.loads += 1;
        }
        let action = Action { actor: None, channel: Channel::Connector, method: None, reason: None };
        self.cause(fact, TriggerKind::Resync, &action);
        self.sync_started(&part(fact, id, Signal::SyncStart), out);
    }

    fn load_ended(&mut self, fact: &Fact, name: &str, out: &mut Vec<Output>) {
        let load = self.objects.get(name).and_then(|object| object.load.take());
        // A load that is through shows that its object works, and says nothing of the others.
        self.trouble_over(fact, &error_topic(Some(name)), out);
        self.trouble_over(fact, &error_topic(None), out);
        match load {
            Some(id) => self.end_load(fact, id, "SUCCESSFUL", None, out),
            None => self.works(),
        }
    }

    /// A load failed, as people are told. Without a name it is the one that runs, where only one does.
    fn load_failed(&mut self, fact: &Fact, name: Option<&str>, topic: &str, text: Option<&str>, out: &mut Vec<Output>) {
        let load = match name {
            Some(name) => self.objects.get(name).and_then(|object| object.load.take()),
            None => self.objects.take_only_load(),
        };
        let Some(id) = load else { return self.trouble(fact, topic, text, out) };
        self.objects.trouble(topic);
        self.end_load(fact, id, "FAILURE", text, out);
    }

    fn end_load(&mut self, fact: &Fact, id: SyncId, status: &str, reason: Option<&str>, out: &mut Vec<Output>) {
        let reason = reason.map(Into::into);
        let ending = Ending { status: Some(status.into()), reason, task_type: None, rescheduled_us: None };
        self.sync_ended(&part(fact, id, Signal::SyncEnd(Box::new(ending))), out);
    }

    fn moved(&mut self, fact: &Fact, moved: &Moved, out: &mut Vec<Output>) {
        let at = fact.key.created_us;
        let written = &*moved.direction != "from_salesforce";
        // One time for all objects of a line: it is told with the first.
        let mut took_us = moved.took_us;
        for (name, rows) in &moved.objects {
            let Some(object) = self.objects.get(name) else { continue };
            object.last_us = at;
            object.back_off_us = None;
            object.moved(moved, *rows, std::mem::take(&mut took_us));
            let load = object.load.clone();
            if written && let Some(day) = &mut self.day {
                day.rows_modified = day.rows_modified.saturating_add(*rows);
            }
            if let Some(id) = load {
                let table = TableName { schema: None, table: name.clone() };
                let signal = if written {
                    Signal::RecordsModified(Box::new(Modified {
                        table,
                        operation: moved.operation.clone(),
                        count: *rows,
                    }))
                } else {
                    Signal::Processed(Box::new(table), *rows)
                };
                self.part(&part(fact, id, signal), out);
            }
            self.trouble_over(fact, &error_topic(Some(name)), out);
        }
        self.trouble_over(fact, &error_topic(None), out);
        if self.settled == Some(Settled::Rescheduled) {
            self.settled = Some(Settled::Success);
        }
    }
}

fn is_system_error(news: &News) -> bool {
    news.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case(SYSTEM_ERROR))
}

/// Whose state it is.
fn state_topic(news: &News) -> String {
    format!("state {}", news.name.as_deref().filter(|_| !news.whole).unwrap_or_default())
}

fn error_topic(name: Option<&str>) -> String {
    format!("error {}", name.unwrap_or_default())
}

/// The fact as a part of a sync.
fn part(fact: &Fact, id: SyncId, signal: Signal) -> Fact {
    Fact { sync: Some(id), deed: None, job: None, signal, ..fact.clone() }
}

#[cfg(test)]
mod tests;
