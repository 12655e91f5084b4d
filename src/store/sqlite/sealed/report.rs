//! What a block is worth, in bytes.

use super::Sample;
use crate::{
    model::{Delivery, Hints, NewEvent, Payload, Record},
    pipeline::Understanding,
    redact::Redactor,
    simulate::{SimOptions, Simulator, write_json},
    store::Batch,
    validate::Schemas,
};
use std::sync::Arc;

/// So many events of so many connections, a hundred to a batch that comes a second after its last event.
fn batches(events: usize, connections: usize) -> impl Iterator<Item = Batch> {
    let understanding = Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32])));
    let mut account = Simulator::new(&SimOptions { connections, ..SimOptions::default() });
    (0..events / 100).map(move |nth| {
        let events: Vec<_> = account.by_ref().take(100).collect();
        let late_us = 1_000_000 + nth as i64 * 104_729 % 700_001;
        let received_us = events.last().map_or(0, |event| event.created_us) + late_us;
        let understand = |event: &_| -> NewEvent {
            let mut line = Vec::new();
            write_json(event, &mut line);
            let text = String::from_utf8(line).unwrap();
            let record = Record { payload: Payload::Json(text.as_str().into()), hints: Hints::default() };
            understanding.understand(&record, None, received_us).unwrap()
        };
        let events = events.iter().map(understand).collect();
        let delivery = Delivery { protocol: "native", token: "default".into() };
        Batch { delivery, events, quarantine: Vec::new(), ack_channel: None }
    })
}

/// Bytes an event of each column.
fn bytes(blocks: &[Sample]) -> [f64; 4] {
    let events: usize = blocks.iter().map(Sample::len).sum();
    [0, 1, 2, 3].map(|column| blocks.iter().map(|block| block.bytes()[column]).sum::<usize>() as f64 / events as f64)
}

#[test]
fn a_whole_block_takes_less_than_seven_bytes_an_event_beside_the_hashes() {
    let blocks = Sample::blocks(batches(22_000, 3), 4_096);
    assert!(blocks.len() >= 3, "{}", blocks.len());
    assert!(blocks.iter().all(Sample::holds));
    let [times, hashes, heads, bodies] = bytes(&blocks);
    assert!(times + heads + bodies < 7.0, "{times:.2} {heads:.2} {bodies:.2}");
    assert!(hashes < 8.01, "{hashes}");
}

/// `cargo test --release --lib bytes_of_blocks -- --ignored --nocapture`
#[test]
#[ignore = "a report, not a test"]
fn bytes_of_blocks() {
    for rows in [16, 128, 1_024, 4_096, 16_384] {
        let blocks = Sample::blocks(batches(400_000, 20), rows);
        assert!(blocks.iter().all(Sample::holds));
        let [times, hashes, heads, bodies] = bytes(&blocks);
        let all = times + heads + bodies;
        println!(
            "{rows:>6} events, {:>5} blocks: times {times:.2}, heads {heads:.2}, bodies {bodies:.2}, together {all:.2}; hashes {hashes:.2}",
            blocks.len()
        );
    }
}
