//! Walks JSON text and replaces secret values in place; everything else stays as it came, byte for byte.

use super::{
    Masks, Rules, is_mask,
    keys::{self, Secrecy},
};
use crate::json;
use std::borrow::Cow;

/// Strings that hold JSON are opened so many times.
const NESTED_MAX: usize = 6;

/// A member's name shorter than this has room for no secret of a known shape.
const SHAPED_MIN: usize = 10;

const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// A label longer than this is prose.
const LABEL_MAX: usize = 64;

/// What the names above a value say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Open,
    /// Below a member that speaks of a secret: every text and number is one.
    Secret,
    /// Below a member that speaks of secrets or of their count: every text is one, a number is not.
    SecretTexts,
    /// Below `columns` or the like: names are the customer's and say nothing.
    CustomersNames,
}

impl Context {
    /// What is known of an object's values once one of its labels is read, too.
    pub(super) fn labelled(self, label: &str) -> Self {
        let secrecy = if label.len() <= LABEL_MAX { keys::secrecy(label) } else { Secrecy::Open };
        match secrecy {
            Secrecy::All => Self::Secret,
            Secrecy::Texts if self == Self::Open => Self::SecretTexts,
            _ => self,
        }
    }

    /// Whether texts are secrets here.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretTexts)
    }
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
    let labelled = if context == Context::Open { labelled(&members) } else { Context::Open };
    let names_too = masks.rules.calls_for_shapes();
    let mut splice = Splice::new(text);
    for (name, raw) in &members {
        // By name a name has a secret only where a whole pair is the name: `"password=hunter2": …`.
        let is_pair = name.contains('=');
        if is_pair || (names_too && name.len() >= SHAPED_MIN) {
            let start = splice.offset(raw);
            let rules = masks.rules;
            masks.rules = if is_pair { rules } else { rules.without(Rules::NAMES) };
            if let Cow::Owned(clean) = masks.shapes().apply(name, masks) {
                splice.name(start, &clean);
            }
            masks.rules = rules;
        }
        let below = match context {
            Context::Open if labelled != Context::Open && keys::is_value(name) => labelled,
            _ => below(name, raw.starts_with(['{', '[']), context, || {
                json::string(raw).is_some_and(|text| keys::looks_random(&text))
            }),
        };
        let clean = masks.below(name.as_bytes(), |masks| value(raw, below, nested, masks));
        splice.child(raw, clean);
    }
    splice.finish()
}

/// What a member's name says about its value, which may open a bracket or be a text that looks random.
pub(super) fn below(name: &str, opens: bool, context: Context, looks_random: impl FnOnce() -> bool) -> Context {
    if context == Context::Secret {
        return Context::Secret;
    }
    if context == Context::CustomersNames {
        return Context::Open;
    }
    match keys::secrecy(name) {
        Secrecy::All => Context::Secret,
        _ if context == Context::SecretTexts => Context::SecretTexts,
        Secrecy::Texts if opens && keys::is_an_account(name) => Context::Secret,
        Secrecy::Texts => Context::SecretTexts,
        Secrecy::IfRandom if looks_random() => Context::SecretTexts,
        Secrecy::IfRandom | Secrecy::Open if keys::names_are_the_customers(name) => Context::CustomersNames,
        Secrecy::IfRandom | Secrecy::Open => Context::Open,
    }
}

/// What `{"field":"password", …}` says about the `old` and `new` beside it.
fn labelled(members: &json::Members<'_>) -> Context {
    let labels = members.iter().filter(|(name, raw)| raw.starts_with('"') && keys::is_label(name));
    labels.filter_map(|(_, raw)| json::string(raw)).fold(Context::Open, |found, label| found.labelled(&label))
}

fn array<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Ok(elements) = json::elements(text) else { return masks.shapes().apply(text, masks) };
    let mut splice = Splice::new(text);
    let mut in_key = false;
    for (at, raw) in elements.into_iter().enumerate() {
        let raw = raw.get();
        in_key &= !raw.contains(PEM_END);
        let context = if in_key { Context::Secret } else { context };
        let clean = masks.below(&at.to_le_bytes(), |masks| value(raw, context, nested, masks));
        splice.child(raw, clean);
        in_key |= masks.rules.calls_for(Rules::PEM) && begins_a_key(raw);
    }
    splice.finish()
}

/// Whether a private key as a list of lines begins with this one.
fn begins_a_key(line: &str) -> bool {
    line.rfind(PEM_BEGIN).is_some_and(|at| line[at..].contains("PRIVATE KEY") && !line[at..].contains(PEM_END))
}

/// A copy of a text in which some slices of it are replaced; no copy is made before the first.
struct Splice<'t> {
    text: &'t str,
    out: Option<String>,
    /// So much of `text` is in `out`.
    copied: usize,
    /// Where the last child ended.
    seen: usize,
}

impl<'t> Splice<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, out: None, copied: 0, seen: 0 }
    }

    /// Where a slice of the text begins.
    fn offset(&self, slice: &str) -> usize {
        slice.as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// Replaces the name of the member whose value begins at `value`.
    fn name(&mut self, value: usize, clean: &str) {
        // Between two values stand a comma, white space, a colon and the name in its quotes.
        let between = &self.text[self.seen..value];
        if let (Some(start), Some(end)) = (between.find('"'), between.rfind('"')) {
            self.replace(self.seen + start, self.seen + end + 1, &serde_json::Value::from(clean).to_string());
        }
    }

    /// The next child, as it is to be.
    fn child(&mut self, raw: &str, clean: Cow<'_, str>) {
        let start = self.offset(raw);
        if let Cow::Owned(clean) = clean {
            self.replace(start, start + raw.len(), &clean);
        }
        self.seen = start + raw.len();
    }

    fn replace(&mut self, start: usize, end: usize, clean: &str) {
        let out = self.out.get_or_insert_with(|| String::with_capacity(self.text.len() + 64));
        out.push_str(&self.text[self.copied..start]);
        out.push_str(clean);
        self.copied = end;
    }

    fn finish(self) -> Cow<'t, str> {
        match self.out {
            Some(mut out) => {
                out.push_str(&self.text[self.copied..]);
                Cow::Owned(out)
            }
            None => Cow::Borrowed(self.text),
        }
    }
}

fn string<'t>(text: &'t str, context: Context, nested: usize, masks: &mut Masks<'_>) -> Cow<'t, str> {
    let Some(content) = json::string(text) else { return masks.shapes().apply(text, masks) };
    if content.is_empty() || is_mask(&content) {
        return Cow::Borrowed(text);
    }
    if context.is_secret() {
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
            // The name of a member whose object began elsewhere says something about what follows.
            if tail.trim_start().starts_with(':') {
                break;
            }
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
