//! A whole JSON value, with the laxities of ordinary parsers removed. Numbers that overflow a double are refused, since every
//! reader of ours would turn them into infinity.

use super::quick;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The member name under which the parser hands over a number's text.
const NUMBER: &str = "$serde_json::private::Number";

/// Parses a text.
///
/// # Errors
/// Broken JSON, more than 127 levels, two members of one name, lone surrogates, text behind the value.
pub fn value(text: &str) -> Result<Value, serde_json::Error> {
    quick::value(text).map_or_else(|| value_by_parser(text), Ok)
}

/// The same, whatever the text.
pub(super) fn value_by_parser(text: &str) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(Self)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == NUMBER && members.is_empty() {
                let text: String = map.next_value()?;
                let number: Number = text.parse().map_err(|_| A::Error::custom("nested text is no number"))?;
                if text.parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Err(A::Error::custom("nested number is beyond what any reader can hold"));
                }
                return Ok(Value::Number(number));
            }
            let value = map.next_value_seed(Self)?;
            if members.contains_key(&name) {
                // The name is a key, not a value, but it came from outside: keep it short and printable.
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(A::Error::custom(format!("member `{shown}` occurs twice in one object")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn numbers_keep_their_text() {
        for text in ["[1,2.50,1e+300,-0,18446744073709551616,0.1000000000000000055511151231257827]", "9007199254740993"]
        {
            assert_eq!(value(text).map(|v| v.to_string()).ok().as_deref(), Some(text));
        }
    }

    #[test]
    fn laxities_are_refused() {
        let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#""\ud800""#,
            "1e400",
            "[-1e999]",
            deep.as_str(),
            "{} x",
            "",
            "{\"a\":}",
            r#"{"$serde_json::private::Number":"x"}"#,
        ] {
            assert!(value(text).is_err(), "{text}");
        }
        let fine = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(value(&fine).is_ok());
        assert!(value(r#"{"a":"\u0000","b":null}"#).is_ok());
    }
}
