//! Octet-counted frames: `LENGTH MESSAGE`, one after another.
//!
//! In: a body. Out: each message with its place, without white space at its end. Refused: nothing. A length is believed when the
//! message begins like syslog and another frame, or the end, follows where the length says so, in bytes or else in characters; else the
//! line is the message, up to where another frame begins in it, and counting begins again behind it. So a wrong length costs at most the structure of a message of many lines.
//!
//! Lengths count bytes; some senders count characters, leave the last line feed away, or put line feeds between frames.
//! Source: repo `heroku/logplex`, `doc/README.http_drains.md`, and repo `vectordotdev/vector`,
//! `src/sources/heroku_logs.rs`, read 2026-11-20.

/// Most digits of a length. A body is never longer.
const DIGITS_MAX: usize = 9;

/// The messages of a body. Each byte is looked at a bounded number of times.
pub(super) fn cut(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    // Bytes that may still be walked to count characters; a length that adds up uses each byte once.
    let mut budget = body.len().saturating_mul(2);
    std::iter::from_fn(move || {
        loop {
            at += body[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if at == body.len() {
                return None;
            }
            let (start, end) = counted(body, at, &mut budget).unwrap_or_else(|| line(body, at));
            at = end;
            let message = body[start..end].trim_ascii_end();
            if !message.is_empty() {
                return Some((start, message));
            }
        }
    })
}

/// The message of a frame that begins at `at`, if its length adds up, as bytes or else as characters.
fn counted(body: &[u8], at: usize, budget: &mut usize) -> Option<(usize, usize)> {
    let (len, start) = length(body, at)?;
    let bytes = match start.checked_add(len)? {
        // The last line feed was left away.
        one_more if one_more == body.len() + 1 => body.len(),
        end => end,
    };
    let fits = |end: usize| body.get(start..end).is_some_and(|message| is_whole(message, &body[end..]));
    if fits(bytes) {
        return Some((start, bytes));
    }
    characters(body.get(start..)?, len, budget).map(|taken| (start, start + taken)).filter(|(_, end)| fits(*end))
}

/// Whether a message begins as one and another frame, or the end, follows it.
fn is_whole(message: &[u8], rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    message.first() == Some(&b'<') && (rest.is_empty() || begins_frame(rest)) && !ends_in_length(message)
}

/// How many bytes so many characters take; one may be missing at the end, the last line feed.
fn characters(text: &[u8], count: usize, budget: &mut usize) -> Option<usize> {
    let mut at = 0;
    for taken in 0..count {
        let Some(byte) = text.get(at) else { return (taken + 1 == count).then_some(text.len()) };
        at += match byte {
            0..0xc0 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        *budget = budget.checked_sub(1)?;
    }
    Some(at)
}

/// Whether a message that ought to end in a line feed ends in digits behind one: a length a little too great has taken them from the
/// length of the next frame.
fn ends_in_length(message: &[u8]) -> bool {
    let tail = memchr::memrchr(b'\n', message).map_or(&b""[..], |feed| &message[feed + 1..]);
    !tail.is_empty() && tail.iter().all(u8::is_ascii_digit)
}

/// The line at `at`, without the length that may stand before it. It ends where another frame begins, too: senders that leave
/// line feeds away have nothing else between two messages.
fn line(body: &[u8], at: usize) -> (usize, usize) {
    let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |feed| at + feed + 1);
    let start = match length(body, at) {
        Some((_, start)) if body.get(start) == Some(&b'<') => start,
        _ => at,
    };
    (start, next_frame(&body[..end], start).unwrap_or(end))
}

/// Where, behind the first byte of a message, a length and the header of another stand.
fn next_frame(line: &[u8], start: usize) -> Option<usize> {
    memchr::memmem::find_iter(&line[start..], b" <").map(|found| start + found).find_map(|space| {
        let digits =
            line[start..space].iter().rev().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let at = space - digits;
        // Behind a letter or a point they may be the end of the message itself.
        let apart = at > start && !line[at - 1].is_ascii_alphanumeric() && line[at - 1] != b'.';
        (apart && begins_frame(&line[at..]) && is_header(&line[space + 1..])).then_some(at)
    })
}

/// Whether a text begins with a priority, the version and a year: `<190>1 2022-`.
fn is_header(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let priority = digits(&text[1..]);
    let Some(rest) = text[1 + priority..].strip_prefix(b">1 ") else { return false };
    (1..=3).contains(&priority) && digits(rest) == 4 && rest.get(4) == Some(&b'-')
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
