//! Which entries fit a symptom, and in what order.
//!
//! Patterns see the text in one line, without regard to the case of ASCII letters, all in one pass. See the ranking in the
//! [module's words](super).

use super::{
    entry::{Diagnosis, Entry, RawMatcher, Scope, Words},
    load::Catalog,
    symptom::{Symptom, one_line},
};
use serde::Serialize;
use std::cmp::Reverse;

/// Most matches that are given.
pub const MATCHES_MAX: usize = 10;

/// How telling the most telling condition of a matcher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Height {
    /// A status, an event or a level alone.
    Any,
    /// A text that tells no more than the field, or a task by a part of its name.
    Broad,
    /// A task or a kind.
    Task,
    /// A text that tells the family.
    Family,
    /// A text that names one cause.
    Cause,
    /// A status code of the sender.
    Code,
    /// The entry's own code.
    Own,
}

/// A word that must be there: exactly or, with a star at either end, in part. The case of ASCII letters does not matter.
fn word_fits(pattern: &str, word: &str) -> bool {
    let at = |range: std::ops::Range<usize>, part: &str| {
        word.as_bytes().get(range).is_some_and(|found| found.eq_ignore_ascii_case(part.as_bytes()))
    };
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => {
            let part = pattern.trim_matches('*');
            (0..=word.len().saturating_sub(part.len())).any(|start| at(start..start + part.len(), part))
        }
        (Some(end), None) => at(word.len().saturating_sub(end.len())..word.len(), end),
        (None, Some(start)) => at(0..start.len(), start),
        (None, None) => word.eq_ignore_ascii_case(pattern),
    }
}

fn holds(wanted: Option<&Words>, found: Option<&str>) -> bool {
    wanted.is_none_or(|words| {
        found.is_some_and(|found| words.as_slice().iter().any(|word| word_fits(word, found.trim())))
    })
}

/// A matcher ready for use.
#[derive(Debug, Clone)]
pub(super) struct Matcher {
    /// The entry it speaks for.
    pub entry: usize,
    raw: RawMatcher,
    /// Its patterns are these in the catalogue's set.
    patterns: std::ops::Range<usize>,
    /// Length of each pattern.
    lengths: Vec<usize>,
}

/// Names of the conditions.
const CONDITIONS: [&str; 7] = ["code", "text", "task_type", "type", "status", "event", "level"];

impl Matcher {
    pub fn new(entry: usize, raw: RawMatcher, first_pattern: usize) -> Self {
        let lengths: Vec<usize> =
            raw.text.as_ref().map_or_else(Vec::new, |words| words.as_slice().iter().map(String::len).collect());
        Self { entry, patterns: first_pattern..first_pattern + lengths.len(), raw, lengths }
    }

    fn given(&self) -> [bool; 7] {
        let raw = &self.raw;
        [
            raw.code.is_some(),
            raw.text.is_some(),
            raw.task_type.is_some(),
            raw.r#type.is_some(),
            raw.status.is_some(),
            raw.event.is_some(),
            raw.level.is_some(),
        ]
    }

    /// Whether it speaks for tasks that nobody else names.
    fn is_for_the_rest(&self) -> bool {
        self.raw.task_type.as_ref().is_some_and(|words| words.as_slice().iter().all(|word| word == "*"))
    }

    fn height(&self) -> Height {
        let raw = &self.raw;
        let task = raw.task_type.is_some() || raw.r#type.is_some();
        match raw.scope {
            _ if raw.code.is_some() => Height::Code,
            Scope::Cause if raw.text.is_some() => Height::Cause,
            Scope::Family if raw.text.is_some() => Height::Family,
            Scope::Cause | Scope::Family if task => Height::Task,
            _ if task || raw.text.is_some() => Height::Broad,
            _ => Height::Any,
        }
    }

    /// Length of the longest pattern that fits, 0 without patterns; `None` when the matcher does not fit.
    fn fits(&self, symptom: &Symptom<'_>, found: &regex::bytes::SetMatches) -> Option<usize> {
        let raw = &self.raw;
        let all = holds(raw.event.as_ref(), symptom.event.as_deref())
            && holds(raw.status.as_ref(), symptom.status.as_deref())
            && holds(raw.task_type.as_ref(), symptom.task_type.as_deref())
            && holds(raw.r#type.as_ref(), symptom.kind.as_deref())
            && holds(raw.level.as_ref(), symptom.level.as_deref())
            && holds(raw.code.as_ref(), symptom.code.as_deref());
        if !all {
            return None;
        }
        if raw.text.is_none() {
            return Some(0);
        }
        self.patterns.clone().zip(&self.lengths).filter(|(at, _)| found.matched(*at)).map(|(_, length)| *length).max()
    }
}

/// An entry that fits.
#[derive(Debug, Clone, Serialize)]
pub struct Match<'c> {
    /// The entry as answers show it.
    #[serde(flatten)]
    pub diagnosis: Diagnosis<'c>,
    /// The system that it is about.
    pub system: &'static str,
    /// The conditions by which it was found, the most telling first.
    pub matched: Vec<&'static str>,
    /// The entry.
    #[serde(skip)]
    pub entry: &'c Entry,
    /// Whether it says something about this problem, rather than about any problem with this status.
    #[serde(skip)]
    pub telling: bool,
    #[serde(skip)]
    height: Height,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    height: Height,
    conditions: usize,
    length: usize,
    own: bool,
    order: Reverse<usize>,
}

