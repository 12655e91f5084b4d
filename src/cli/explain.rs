//! `lifeline explain`: what an error text or a code means, whose move it is and what to do. Needs no server and no store.
//!
//! In: words or standard input. Out: the likeliest explanation in full and the others by name; as JSON what `GET /v1/diagnose` answers.
//! Exit code 1 when nothing is known.

use super::{
    CliError, DataFlags, Outcome,
    configuration::pretty,
    error, print,
    terminal::{Screen, Tone, When, cut, fit, inert, width, wrap},
    wiring,
};
use crate::{
    diagnose::{Catalog, Match, Severity, Symptom, template},
    model::Source,
};
use clap::Args;
use serde_json::json;
use std::io::Read;

/// Most bytes that are read from standard input.
const INPUT_BYTES_MAX: u64 = 4 << 20;

/// Columns of the labels.
const LABEL: usize = 13;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// What the error says, or a code; - is standard input. Several words are one text.
    #[arg(value_name = "TEXT", required_unless_present_any = ["event", "status", "task_type", "list"])]
    text: Vec<String>,
    /// The system that reports it.
    #[arg(long, value_parser = ["fivetran", "heroku_connect", "salesforce_backup", "code42"])]
    source: Option<String>,
    /// The event's name.
    #[arg(long)]
    event: Option<String>,
    /// How the sync or job ended.
    #[arg(long)]
    status: Option<String>,
    /// What Fivetran asks for.
    #[arg(long)]
    task_type: Option<String>,
    /// List every explanation instead.
    #[arg(long, conflicts_with_all = ["text", "event", "status", "task_type"])]
    list: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let catalog = wiring::catalog(&config)?;
    let source = args.source.as_deref().and_then(|word| Source::ALL.into_iter().find(|source| source.as_str() == word));
    if args.list {
        return list(&catalog, source, args.json);
    }
    let text = match args.text.as_slice() {
        [only] if only == "-" => input()?,
        words => words.join(" "),
    };
    let text = text.trim();
    let parts = Symptom {
        source,
        event: args.event.as_deref().map(Into::into),
        status: args.status.as_deref().map(Into::into),
        task_type: args.task_type.as_deref().map(Into::into),
        ..Symptom::default()
    };
    let found = find(&catalog, text, parts);
    let code = if found.is_empty() { error::FOUND } else { error::DONE };
    let template = (!text.is_empty()).then(|| template(text));
    if args.json {
        print(&pretty(&json!({"data": found, "next_cursor": null, "template": template})))?;
        return Ok(code);
    }
    print(&words(&found, template.as_deref(), &Screen::of_stdout(args.color)))?;
    Ok(code)
}

/// One word may be a code; any text is also looked up as a text.
fn find<'c>(catalog: &'c Catalog, text: &str, parts: Symptom<'_>) -> Vec<Match<'c>> {
    if text.is_empty() {
        return catalog.diagnose(&parts);
    }
    if !text.contains(char::is_whitespace) {
        let by_code = catalog.explain_code(&Symptom { code: Some(text.into()), ..parts.clone() });
        if !by_code.is_empty() {
            return by_code;
        }
    }
    catalog.diagnose(&Symptom { text: Some(text.into()), ..parts })
}

fn input() -> Result<String, CliError> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn list(catalog: &Catalog, source: Option<Source>, as_json: bool) -> Outcome {
    let entries = catalog.entries().iter().filter(|entry| source.is_none_or(|source| source == entry.system));
    if as_json {
        let all: Vec<_> = entries.map(crate::diagnose::Entry::diagnosis).collect();
        return print(&pretty(&json!(all)));
    }
    let mut out = String::new();
    for entry in entries {
        out.push_str(&format!("{:48}  {:8}  {}\n", entry.code, entry.severity.as_str(), entry.title));
    }
    print(&out)
}

fn words(found: &[Match<'_>], template: Option<&str>, screen: &Screen) -> String {
    let Some((first, others)) = found.split_first() else {
        let mut out = format!("{}\n", screen.paint(Tone::Strong, "Nothing is known about this."));
        if let Some(template) = template {
            out.push_str(&labelled("template", &inert(template), screen));
        }
        let advice = "Explain it in a file of your own (docs/diagnosis.md) and set diagnosis_dir to its directory.";
        out.push_str(&labelled("what to do", advice, screen));
        return out;
    };
    let entry = first.entry;
    let tone = match entry.severity {
        Severity::Info => Tone::Good,
        Severity::Warning => Tone::Warn,
        Severity::Error => Tone::Bad,
    };
    let mut out = format!("{}\n", screen.paint(tone, &inert(&entry.title)));
    let mut add = |label: &str, text: &str| out.push_str(&labelled(label, &inert(text), screen));
    add("code", &entry.code);
    add("why", &entry.cause);
    let needed = if entry.user_action_required() { "" } else { "; nothing has to be done" };
    add("whose move", &format!("{}{needed}", entry.who.words()));
    for (at, step) in entry.fix.iter().enumerate() {
        add(if at == 0 { "what to do" } else { "" }, &format!("{}. {step}", at + 1));
    }
    add("how long", &entry.recovery.text);
    let passes = if entry.transient { "it passes by itself" } else { "it does not pass by itself" };
    let again = if entry.retriable { "trying again can help" } else { "trying again alone does not help" };
    add("beside that", &format!("{passes}; {again}"));
    add("more", &entry.reference);
    if !others.is_empty() {
        out.push_str("\nIt could also be\n");
        let codes = others.iter().map(|other| width(&other.entry.code)).max().unwrap_or(0);
        for other in others {
            let line = format!("  {}  {}", fit(&other.entry.code, codes), inert(&other.entry.title));
            out.push_str(&format!("{}\n", cut(&line, screen.width)));
        }
    }
    out
}

/// A text behind a label, in as many lines as it needs.
fn labelled(label: &str, text: &str, screen: &Screen) -> String {
    let lines = wrap(text, screen.width.min(100) - LABEL, usize::MAX);
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        let label = fit(if at == 0 { label } else { "" }, LABEL);
        out.push_str(&format!("{}{line}\n", screen.paint(Tone::Quiet, &label)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen { width: 80, colour: false };

    #[test]
    fn an_explanation_says_why_who_what_and_how_long() {
        let catalog = Catalog::builtin();
        let text = words(&find(&catalog, "ENTITY_IS_LOCKED", Symptom::default()), None, &SCREEN);
        for part in ["salesforce_backup.entity_is_locked", "why  ", "whoever looks after the source", "1. ", "how long"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        let text =
            words(&find(&catalog, "FATAL: too many connections for role \"x\"", Symptom::default()), None, &SCREEN);
        assert!(text.contains("postgres.too_many_connections"), "{text}");
        assert!(text.lines().all(|line| width(line) <= 110), "{text}");
        let text = words(&[], Some("Moon phase <n>"), &SCREEN);
        assert!(text.contains("Nothing is known") && text.contains("Moon phase <n>"), "{text}");
    }
}
