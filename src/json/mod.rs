//! Reading JSON that comes from outside, within bounds.
//!
//! In: text. Out: an object's members as borrowed slices, or a whole value. Refused, with words that never quote the content:
//! nesting of more than 127 levels, two members of one name, lone surrogates. Numbers keep their text (the
//! `arbitrary_precision` feature), so nothing is rounded on its way through.

mod changes;
mod members;
mod quick;
mod strict;

pub use changes::{Depth, changes, cut, path_text};
pub use members::{Members, elements, first_value, member, members, string};
pub use quick::plain_len;
pub use strict::value;

/// What kind of JSON value a text holds, in words for a reason. The text must begin with the value.
#[must_use]
pub fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(_) => "text",
        None => "nothing",
    }
}

/// Why a text is not the JSON that was expected: the parser's words and place, never the content.
#[must_use]
pub fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // serde quotes offending values in its type errors (`invalid type: string "hunter2", expected …`).
    if error.is_data() && !text.starts_with("member `") && !text.starts_with("nested") {
        return format!("unexpected value at line {} column {}", error.line(), error.column());
    }
    text
}
