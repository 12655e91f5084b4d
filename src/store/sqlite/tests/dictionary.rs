//! A tool, not a test: trains the dictionary. Run by hand, as its comment says.

use super::from_line;
use std::io::{BufRead as _, Read as _};

/// Lines of a file of events, gzipped or not.
fn lines(path: &str) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let reader: Box<dyn std::io::Read> =
        if path.ends_with(".gz") { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    std::io::BufReader::new(reader.take(1 << 30)).lines().map(Result::unwrap).collect()
}

fn files() -> Vec<String> {
    let names = std::env::var("LIFELINE_SAMPLES").expect("LIFELINE_SAMPLES: colon-separated files of event lines");
    names.split(':').map(str::to_owned).collect()
}

/// `LIFELINE_SAMPLES=a.ndjson:b.ndjson.gz cargo test --release train_the_dictionary -- --ignored --nocapture`
#[test]
#[ignore = "a tool: writes dictionary.bin from sample events"]
fn train_the_dictionary() {
    let mut samples: Vec<Vec<u8>> = Vec::new();
    let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for path in files() {
        for line in lines(&path) {
            let new = from_line(&line);
            // Frequent events would otherwise be all that the dictionary knows.
            let often = seen.entry(new.event.name.clone()).or_default();
            *often += 1;
            if *often > 600 {
                continue;
            }
            samples.push(super::super::encode::plain_body(&new));
        }
    }
    let size = std::env::var("LIFELINE_DICTIONARY_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(24 << 10);
    let dictionary = zstd::dict::from_samples(&samples, size).unwrap();
    println!("{} samples, {} bytes", samples.len(), dictionary.len());
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sqlite/dictionary.bin"), dictionary).unwrap();
}
