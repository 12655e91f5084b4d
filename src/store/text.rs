//! The text search of a query, by the same rules in the store and in the live stream.
//!
//! In: what is looked for. Out: whether an event has it in its raw text, its name or its connection. Raw texts are JSON, so
//! what is looked for is also tried as JSON writes it within a string. Letter case does not matter.

use super::StoreError;
use crate::model::StoredEvent;
use aho_corasick::AhoCorasick;

/// Something to look for.
#[derive(Debug, Clone)]
pub struct TextSearch {
    /// As it is and as JSON writes it.
    forms: AhoCorasick,
    /// The same as texts.
    texts: Vec<String>,
    /// Whether texts have to be lowered first. ASCII alone is compared without.
    lowers: bool,
}

impl TextSearch {
    /// Looks for a text.
    ///
    /// # Errors
    /// The text is too long to be looked for.
    pub fn new(text: &str) -> Result<Self, StoreError> {
        let lowers = !text.is_ascii();
        let plain = if lowers { text.to_lowercase() } else { text.to_owned() };
        let quoted = serde_json::Value::from(plain.as_str()).to_string();
        let mut forms = vec![plain.as_str()];
        if let Some(inner) = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'))
            && inner != plain
        {
            forms.push(inner);
        }
        let texts = forms.iter().map(|form| (*form).to_owned()).collect();
        let forms = AhoCorasick::builder().ascii_case_insensitive(true).build(forms);
        Ok(Self { forms: forms.map_err(|error| StoreError::Engine(error.to_string()))?, texts, lowers })
    }

    /// The texts of which one has to occur, in any case; `None` where other spellings would do, too.
    pub(super) fn forms(&self) -> Option<impl Iterator<Item = &str>> {
        (!self.lowers).then(|| self.texts.iter().map(String::as_str))
    }

    /// Whether an event has it.
    #[must_use]
    pub fn matches(&self, stored: &StoredEvent) -> bool {
        let event = &stored.event;
        [Some(&stored.raw), Some(&event.name), event.connection_id.as_ref(), event.connection_name.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| self.is_in(text))
    }

    /// Whether a text has it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if self.lowers { self.forms.is_match(&text.to_lowercase()) } else { self.forms.is_match(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_escapes_and_what_has_two_cases_is_found() {
        let raw = r#"{"message":"role \"hxwraqld\" in C:\\dir\ntwo Größe","tab":"\t"}"#;
        for text in [
            "role \"hxwraqld\"",
            "ROLE \"HX",
            r"c:\DIR",
            "dir\ntwo",
            r#"role \"hxw"#,
            "GRÖSSE".to_lowercase().replace("ss", "ß").as_str(),
            "GRÖ",
            "größe",
            "\"tab\":\"\t",
            "\"message\":",
        ] {
            let found = TextSearch::new(text).unwrap().is_in(raw);
            assert_eq!(found, text != "\"tab\":\"\t", "{text:?}");
        }
        for text in ["hxwraqld in", "dir two", "grosse"] {
            assert!(!TextSearch::new(text).unwrap().is_in(raw), "{text:?}");
        }
    }
}
