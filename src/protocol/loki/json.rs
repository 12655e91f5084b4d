//! Loki's push format in JSON, both forms: `streams[].values` and the older `streams[].entries`.
//!
//! In: the text of a push request. Out: one record per line, with its time and the level of its metadata or labels. Refused:
//! one entry or one stream where only that is wrong, else the whole. Members that nobody defined are ignored, as in Loki.

use super::labels::{self, LevelOf};
use crate::model::{Hints, Payload, Record, Timestamp, TimestampError};
use crate::protocol::framing::{self, Items, Text, Values, plain};
use crate::protocol::{DecodeError, Decoded, Limits};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Decodes a body.
///
/// # Errors
/// No push request, too many lines, or none that can be read.
pub(super) fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let text = std::str::from_utf8(&body[framing::bom_len(body)..])
        .map_err(|error| DecodeError::new(0, format!("not UTF-8: byte {} of the body", error.valid_up_to())))?;
    let mut push = Push { body, items: Items::new(limits, body.len()), overflow: None, streams_seen: false };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = deserializer.deserialize_map(&mut push).and_then(|()| deserializer.end());
    if let Some(overflow) = push.overflow {
        return Err(overflow);
    }
    match result {
        Ok(()) if push.streams_seen => push.items.readable(),
        Ok(()) => Err(DecodeError::new(0, "the object has no streams; expected {\"streams\":[…]}")),
        Err(error) => Err(DecodeError::new(0, framing::not_json(&error))),
    }
}

/// Collects the lines while the request is read, so that nothing but them is held.
struct Push<'b> {
    body: &'b [u8],
    items: Items<'b>,
    /// Why reading stopped early.
    overflow: Option<DecodeError>,
    streams_seen: bool,
}

impl<'b> Visitor<'b> for &mut Push<'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a push request")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if key == "streams" {
                self.streams_seen = true;
                map.next_value_seed(Streams(self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list of streams.
struct Streams<'p, 'b>(&'p mut Push<'b>);

impl<'b> DeserializeSeed<'b> for Streams<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'b> Visitor<'b> for Streams<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of streams")
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(stream) = list.next_element()? {
            if let Err(overflow) = self.0.stream(&stream) {
                self.0.overflow = Some(overflow);
                return Err(A::Error::custom("too many lines"));
            }
        }
        Ok(())
    }
}

/// A stream of either form, its parts unread: labels may come after the lines.
#[derive(serde::Deserialize)]
struct Stream<'b> {
    #[serde(borrow, default)]
    stream: Option<&'b RawValue>,
    #[serde(borrow, default)]
    values: Option<&'b RawValue>,
    #[serde(borrow, default)]
    labels: Option<&'b RawValue>,
    #[serde(borrow, default)]
    entries: Option<&'b RawValue>,
}

impl<'b> Push<'b> {
    fn stream(&mut self, stream: &Stream<'b>) -> Result<(), DecodeError> {
        let labels = match (stream.stream, stream.labels) {
            (Some(object), _) => pairs(object).ok_or("the stream's labels are not an object"),
            (None, Some(text)) => old_labels(text),
            (None, None) => Ok(LevelOf::default()),
        };
        for (list, read) in [
            (stream.values, entry as fn(&mut Values<'b>) -> Result<Entry<'b>, serde_json::Error>),
            (stream.entries, old_entry),
        ] {
            let Some(list) = list else { continue };
            let reason = match &labels {
                Err(reason) => *reason,
                Ok(_) if !list.get().starts_with('[') => "the stream's lines are not a list",
                Ok(labels) => {
                    self.entries(list.get(), labels, read)?;
                    continue;
                }
            };
            self.items.unreadable(reason, framing::range_in(self.body, list.get()))?;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        list: &'b str,
        labels: &LevelOf<'b>,
        read: fn(&mut Values<'b>) -> Result<Entry<'b>, serde_json::Error>,
    ) -> Result<(), DecodeError> {
        let mut values = Values::new(list, 0);
        // The list is known to be well-formed, so neither walking nor skipping can fail.
        while let Ok(Some(start)) = values.seek() {
            let reason = match read(&mut values) {
                Ok(entry) => match record(entry, labels) {
                    Ok(record) => {
                        self.items.record(record)?;
                        continue;
                    }
                    Err(reason) => reason.to_owned(),
                },
                Err(error) => {
                    if values.read::<&RawValue>().is_err() {
                        break;
                    }
                    match error.classify() {
                        serde_json::error::Category::Data => "expected [time, line] with both as text".to_owned(),
                        _ => framing::not_json(&error),
                    }
                }
            };
            let bytes = framing::range_in(self.body, &list[start..values.position()]);
            self.items.unreadable(reason, bytes)?;
        }
        Ok(())
    }
}

/// One line.
struct Entry<'b> {
    time: &'b RawValue,
    line: Text<'b>,
    metadata: Option<&'b RawValue>,
}

fn entry<'b>(values: &mut Values<'b>) -> Result<Entry<'b>, serde_json::Error> {
    values.read()
}

