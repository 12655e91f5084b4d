//! Runs of transformations.
//!
//! In: data of `transformation_*`, `transformation_run_*` and `dbt_run_*`. Out: the run's event with its steps in the public form.
//! Never refused.
//! Source: Fivetran log documentation, sections transformation_start, _succeeded and _failed. Observed: dbt_run_succeeded of
//! September 2022, whose command is an array of words and whose job stands under `dbtJobId` and `dbtJobName`.

use super::{
    super::{RunEvent, RunPhase, Signal, time_json},
    values::{self, LONG_TEXT_CHARS_MAX, Members, TEXT_CHARS_MAX, cut, cut_front},
};
use serde_json::{Value, json};

/// Most steps that are kept of one run.
const STEPS_MAX: usize = 100;

/// Most models that are kept of one run, over all its steps.
const MODELS_MAX: usize = 1_000;

/// Most words of a command.
const WORDS_MAX: usize = 1_000;

/// Most bytes of a schedule.
const SCHEDULE_BYTES_MAX: usize = 4 << 10;

pub(super) fn run(phase: RunPhase, data: Members<'_>) -> Signal {
    let result = data.inner(&["result"]);
    let name = data.text(&["name", "dbtJobName"]);
    let mut models_left = MODELS_MAX;
    let steps = result.list(&["stepResults"]).iter().take(STEPS_MAX);
    Signal::Run(Box::new(RunEvent {
        job: data.text(&["id", "dbtJobId"]).or_else(|| name.clone()).unwrap_or_default(),
        name,
        kind: data.text(&["transformationType"]),
        phase,
        start_us: data.time(&["startTime"]),
        end_us: data.time(&["endTime"]),
        schedule: data.get("schedule").map(|schedule| values::copy(schedule, &mut { SCHEDULE_BYTES_MAX })),
        steps: steps.map(|step| public_step(Members::of(Some(step)), &mut models_left)).collect(),
        description: result.said(&["description"], LONG_TEXT_CHARS_MAX),
        error: result.said(&["error"], LONG_TEXT_CHARS_MAX),
    }))
}

fn public_step(result: Members<'_>, models_left: &mut usize) -> Value {
    let step = result.inner(&["step"]);
    let command = result.inner(&["commandResult"]);
    let (start, end) = (result.time(&["startTime"]), result.time(&["endTime"]));
    let models: Vec<Value> =
        result.list(&["modelResults"]).iter().take(*models_left).map(|m| public_model(Members::of(Some(m)))).collect();
    *models_left -= models.len();
    json!({
        "name": step.text(&["name"]),
        "command": step.text(&["command"]).or_else(|| words(step.get("processBuilderCommand"))),
        "success": result.flag(&["success"]),
        "started_at": start.map(time_json),
        "ended_at": end.map(time_json),
        "duration_ms": start.zip(end).map(|(start, end)| end.saturating_sub(start) / 1_000),
        "exit_code": command.get("exitCode").and_then(values::integer),
        "output": command.str(&["output"]).map(last),
        "error": result.str(&["error"]).or_else(|| command.str(&["error"])).map(last),
        "models_succeeded": result.get("successfulModelRuns").and_then(values::count),
        "models_failed": result.get("failedModelRuns").and_then(values::count),
        "models": models,
    })
}

fn public_model(model: Members<'_>) -> Value {
    json!({
        "name": model.text(&["name"]),
        "succeeded": model.flag(&["succeeded"]),
        "error_category": model.text(&["errorCategory"]),
        "error": model.said(&["errorData"], TEXT_CHARS_MAX),
    })
}

/// What is kept of a printed text: its end says how it went.
fn last(text: &str) -> &str {
    cut_front(text, LONG_TEXT_CHARS_MAX)
}

/// A command: a text, or an array of its words.
fn words(command: Option<&Value>) -> Option<Box<str>> {
    match command? {
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().take(WORDS_MAX).filter_map(Value::as_str).collect();
            Some(cut(&words.join(" "), TEXT_CHARS_MAX)).filter(|text| !text.is_empty()).map(Into::into)
        }
        command => values::word(command),
    }
}
