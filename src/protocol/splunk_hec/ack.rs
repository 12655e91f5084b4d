//! `/services/collector/ack`: which deliveries of a channel are durable?
//!
//! In: `{"acks":[0,1,2]}` and a channel. Out: the question in plain types; the store answers it. Refused: no channel
//! (code 10), a bad one (11), anything that is no list of ids, an empty list and a list that is too long (6).

use super::reply::{CHANNEL_MISSING, INVALID_DATA, NO_DATA};
use crate::protocol::{AckQuestion, DecodeError, Head, framing};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt;

/// Most ids in one question.
pub const IDS_MAX: usize = 100_000;

/// Reads the question. Nothing of it is ever worth keeping in quarantine.
pub(super) fn question(head: &Head<'_>, body: &[u8]) -> Result<AckQuestion, DecodeError> {
    read(head, body).map_err(|error| DecodeError { quarantine: false, ..error })
}

fn read(head: &Head<'_>, body: &[u8]) -> Result<AckQuestion, DecodeError> {
    let channel = super::channel::of_head(head)?
        .ok_or_else(|| CHANNEL_MISSING.error("name the channel in X-Splunk-Request-Channel or ?channel="))?;
    let body = &body[framing::bom_len(body)..];
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(NO_DATA.error("the body is empty"));
    }
    let question: Question = serde_json::from_slice(body)
        .map_err(|_| INVALID_DATA.error(format!("expected {{\"acks\":[0,1,2]}} with at most {IDS_MAX} ids")))?;
    if question.acks.0.is_empty() {
        return Err(INVALID_DATA.error("the list of acks is empty"));
    }
    Ok(AckQuestion { channel, ids: question.acks.0 })
}

#[derive(Deserialize)]
struct Question {
    acks: Ids,
}

/// At most [`IDS_MAX`] ids; reading stops there.
struct Ids(Vec<u64>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdsVisitor;
        impl<'de> Visitor<'de> for IdsVisitor {
            type Value = Ids;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ids, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = list.next_element()? {
                    if ids.len() == IDS_MAX {
                        return Err(A::Error::custom("too many ids"));
                    }
                    ids.push(id);
                }
                Ok(Ids(ids))
            }
        }
        deserializer.deserialize_seq(IdsVisitor)
    }
}