impl Catalog {
    /// The entries that fit, the likeliest first, at most [`MATCHES_MAX`]. Empty when nothing is known.
    #[must_use]
    pub fn diagnose(&self, symptom: &Symptom<'_>) -> Vec<Match<'_>> {
        let text = symptom.text.as_deref().map(one_line).unwrap_or_default();
        let found = self.set.matches(text.as_bytes());
        let mut best: Vec<(Rank, [bool; 7])> = Vec::new();
        let (mut rest, mut task_is_named) = (Vec::new(), false);
        for matcher in &self.matchers {
            let entry = &self.entries[matcher.entry];
            if symptom.source.is_some_and(|source| source != entry.system) {
                continue;
            }
            // An event that is not about a problem is not made one by a word in its text.
            let given = matcher.given();
            let only_text = given[1] && given.iter().filter(|given| **given).count() == 1;
            if only_text && symptom.event.as_deref() == Some("info") && !symptom.is_loud() {
                continue;
            }
            if let Some(length) = matcher.fits(symptom, &found) {
                let conditions = given.iter().filter(|given| **given).count();
                let ranked = (self.rank(matcher.entry, matcher.height(), conditions, length), given);
                if matcher.is_for_the_rest() {
                    rest.push(ranked);
                } else {
                    task_is_named |= matcher.raw.task_type.is_some();
                    best.push(ranked);
                }
            }
        }
        if !task_is_named {
            best.append(&mut rest);
        }
        if let Some(code) = symptom.code.as_deref().map(str::trim)
            && let Some(at) = self.entries.iter().position(|entry| entry.code.eq_ignore_ascii_case(code))
        {
            best.push((self.rank(at, Height::Own, 1, 0), [true, false, false, false, false, false, false]));
        }
        best.sort_by_key(|(rank, _)| Reverse(*rank));
        let mut seen = std::collections::BTreeSet::new();
        best.retain(|(rank, _)| seen.insert(rank.order.0));
        best.truncate(MATCHES_MAX);
        best.into_iter()
            .map(|(rank, given)| {
                let entry = &self.entries[rank.order.0];
                let matched = CONDITIONS.iter().zip(given).filter(|(_, given)| *given).map(|(name, _)| *name);
                Match {
                    diagnosis: entry.diagnosis(),
                    system: entry.system.as_str(),
                    matched: matched.collect(),
                    entry,
                    telling: rank.height > Height::Any,
                    height: rank.height,
                }
            })
            .collect()
    }

    fn rank(&self, entry: usize, height: Height, conditions: usize, length: usize) -> Rank {
        Rank { height, conditions, length, own: entry >= self.built_in, order: Reverse(entry) }
    }

    /// What a code means: the code of an entry, a status code, a status, a task or a kind of warning.
    #[must_use]
    pub fn explain_code(&self, symptom: &Symptom<'_>) -> Vec<Match<'_>> {
        let found = self.diagnose(symptom);
        if !found.is_empty() {
            return found;
        }
        let Some(code) = symptom.code.clone() else { return found };
        let base = Symptom { code: None, ..symptom.clone() };
        let tries = [
            Symptom { status: Some(code.clone()), ..base.clone() },
            Symptom { task_type: Some(code.clone()), ..base.clone() },
            Symptom { kind: Some(code.clone()), ..base.clone() },
            Symptom { event: Some(code), ..base },
        ];
        let mut found: Vec<_> = tries.iter().map(|symptom| self.diagnose(symptom)).collect();
        // A part of a word is no code. The reading that tells most; of equal ones the first.
        found.iter_mut().for_each(|found| found.retain(|found| found.height != Height::Broad));
        found.sort_by_key(|found| Reverse(found.first().map(|first| first.height)));
        found.into_iter().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::word_fits;

    #[test]
    fn words_fit_wholly_or_in_part() {
        for (pattern, word, fits) in [
            ("reconnect", "RECONNECT", true),
            ("reconnect", "reconnect_warehouse", false),
            ("reconnect*", "reconnect_warehouse", true),
            ("*_warning", "resync_table_WARNING", true),
            ("*_warning", "warning", false),
            ("*table*", "skip_table_now", true),
            ("*table*", "tab", false),
            ("*", "", true),
            ("é*", "é", true),
            ("*x", "é", false),
        ] {
            assert_eq!(word_fits(pattern, word), fits, "{pattern} {word}");
        }
    }
}
