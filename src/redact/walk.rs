//! Walks JSON text and replaces secret values in place; everything else stays as it came, byte for byte.

use super::{Masks, is_mask, keys};
use crate::json;
use std::borrow::Cow;

/// Strings that hold JSON are opened so many times.
const NESTED_MAX: usize = 6;

/// What the names above a value say about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Open,
    /// Below a member that speaks of a secret: every text and number is one.
    Secret,
    /// Below `columns` or the like: names are the customer's and say nothing.
    CustomersNames,
}

/// The text of one JSON value, redacted. Text that is no JSON is treated as plain text.
pub(super) fn json<'t>(text: &'t str, masks: &mut Masks<'_>) -> Cow<'t, str> {
    value(text, Context::Open, 0, masks)
}

/// A plain text, which may begin with JSON or hold nothing but JSON.
pub(super) fn text<'t>(text: &'t str, masks: &mut Masks<'_>) -> Cow<'t, str> {
    plain(text, 0, masks)
}

fn value<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => object(text, context, nested, masks),
        Some(b'[') => array(text, context, nested, masks),
        Some(b'"') => string(text, context, nested, masks),
        Some(b'-' | b'0'..=b'9') if context == Context::Secret => {
            Cow::Owned(serde_json::Value::from(masks.mask_number(text)).to_string())
        }
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Cow::Borrowed(text),
        _ => masks.shapes().apply(text, masks),
    }
}

fn object<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Ok(members) = json::members(text) else { return masks.shapes().apply(text, masks) };
    let children = members.iter().map(|(name, raw)| {
        let below = match context {
            Context::Secret => Context::Secret,
            Context::CustomersNames => Context::Open,
            Context::Open if keys::is_secret(name) => Context::Secret,
            Context::Open if keys::names_are_the_customers(name) => Context::CustomersNames,
            Context::Open => Context::Open,
        };
        (raw.get(), below)
    });
    splice(text, children, nested, masks)
}

fn array<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Ok(elements) = json::elements(text) else { return masks.shapes().apply(text, masks) };
    splice(text, elements.into_iter().map(|raw| (raw.get(), context)), nested, masks)
}

/// Copies `text` with each child, a slice of it, replaced by its redacted form.
fn splice<'t>(
    text: &'t str,
    children: impl Iterator<Item = (&'t str, Context)>,
    nested: usize,
    masks: &mut Masks<'_>,
) -> Cow<'t, str> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    for (child, context) in children {
        let Cow::Owned(replacement) = value(child, context, nested, masks) else { continue };
        let start = child.as_ptr() as usize - text.as_ptr() as usize;
        let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 64));
        out.push_str(&text[copied..start]);
        out.push_str(&replacement);
        copied = start + child.len();
    }
    match out {
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
        None => Cow::Borrowed(text),
    }
}

fn string<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Some(content) = json::string(text) else { return masks.shapes().apply(text, masks) };
    if content.is_empty() || is_mask(&content) {
        return Cow::Borrowed(text);
    }
    if context == Context::Secret {
        return Cow::Owned(serde_json::Value::from(masks.mask(&content)).to_string());
    }
    match plain(&content, nested, masks) {
        Cow::Owned(clean) => Cow::Owned(serde_json::Value::from(clean).to_string()),
        Cow::Borrowed(_) => Cow::Borrowed(text),
    }
}

/// The content of a string: JSON first where it begins like JSON, then the shapes in what remains.
fn plain<'t>(content: &'t str, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    if nested < NESTED_MAX && content.trim_start().starts_with(['{', '[', '"']) {
        let mut rest = content;
        let mut out: Option<String> = None;
        let mut copied = 0;
        while rest.trim_start().starts_with(['{', '[', '"']) {
            let Ok((first, tail)) = json::first_value(rest) else { break };
            let start = first.as_ptr() as usize - content.as_ptr() as usize;
            if let Cow::Owned(clean) = value(first, Context::Open, nested + 1, masks) {
                let out = out.get_or_insert_with(String::new);
                out.push_str(&content[copied..start]);
                out.push_str(&clean);
                copied = start + first.len();
            }
            rest = tail;
        }
        let tail_start = content.len() - rest.len();
        let tail = masks.shapes().apply(rest, masks);
        if out.is_none() && matches!(tail, Cow::Borrowed(_)) {
            return Cow::Borrowed(content);
        }
        let mut out = out.unwrap_or_default();
        out.push_str(&content[copied..tail_start]);
        out.push_str(&tail);
        return Cow::Owned(out);
    }
    masks.shapes().apply(content, masks)
}
