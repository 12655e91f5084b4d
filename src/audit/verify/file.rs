//! Files of other formats: their bytes against the manifest beside them.

use super::{super::note::VerifyingKey, Failure, Fault, Place, Report, Seal, expect};
use sha2::{Digest, Sha256};
use std::io::Read;

/// Checks a file of any format against its manifest and checkpoint, both signed notes. That its records are those of the tree is what
/// the maker signed; only ndjson proves it.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn file(
    mut input: impl Read,
    manifest: &str,
    checkpoint: &str,
    public_key: &str,
    trusted: Option<&VerifyingKey>,
) -> Result<Report, Failure> {
    let seal = Seal::open(manifest, checkpoint, public_key, trusted)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 64 << 10];
    loop {
        match input.read(&mut block) {
            Ok(0) => break,
            Ok(count) => digest.update(&block[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Place::File.fault(Fault::Read(error))),
        }
    }
    expect("sha256", &seal.manifest.sha256, &hex::encode(digest.finalize()))?;
    let Seal { manifest, checkpoint, key, pinned } = seal;
    let left_out = manifest.tree_size.saturating_sub(manifest.records);
    Ok(Report { manifest, checkpoint, key, pinned, pruned: Vec::new(), left_out })
}
