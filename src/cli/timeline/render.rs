//! A timeline on a terminal: a head, a line a stage, oldest first, and how it stands as the last line, next to the prompt.
//!
//! In: JSON of a connection, its stages and its incidents. Out: lines no wider than the screen, with nothing in them that steers a
//! terminal. Runs of ordinary syncs are one line. An incident is a rule at the left, from the failing sync to the recovery.

use super::{
    Timeline, header,
    words::{
        began, ended, failed_tests, has_failed, is_ordinary, is_sync, name, number, rows, rows_words, telling, text,
        time,
    },
};
use crate::{
    cli::terminal::{Screen, Tone, calendar, count, cut, fit, fit_right, inert, span, width, wrap},
    model::Micros,
};
use serde_json::Value;

/// Columns: rule, time, sign, name, bar, duration.
const RULE: usize = 2;
const TIME: usize = 10;
const NAME: usize = 13;
const BAR: usize = 8;
const TOOK: usize = 12;
/// Where the sentences of stages begin that are no syncs, and of those that are.
const WORDS: usize = RULE + TIME + 2 + NAME;
const SYNC_WORDS: usize = WORDS + BAR + 1 + TOOK + 2;
/// Fewer ordinary syncs than this in a row are shown one by one.
const FOLD_MIN: usize = 3;
/// Most lines of one stage's sentence.
const LINES_MAX: usize = 4;

/// When an incident was open.
struct Open {
    from: Micros,
    to: Option<Micros>,
}

/// One or several stages that share a line.
enum Item<'t> {
    One(&'t Value),
    Run(&'t [Value]),
}

/// The whole text.
pub fn timeline(timeline: &Timeline, screen: &Screen, all: bool) -> String {
    let mut lines = header::lines(timeline, screen);
    lines.push(String::new());
    if timeline.next.is_some() {
        let words = format!(
            "  older stages are left out: the newest {} are shown (--limit, --to)",
            count(timeline.stages.len() as u64)
        );
        lines.push(screen.paint(Tone::Quiet, &cut(&words, screen.width)));
    }
    let incidents: Vec<Open> = timeline
        .incidents
        .iter()
        .filter_map(|it| Some(Open { from: time(it, "opened_at")?, to: time(it, "resolved_at") }))
        .collect();
    let longest = timeline.stages.iter().filter_map(took).max().unwrap_or(0);
    let items = items(&timeline.stages, &incidents, all);
    let (mut date, mut told) = (String::new(), None);
    for (at, item) in items.iter().enumerate() {
        let first = match item {
            Item::One(stage) => stage,
            Item::Run(stages) => &stages[0],
        };
        let day = began(first).map(|at| calendar(at).0).unwrap_or_default();
        let rule = Rule::of(first, items.get(at.wrapping_sub(1)), items.get(at + 1), &incidents);
        if day != date {
            let gutter =
                if matches!(rule, Rule::Inside | Rule::Last) { screen.paint(Tone::Bad, "┃") } else { " ".to_owned() };
            lines.push(format!("{gutter} {}", screen.paint(Tone::Strong, &day)));
            date = day;
        }
        match item {
            Item::One(stage) => {
                one(stage, told, longest, rule, screen, &mut lines);
                if is_sync(stage) {
                    told = text(stage, "reason");
                }
            }
            Item::Run(stages) => lines.push(run(stages, longest, screen)),
        }
    }
    if timeline.stages.is_empty() {
        lines.push("  No stages in this window.".to_owned());
    }
    lines.extend(closing(timeline, screen));
    lines.push(String::new());
    lines.join("\n")
}

/// How long a sync took.
fn took(stage: &Value) -> Option<Micros> {
    let ms = stage["duration_ms"].as_i64().filter(|_| is_sync(stage))?;
    Some(ms.saturating_mul(1_000))
}

fn is_in(stage: &Value, incident: &Open) -> bool {
    // A sync that fails opens it with its end.
    let reaches = if has_failed(stage) { ended(stage) } else { began(stage) };
    reaches.is_some_and(|at| at >= incident.from)
        && incident.to.is_none_or(|to| began(stage).is_some_and(|at| at <= to))
}

fn items<'t>(stages: &'t [Value], incidents: &[Open], all: bool) -> Vec<Item<'t>> {
    let folds = |stage: &Value| !all && is_ordinary(stage) && !incidents.iter().any(|it| is_in(stage, it));
    let mut items = Vec::new();
    let mut rest = stages;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|stage| folds(stage)).count();
        if run >= FOLD_MIN {
            items.push(Item::Run(&rest[..run]));
            rest = &rest[run..];
        } else {
            items.push(Item::One(first));
            rest = &rest[1..];
        }
    }
    items
}

/// What stands at the left of a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    None,
    First,
    Inside,
    Last,
    Only,
}

impl Rule {
    fn of(stage: &Value, before: Option<&Item<'_>>, after: Option<&Item<'_>>, incidents: &[Open]) -> Self {
        let Some(incident) = incidents.iter().find(|it| is_in(stage, it)) else { return Self::None };
        let neighbour = |item: Option<&Item<'_>>| matches!(item, Some(Item::One(other)) if is_in(other, incident));
        match (neighbour(before), neighbour(after) || incident.to.is_none()) {
            (false, true) => Self::First,
            (true, true) => Self::Inside,
            (true, false) => Self::Last,
            (false, false) => Self::Only,
        }
    }

