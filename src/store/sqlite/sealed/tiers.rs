//! Which blocks of a connection are made into one.
//!
//! In: how large its blocks are and what is about to join them. Out: those that are written anew together with it. A connection that
//! logs little brings few events at a time; what it brings stays small until there are [`PIECES`] of a size, so that an event is
//! written anew once for each size and no more, whatever the pace.

use super::blocks::Meta;

/// Events of a full block; it is never written anew for want of size.
pub const FULL: usize = 4096;
/// Bytes of bodies that make a block full, however few events they are.
pub const FULL_BYTES: i64 = 4 << 20;
/// So many of a size are made into one.
const PIECES: usize = 8;

/// Sizes: below 8, below 64, below 512, below a full one.
fn size(n: usize) -> u32 {
    n.max(1).ilog(PIECES)
}

/// Blocks that are written anew together with `new` events of `bytes`: places in `blocks`.
pub fn join(blocks: &[Meta], new: usize, bytes: i64) -> Vec<usize> {
    let (mut n, mut bytes) = (new, bytes);
    let mut joined: Vec<usize> = Vec::new();
    loop {
        let is_open = |meta: &Meta| meta.n < FULL && meta.bytes < FULL_BYTES;
        let smaller: Vec<usize> = (0..blocks.len())
            .filter(|at| is_open(&blocks[*at]) && size(blocks[*at].n) <= size(n) && !joined.contains(at))
            .collect();
        let sum = smaller.iter().map(|at| blocks[*at].n).sum::<usize>();
        if smaller.is_empty() || smaller.len() + 1 < PIECES && n + sum < FULL {
            return joined;
        }
        n += sum;
        bytes += smaller.iter().map(|at| blocks[*at].bytes).sum::<i64>();
        joined.extend(smaller);
        if n >= FULL || bytes >= FULL_BYTES {
            return joined;
        }
    }
}

/// How many events each block gets, of so many in all: full ones, alike in size, and none small beside them.
pub fn cut(n: usize) -> usize {
    n.div_ceil((n / FULL).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(events_each: usize, rounds: usize) -> (Vec<Meta>, usize) {
        let (mut blocks, mut written) = (Vec::<Meta>::new(), 0);
        for _ in 0..rounds {
            let gone = join(&blocks, events_each, 0);
            let n = events_each + gone.iter().map(|at| blocks[*at].n).sum::<usize>();
            written += n;
            let mut at = 0;
            blocks.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
            let mut left = n;
            while left > 0 {
                let n = left.min(cut(n));
                blocks.push(Meta { id: 0, conn: 0, first: 0, last: 0, n, bytes: 0 });
                left -= n;
            }
        }
        (blocks, written)
    }

    #[test]
    fn an_event_is_written_a_few_times_and_blocks_become_full() {
        for (each, rounds) in [(1, 20_000), (13, 5_000), (131, 1_000), (700, 300), (4_096, 30), (65_536, 4)] {
            let (blocks, written) = run(each, rounds);
            let all = each * rounds;
            let small = blocks.iter().filter(|meta| meta.n < FULL).count();
            assert_eq!(blocks.iter().map(|meta| meta.n).sum::<usize>(), all);
            assert!(written <= all * 5, "{each}: {written} of {all}");
            assert!(small <= 4 * PIECES, "{each}: {small} small blocks");
            assert!(blocks.iter().all(|meta| meta.n < 2 * FULL), "{each}");
        }
    }
}
