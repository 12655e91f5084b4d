//! Writing envelopes as text, so that numbers and key order of the imported data stay exactly as they were.

use serde::de::IgnoredAny;
use std::borrow::Cow;

/// An object under construction; members without a value are left out.
pub struct Envelope(String);

impl Envelope {
    /// An object without members yet.
    pub fn empty() -> Self {
        Self("{".to_owned())
    }

    /// An envelope with its event's name.
    pub fn new(event: Option<&str>) -> Self {
        let mut envelope = Self::empty();
        envelope.text("event", event);
        envelope
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// A string member.
    pub fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            self.0.push_str(&quoted(value));
        }
    }

    /// A member whose value is JSON already.
    pub fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    /// The finished text.
    pub fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a text is one JSON value, not nested beyond what the pipeline takes.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A column's text as JSON: taken over byte for byte when it is JSON, decoded up to twice when it is JSON within a JSON string, kept
/// as a string when it is none. Always on one line.
pub fn embed(text: &str) -> String {
    let mut current = Cow::Borrowed(text.trim());
    for _ in 0..2 {
        let inner: Option<String> = if current.starts_with('"') { serde_json::from_str(&current).ok() } else { None };
        match inner {
            Some(inner)
                if matches!(inner.trim().as_bytes().first(), Some(b'{' | b'[' | b'"')) && is_json(inner.trim()) =>
            {
                current = Cow::Owned(inner.trim().to_owned());
            }
            _ => break,
        }
    }
    if !is_json(&current) {
        return quoted(&current);
    }
    // A newline can only stand between tokens here: within strings JSON forbids it.
    if current.contains(['\n', '\r']) { current.replace(['\n', '\r'], " ") } else { current.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::embed;

    #[test]
    fn data_is_decoded_up_to_twice_and_otherwise_left_alone() {
        for (column, expected) in [
            (r#"{"count":11624686068, "x":1.0}"#, r#"{"count":11624686068, "x":1.0}"#),
            (r#""{\"status\":\"SUCCESSFUL\"}""#, r#"{"status":"SUCCESSFUL"}"#),
            (r#""\"{\\\"a\\\":1}\"""#, r#"{"a":1}"#),
            ("says actor but not a json", r#""says actor but not a json""#),
            (r#"{"cut": "of"#, r#""{\"cut\": \"of""#),
            (r#""just words""#, r#""just words""#),
            ("{\n \"a\": 1\n}", r#"{  "a": 1 }"#),
            ("null", "null"),
        ] {
            assert_eq!(embed(column), expected, "{column}");
        }
    }
}
