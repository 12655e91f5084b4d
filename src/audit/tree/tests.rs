//! The tree against published vectors, against a naive tree written from the text of the RFC, and against another implementation.

use super::*;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use std::{collections::BTreeMap, convert::Infallible};

/// Source: transparency-dev/merkle, `testonly/reference_test.go` and `testonly/constants.go`, after RFC 6962.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const INCLUSION: &[(u64, u64, &[&str])] = &[
    (0, 1, &[]),
    (0, 2, &["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"]),
    (1, 2, &["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"]),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
];
const CONSISTENCY: &[(u64, u64, &[&str])] = &[
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
];

/// Full nodes by their number in order, as a store keeps them.
#[derive(Default)]
struct Kept {
    nodes: BTreeMap<u64, Hash>,
    leaves: Vec<Hash>,
    edge: Frontier,
}

impl Kept {
    fn of(leaves: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut kept = Self::default();
        for leaf in leaves {
            let leaf = leaf_hash(&leaf);
            let mut full = Vec::new();
            kept.edge.append(leaf, &mut full);
            kept.leaves.push(leaf);
            kept.nodes.extend(full.into_iter().map(|(id, hash)| (id.position(), hash)));
        }
        kept
    }

    fn get(&self, ids: &[NodeId]) -> Result<Vec<Hash>, Infallible> {
        Ok(ids.iter().map(|id| self.nodes[&id.position()]).collect())
    }
}

/// `MTH` of RFC 9162 section 2.1.1, over hashes of leaves.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(largest_power_below(leaves.len()));
            let mut bytes = vec![1];
            bytes.extend(naive_root(left));
            bytes.extend(naive_root(right));
            Sha256::digest(bytes).into()
        }
    }
}

/// `PATH` of section 2.1.3.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, beside) =
        if index < k { (naive_path(index, left), right) } else { (naive_path(index - k, right), left) };
    path.push(naive_root(beside));
    path
}

/// `SUBPROOF` of section 2.1.4.1.
fn naive_proof(first: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    if first <= k {
        let mut proof = naive_proof(first, left, whole);
        proof.push(naive_root(right));
        proof
    } else {
        let mut proof = naive_proof(first - k, right, false);
        proof.push(naive_root(left));
        proof
    }
}

fn largest_power_below(count: usize) -> usize {
    let mut power = 1;
    while power * 2 < count {
        power *= 2;
    }
    power
}

fn numbered(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|i| i.to_string().into_bytes())
}

fn published(count: usize) -> Kept {
    Kept::of(LEAVES.iter().take(count).map(|leaf| hex::decode(leaf).expect("hexadecimal")))
}

fn hash(text: &str) -> Hash {
    hex::decode(text).expect("hexadecimal").try_into().expect("32 bytes")
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hash(text)).collect()
}

#[test]
fn published_roots_are_ours() {
    let all = published(8);
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(hex::encode(published(size).edge.root()), *expected, "{size}");
        assert_eq!(root(size as u64, |ids| all.get(ids)), Ok(hash(expected)), "{size}");
    }
}

#[test]
fn published_inclusion_proofs_are_ours_and_hold() {
    let all = published(8);
    for (index, size, expected) in INCLUSION {
        let path = inclusion(*index, *size, |ids| all.get(ids)).expect("in range");
        assert_eq!(path, hashes(expected), "{index} of {size}");
        let leaf = all.leaves[*index as usize];
        assert_eq!(verify_inclusion(*index, *size, &leaf, &path, &hash(ROOTS[*size as usize])), Ok(()));
    }
}

#[test]
fn published_consistency_proofs_are_ours_and_hold() {
    let all = published(8);
    for (from, to, expected) in CONSISTENCY {
        let path = consistency(*from, *to, |ids| all.get(ids)).expect("in range");
        assert_eq!(path, hashes(expected), "{from} to {to}");
        let (old, new) = (hash(ROOTS[*from as usize]), hash(ROOTS[*to as usize]));
        assert_eq!(verify_consistency(*from, *to, &path, &old, &new), Ok(()));
    }
}

