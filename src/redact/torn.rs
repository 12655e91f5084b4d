//! Finds secrets by name in JSON that does not parse: cut off at either end, with a comma too many, in single quotes, among words, packed
//! into strings.
//!
//! In: any text. Out: where in it the secrets are, by the name of a member above them or the label beside them. On JSON that parses this
//! finds what `walk` finds; on anything else it takes every text and number below a name that speaks of a secret, up to the bracket that
//! closes or to the end of the text. It exists because a walker that needs whole JSON sees nothing in a text with one comma too many.
//!
//! One pass from left to right. Strings are read again without their escapes, to a bounded depth, so that JSON in strings is seen, too; the
//! rest of a string whose beginning is cut off is told by the escapes in it.

mod strings;

use super::{
    escaped::Unescaped,
    keys, mask_len,
    walk::{Context, below},
};
use std::{borrow::Cow, ops::Range};

/// Strings in strings are read so many times.
const NESTED_MAX: usize = 8;

/// Brackets in brackets are told apart so deep. Below that all belongs to the last one.
const DEPTH_MAX: usize = 256;

/// Words that are values and no secrets.
const CONSTANTS: &[&str] =
    &["null", "true", "false", "None", "True", "False", "NULL", "nil", "undefined", "NaN", "Infinity", "-Infinity"];

/// Adds where in a text the secrets are.
pub(super) fn spans(text: &str, spans: &mut Vec<Range<usize>>) {
    if text.contains(['{', '[', '"', '\'']) {
        spans.append(&mut Scan::new(text, Context::Open, 0).run());
    }
}

/// What stands between two marks.
#[derive(Clone)]
struct Token {
    at: Range<usize>,
    /// Whether in quotes.
    quoted: bool,
}

/// What kind of value a piece of the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    /// Words without quotes.
    Words,
}

/// A bracket that is open.
struct Frame {
    /// The bracket; 0 for the text itself.
    opened: u8,
    context: Context,
    /// The name whose value comes next.
    name: Option<Token>,
    /// What the labels in it say of the values in it.
    label: Context,
    /// The values that a label would speak of, as places in `scalars`.
    values: Vec<Range<usize>>,
    /// Where such a value began that is not at its end.
    value_from: Option<usize>,
}

impl Frame {
    const fn new(opened: u8, context: Context) -> Self {
        Self { opened, context, name: None, label: Context::Open, values: Vec::new(), value_from: None }
    }
}

