//! One level of JSON, as slices of the text it came from.

use super::quick;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::{borrow::Cow, fmt};

/// Members of an object in order, each with the exact text of its value.
pub type Members<'t> = SmallVec<[(Cow<'t, str>, &'t str); 14]>;

struct Object<'t>(Members<'t>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Members::new();
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    members.push((name, map.next_value::<&'de RawValue>()?.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

/// A string that borrows when it holds no escapes. (`Cow` alone never borrows in serde.)
struct Text<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Walk)
    }
}

/// The members of an object.
///
/// # Errors
/// The text is no JSON object, or has something behind it.
pub fn members(text: &str) -> Result<Members<'_>, serde_json::Error> {
    let mut members = Members::new();
    match quick::members(text, &mut members) {
        Some(()) => Ok(members),
        None => members_by_parser(text),
    }
}

/// The same, whatever the text.
pub(super) fn members_by_parser(text: &str) -> Result<Members<'_>, serde_json::Error> {
    serde_json::from_str::<Object<'_>>(text).map(|object| object.0)
}

/// The elements of an array.
///
/// # Errors
/// The text is no JSON array, or has something behind it.
pub fn elements(text: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
    struct Walk;
    impl<'de> Visitor<'de> for Walk {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = seq.next_element()? {
                elements.push(element);
            }
            Ok(elements)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let elements = deserializer.deserialize_seq(Walk)?;
    deserializer.end()?;
    Ok(elements)
}

/// A string's content; `None` when the text is another kind of value.
#[must_use]
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?;
    // The common case: one string without escapes. Anything else, broken text included, is the parser's business.
    if let Some(plain) = inner.strip_suffix('"')
        && quick::plain_len(plain.as_bytes()) == plain.len()
    {
        return Some(Cow::Borrowed(plain));
    }
    serde_json::from_str::<Text<'_>>(text).ok().map(|text| text.0)
}

/// The text of the last member of a name.
#[must_use]
pub fn member<'t>(members: &Members<'t>, name: &str) -> Option<&'t str> {
    members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// The first JSON value of a text, and what stands behind it.
///
/// # Errors
/// The text does not begin with a JSON value.
pub fn first_value(text: &str) -> Result<(&str, &str), serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match values.next() {
        Some(first) => {
            let value = first?.get();
            let end = values.byte_offset();
            Ok((value, text.get(end..).unwrap_or_default()))
        }
        None => serde_json::from_str::<&RawValue>(text).map(|value| (value.get(), "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_slices_of_the_text() {
        let text = r#" {"a": 1e400, "b\u0020c" : {"d" : [1, 2]},"a":"x\n"} "#;
        let found = members(text).expect("an object");
        let flat: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_ref(), *v)).collect();
        assert_eq!(flat, [("a", "1e400"), ("b c", r#"{"d" : [1, 2]}"#), ("a", r#""x\n""#)]);
        assert_eq!(member(&found, "a"), Some(r#""x\n""#));
        assert!(matches!(found[0].0, Cow::Borrowed(_)));
        assert_eq!(string(r#""x\n""#).as_deref(), Some("x\n"));
        assert_eq!(elements("[1, {\"a\":2}]").map(|e| e.len()).ok(), Some(2));
    }

    #[test]
    fn the_first_value_may_have_a_tail() {
        assert_eq!(first_value(r#"{"a":1} {"b":2}"#).ok(), Some((r#"{"a":1}"#, r#" {"b":2}"#)));
        assert_eq!(first_value("  5").ok(), Some(("5", "")));
        assert!(first_value("hello").is_err());
        assert!(first_value("").is_err());
    }
}
