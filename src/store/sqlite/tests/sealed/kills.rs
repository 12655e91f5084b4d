//! The power goes at every step of sealing, joining and replaying.

use super::{
    super::vfs::{self, Image},
    *,
};

/// A store with blocks that the next sealing joins, and a journal; and what it holds.
fn begun(options: SqliteOptions) -> (tempfile::TempDir, Vec<StoredEvent>) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options).unwrap();
    for n in 0..7 {
        append(&store, (n * 9..n * 9 + 9).map(contract::sample).collect()).unwrap();
        assert!(seal(&store));
    }
    // Late ones, new ones and changes of sealed ones.
    let mut last: Vec<NewEvent> = (0..30).map(|n| contract::sample(n * 11)).collect();
    last.iter_mut().step_by(4).for_each(|new| new.event.connection_name = Some("later".into()));
    for part in last.chunks(5) {
        append(&store, part.to_vec()).unwrap();
    }
    let events = all(&store);
    wait(store.close()).unwrap();
    (dir, events)
}

fn image_of(dir: &Path) -> Image {
    vfs::mount(dir, 0).disk.image()
}

/// Everything is there, whatever is done next.
#[track_caller]
fn whole(image: &Image, expected: &[StoredEvent], step: u64) {
    let dir = tempfile::tempdir().unwrap();
    image.restore(dir.path());
    let store = super::super::open(dir.path());
    assert_eq!(all(&store), expected, "step {step}");
    in_one_place(dir.path(), expected.len() as u64);
    assert!(seal(&store), "step {step}");
    assert_eq!(all(&store), expected, "step {step}, sealed");
    let again = append(&store, (0..30).map(|n| contract::sample(n * 11)).collect()).unwrap().outcomes;
    assert!(again.iter().all(|it| matches!(it, Outcome::Duplicate(_))), "step {step}");
    in_one_place(dir.path(), expected.len() as u64);
}

#[test]
fn a_power_cut_at_any_step_of_sealing_leaves_every_event_once() {
    let (from, expected) = begun(options());
    let start = image_of(from.path());
    let mut joined = 0;
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        start.restore(dir.path());
        let mounted = vfs::mount(dir.path(), step);
        let store = super::super::open(dir.path());
        let (_, before, _) = tiers(dir.path());
        mounted.disk.cut_after(step);
        assert!(seal(&store), "it goes on with a dead disk");
        let over = !mounted.disk.is_off();
        let image = mounted.disk.image();
        let (journal, blocks, _) = tiers(dir.path());
        assert_eq!(journal, 0);
        joined += i64::from(blocks < before + 3);
        drop(store);
        drop(mounted);
        whole(&image, &expected, step);
        if over {
            assert!(step > 5 && joined > 0, "{step} steps");
            println!("{step} steps");
            return;
        }
    }
}

#[test]
fn a_power_cut_at_any_step_of_opening_three_times_over_leaves_every_event_once() {
    let (from, expected) = begun(options());
    let first = image_of(from.path());
    for step in 0..40 {
        let (mut image, mut over) = (first.clone(), true);
        for time in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            image.restore(dir.path());
            let mounted = vfs::mount(dir.path(), step * 3 + time);
            mounted.disk.cut_after(step + time);
            // Smaller blocks than before: sealing begins with the replay.
            let store = SqliteStore::open(dir.path(), sealing(4)).unwrap();
            append(&store, vec![contract::sample(0)]).unwrap();
            over &= !mounted.disk.is_off();
            image = mounted.disk.image();
            drop(store);
        }
        let dir = tempfile::tempdir().unwrap();
        image.restore(dir.path());
        let store = super::super::open(dir.path());
        let found = all(&store);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let deliveries = found.deliveries - expected.deliveries;
            assert!(deliveries == 0 || found.id.0 == contract::sample(0).key && deliveries <= 3);
            assert_eq!(StoredEvent { deliveries: expected.deliveries, ..found.clone() }, *expected);
        }
        drop(store);
        if over {
            return;
        }
    }
}