/// `[time, line]` or `[time, line, metadata]`; anything behind is ignored.
impl<'de: 'b, 'b> Deserialize<'de> for Entry<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[time, line]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry<'de>, A::Error> {
                let time = list.next_element()?.ok_or_else(|| A::Error::custom("no time"))?;
                let line = list.next_element()?.ok_or_else(|| A::Error::custom("no line"))?;
                let metadata = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entry { time, line, metadata })
            }
        }
        deserializer.deserialize_seq(EntryVisitor)
    }
}

fn old_entry<'b>(values: &mut Values<'b>) -> Result<Entry<'b>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct OldEntry<'b> {
        #[serde(borrow)]
        ts: &'b RawValue,
        #[serde(borrow)]
        line: Text<'b>,
    }
    let OldEntry { ts, line } = values.read()?;
    Ok(Entry { time: ts, line, metadata: None })
}

fn record<'b>(entry: Entry<'b>, labels: &LevelOf<'b>) -> Result<Record<'b>, &'static str> {
    let Text(line) = entry.line;
    if line.is_empty() {
        return Err(super::EMPTY_LINE);
    }
    let time =
        time(&plain(entry.time.get())).map_err(|_| "the entry's time is not a number of nanoseconds since 1970")?;
    let metadata = match entry.metadata {
        None => LevelOf::default(),
        Some(object) => pairs(object).ok_or("the entry's metadata is not an object")?,
    };
    let hints = Hints { time, level: metadata.or(labels), ..Hints::default() };
    Ok(Record { payload: Payload::Text(line), hints })
}

/// Nanoseconds, or any other form that [`Timestamp::parse`] knows; an empty text means "now".
fn time(text: &str) -> Result<Option<Timestamp>, TimestampError> {
    match text.trim() {
        "" => Ok(None),
        negative if negative.starts_with('-') => Err(TimestampError),
        calendar if calendar.contains(':') => Timestamp::parse_calendar(calendar).map(Some),
        // Clients pad milliseconds with zeros.
        epoch => Timestamp::parse_epoch(epoch).map(|time| Some(time.trimmed())),
    }
}

fn old_labels(raw: &RawValue) -> Result<LevelOf<'static>, &'static str> {
    let text = plain(raw.get());
    let level = labels::parse(&text)?;
    let mut owned = LevelOf::default();
    if let Some(level) = level.or(&LevelOf::default()) {
        owned.see("level", || level.into());
    }
    Ok(owned)
}

/// Labels or structured metadata as an object, with values of any kind; `null` is an empty one.
fn pairs(raw: &RawValue) -> Option<LevelOf<'_>> {
    struct Pairs<'b>(LevelOf<'b>);
    impl<'de: 'b, 'b> Deserialize<'de> for Pairs<'b> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct PairsVisitor;
            impl<'de> Visitor<'de> for PairsVisitor {
                type Value = Pairs<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                    let mut level = LevelOf::default();
                    while let Some(Text(name)) = map.next_key()? {
                        let value: &'de RawValue = map.next_value()?;
                        level.see(&name, || plain(value.get()));
                    }
                    Ok(Pairs(level))
                }
            }
            deserializer.deserialize_map(PairsVisitor)
        }
    }
    if raw.get() == "null" {
        return Some(LevelOf::default());
    }
    serde_json::from_str::<Pairs<'_>>(raw.get()).ok().map(|Pairs(level)| level)
}
