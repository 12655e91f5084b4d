//! What differs between two objects, leaf by leaf.
//!
//! In: an object before and one after, either of which may be missing. Out: a call for each difference, with its path. Never refused;
//! a caller that has enough says so. Every node is compared once, so that the cost is that of reading both sides.

use serde_json::{Map, Value};
use std::ops::ControlFlow;

/// How far differences are taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Objects nested deeper than this are compared as values; 0 takes only the outermost members apart.
    pub levels_max: usize,
    /// Whether an empty object instead of nothing is a difference.
    pub empty_counts: bool,
}

/// Takes the path and both values of a difference.
pub type Found<'v, 'f> = &'f mut dyn FnMut(&[&'v str], &'v Value, &'v Value) -> ControlFlow<()>;

/// Calls `found` with the path and both values of every difference; what one side lacks is null there. In the order of the new side's
/// names, then of those that it lacks.
pub fn changes<'v>(
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
    depth: Depth,
    found: Found<'v, '_>,
) {
    // Breaking off is the caller's wish, not an error.
    let _ = walk(&mut Vec::new(), old, new, depth, found);
}

fn walk<'v>(
    path: &mut Vec<&'v str>,
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
    depth: Depth,
    found: Found<'v, '_>,
) -> ControlFlow<()> {
    const NULL: &Value = &Value::Null;
    let before = |name: &str| old.and_then(|old| old.get(name)).unwrap_or(NULL);
    let kept = new.into_iter().flatten().map(|(name, new)| (name, before(name), new));
    let lost = |name: &String| !new.is_some_and(|new| new.contains_key(name));
    let removed = old.into_iter().flatten().filter(|(name, _)| lost(name)).map(|(name, old)| (name, old, NULL));
    for (name, old, new) in kept.chain(removed) {
        path.push(name);
        one(path, old, new, depth, found)?;
        path.pop();
    }
    ControlFlow::Continue(())
}

fn one<'v>(
    path: &mut Vec<&'v str>,
    old: &'v Value,
    new: &'v Value,
    depth: Depth,
    found: Found<'v, '_>,
) -> ControlFlow<()> {
    let deep = path.len() > depth.levels_max;
    match (old, new) {
        (Value::Null, Value::Null) => ControlFlow::Continue(()),
        (Value::Object(only), Value::Null) | (Value::Null, Value::Object(only))
            if only.is_empty() && depth.empty_counts =>
        {
            found(path, old, new)
        }
        (Value::Object(_) | Value::Null, Value::Object(_) | Value::Null) if !deep => {
            walk(path, old.as_object(), new.as_object(), depth, found)
        }
        _ if old == new => ControlFlow::Continue(()),
        _ => found(path, old, new),
    }
}

/// A path as text: dots between plain names, `['…']` around others as in the normalized paths of RFC 9535 (section 2.7). What is
/// longer than so many characters is cut, at a cost that does not grow with what is cut off.
#[must_use]
pub fn path_text(path: &[&str], chars_max: usize) -> String {
    let mut out = String::new();
    for name in path {
        let name = cut(name, chars_max);
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
        } else {
            out.push_str("['");
            name.chars().for_each(|c| escape(c, &mut out));
            out.push_str("']");
        }
        // A character has at most four bytes.
        if out.len() > chars_max.saturating_mul(4) {
            break;
        }
    }
    let len = cut(&out, chars_max).len();
    out.truncate(len);
    out
}

/// The first characters of a text.
#[must_use]
pub fn cut(text: &str, chars: usize) -> &str {
    if text.len() <= chars {
        return text;
    }
    text.char_indices().nth(chars).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

fn escape(c: char, out: &mut String) {
    match c {
        '\'' => out.push_str("\\'"),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALL: Depth = Depth { levels_max: usize::MAX, empty_counts: true };

    fn check(old: Value, new: Value, depth: Depth, expected: &[&str]) {
        let mut listed = Vec::new();
        changes(old.as_object(), new.as_object(), depth, &mut |path, old, new| {
            listed.push(format!("{} {old} {new}", path_text(path, 1_000)));
            ControlFlow::Continue(())
        });
        assert_eq!(listed, expected);
    }

    #[test]
    fn objects_are_compared_member_by_member() {
        check(json!({"a": 1, "b": 2}), json!({"b": 3, "c": 4}), ALL, &["b 2 3", "c null 4", "a 1 null"]);
        check(json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1, "y": 3}}), ALL, &["a.y 2 3"]);
        check(json!({"a": {"x": 1}}), json!({"a": null}), ALL, &["a.x 1 null"]);
        check(json!({"a": {"x": 1}}), json!({"a": 5}), ALL, &[r#"a {"x":1} 5"#]);
        check(json!({"a": [1]}), json!({"a": [1, 2]}), ALL, &["a [1] [1,2]"]);
        check(json!({"a": null}), json!({"b": null}), ALL, &[]);
        check(json!({"a": {}}), json!({"a": {}}), ALL, &[]);
        check(Value::Null, json!({"a": 1}), ALL, &["a null 1"]);
    }

    #[test]
    fn an_empty_object_counts_where_asked() {
        check(json!({"a": {}}), json!({}), ALL, &["a {} null"]);
        check(json!({"a": {}}), json!({}), Depth { empty_counts: false, ..ALL }, &[]);
    }

    #[test]
    fn below_the_depth_values_are_whole() {
        let depth = Depth { levels_max: 1, empty_counts: false };
        check(json!({}), json!({"a": {"b": {"c": 1}}}), depth, &[r#"a.b null {"c":1}"#]);
        check(json!({}), json!({"a": {"b": 1}}), Depth { levels_max: 0, ..depth }, &[r#"a null {"b":1}"#]);
    }

    #[test]
    fn names_that_are_not_plain_are_quoted() {
        let path = |names: &[&str]| path_text(names, 1_000);
        assert_eq!(path(&["tables", "schema.Table", "blocked"]), "tables['schema.Table'].blocked");
        assert_eq!(path(&["", "a"]), "[''].a");
        assert_eq!(path(&["1a", "it's \\ \u{7} \u{8}\t\n\u{c}\ré"]), r"['1a']['it\'s \\ \u0007 \b\t\n\f\ré']");
    }

    #[test]
    fn long_paths_are_cut_at_a_character() {
        assert_eq!(path_text(&["abc", "def"], 5), "abc.d");
        assert_eq!(path_text(&["éé", "x"], 3), "['é");
        assert_eq!(path_text(&["a", &"é".repeat(1 << 20), "b"], 100).chars().count(), 100);
        assert_eq!(path_text(&["a"; 1_000], 7), "a.a.a.a");
    }

    #[test]
    fn a_caller_may_break_off() {
        let (old, new) = (json!({}), json!({"a": {"b": 1, "c": 2}, "d": 3}));
        let mut count = 0;
        changes(old.as_object(), new.as_object(), ALL, &mut |_, _, _| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!(count, 1);
    }
}
