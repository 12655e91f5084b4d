//! The command line: what commands print, and the exit codes that scripts rely on (0 done, 1 found something wrong, 2 usage).

use crate::{
    app::{App, INGEST, READ, SECRET, Setup, command, err, out},
    samples::{fixture, number_of, numbered},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

/// Runs a command in an empty directory of its own.
fn run(args: &[&str]) -> Output {
    let home = tempfile::tempdir().expect("a temporary directory");
    command(home.path(), &[]).args(args).output().expect("the binary runs")
}

#[track_caller]
fn json_of(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", out(done), err(done)))
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    for name in [
        "serve",
        "import",
        "check",
        "backup",
        "token",
        "simulate",
        "doctor",
        "config",
        "healthcheck",
        "completions",
        "quarantine",
        "connections",
        "timeline",
        "export",
        "rebuild",
        "audit",
        "verify",
    ] {
        assert!(out(&help).contains(name), "{name}");
        let own = run(&[name, "--help"]);
        assert!(own.status.success(), "{name}");
        assert!(out(&own).contains("Example"), "{name}: {}", out(&own));
    }
    assert!(out(&run(&["--version"])).starts_with("lifeline "));
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().to_str().expect("a path in UTF-8");
    for wrong in [
        &["fly"][..],
        &[],
        &["serve", "--fly"],
        &["serve", "--data-dir", dir, "--listen", "bad"],
        &["serve", "--data-dir", dir, "--store", "postgres://u:hush@h/x"],
        &["config", "show", "--body-bytes-max", "many"],
        &["config", "check", "--listen", "bad"],
        &["import"],
        &["check"],
        &["token", "create", "--kind", "king"],
        &["token", "create", "--data-dir", dir, "--kind", "read", "--name", ""],
    ] {
        let done = run(wrong);
        assert_eq!(done.status.code(), Some(2), "{wrong:?}: {}", err(&done));
        assert!(!err(&done).contains("panicked") && !err(&done).contains("hush"), "{}", err(&done));
    }
}

#[test]
fn check_judges_files_offline() {
    let documented = fixture("event/documented_events.ndjson");
    let good = run(&["check", "--json", documented.to_str().expect("a path in UTF-8")]);
    assert_eq!(good.status.code(), Some(0), "{}{}", out(&good), err(&good));
    let good = json_of(&good);
    assert_eq!((&good["valid"], &good["invalid"], &good["unreadable"]), (&json!(100), &json!(0), &json!(0)));

    let home = tempfile::tempdir().expect("a temporary directory");
    let bad = home.path().join("bad.ndjson");
    fs::write(
        &bad,
        "{\"event\":\"sync_end\",\"created\":\"2026-08-17T09:41:23Z\",\"data\":{\"status\":5}}\n\n{\"torn\":\n",
    )
    .expect("a file");
    let done = command(home.path(), &[]).args(["check", "--json", "bad.ndjson"]).output().expect("the binary runs");
    assert_eq!(done.status.code(), Some(1));
    let report = json_of(&done);
    assert_eq!((&report["invalid"], &report["unreadable"]), (&json!(1), &json!(1)), "{report}");
    let errors = report["errors"].as_array().expect("a list");
    assert_eq!((&errors[0]["line"], &errors[0]["path"]), (&json!(1), &json!("/data/status")), "{report}");
    assert_eq!(errors[1]["line"], 3, "{report}");
    let plain = command(home.path(), &[]).args(["check", "bad.ndjson"]).output().expect("the binary runs");
    assert_eq!(plain.status.code(), Some(1));
    assert!(out(&plain).contains("/data/status"), "{}", out(&plain));
    assert_eq!(run(&["check", "no-such-file"]).status.code(), Some(1));
    assert_eq!(fs::read_dir(home.path()).expect("the directory").count(), 1, "nothing was written");
}

#[test]
fn simulate_makes_the_same_valid_events_every_time() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let args = ["simulate", "--events", "500", "--seed", "3"];
    let once = command(home.path(), &[]).args(args).output().expect("the binary runs");
    assert!(once.status.success(), "{}", err(&once));
    assert_eq!(out(&once).lines().count(), 500);
    assert_eq!(run(&args).stdout, once.stdout);
    let mut check = command(home.path(), &[])
        .args(["check", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    std::io::Write::write_all(&mut check.stdin.take().expect("a pipe"), &once.stdout).expect("the pipe takes it");
    let judged = check.wait_with_output().expect("it ends");
    assert_eq!(json_of(&judged)["valid"], 500, "{}", out(&judged));
}

#[test]
fn simulate_delivers_by_every_protocol() {
    let app = App::spawn();
    let url = format!("http://{}", app.addr);
    for (protocol, credential) in
        [("hec", ["--token", INGEST]), ("webhook", ["--secret", SECRET]), ("loki", ["--token", INGEST])]
    {
        let mut args = vec!["simulate", "--events", "120", "--seed", "5", "--to", &url, "--protocol", protocol];
        args.extend(credential);
        let done = app.run(&args);
        assert!(done.status.success(), "{protocol}: {}", err(&done));
        assert_eq!(app.metric("lifeline_store_events", ""), 120.0, "{protocol}");
    }
    assert!(app.all_events("").iter().all(|event| event["deliveries"] == 3));
    let refused = app.run(&["simulate", "--events", "5", "--to", &url, "--protocol", "hec", "--token", "wrong"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn a_backup_of_a_busy_server_holds_what_was_acknowledged() {
    let app = App::spawn();
    let lines: Vec<String> = (0..2_000).map(|n| numbered("backup", n)).collect();
    app.post_native(lines.join("\n")).expect(200);
    let copy = app.home().join("copy");
    fs::create_dir(&copy).expect("a directory");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let file = copy.join("lifeline.db");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                app.post_native(numbered("meanwhile", n)).expect(200);
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
        });
        let done = app.run(&["backup", file.to_str().expect("a path in UTF-8")]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(done.status.success(), "{}", err(&done));
    });
    let again = app.run(&["backup", file.to_str().expect("a path in UTF-8")]);
    assert_eq!(again.status.code(), Some(1), "a backup never overwrites");
    let into = app.run(&["backup", copy.to_str().expect("a path in UTF-8")]);
    assert!(into.status.success() && out(&into).contains("lifeline-"), "{}", out(&into));
    assert_eq!(fs::read_dir(&copy).expect("the directory").count(), 2, "no half-written file is left");

    let restored = Setup::default().data_dir(&copy).spawn();
    let mut numbers: Vec<u64> = restored.all_events("connection_id=backup").iter().map(number_of).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn the_configuration_is_shown_with_origins_and_without_secrets() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("settings.toml");
    fs::write(&file, "listen = \"127.0.0.1:9999\"\nqueue_batches_max = 64\nread_token = \"a-secret-in-a-file\"\n")
        .expect("a file");
    let env = [
        ("LIFELINE_LISTEN".to_owned(), "127.0.0.1:7777".to_owned()),
        ("LIFELINE_ADMIN_TOKEN".to_owned(), "a-secret-in-env".to_owned()),
    ];
    let file = file.to_str().expect("a path in UTF-8");
    let show = |more: &[&str]| {
        let mut args = vec!["config", "show", "--config", file];
        args.extend_from_slice(more);
        command(home.path(), &env).args(&args).output().expect("the binary runs")
    };
    let shown = out(&show(&["--log", "warn"]));
    for word in ["127.0.0.1:7777", "LIFELINE_LISTEN", "64", "settings.toml", "--log"] {
        assert!(shown.contains(word), "{word} is missing in:\n{shown}");
    }
    let flag = out(&show(&["--listen", "127.0.0.1:5555"]));
    assert!(flag.contains("127.0.0.1:5555") && !flag.contains("127.0.0.1:7777"), "{flag}");
    for shown in [shown, flag, out(&show(&["--json"]))] {
        assert!(!shown.contains("a-secret"), "{shown}");
    }
    assert!(json_of(&show(&["--json"])).is_object());

    let check = |text: &str| {
        fs::write(file, text).expect("a file");
        command(home.path(), &[]).args(["config", "check", "--config", file]).output().expect("the binary runs")
    };
    assert_eq!(check("listen = \"127.0.0.1:9999\"\n").status.code(), Some(0));
    for (text, words) in [
        ("lisen = \"127.0.0.1:9999\"\n", ["lisen", "listen"]),
        ("listen = \"nowhere\"\n", ["listen", "address:port"]),
        ("body_bytes_max = \"many\"\n", ["body_bytes_max", "bytes"]),
        ("tls_cert = \"a.pem\"\n", ["tls_cert", "tls_key"]),
        ("listen = [\n", ["settings.toml", "line"]),
    ] {
        let done = check(text);
        assert_eq!(done.status.code(), Some(1), "{text}");
        for word in words {
            assert!((err(&done) + &out(&done)).contains(word), "{text}: {word} is missing in: {}", err(&done));
        }
    }
    assert!(out(&run(&["config", "reference"])).contains("LIFELINE_INGEST_TOKEN"));
}

#[test]
fn doctor_and_healthcheck_tell_well_from_unwell() {
    let mut app = App::spawn();
    app.post_native(numbered("doctor", 1)).expect(200);
    assert_eq!(app.run(&["healthcheck"]).status.code(), Some(0));
    assert_eq!(app.run(&["healthcheck", "--live"]).status.code(), Some(0));
    let well = app.run(&["doctor"]);
    assert_eq!(well.status.code(), Some(0), "{}{}", out(&well), err(&well));
    assert!(json_of(&app.run(&["doctor", "--json"])).is_object());
    for secret in [INGEST, READ, SECRET] {
        assert!(!out(&well).contains(secret));
    }
    app.stop();
    assert_eq!(app.run(&["healthcheck"]).status.code(), Some(1));
    let offline = app.run(&["doctor"]);
    assert!(!err(&offline).contains("panicked"), "{}", err(&offline));

    // Every page of the database but the first is overwritten.
    let file = app.data.join("lifeline.db");
    let mut bytes = fs::read(&file).expect("the database");
    bytes.iter_mut().skip(16 << 10).for_each(|byte| *byte = 0x5a);
    fs::write(&file, bytes).expect("the database");
    let unwell = app.run(&["doctor"]);
    assert_eq!(unwell.status.code(), Some(1), "{}", out(&unwell));
}

#[test]
fn completions_and_the_openapi_document_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let done = run(&["completions", shell]);
        assert!(done.status.success() && out(&done).contains("lifeline"), "{shell}");
    }
    let printed = json_of(&run(&["openapi"]));
    let app = App::spawn();
    let served = app.send("GET", "/openapi.json", &[], b"").expect(200).json();
    assert_eq!(printed, served);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let done = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{} simulate --events 200000 | head -n 1 | wc -l", shell_quoted(&crate::app::binary())))
        .output()
        .expect("a shell");
    assert_eq!(out(&done).trim(), "1");
    assert!(!err(&done).contains("panicked") && !err(&done).contains("rror"), "{}", err(&done));
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}