    /// On the first line of the stage, and on those below.
    fn marks(self) -> [&'static str; 2] {
        match self {
            Self::None => [" ", " "],
            Self::First => ["┏", "┃"],
            Self::Inside => ["┃", "┃"],
            Self::Last => ["┗", " "],
            Self::Only => ["╺", " "],
        }
    }
}

fn one(stage: &Value, told: Option<&str>, longest: Micros, rule: Rule, screen: &Screen, lines: &mut Vec<String>) {
    let marks = rule.marks();
    let gutter = |mark: &str| format!("{} ", screen.paint(Tone::Bad, mark));
    let (sign, tone, name) = name(stage);
    let clock = began(stage).map_or("?".to_owned(), |at| calendar(at).1);
    let mut line = gutter(marks[0]);
    // A start that was not seen is not shown as one.
    let clock = if is_sync(stage) && time(stage, "at").is_none() { format!("~{clock}") } else { clock };
    line.push_str(&screen.paint(Tone::Quiet, &fit(&clock, TIME)));
    line.push_str(&screen.paint(tone, &format!("{sign} {} ", fit(&name, NAME - 1))));
    let indent = if is_sync(stage) {
        let bar = took(stage).map(|took| bar(took, longest)).unwrap_or_default();
        line.push_str(&screen.paint(tone, &fit(&bar, BAR)));
        let took = took(stage).map_or(String::new(), span);
        line.push_str(&format!(" {}  ", fit_right(&took, TOOK)));
        SYNC_WORDS
    } else {
        WORDS
    };
    let words = telling(stage, told);
    // A reason may be long; beside a narrow column it would be cut to pieces.
    let (own_line, left) = match screen.width.saturating_sub(indent) {
        left if is_sync(stage) && width(&words) > left => (true, screen.width.saturating_sub(WORDS)),
        left => (false, left),
    };
    let mut wrapped = wrap(&words, left, LINES_MAX).into_iter();
    if !own_line && let Some(first) = wrapped.next() {
        line.push_str(&first);
    }
    lines.push(line.trim_end().to_owned());
    let below = |line: String| format!("{}{}{line}", gutter(marks[1]), " ".repeat(WORDS - RULE));
    lines.extend(wrapped.map(below));
    if number(stage, "failed") > 1 {
        for test in failed_tests(stage) {
            lines.extend(wrap(&format!("✗ {test}"), screen.width.saturating_sub(WORDS), 2).into_iter().map(below));
        }
    }
}

/// Ordinary syncs on one line.
fn run(stages: &[Value], longest: Micros, screen: &Screen) -> String {
    let clock = stages.first().and_then(began).map(|at| calendar(at).1).unwrap_or_default();
    let times: Vec<Micros> = stages.iter().filter_map(took).collect();
    let (shortest, slowest) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let name = format!("{} syncs", count(stages.len() as u64));
    let range = if span(shortest) == span(slowest) {
        format!("{} each", span(slowest))
    } else {
        format!("{} to {} each", span(shortest), span(slowest))
    };
    let until = stages.last().and_then(began).map(|at| {
        let (date, time) = calendar(at);
        let first = stages.first().and_then(began).map(|first| calendar(first).0).unwrap_or_default();
        // Only as much of the date as differs.
        match (first == date, date.get(..4) == first.get(..4), date.get(5..)) {
            (true, ..) => format!("until {time}"),
            (false, true, Some(day)) => format!("until {day} {time}"),
            _ => format!("until {date} {time}"),
        }
    });
    let sum = stages.iter().map(rows).fold(0, u64::saturating_add);
    let rows = rows_words(sum);
    let words = [until, Some(range), Some(rows)].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let line = [
        "  ".to_owned(),
        screen.paint(Tone::Quiet, &fit(&clock, TIME)),
        screen.paint(Tone::Good, &format!("✓ {}", fit(&name, NAME))),
        screen.paint(Tone::Good, &fit(&bar(slowest, longest), BAR)),
        format!(" {}", wrap(&words, screen.width.saturating_sub(WORDS + BAR + 1), 1).join("")),
    ];
    line.concat().trim_end().to_owned()
}

/// How it stands, as the last line.
fn closing(timeline: &Timeline, screen: &Screen) -> Option<String> {
    let incident = &timeline.connection["open_incident"];
    let opened = time(incident, "opened_at")?;
    let words = format!(
        "still broken after {}: {}",
        span(timeline.now.saturating_sub(opened)),
        inert(text(incident, "reason").unwrap_or("no reason given"))
    );
    let clock = if timeline.past { calendar(timeline.now).1 } else { "now".to_owned() };
    let words = wrap(&words, screen.width.saturating_sub(RULE + TIME + 2), 1).join("");
    Some(format!(
        "{} {}{}",
        screen.paint(Tone::Bad, "┃"),
        screen.paint(Tone::Quiet, &fit(&clock, TIME)),
        screen.paint(Tone::Bad, &format!("✗ {words}"))
    ))
}

/// A length against the longest; what took any time at all is seen.
fn bar(took: Micros, longest: Micros) -> String {
    if longest <= 0 || took < 0 {
        return String::new();
    }
    let cells = (i128::from(took) * BAR as i128 + i128::from(longest) - 1) / i128::from(longest);
    "█".repeat(usize::try_from(cells).unwrap_or(0).clamp(1, BAR))
}