#[test]
fn every_small_tree_is_that_of_the_rfc_and_of_another_implementation() {
    let all = Kept::of(numbered(70));
    let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for (count, leaf) in (1..=70_usize).zip(numbered(70)) {
        other.push(leaf);
        let leaves = &all.leaves[..count];
        let top = root(count as u64, |ids| all.get(ids)).expect("there");
        assert_eq!(top, naive_root(leaves));
        assert_eq!(top.as_slice(), other.root().as_bytes().as_slice());
        for index in 0..count {
            let path = inclusion(index as u64, count as u64, |ids| all.get(ids)).expect("there");
            assert_eq!(path, naive_path(index, leaves));
            assert_eq!(path.concat(), other.prove_inclusion(index).as_bytes());
            assert_eq!(verify_inclusion(index as u64, count as u64, &leaves[index], &path, &top), Ok(()));
        }
        for first in 1..=count {
            let path = consistency(first as u64, count as u64, |ids| all.get(ids)).expect("there");
            assert_eq!(path, naive_proof(first, leaves, true));
            assert_eq!(path.concat(), other.prove_consistency(count - first).as_bytes());
            let old = naive_root(&leaves[..first]);
            assert_eq!(verify_consistency(first as u64, count as u64, &path, &old, &top), Ok(()));
        }
    }
}

#[test]
fn the_empty_tree_is_the_beginning_of_every_tree() {
    let all = published(5);
    let top = all.edge.root();
    assert_eq!(consistency(0, 5, |ids| all.get(ids)), Ok(Vec::new()));
    assert_eq!(verify_consistency(0, 5, &[], &empty_root(), &top), Ok(()));
    assert_eq!(verify_consistency(0, 5, &[], &top, &top), Err(ProofFault::Root));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &top), Err(ProofFault::Root));
    assert_eq!(verify_consistency(5, 5, &[], &top, &top), Ok(()));
    assert_eq!(verify_consistency(5, 5, &[top], &top, &top), Err(ProofFault::Length));
    assert_eq!(root(0, |ids| all.get(ids)), Ok(empty_root()));
}

#[test]
fn what_the_tree_does_not_have_is_refused() {
    let all = published(5);
    assert_eq!(inclusion(5, 5, |ids| all.get(ids)), Err(ProofError::OutOfRange { at: 5, size: 5 }));
    assert_eq!(inclusion(0, 0, |ids| all.get(ids)), Err(ProofError::OutOfRange { at: 0, size: 0 }));
    assert_eq!(consistency(6, 5, |ids| all.get(ids)), Err(ProofError::OutOfRange { at: 6, size: 5 }));
    assert_eq!(verify_inclusion(5, 5, &all.leaves[0], &[], &all.edge.root()), Err(ProofFault::OutOfRange));
    assert_eq!(verify_consistency(6, 5, &[], &empty_root(), &empty_root()), Err(ProofFault::OutOfRange));
    assert_eq!(root(5, |_| Ok::<_, Infallible>(Vec::new())), Err(ProofError::Count { wanted: 2, got: 0 }));
}

#[test]
fn huge_sizes_cost_no_more_than_their_bits() {
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1, (1 << 62) - 1] {
        let parts = subtrees(0, size);
        assert_eq!(parts.len(), size.count_ones() as usize);
        let any = |ids: &[NodeId]| Ok::<_, Infallible>(vec![[7; 32]; ids.len()]);
        let path = inclusion(size - 1, size, any).expect("there");
        assert!(path.len() <= 64);
        // Made of arbitrary nodes, it leads nowhere, but it has the right length.
        assert_eq!(verify_inclusion(size - 1, size, &[7; 32], &path, &[0; 32]), Err(ProofFault::Root));
        let path = consistency(size / 2 + 1, size, any).expect("there");
        assert_eq!(verify_consistency(size / 2 + 1, size, &path, &[0; 32], &[0; 32]), Err(ProofFault::Root));
    }
}

#[test]
fn numbers_in_order_stand_between_their_children() {
    for (level, index, position) in
        [(0, 0, 0), (1, 0, 1), (0, 1, 2), (2, 0, 3), (0, 2, 4), (1, 1, 5), (0, 3, 6), (3, 0, 7)]
    {
        assert_eq!(NodeId { level, index }.position(), position);
    }
    for position in 0..5_000 {
        assert_eq!(NodeId::at(position).position(), position);
    }
    assert_eq!(NodeId { level: 61, index: 0 }.position(), (1 << 61) - 1);
    assert_eq!(NodeId { level: 3, index: 2 }.leaves(), (16, 24));
}

#[test]
fn a_subtree_is_appended_only_where_it_fits() {
    let mut edge = Frontier::new();
    edge.append([1; 32], &mut Vec::new());
    let before = edge.clone();
    assert_eq!(edge.append_subtree(1, [2; 32]), Err(Misaligned));
    assert_eq!(edge.append_subtree(64, [2; 32]), Err(Misaligned));
    assert_eq!(edge.append_subtree(255, [2; 32]), Err(Misaligned));
    assert_eq!(edge, before);
    assert_eq!(edge.append_subtree(0, [2; 32]), Ok(()));
    assert_eq!(edge.append_subtree(1, [3; 32]), Ok(()));
    assert_eq!((edge.size(), edge.peaks().len()), (4, 1));
    let full = Frontier::from_peaks(u64::MAX, vec![[0; 32]; 64]).expect("64 peaks");
    assert_eq!(full.clone().append_subtree(0, [0; 32]), Err(Misaligned));
    assert_eq!(Frontier::from_peaks(3, vec![[0; 32]]), None);
}

