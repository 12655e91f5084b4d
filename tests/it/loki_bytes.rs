//! Loki push bodies, as its clients write them.

use prost::Message;
use serde_json::json;

/// `logproto.PushRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct Push {
    #[prost(message, repeated, tag = "1")]
    pub streams: Vec<StreamOf>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StreamOf {
    #[prost(string, tag = "1")]
    pub labels: String,
    #[prost(message, repeated, tag = "2")]
    pub entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(message, optional, tag = "1")]
    pub at: Option<At>,
    #[prost(string, tag = "2")]
    pub line: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct At {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// When every line was pushed: the events' own times differ, and win.
const PUSHED_S: i64 = 1_795_180_330;

/// Lines as the JSON form.
pub fn json_push<S: AsRef<str>>(lines: &[S]) -> Vec<u8> {
    let values: Vec<_> = lines.iter().map(|line| json!([format!("{PUSHED_S}000000000"), line.as_ref()])).collect();
    json!({"streams": [{"stream": {"application": "fivetran"}, "values": values}]}).to_string().into_bytes()
}

/// Lines as protobuf in a snappy block.
pub fn proto_push<S: AsRef<str>>(lines: &[S]) -> Vec<u8> {
    let entries = lines
        .iter()
        .map(|line| Entry { at: Some(At { seconds: PUSHED_S, nanos: 0 }), line: line.as_ref().to_owned() })
        .collect();
    let push = Push { streams: vec![StreamOf { labels: "{application=\"fivetran\"}".to_owned(), entries }] };
    snappy(&push.encode_to_vec())
}

/// A snappy block.
pub fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a body below 4 GiB is compressed")
}
