//! The data of an event: a JSON value, or its text until somebody asks for the value.
//!
//! In: a value that was made while normalising, or the text of one that was checked then and stored. Out: the value, made when it
//! is first asked for, and its JSON. Most events are only shown, and what is shown needs no value.

use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

/// An event's data. Two are equal when their values are.
#[derive(Clone)]
pub struct Data {
    /// What the value is made of; `None` where the value was there first, and once it was changed.
    text: Option<Box<RawValue>>,
    value: OnceLock<Value>,
}

impl Data {
    /// Data of its text.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn of_text(text: &str) -> Result<Self, serde_json::Error> {
        let text = RawValue::from_string(text.to_owned())?;
        Ok(Self { text: Some(text), value: OnceLock::new() })
    }

    /// A text that cannot be a value after all, as with half a surrogate pair, which normalising lets nobody store, is null.
    fn value(&self) -> &Value {
        self.value.get_or_init(|| {
            let text = self.text.as_ref().map_or("null", |text| text.get());
            serde_json::from_str(text).unwrap_or_default()
        })
    }

    /// The text, where it is one line: people read answers and exports line by line.
    fn line(&self) -> Option<&RawValue> {
        self.text.as_deref().filter(|text| memchr::memchr2(b'\n', b'\r', text.get().as_bytes()).is_none())
    }
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        Self { text: None, value: value.into() }
    }
}

impl Deref for Data {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value()
    }
}

impl DerefMut for Data {
    fn deref_mut(&mut self) -> &mut Value {
        self.value();
        self.text = None;
        self.value.get_mut().expect("made just now")
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.line() {
            Some(text) => text.serialize(serializer),
            None => self.value().serialize(serializer),
        }
    }
}

/// Its JSON, in one line.
impl fmt::Display for Data {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line() {
            Some(text) => to.write_str(text.get()),
            None => fmt::Display::fmt(self.value(), to),
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.value(), to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(text: &str) -> Data {
        Data::of_text(text).unwrap()
    }

    #[test]
    fn text_and_value_are_the_same_data() {
        for text in [r#"{"b":1.50,"a":[null,"é\u0000"]}"#, "7", r#""x""#, "{\n \"b\": 1,\r\n\"a\": 2}"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(of(text), Data::from(value.clone()), "{text}");
            assert_eq!((of(text).value(), &of(text).clone()["b"]), (&value, &value["b"]));
            let json = serde_json::to_string(&of(text)).unwrap();
            assert_eq!(of(text).to_string(), json);
            assert_eq!(of(&json), of(text));
            assert!(!json.contains(['\n', '\r']), "{json}");
            assert_eq!(format!("{:?}", of(text)), format!("{value:?}"));
        }
        assert_ne!(of("1"), of("1.0"));
    }

    #[test]
    fn one_line_is_shown_as_it_came() {
        assert_eq!(of(r#"{"b": 1, "a":2.0}"#).to_string(), r#"{"b": 1, "a":2.0}"#);
        assert_eq!(of("{\"b\":\n1}").to_string(), r#"{"b":1}"#);
        assert_eq!(Data::from(json!({"b": 1})).to_string(), r#"{"b":1}"#);
    }

    #[test]
    fn what_is_changed_is_no_longer_its_text() {
        let mut data = of(r#"{"a":1}"#);
        data["b"] = json!(2);
        assert_eq!(data.to_string(), r#"{"a":1,"b":2}"#);
        assert_eq!(serde_json::to_value(&data).unwrap(), json!({"a": 1, "b": 2}));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", r#"{"a":}"#, "1 2", "\u{7}"] {
            assert!(Data::of_text(text).is_err(), "{text}");
        }
        assert_eq!(of(r#""\ud800""#).value(), &Value::Null);
    }
}