/// One tree for all cases: only its size is chosen.
static LARGE: std::sync::LazyLock<Kept> = std::sync::LazyLock::new(|| Kept::of(numbered(5_000)));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Up to five thousand records: roots and proofs are those of the RFC, and they hold.
    #[test]
    fn larger_trees_are_those_of_the_rfc(size in 1_usize..=5_000, one in any::<prop::sample::Index>(), two in any::<prop::sample::Index>()) {
        let leaves = &LARGE.leaves[..size];
        let get = |ids: &[NodeId]| LARGE.get(ids);
        let (index, first) = (one.index(size), two.index(size) + 1);
        let top = root(size as u64, get).expect("there");
        prop_assert_eq!(top, naive_root(leaves));
        let path = inclusion(index as u64, size as u64, get).expect("there");
        prop_assert_eq!(&path, &naive_path(index, leaves));
        prop_assert_eq!(verify_inclusion(index as u64, size as u64, &leaves[index], &path, &top), Ok(()));
        let path = consistency(first as u64, size as u64, get).expect("there");
        prop_assert_eq!(&path, &naive_proof(first, leaves, true));
        let old = naive_root(&leaves[..first]);
        prop_assert_eq!(verify_consistency(first as u64, size as u64, &path, &old, &top), Ok(()));
    }

    /// No proof holds with one byte, one place or one hash changed.
    #[test]
    fn a_changed_proof_does_not_hold(size in 2_u64..600, one in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), what in 0..5_u8) {
        let get = |ids: &[NodeId]| LARGE.get(ids);
        let index = one.index(size as usize) as u64;
        let top = root(size, get).expect("there");
        let leaf = LARGE.leaves[index as usize];
        let path = inclusion(index, size, get).expect("there");
        let (mut bad_leaf, mut bad_path, mut bad_index, mut bad_top) = (leaf, path.clone(), index, top);
        match what {
            0 => bad_leaf[flip.index(32)] ^= 1,
            1 => { let at = flip.index(bad_path.len()); bad_path[at][flip.index(32)] ^= 0x80; }
            2 => bad_index = (index + 1 + flip.index(size as usize - 1) as u64) % size,
            3 => bad_top[flip.index(32)] ^= 2,
            _ => { bad_path.remove(flip.index(path.len())); }
        }
        prop_assert!(verify_inclusion(bad_index, size, &bad_leaf, &bad_path, &bad_top).is_err());
        let (old, proof) = (root(index.max(1), get).expect("there"), consistency(index.max(1), size, get).expect("there"));
        let (mut bad_old, mut bad_proof, mut bad_top) = (old, proof.clone(), top);
        match what {
            0 | 2 => bad_old[flip.index(32)] ^= 1,
            1 if !proof.is_empty() => { let at = flip.index(proof.len()); bad_proof[at][flip.index(32)] ^= 1; }
            4 if !proof.is_empty() => { bad_proof.remove(flip.index(proof.len())); }
            _ => bad_top[flip.index(32)] ^= 1,
        }
        prop_assert!(verify_consistency(index.max(1), size, &bad_proof, &bad_old, &bad_top).is_err());
    }

    /// Left-out records are covered by subtrees; with them the root is the same, in a stack of at most 64 hashes.
    #[test]
    fn a_range_is_covered_once_and_appends_as_one(size in 0_u64..=5_000, from in any::<prop::sample::Index>(), len in any::<prop::sample::Index>()) {
        let from = from.index(size as usize + 1) as u64;
        let to = from + len.index((size - from) as usize + 1) as u64;
        let parts = subtrees(from, to);
        let mut next = from;
        for part in &parts {
            prop_assert_eq!(part.leaves().0, next);
            next = part.leaves().1;
        }
        prop_assert_eq!(next, to);
        prop_assert!(parts.len() <= 128);
        let mut edge = Frontier::from_peaks(from, LARGE.get(&subtrees(0, from)).expect("there")).expect("as many");
        for (part, hash) in parts.iter().zip(LARGE.get(&parts).expect("there")) {
            prop_assert_eq!(edge.append_subtree(part.level, hash), Ok(()));
        }
        prop_assert_eq!(edge.size(), to);
        prop_assert_eq!(Ok(edge.root()), root(to, |ids| LARGE.get(ids)));
    }
}
