//! Rules for what no event could be made of: pieces of texts whose beginning went elsewhere, as happens when a protocol cuts a text
//! into lines, and tables whose names stand only in their first line.

use super::{Masks, Redactor, Rules, is_mask, keys};
use crate::json;
use std::borrow::Cow;

/// A line of base64 of at least so many bytes may be part of a key. PEM breaks its lines at 64.
const KEY_LINE_BYTES: usize = 40;

/// A first line longer than this is no header of a table.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// A column's name is no longer than this.
const COLUMN_BYTES_MAX: usize = 64;

impl Redactor {
    /// A text, already redacted by the other rules, without what only its place gives away.
    pub(super) fn fragments(&self, text: &str) -> String {
        let mut masks = Masks::new(self, Rules::NONE);
        if let Some(clean) = lone_string(text, &mut masks) {
            return clean;
        }
        let text = table(text, &mut masks);
        text.split_inclusive('\n').map(|line| key_line(line, &mut masks)).collect()
    }
}

/// `"hunter2",` and nothing else: the value of a member whose name stood on the line before.
fn lone_string(text: &str, masks: &mut Masks<'_>) -> Option<String> {
    let bare = text.trim_start();
    let start = text.len() - bare.len();
    let bare = bare.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']'));
    let content = json::string(bare)?;
    // A whole text packed into a string has its own names.
    if content.is_empty() || is_mask(&content) || content.trim_start().starts_with(['{', '[', '"', '<']) {
        return None;
    }
    let clean = serde_json::Value::from(masks.mask(&content)).to_string();
    Some(format!("{}{clean}{}", &text[..start], &text[start + bare.len()..]))
}

/// Lines that are nothing but base64: the body of a key.
fn key_line(line: &str, masks: &mut Masks<'_>) -> String {
    let content = line.trim_end_matches(['\r', '\n']);
    let bare = content.trim();
    let base64 = bare.len() >= KEY_LINE_BYTES
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'));
    if base64 { format!("{}{}", masks.mask(bare), &line[content.len()..]) } else { line.to_owned() }
}

/// A table with a header (`event,password`): the columns whose name speaks of a secret.
fn table<'t>(text: &'t str, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Some((header, rows)) = text.split_once('\n') else { return Cow::Borrowed(text) };
    if header.len() > HEADER_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let Some(separator) = [',', ';', '\t', '|'].into_iter().find(|separator| is_header(header, *separator)) else {
        return Cow::Borrowed(text);
    };
    let secret: Vec<bool> = cells(header, separator).map(|cell| keys::is_secret(cell.trim())).collect();
    if !secret.contains(&true) {
        return Cow::Borrowed(text);
    }
    let mut out = format!("{header}\n");
    for line in rows.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        for (index, cell) in cells(content, separator).enumerate() {
            if index > 0 {
                out.push(separator);
            }
            let bare = unquoted(cell.trim());
            if secret.get(index) != Some(&true) || bare.is_empty() || is_mask(bare) {
                out.push_str(cell);
            } else {
                out.push_str(&masks.mask(bare));
            }
        }
        out.push_str(&line[content.len()..]);
    }
    Cow::Owned(out)
}

fn is_header(line: &str, separator: char) -> bool {
    let is_name = |cell: &str| {
        let name = unquoted(cell.trim());
        name.len() <= COLUMN_BYTES_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' '))
    };
    let line = line.trim_start_matches('\u{feff}');
    line.contains(separator) && line.split(separator).all(is_name)
}

fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(cell)
}

/// The cells of a line; a separator between quotes separates nothing.
fn cells(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |c: char| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}