struct Scan<'t> {
    text: &'t str,
    nested: usize,
    /// Never empty: the first is the text itself.
    frames: Vec<Frame>,
    /// Brackets that are open beyond `DEPTH_MAX`.
    beyond: usize,
    /// The last token: a name if a colon comes next, otherwise a value.
    last: Option<Token>,
    /// Where words without quotes began.
    words: Option<usize>,
    /// No single quote behind this place ends a string.
    unclosed_from: usize,
    /// Frames with a `value_from`.
    values_open: usize,
    /// What a label may make a secret.
    scalars: Vec<(Range<usize>, Kind)>,
    /// What labels have made secrets, as places in `scalars`.
    labelled: Vec<(Range<usize>, Context)>,
    spans: Vec<Range<usize>>,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str, context: Context, nested: usize) -> Self {
        Self {
            text,
            nested,
            frames: vec![Frame::new(0, context)],
            beyond: 0,
            last: None,
            words: None,
            unclosed_from: text.len(),
            values_open: 0,
            scalars: Vec::new(),
            labelled: Vec::new(),
            spans: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Range<usize>> {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at = match byte {
                b'{' | b'[' => match mask_len(&self.text[at..]) {
                    Some(len) => self.word(at, len),
                    None => self.open(at, *byte),
                },
                b'}' | b']' => self.close(at, *byte),
                b',' => {
                    self.end_of_value(at);
                    self.top().name = None;
                    at + 1
                }
                b':' => self.separator(at),
                b'=' if !self.context().is_secret() => self.separator(at),
                b'"' => self.double_quote(at),
                b'\'' => self.single_quote(at),
                b'\\' => self.slashes(at),
                b'/' => self.slash(at),
                byte if byte.is_ascii_whitespace() => at + 1,
                _ => self.word(at, 1),
            };
        }
        self.end_of_value(bytes.len());
        while let Some(frame) = self.frames.pop() {
            self.end_of_object(frame);
        }
        self.promote();
        self.spans
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the text itself is never closed")
    }

    fn context(&self) -> Context {
        self.frames.last().map_or(Context::Open, |frame| frame.context)
    }

    /// So many bytes of words.
    fn word(&mut self, at: usize, len: usize) -> usize {
        self.words.get_or_insert(at);
        at + len
    }

    /// Words end here, if there are any.
    fn end_of_words(&mut self, end: usize) {
        if let Some(start) = self.words.take() {
            let end = start + self.text[start..end].trim_end().len();
            self.token(Token { at: start..end, quoted: false });
        }
    }

    fn token(&mut self, token: Token) {
        if let Some(before) = self.last.replace(token) {
            self.scalar(&before);
        }
    }

    /// What came last was no name.
    fn end_of_value(&mut self, at: usize) {
        self.end_of_words(at);
        if let Some(token) = self.last.take() {
            self.scalar(&token);
        }
    }

    /// `:`, `=` or `=>`: what came last was a name.
    fn separator(&mut self, at: usize) -> usize {
        self.end_of_words(at);
        if let Some(name) = self.last.take() {
            if self.text[name.at.clone()].contains(['{', '[']) {
                // No name holds brackets: quotes were taken for what they are not.
                self.scalar(&name);
            } else {
                // A name behind a name was the value of that one.
                if self.top().name.is_some() {
                    self.scalar(&name);
                }
                self.top().name = Some(name);
            }
        }
        at + if self.text[at..].starts_with("=>") { 2 } else { 1 }
    }

    fn open(&mut self, at: usize, bracket: u8) -> usize {
        self.end_of_words(at);
        // `"credentials" {`: only the colon is missing.
        if self.last.as_ref().is_some_and(|last| last.quoted) && self.top().name.is_none() {
            self.top().name = self.last.take();
        }
        self.end_of_value(at);
        let name = self.top().name.take();
        let context = self.below(name.as_ref(), true, || false);
        if self.frames.len() == DEPTH_MAX {
            // What may be below a secret's name is.
            self.beyond += 1;
            if context.is_secret() {
                self.top().context = context;
            }
            return at + 1;
        }
        let from = self.scalars.len();
        if self.is_value(name.as_ref()) && self.top().value_from.replace(from).is_none() {
            self.values_open += 1;
        }
        self.frames.push(Frame::new(bracket, context));
        at + 1
    }

    fn close(&mut self, at: usize, bracket: u8) -> usize {
        self.end_of_value(at);
        if self.beyond > 0 {
            self.beyond -= 1;
            return at + 1;
        }
        let opened = if bracket == b'}' { b'{' } else { b'[' };
        match self.frames.iter().rposition(|frame| frame.opened == opened) {
            // A bracket that is not the secret's own does not close it.
            Some(place) if self.frames[place + 1..].iter().any(|frame| frame.context.is_secret()) => {}
            Some(place) => {
                while self.frames.len() > place {
                    let Some(frame) = self.frames.pop() else { break };
                    self.end_of_object(frame);
                }
                let to = self.scalars.len();
                let frame = self.top();
                if let Some(from) = frame.value_from.take() {
                    frame.values.push(from..to);
                    self.values_open -= 1;
                }
            }
            // The end of an object whose beginning is cut off, unless others are open.
            None if self.frames.len() == 1 => {
                let context = self.context();
                let whole = std::mem::replace(self.top(), Frame::new(0, context));
                self.end_of_object(whole);
            }
            None => {}
        }
        at + 1
    }

    fn end_of_object(&mut self, mut frame: Frame) {
        if let Some(from) = frame.value_from {
            frame.values.push(from..self.scalars.len());
            self.values_open -= 1;
        }
        if frame.context == Context::Open && frame.label != Context::Open {
            self.labelled.extend(frame.values.into_iter().map(|values| (values, frame.label)));
        }
    }

    /// What the names above a value say about it.
    fn below(&self, name: Option<&Token>, opens: bool, looks_random: impl FnOnce() -> bool) -> Context {
        match name {
            Some(name) => below(&self.name(name), opens, self.context(), looks_random),
            None => self.context(),
        }
    }

    fn is_value(&self, name: Option<&Token>) -> bool {
        name.is_some_and(|name| keys::is_value(&self.name(name)))
    }

    /// A name without its escapes; of words without quotes the last one.
    fn name(&self, token: &Token) -> Cow<'t, str> {
        let text = &self.text[token.at.clone()];
        if token.quoted {
            return Unescaped::new(text).text;
        }
        let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        Cow::Borrowed(text.rsplit(|c| !is_of_name(c)).next().unwrap_or(text))
    }

    /// A value that is no bracket.
    fn scalar(&mut self, token: &Token) {
        let name = self.top().name.take();
        let text = &self.text[token.at.clone()];
        let kind = kind(text, token.quoted);
        let inside = self.context();
        let context =
            self.below(name.as_ref(), false, || token.quoted && keys::looks_random(&Unescaped::new(text).text));
        let named_in_quotes = name.as_ref().is_some_and(|name| name.quoted);
        if let Some(name) = &name
            && (named_in_quotes || self.top().opened != 0)
            && keys::is_label(&self.name(name))
        {
            let label = Unescaped::new(text).text;
            self.top().label = self.top().label.labelled(&label);
        }
        let Some(kind) = kind else { return };
        if self.values_open > 0 || self.is_value(name.as_ref()) {
            let place = self.scalars.len();
            self.scalars.push((token.at.clone(), kind));
            if self.is_value(name.as_ref()) {
                self.top().values.push(place..place + 1);
            }
        }
        let secret = match kind {
            Kind::Text => context.is_secret(),
            Kind::Number => {
                context == Context::Secret && (inside.is_secret() || named_in_quotes || self.top().opened != 0)
            }
            // Behind a name and no bracket words are prose more often than not, which the rule for pairs tells.
            Kind::Words => inside.is_secret(),
        };
        if secret {
            self.spans.push(token.at.clone());
        } else if kind == Kind::Text {
            self.read_again(token.at.clone(), self.has_escapes(&token.at), Context::Open);
        }
    }

    /// Finds what is in a string or a comment.
    fn read_again(&mut self, at: Range<usize>, escaped: bool, context: Context) {
        let piece = &self.text[at.clone()];
        let may_hold = piece.contains(['{', '[', '"', '\'', '\\']) && piece.contains([':', '=']);
        if !(may_hold || context.is_secret()) || self.nested == NESTED_MAX {
            if context.is_secret() {
                self.spans.push(at);
            }
            return;
        }
        let piece = if escaped { Unescaped::new(piece) } else { Unescaped::plain(piece) };
        let found = Scan::new(&piece.text, context, self.nested + 1).run();
        let outside = |place: usize| at.start + piece.source(place);
        self.spans.extend(found.into_iter().map(|span| outside(span.start)..outside(span.end)));
    }

    /// What stands beside the label of a secret is one. A value may stand beside several labels, at several depths: it is taken once.
    fn promote(&mut self) {
        if self.labelled.is_empty() {
            return;
        }
        let mut texts = vec![0_isize; self.scalars.len() + 1];
        let mut numbers = texts.clone();
        for (values, context) in self.labelled.drain(..) {
            texts[values.start] += 1;
            texts[values.end] -= 1;
            if context == Context::Secret {
                numbers[values.start] += 1;
                numbers[values.end] -= 1;
            }
        }
        let (mut text, mut number) = (0, 0);
        for (place, (span, kind)) in self.scalars.drain(..).enumerate() {
            text += texts[place];
            number += numbers[place];
            if if kind == Kind::Number { number > 0 } else { text > 0 } {
                self.spans.push(span);
            }
        }
    }
}

/// `None`: a constant, which is no secret.
fn kind(text: &str, quoted: bool) -> Option<Kind> {
    if quoted {
        return Some(Kind::Text);
    }
    if CONSTANTS.contains(&text) {
        return None;
    }
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    Some(if is_number { Kind::Number } else { Kind::Words })
}

#[cfg(test)]
mod tests;
