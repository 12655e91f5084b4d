//! Which texts a block cannot hold.
//!
//! In: every text in which something may be looked for. Out: a set of bits, one for each three letters, digits or underscores in a row, in
//! any case. Where a bit of what is looked for is missing, so is the text, and the block is not unpacked. Runs never reach over
//! the quotes between an envelope's values, so that the parts of an event may be added one by one. Only ASCII counts, in the
//! texts and in what is looked for; whatever else stands between cuts a run in both alike.

use super::blocks::Blocks;
use crate::store::sqlite::{
    body,
    flat::{BodyRef, Flat},
    reader::ReadError,
};
use ahash::{AHashMap, AHashSet};

/// Decimals that a key tells of.
const MICRO_DIGITS: u8 = 6;
/// Bytes of the set of a full block.
const BYTES: usize = 2048;
/// Blocks of fewer events have none: they are soon part of a larger one.
pub const EVENTS_MIN: usize = 512;

/// Small letters, digits and the underscore as they are, capitals made small, everything else 0.
const RUN: [u8; 256] = {
    let mut map = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        if it.is_ascii_alphanumeric() || it == b'_' {
            map[byte] = it.to_ascii_lowercase();
        }
        byte += 1;
    }
    map
};

/// Calls for each three bytes of runs.
fn each(text: &[u8], mut take: impl FnMut(usize)) {
    let (mut window, mut run) = (0_u32, 0_u32);
    for byte in text {
        let byte = RUN[*byte as usize];
        if byte == 0 {
            run = 0;
            continue;
        }
        window = (window << 8 | u32::from(byte)) & 0x00ff_ffff;
        run += 1;
        if run >= 3 {
            take((window.wrapping_mul(0x9e37_79b1) >> 18) as usize);
        }
    }
}

/// The set of a block.
#[derive(Debug, Clone)]
pub struct Grams(Box<[u8; BYTES]>);

impl Grams {
    /// Of no text.
    pub fn new() -> Self {
        Self(Box::new([0; BYTES]))
    }

    /// Adds a text.
    pub fn add(&mut self, text: &[u8]) {
        each(text, |bit| self.0[bit / 8] |= 1 << (bit % 8));
    }

    /// As it is stored, behind its checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&crc32fast::hash(&self.0[..]).to_le_bytes(), &self.0[..]].concat()
    }
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The bits of each form in which it may stand; all of one have to be there.
    forms: Vec<Vec<usize>>,
}

impl Wanted {
    /// Of the forms in which it may stand; `None` where every block may hold it.
    pub fn of<'f>(forms: impl IntoIterator<Item = &'f str>) -> Option<Self> {
        let mut wanted = Self { forms: Vec::new() };
        for form in forms {
            let mut bits = Vec::new();
            each(form.as_bytes(), |bit| bits.push(bit));
            if bits.is_empty() || !form.is_ascii() {
                return None;
            }
            bits.sort_unstable();
            bits.dedup();
            wanted.forms.push(bits);
        }
        Some(wanted)
    }

    /// Whether a block of this set may hold it.
    pub fn may_be_in(&self, grams: &[u8]) -> bool {
        // One that cannot be trusted passes nothing over.
        let Some((check, grams)) = grams.split_first_chunk::<4>() else { return true };
        let Ok(grams) = <&[u8; BYTES]>::try_from(grams) else { return true };
        if crc32fast::hash(grams).to_le_bytes() != *check {
            return true;
        }
        let has = |bit: &usize| grams[bit / 8] & 1 << (bit % 8) != 0;
        self.forms.iter().any(|bits| bits.iter().all(has))
    }
}

impl Blocks<'_> {
    /// Which texts a block of these events cannot hold; `None` where that is not told by their columns alone.
    pub fn grams(&self, rows: &[Flat<'_>]) -> Result<Option<Grams>, ReadError> {
        let (mut grams, mut repeated, mut created) = (Grams::new(), AHashSet::new(), String::new());
        let (mut sync, mut digits) = (None, AHashMap::new());
        for row in rows {
            let digits = match digits.get(&row.kind) {
                Some(digits) => *digits,
                None => {
                    let found = row.kind(self.db, self.names)?.digits;
                    digits.insert(row.kind, found);
                    found
                }
            };
            // Digits below a microsecond are in the body, in a form of their own; so are kinds without a number.
            if digits > MICRO_DIGITS || row.kind == 0 {
                return Ok(None);
            }
            if repeated.insert((row.kind, row.label, row.shape)) {
                self.add_repeated(row, &mut grams)?;
            }
            if row.sync != sync {
                sync = row.sync;
                sync.iter().for_each(|sync| grams.add(sync.to_string().as_bytes()));
            }
            if let BodyRef::Plain(body) = row.body {
                grams.add(body);
            }
            row.spill.iter().for_each(|spill| grams.add(spill));
            created.clear();
            if let Ok(at) = body::created(row.key, digits, None) {
                at.write_to(&mut created);
            }
            grams.add(created.as_bytes());
        }
        Ok(Some(grams))
    }

    /// What the numbers of an event stand for.
    fn add_repeated(&self, row: &Flat<'_>, grams: &mut Grams) -> Result<(), ReadError> {
        let mut add = |text: Option<&str>| text.iter().for_each(|text| grams.add(text.as_bytes()));
        if row.kind != 0 {
            let kind = self.names.kind(self.db, row.kind)?;
            add(Some(&kind.name));
            add(kind.original_name.as_deref());
        }
        if row.label != 0 {
            let label = self.names.label(self.db, row.label)?;
            add(label.connection_name.as_deref());
            add(label.connector_type.as_deref());
        }
        if row.shape != 0 {
            add(Some(self.names.shape(self.db, row.shape)?.text()));
        }
        if row.conn != 0 {
            add(Some(&self.names.connection(self.db, row.conn)?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a text holds is never passed over, wherever the text was cut between two runs.
        #[test]
        fn what_is_there_is_found(text in "[a-zA-Z0-9_ \"\\\\:é-]{0,80}", from in 0_usize..80, len in 0_usize..40) {
            let mut grams = Grams::new();
            text.split('"').for_each(|part| grams.add(part.as_bytes()));
            let part: String = text.chars().skip(from).take(len).collect();
            for form in [part.clone(), part.to_uppercase(), part.to_lowercase()] {
                prop_assert!(Wanted::of([form.as_str()]).is_none_or(|wanted| wanted.may_be_in(&grams.to_bytes())));
            }
        }
    }

    #[test]
    fn what_is_not_there_is_passed_over() {
        let mut grams = Grams::new();
        grams.add(br#"{"event":"sync_end","data":{"status":"SUCCESSFUL","table":"orders"}}"#);
        let may = |text: &str| Wanted::of([text]).map(|wanted| wanted.may_be_in(&grams.to_bytes()));
        for (text, found) in [
            ("successful", Some(true)),
            ("SYNC_end", Some(true)),
            ("orders\"}", Some(true)),
            ("invoices", Some(false)),
            ("orders_old", Some(false)),
            ("sync_start", Some(false)),
            ("er", None),
            ("größe", None),
            ("\" : \"", None),
        ] {
            assert_eq!(may(text), found, "{text}");
        }
        assert_eq!(Wanted::of(["invoices", "orders"]).map(|it| it.may_be_in(&grams.to_bytes())), Some(true));
        assert!(Wanted::of(["invoices"]).unwrap().may_be_in(b"of another version"));
        let mut flipped = grams.to_bytes();
        flipped[100] ^= 1;
        assert!(Wanted::of(["invoices"]).unwrap().may_be_in(&flipped));
    }
}
