//! Octet-counted frames: `LENGTH MESSAGE`, one after another.
//!
//! In: a body. Out: each message with its place, without white space at its end. Refused: nothing. A length is believed when the
//! message begins like syslog and another frame, or the end, follows where the length says so; else the line is the message, and
//! counting begins again behind it. So a wrong length costs at most the structure of a message of many lines.
//!
//! Lengths count bytes; some senders count characters, leave the last line feed away, or put line feeds between frames.
//! Source: repo `heroku/logplex`, `doc/README.http_drains.md`, and repo `vectordotdev/vector`,
//! `src/sources/heroku_logs.rs`, read 2026-11-20.

/// Most digits of a length. A body is never longer.
const DIGITS_MAX: usize = 9;

/// The messages of a body. Each byte is looked at a bounded number of times.
pub(super) fn cut(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += body[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if at == body.len() {
                return None;
            }
            let (start, end) = counted(body, at).unwrap_or_else(|| line(body, at));
            at = end;
            let message = body[start..end].trim_ascii_end();
            if !message.is_empty() {
                return Some((start, message));
            }
        }
    })
}

/// The message of a frame that begins at `at`, if its length adds up.
fn counted(body: &[u8], at: usize) -> Option<(usize, usize)> {
    let (len, start) = length(body, at)?;
    let end = match start.checked_add(len)? {
        // The last line feed was left away.
        one_more if one_more == body.len() + 1 => body.len(),
        end => end,
    };
    let message = body.get(start..end)?;
    let rest = body[end..].trim_ascii_start();
    let fits = message.first() == Some(&b'<') && (rest.is_empty() || begins_frame(rest)) && !ends_in_length(message);
    fits.then_some((start, end))
}

/// Whether a message that ought to end in a line feed ends in digits behind one: a length a little too great has taken them from the
/// length of the next frame.
fn ends_in_length(message: &[u8]) -> bool {
    let tail = memchr::memrchr(b'\n', message).map_or(&b""[..], |feed| &message[feed + 1..]);
    !tail.is_empty() && tail.iter().all(u8::is_ascii_digit)
}

/// The line at `at`, without the length that may stand before it.
fn line(body: &[u8], at: usize) -> (usize, usize) {
    let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |feed| at + feed + 1);
    let start = match length(body, at) {
        Some((_, start)) if body.get(start) == Some(&b'<') => start,
        _ => at,
    };
    (start, end)
}

/// A length and where its message begins.
fn length(body: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = body[at..].iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let space = at + digits;
    if !(1..=DIGITS_MAX).contains(&digits) || body.get(space) != Some(&b' ') {
        return None;
    }
    let len = body[at..space].iter().fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
    Some((len, space + 1))
}

fn begins_frame(rest: &[u8]) -> bool {
    length(rest, 0).is_some_and(|(_, start)| rest.get(start) == Some(&b'<'))
}
