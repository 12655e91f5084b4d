//! Reads server-sent events from a chunked answer.

use crate::http::{Conn, request};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub event: String,
    pub data: String,
}

impl Message {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).expect("data of a message is JSON")
    }
}

/// An open stream. Dropping it hangs up.
pub struct Stream {
    conn: Conn,
    text: String,
}

impl Stream {
    /// Opens the live stream with a query (`?…` or empty) and the id of the last message seen.
    pub fn open(addr: SocketAddr, query: &str, token: &str, last_event_id: Option<&str>) -> Self {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
        headers.extend(last_event_id.map(|id| ("Last-Event-ID", id)));
        let mut conn = Conn::open(addr).expect("the server accepts connections");
        conn.write(&request("GET", &format!("/v1/events/stream{query}"), &headers, b""))
            .expect("a short request is sent");
        let (status, headers) = conn.read_head().expect("the stream is answered");
        assert_eq!(status, 200);
        let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")).expect("a content type");
        assert!(kind.1.starts_with("text/event-stream"), "{}", kind.1);
        Self { conn, text: String::new() }
    }

    /// The next message, comments skipped; `None` when none comes in time.
    pub fn next(&mut self, patience: Duration) -> Option<Message> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let message = parse(&block);
                if !message.event.is_empty() || !message.data.is_empty() {
                    return Some(message);
                }
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.conn.set_patience(left);
            match self.conn.read_chunk() {
                Ok(Some(chunk)) => self.text.push_str(&String::from_utf8_lossy(&chunk)),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// So many messages, or a failed test.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<Message> {
        (0..count)
            .map(|at| {
                self.next(Duration::from_secs(20)).unwrap_or_else(|| panic!("message {at} of {count} never came"))
            })
            .collect()
    }
}

fn parse(block: &str) -> Message {
    let mut message = Message::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => message.id = value.to_owned(),
            "event" => message.event = value.to_owned(),
            "data" if message.data.is_empty() => message.data = value.to_owned(),
            "data" => message.data = format!("{}\n{value}", message.data),
            _ => {}
        }
    }
    message
}
