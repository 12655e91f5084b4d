//! Log files that grow, are renamed, cut short and written anew while they are followed.

use crate::{
    app::{App, Setup},
    samples::{gzip, numbered},
};
use serde_json::Value;
use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long an event may take from a file to an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A follower; killed when it is not stopped.
struct Follower(Child);

impl Follower {
    fn start(app: &App, paths: &[&Path]) -> Self {
        let mut command = app.command();
        command.args(["import", "--json", "--follow"]).args(paths);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts"))
    }

    /// Stops it as a supervisor does. Gives its summary and what it said.
    #[track_caller]
    fn stop(mut self) -> (Value, String) {
        let killed = std::process::Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.0.id())).status();
        assert!(killed.is_ok_and(|status| status.success()));
        let started = Instant::now();
        while self.0.try_wait().expect("it can be asked").is_none() {
            assert!(started.elapsed() < Duration::from_secs(10), "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
        let mut said = String::new();
        let mut printed = String::new();
        use std::io::Read as _;
        self.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        self.0.stdout.take().expect("piped").read_to_string(&mut printed).expect("text");
        let status = self.0.wait().expect("it ended");
        assert!(status.success(), "{status} {said}");
        (serde_json::from_str(&printed).expect("--json prints JSON"), said)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a log file");
    file.write_all(text.as_bytes()).expect("it can be written");
}

fn lines(range: std::ops::Range<u64>) -> String {
    range.map(|n| numbered("followed", n) + "\n").collect()
}

/// Waits until exactly these numbers are stored.
#[track_caller]
fn wait_for(app: &App, expected: std::ops::Range<u64>) {
    let started = Instant::now();
    loop {
        let mut found: Vec<u64> =
            app.all_events("connection_id=followed").iter().map(crate::samples::number_of).collect();
        found.sort_unstable();
        if found == expected.clone().collect::<Vec<_>>() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "found {found:?}, waiting for {expected:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn each_came_once(app: &App) {
    for event in app.all_events("connection_id=followed") {
        assert_eq!(event["deliveries"], 1, "{event}");
        assert_eq!(event["delivery"]["protocol"], "import");
    }
}

fn log(app: &App) -> PathBuf {
    app.home().join("fivetran.ndjson")
}

#[test]
fn lines_are_taken_as_they_are_completed() {
    let app = App::spawn();
    let log = log(&app);
    append(&log, &lines(0..3));
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..3);
    let next = lines(3..4);
    let (first, second) = next.split_at(40);
    append(&log, first);
    thread::sleep(Duration::from_secs(1));
    wait_for(&app, 0..3);
    append(&log, second);
    append(&log, "no JSON\n\n");
    append(&log, &lines(4..1_500));
    wait_for(&app, 0..1_500);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1, "{:?}", app.all_of("/v1/quarantine", ""));
    let (summary, _) = follower.stop();
    assert_eq!((&summary["accepted"], &summary["quarantined"]), (&1_500.into(), &1.into()), "{summary}");
    each_came_once(&app);
}

#[test]
fn renamed_files_are_read_to_their_end_and_the_place_survives_restarts() {
    let app = App::spawn();
    let log = log(&app);
    append(&log, &lines(0..10));
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..10);
    let mut writer = OpenOptions::new().append(true).open(&log).expect("the log file");
    fs::rename(&log, log.with_extension("1")).expect("a rename");
    append(&log, &lines(20..30));
    writer.write_all(lines(10..20).as_bytes()).expect("a writer that has not noticed yet");
    wait_for(&app, 0..30);
    drop(follower.stop());

    // Renamed again while nobody looks, with lines that nobody has read, the last one without its end.
    append(&log, &lines(30..39));
    append(&log, lines(39..40).trim_end());
    fs::rename(&log, log.with_extension("2")).expect("a rename");
    append(&log, &lines(40..50));
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..50);
    let (summary, _) = follower.stop();
    assert_eq!((&summary["accepted"], &summary["duplicates"]), (&20.into(), &0.into()), "{summary}");
    each_came_once(&app);
}

#[test]
fn files_that_are_cut_short_or_written_anew_are_read_from_their_beginning() {
    let app = App::spawn();
    let log = log(&app);
    append(&log, &lines(0..10));
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..10);
    // `copytruncate`: the same file, shorter.
    File::create(&log).expect("it can be cut").write_all(lines(10..12).as_bytes()).expect("it can be written");
    wait_for(&app, 0..12);
    // The same, and longer than before when it is looked at.
    File::create(&log).expect("it can be cut").write_all(lines(12..40).as_bytes()).expect("it can be written");
    wait_for(&app, 0..40);
    let (_, said) = follower.stop();
    assert_eq!(said.matches("written anew").count(), 2, "{said}");
    // And once more while nobody looks.
    File::create(&log).expect("it can be cut").write_all(lines(40..90).as_bytes()).expect("it can be written");
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..90);
    drop(follower.stop());
    each_came_once(&app);
}

#[test]
fn directories_and_patterns_find_new_files() {
    let app = App::spawn();
    let (whole, some) = (app.home().join("whole"), app.home().join("some"));
    fs::create_dir(&whole).expect("a directory");
    fs::create_dir(&some).expect("a directory");
    append(&whole.join("a"), &lines(0..2));
    append(&whole.join(".hidden"), &lines(90..91));
    append(&some.join("b.log"), &lines(2..4));
    append(&some.join("b.txt"), &lines(91..92));
    fs::write(some.join("c.log"), gzip(lines(92..93).as_bytes())).expect("a packed file");
    let pattern = some.join("*.log");
    let follower = Follower::start(&app, &[&whole, &pattern, &app.home().join("not-there-yet")]);
    wait_for(&app, 0..4);
    append(&whole.join("d"), &lines(4..6));
    append(&some.join("e.log"), &lines(6..8));
    append(&app.home().join("not-there-yet"), &lines(8..10));
    // Renamed within what is watched: the same file.
    fs::rename(whole.join("a"), whole.join("a.1")).expect("a rename");
    wait_for(&app, 0..10);
    let (_, said) = follower.stop();
    assert!(said.contains("c.log: packed"), "{said}");
    each_came_once(&app);
}

#[test]
fn a_server_may_go_and_come_back() {
    let mut app = App::spawn();
    let log = log(&app);
    append(&log, &lines(0..5));
    let follower = Follower::start(&app, &[&log]);
    wait_for(&app, 0..5);
    app.stop();
    append(&log, &lines(5..10));
    thread::sleep(Duration::from_secs(2));
    app.start();
    wait_for(&app, 0..10);
    let (summary, said) = follower.stop();
    assert!(said.contains("the server is back"), "{said}");
    assert_eq!(summary["records"], 10, "{summary}");
    each_came_once(&app);
}

#[test]
fn without_a_server_the_store_is_written_directly() {
    let mut app = Setup::default().prepare();
    let log = log(&app);
    append(&log, &lines(0..5));
    let follower = Follower::start(&app, &[&log]);
    thread::sleep(Duration::from_secs(3));
    let (summary, _) = follower.stop();
    assert_eq!(summary["accepted"], 5, "{summary}");
    app.start();
    wait_for(&app, 0..5);
    each_came_once(&app);
}
