//! Events of a generation in the order of their keys.
//!
//! In: places of events, nearly always behind the last. Out: runs of them in either direction from any key. Kept in blocks,
//! so that a late event moves a few hundred numbers and not all of them.

use crate::model::EventKey;

/// Most places in a block.
const BLOCK_MAX: usize = 512;

/// Where an event of a generation is.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its key.
    pub key: EventKey,
    /// Number of the chunk in the generation.
    pub chunk: u32,
    /// Number of the event in the chunk.
    pub entry: u32,
}

/// Numbers of places, ordered by key.
#[derive(Default)]
pub struct Sorted {
    /// Blocks before the last; none is empty.
    head: Vec<Vec<u32>>,
    /// The last block; empty only when everything is.
    tail: Vec<u32>,
}

/// Between two elements: a block and a place in it.
#[derive(Clone, Copy)]
pub struct Gap {
    block: usize,
    at: usize,
}

impl Sorted {
    fn block(&self, block: usize) -> &[u32] {
        self.head.get(block).map_or(&self.tail, Vec::as_slice)
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.head.iter().map(Vec::len).sum::<usize>() + self.tail.len()
    }

    /// Adds the place of that number.
    pub fn insert(&mut self, number: u32, places: &[Place]) {
        let key = places[number as usize].key;
        let comes_last = self.tail.last().is_none_or(|last| places[*last as usize].key < key);
        if comes_last {
            if self.tail.len() == BLOCK_MAX {
                self.head.push(std::mem::take(&mut self.tail));
            }
            return self.tail.push(number);
        }
        let Gap { block, at } = self.gap(places, |other| other < key);
        let half = match self.head.get_mut(block) {
            Some(numbers) => insert_or_split(numbers, at, number),
            None => insert_or_split(&mut self.tail, at, number),
        };
        match half {
            Some(half) if block < self.head.len() => self.head.insert(block + 1, half),
            Some(half) => self.head.push(std::mem::replace(&mut self.tail, half)),
            None => {}
        }
    }

    /// The gap behind every key that is `before`, which holds for a first part of them.
    pub fn gap(&self, places: &[Place], before: impl Fn(EventKey) -> bool) -> Gap {
        let before = |number: &u32| before(places[*number as usize].key);
        let block = if self.tail.first().is_none_or(before) {
            self.head.len()
        } else {
            // The last block that begins before.
            self.head.partition_point(|block| block.first().is_some_and(before)).saturating_sub(1)
        };
        Gap { block, at: self.block(block).partition_point(before) }
    }

    /// What follows a gap, ascending.
    pub fn after(&self, gap: Gap) -> impl Iterator<Item = u32> {
        let rest = (gap.block + 1..=self.head.len()).flat_map(|block| self.block(block));
        self.block(gap.block)[gap.at..].iter().chain(rest).copied()
    }

    /// What precedes a gap, descending.
    pub fn before(&self, gap: Gap) -> impl Iterator<Item = u32> {
        let rest = (0..gap.block).rev().flat_map(|block| self.block(block).iter().rev());
        self.block(gap.block)[..gap.at].iter().rev().chain(rest).copied()
    }

    /// The place with a key.
    pub fn find(&self, key: EventKey, places: &[Place]) -> Option<u32> {
        let next = self.after(self.gap(places, |other| other < key)).next()?;
        (places[next as usize].key == key).then_some(next)
    }

    /// Everything, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.after(Gap { block: 0, at: 0 })
    }
}

/// Inserts; a full block gives its second half away.
fn insert_or_split(numbers: &mut Vec<u32>, at: usize, number: u32) -> Option<Vec<u32>> {
    if numbers.len() < BLOCK_MAX {
        numbers.insert(at, number);
        return None;
    }
    let middle = numbers.len() / 2;
    let mut half = numbers.split_off(middle);
    if at <= middle {
        numbers.insert(at, number)
    } else {
        half.insert(at - middle, number)
    }
    Some(half)
}
