//! Disks that are full, read-only, taken or strange.

use crate::{
    app::{App, HEC_TOKEN, INGEST, Setup, command},
    samples::{number_of, numbered},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// A small file system of its own, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None`, loudly, where this user may not mount.
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory to mount on");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        match done {
            Ok(done) if done.status.success() => Some(Self(at.to_owned())),
            other => {
                eprintln!("SKIPPED: no tmpfs can be mounted here ({other:?}); run this test as root");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs `serve` where it must not start: a clear end within two seconds.
#[track_caller]
fn refused(app: &App, words: &[&str]) -> String {
    let started = Instant::now();
    let done = app.run(&["serve"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "it started: {said}");
    // Debug builds on a busy machine need a while to compile the schemas.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    for word in words {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_full_disk_is_told_to_senders_and_recovers_without_a_restart() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let Some(mount) = Mount::tmpfs(&home.path().join("small"), "size=24m,mode=0700") else { return };
    let app = Setup::default().data_dir(&mount.0.join("data")).env("LIFELINE_BALLAST_BYTES", "1MiB").spawn();
    let filler = mount.0.join("filler");
    fs::write(&filler, vec![7; 18 << 20]).expect("there is room for the filler");
    let mut acked = BTreeSet::new();
    let mut next = 0;
    // Text that compresses badly, so that the disk fills up.
    let noise = |n: u64| {
        let text: String =
            (0..40).map(|part| format!("{:016x}", (n * 41 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        numbered("full", n).replace("numbered", &text)
    };
    let mut send = |app: &App, acked: &mut BTreeSet<u64>| {
        let lines: Vec<String> = (next..next + 100).map(noise).collect();
        let answer = app.post_native(lines.join("\n"));
        if answer.status == 200 {
            acked.extend(next..next + 100);
        }
        next += 100;
        answer
    };
    for round in 0..2 {
        // Large requests fail first; the ballast and the last free page are used up by small ones.
        let full =
            (0..2_000).map(|_| send(&app, &mut acked)).find(|answer| answer.status != 200).expect("the disk fills up");
        assert_eq!(full.status, 503, "round {round}: {}", full.text());
        assert!(full.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
        assert!(full.json()["detail"].as_str().is_some_and(|detail| detail.contains("disk full")), "{}", full.text());
        let mut refused = 0;
        for n in 0..20_000 {
            let answer = app.post_native(noise(2_000_000 + round * 100_000 + n));
            refused = if answer.status == 200 { 0 } else { refused + 1 };
            if refused == 5 {
                break;
            }
        }
        assert_eq!(refused, 5, "round {round}: small requests are refused in the end, too");
        // Every dialect says it in its own words, reads go on, and probes tell the truth.
        let deadline = Instant::now() + Duration::from_secs(10);
        while app.send("GET", "/readyz", &[], b"").status == 200 {
            assert!(Instant::now() < deadline, "round {round}: /readyz does not notice");
            std::thread::sleep(Duration::from_millis(50));
        }
        let hec = app.post_hec(r#"{"event":{"event":"info"}}"#);
        assert_eq!((hec.status, hec.json()["code"].as_u64()), (503, Some(9)), "{}", hec.text());
        assert_eq!(app.post_loki(crate::loki_bytes::json_push(&[noise(1_000_000)]), "application/json").status, 503);
        assert_eq!(app.post_webhook(noise(1_000_001)).status, 503);
        let health = app.send("GET", "/services/collector/health", &[], b"");
        assert_eq!((health.status, health.json()["code"].as_u64()), (503, Some(18)));
        assert_eq!(app.send("GET", "/healthz", &[], b"").status, 200);
        assert!(!app.get_json("/v1/events?limit=5")["data"].as_array().expect("a list").is_empty());
        assert_eq!(app.metric("lifeline_store_writable", ""), 0.0);

        // Space comes back; the first time by the operator, the second time, too.
        if round == 0 {
            fs::write(&filler, vec![7; 12 << 20]).expect("the filler shrinks");
        } else {
            fs::remove_file(&filler).expect("the filler goes");
        }
        let freed = Instant::now();
        while send(&app, &mut acked).status != 200 {
            assert!(freed.elapsed() < Duration::from_secs(10), "round {round}: no recovery");
            std::thread::sleep(Duration::from_millis(100));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while app.send("GET", "/readyz", &[], b"").status != 200 {
            assert!(Instant::now() < deadline, "round {round}: /readyz does not recover");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let stored: Vec<u64> =
        app.all_events("connection_id=full").iter().map(number_of).filter(|n| *n < 1_000_000).collect();
    let unique: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), unique.len());
    let lost = acked.difference(&unique).count();
    assert_eq!(lost, 0, "of {} acknowledged events", acked.len());
    drop(app);
}

#[test]
fn a_read_only_directory_is_named_at_start() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let Some(mount) = Mount::tmpfs(&home.path().join("fixed"), "size=4m,ro") else { return };
    let app = Setup::default().data_dir(&mount.0.join("data")).prepare();
    refused(&app, &["fixed"]);
}

#[test]
fn strange_data_directories_are_named_at_start() {
    let app = Setup::default().prepare();
    fs::write(&app.data, "I am a file").expect("a file");
    refused(&app, &["data"]);
    fs::remove_file(&app.data).expect("it goes");

    fs::create_dir(&app.data).expect("a directory");
    fs::write(app.data.join("lifeline.db"), "this is no database, and long enough to be looked at".repeat(100))
        .expect("a file");
    refused(&app, &["lifeline.db"]);
    assert!(fs::read(app.data.join("lifeline.db")).expect("it is still there").starts_with(b"this is no database"));
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let mut app = App::spawn();
    app.post_native(numbered("newer", 1)).expect(200);
    app.stop();
    let file = app.data.join("lifeline.db");
    let newer = rusqlite::Connection::open(&file).expect("the database opens");
    newer.pragma_update(None, "user_version", 9_999).expect("a version is written");
    drop(newer);
    refused(&app, &["newer"]);
    let after = rusqlite::Connection::open(&file).expect("the database opens");
    let version: i64 = after.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, 9_999);
    after.pragma_update(None, "user_version", 1).expect("a version is written");
}

#[test]
fn a_second_process_on_one_directory_is_refused() {
    let mut app = App::spawn();
    app.post_native(numbered("first", 1)).expect(200);
    let pid = app.pid().to_string();
    refused(&app, &[&pid]);
    app.assert_well();
    assert!(app.data.join("listen.addr").exists());
    assert_eq!(fs::read_to_string(app.data.join("listen.addr")).expect("an address").trim(), app.addr.to_string());
    // A lock of a process that was killed binds nobody.
    app.kill();
    app.start();
    app.assert_well();
}

#[test]
fn a_taken_port_is_named_at_start() {
    let first = App::spawn();
    let second = Setup::default().env("LIFELINE_LISTEN", &first.addr.to_string()).prepare();
    refused(&second, &[&first.addr.port().to_string()]);
}

#[test]
fn the_first_start_makes_credentials_and_prints_them_once() {
    let app = Setup::default()
        .without("LIFELINE_INGEST_TOKEN")
        .without("LIFELINE_READ_TOKEN")
        .without("LIFELINE_ADMIN_TOKEN")
        .without("LIFELINE_WEBHOOK_SECRET");
    let mut app = app.spawn();
    let printed = fs::read_to_string(app.home().join("stdout.log")).expect("what was printed");
    for word in ["Host", "Port", "Token", "Channel", "SSL", "/v1/webhooks/fivetran", "curl"] {
        assert!(printed.to_lowercase().contains(&word.to_lowercase()), "{word} is missing in:\n{printed}");
    }
    // The printed curl line, word for word, sends a first event.
    let is_first_event = |line: &str| line.trim_start().starts_with("curl") && line.contains("/services/collector");
    let line = printed.lines().position(is_first_event).expect("a curl line");
    let mut lines = printed.lines().skip(line);
    let mut curl = String::new();
    for line in lines.by_ref() {
        curl.push_str(line.trim().trim_end_matches('\\'));
        curl.push(' ');
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    if Command::new("curl").arg("--version").output().is_ok_and(|done| done.status.success()) {
        let done = Command::new("sh").arg("-c").arg(&curl).output().expect("a shell");
        assert!(done.status.success(), "{curl}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(
            String::from_utf8_lossy(&done.stdout).contains("Success"),
            "{curl}: {}",
            String::from_utf8_lossy(&done.stdout)
        );
    } else {
        eprintln!("SKIPPED: there is no curl to try the printed line with");
    }
    let log = app.log();
    app.stop();
    app.start();
    let second = fs::read_to_string(app.home().join("stdout.log")).expect("what was printed");
    assert_eq!(second[printed.len()..].matches("curl").count(), 0, "a second start prints no credentials");
    for secret in log
        .split_whitespace()
        .filter(|word| word.len() >= 32 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
    {
        for entry in fs::read_dir(&app.data).expect("the data directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != "webhook.secret" {
                let bytes = fs::read(entry.path()).expect("a file");
                let held = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!held, "{:?} holds a printed credential", entry.file_name());
            }
        }
    }
}

#[test]
fn tokens_made_while_the_server_runs_work_at_once_and_survive() {
    let mut app = Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{INGEST},hec={HEC_TOKEN}")).spawn();
    let made = app.run(&["token", "create", "--name", "lake", "--kind", "ingest", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("--json prints JSON");
    let token = made["token"].as_str().expect("a token").to_owned();
    app.with_token(&token, "POST", "/v1/events", numbered("made", 1).as_bytes()).expect(200);
    app.kill();
    let offline = app.run(&["token", "create", "--name", "lake", "--kind", "ingest"]);
    assert_eq!(offline.status.code(), Some(1), "the name is taken, also without a server");
    app.start();
    app.with_token(&token, "POST", "/v1/events", numbered("made", 2).as_bytes()).expect(200);
    assert_eq!(app.all_events("destination=lake").len(), 2);
    let listed = app.run(&["token", "list", "--json"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(&token));
    assert!(app.run(&["token", "revoke", "lake"]).status.success());
    assert_eq!(app.with_token(&token, "POST", "/v1/events", numbered("made", 3).as_bytes()).status, 401);
    assert_eq!(app.run(&["token", "revoke", "lake"]).status.code(), Some(1));
    assert_eq!(command(app.home(), &[]).arg("token").output().expect("the binary runs").status.code(), Some(2));
}
