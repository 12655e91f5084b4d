//! Headers of senders that sign: each says when and what, with the server's token as the key, and never the token itself.

use crate::server::{TOKEN, WEBHOOK_SECRET};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What every request names as the host; AWS's signatures cover it.
pub const HOST: &str = "lifeline";

/// The name of a token that was configured without one.
const TOKEN_NAME: &str = "default";

/// Azure's `SharedKey`.
pub fn shared_key(body: &[u8]) -> String {
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let text = format!("POST\n{}\napplication/json\nx-ms-date:{date}\n/api/logs", body.len());
    let signature = STANDARD.encode(hmac(TOKEN.as_bytes(), text.as_bytes()));
    format!("x-ms-date: {date}\r\nAuthorization: SharedKey {TOKEN_NAME}:{signature}\r\n")
}

/// AWS's Signature Version 4 of `PutLogEvents`.
pub fn sigv4(body: &[u8]) -> String {
    const TARGET: &str = "Logs_20140328.PutLogEvents";
    const TYPE: &str = "application/x-amz-json-1.1";
    const NAMES: &str = "content-type;host;x-amz-date;x-amz-target";
    let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/us-east-1/logs/aws4_request", &date[..8]);
    let canonical = format!(
        "POST\n/\n\ncontent-type:{TYPE}\nhost:{HOST}\nx-amz-date:{date}\nx-amz-target:{TARGET}\n\n{NAMES}\n{}",
        hex::encode(Sha256::digest(body))
    );
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let secret = format!("AWS4{TOKEN}").into_bytes();
    let key = scope.split('/').fold(secret, |key, word| hmac(&key, word.as_bytes()).to_vec());
    let signature = hex::encode(hmac(&key, text.as_bytes()));
    format!(
        "Content-Type: {TYPE}\r\nX-Amz-Date: {date}\r\nX-Amz-Target: {TARGET}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={TOKEN_NAME}/{scope}, SignedHeaders={NAMES}, Signature={signature}\r\n"
    )
}

/// Fivetran's, of the body alone.
pub fn webhook(body: &[u8]) -> String {
    format!("X-Fivetran-Signature-256: {}\r\n", hex::encode_upper(hmac(WEBHOOK_SECRET.as_bytes(), body)))
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}
