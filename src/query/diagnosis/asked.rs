//! `GET /v1/diagnose`: what a text or a code means.

use super::{
    super::{BadParameter, Params},
    Diagnoser,
};
use crate::{
    diagnose::{Match, Symptom, TEXT_BYTES_MAX, template},
    model::Source,
};
use serde::Serialize;

/// Longest text in a query, in bytes; more is never looked at.
const LONG: [(&str, usize); 1] = [("text", TEXT_BYTES_MAX)];

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagnoseRequest(pub Symptom<'static>);

impl DiagnoseRequest {
    /// Names of the parameters.
    pub const PARAMETERS: [&str; 7] = ["text", "code", "source", "event", "status", "task_type", "type"];

    /// Reads the query string of `GET /v1/diagnose`.
    ///
    /// # Errors
    /// The first bad parameter, or a query that says nothing about a problem.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse_long(query, &Self::PARAMETERS, &LONG)?;
        let owned = |name: &str| params.text(name).map(|text| text.to_owned().into());
        let symptom = Symptom {
            source: params.word("source", &Source::ALL, Source::as_str)?,
            event: owned("event"),
            status: owned("status"),
            task_type: owned("task_type"),
            kind: owned("type"),
            code: owned("code"),
            level: None,
            text: owned("text"),
        };
        if (Symptom { source: None, ..symptom.clone() }) == Symptom::default() {
            return Err(BadParameter::new("text", "is missing; give text or code, or the parts of an event"));
        }
        Ok(Self(symptom))
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    data: Vec<Match<'a>>,
    next_cursor: Option<()>,
    template: Option<String>,
}

/// What it means: entries, the likeliest first, and the text's template.
#[must_use]
pub fn diagnose(diagnoser: &Diagnoser, request: &DiagnoseRequest) -> Vec<u8> {
    let symptom = &request.0;
    let answer = Answer {
        data: diagnoser.catalog.explain_code(symptom),
        next_cursor: None,
        template: symptom.text.as_deref().map(template),
    };
    serde_json::to_vec(&answer).expect("answers have text keys only")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn codes(query: &str) -> Vec<String> {
        let request = DiagnoseRequest::parse(query).expect(query);
        let answer: Value = serde_json::from_slice(&diagnose(&Diagnoser::builtin(), &request)).expect("json");
        let data = answer["data"].as_array().expect("a list");
        data.iter().filter_map(|found| found["code"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn codes_are_those_of_entries_senders_statuses_and_tasks() {
        assert_eq!(codes("code=fivetran.task.reconnect")[0], "fivetran.task.reconnect");
        assert_eq!(codes("code=ENTITY_IS_LOCKED")[0], "salesforce_backup.entity_is_locked");
        assert_eq!(codes("code=RESCHEDULED")[0], "fivetran.status.rescheduled");
        assert_eq!(codes("code=update_service_account")[0], "fivetran.task.update_service_account");
        assert_eq!(codes("code=skip_table")[0], "fivetran.warning.skip_table");
        assert_eq!(codes("code=no%20such%20thing"), Vec::<String>::new());
        assert_eq!(codes("text=it+is+full+moon"), Vec::<String>::new());
    }

    #[test]
    fn a_question_must_say_something() {
        for query in ["", "source=fivetran"] {
            assert_eq!(DiagnoseRequest::parse(query).expect_err(query).name, "text");
        }
        for (query, name) in [("source=x&text=a", "source"), ("q=a", "q"), ("text=", "text")] {
            assert_eq!(DiagnoseRequest::parse(query).expect_err(query).name, name);
        }
        let long = "a".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(DiagnoseRequest::parse(&format!("text={long}")).expect_err("long").name, "text");
        assert!(DiagnoseRequest::parse(&format!("text={}", &long[1..])).is_ok());
        assert_eq!(DiagnoseRequest::parse(&format!("code={}", &long[..2000])).expect_err("long").name, "code");
    }
}
