//! JSON put together from parts, some of which are JSON already.
//!
//! In: members and texts. Out: bytes. Texts that the fold wrote are copied as they are: a timeline of ten thousand stages is not read
//! again to be sent.

use serde::Serialize;

/// An object, member by member.
pub(super) struct Object {
    bytes: Vec<u8>,
    empty: bool,
}

impl Object {
    pub fn new() -> Self {
        Self { bytes: vec![b'{'], empty: true }
    }

    fn key(&mut self, name: &str) {
        if !self.empty {
            self.bytes.push(b',');
        }
        self.empty = false;
        self.value(name);
        self.bytes.push(b':');
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.bytes, value).expect("views have text keys only, and memory takes them");
    }

    /// A member whose value has to be written.
    pub fn member(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.key(name);
        self.value(value);
        self
    }

    /// A list of values that are written already.
    pub fn texts<'t>(mut self, name: &str, texts: impl IntoIterator<Item = &'t str>) -> Self {
        self.key(name);
        self.bytes.push(b'[');
        for (at, text) in texts.into_iter().enumerate() {
            if at > 0 {
                self.bytes.push(b',');
            }
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.bytes.push(b']');
        self
    }

    /// The members of an object that is written already, behind those that are here.
    pub fn members_of(mut self, object: &str) -> Self {
        let inner = object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        if !inner.trim().is_empty() {
            if !self.empty {
                self.bytes.push(b',');
            }
            self.empty = false;
            self.bytes.extend_from_slice(inner.as_bytes());
        }
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.push(b'}');
        self.bytes
    }

    /// An object that writes itself.
    pub fn written(value: &impl Serialize) -> Vec<u8> {
        let mut object = Self { bytes: Vec::with_capacity(1024), empty: true };
        object.value(value);
        object.bytes
    }

    /// The same as text.
    pub fn text(self) -> String {
        String::from_utf8(self.end()).expect("names, JSON and texts are UTF-8")
    }
}

/// A page of a list whose items are written already.
pub(super) fn page<'t>(items: impl IntoIterator<Item = &'t str>, next_cursor: Option<&str>) -> Vec<u8> {
    Object::new().texts("data", items).member("next_cursor", &next_cursor).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_one_object() {
        let object =
            Object::new().member("a\"", &1).texts("b", ["{}", "[1]"]).members_of("{\"c\":{}}").members_of("{ }");
        assert_eq!(object.text(), r#"{"a\"":1,"b":[{},[1]],"c":{}}"#);
        assert_eq!(Object::new().members_of(r#"{"x":1}"#).member("y", "z").text(), r#"{"x":1,"y":"z"}"#);
        assert_eq!(Object::new().text(), "{}");
        assert_eq!(page(["1", "2"], Some("n")), br#"{"data":[1,2],"next_cursor":"n"}"#);
        assert_eq!(page([], None), br#"{"data":[],"next_cursor":null}"#);
    }
}
