//! Precedence, refusals and silence about secrets, for every setting of the table.

use super::{
    Config, Inputs, Origin, Problem,
    resolve::resolve,
    setting::{Kind, SETTINGS, Setting},
    show,
};
use std::path::Path;

/// Four different good values of a kind, for default's three rivals: file, environment, flag.
fn values(setting: &Setting) -> [&'static str; 3] {
    match setting.kind {
        Kind::Address => ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
        Kind::Url => ["https://a.example", "https://b.example", "https://c.example"],
        Kind::Path | Kind::Text => ["a", "b", "c"],
        Kind::Store => ["sqlite"; 3],
        Kind::Secret => ["hush-file", "hush-env", "hush-flag"],
        Kind::Tokens => ["a=hush-file", "b=hush-env", "hush-flag"],
        Kind::Bool => ["false", "true", "false"],
        Kind::Count | Kind::Seconds | Kind::DaysOrOff => ["11", "12", "13"],
        Kind::Sinks => ["file:a", "https://b.example/c", "exec:c"],
        Kind::Bytes | Kind::BytesOrOff => ["1MiB", "2MiB", "3MiB"],
        Kind::OneOf(words) => [words[1], words[0], words[1]],
    }
}

fn inputs(dir: &Path) -> Inputs {
    Inputs { working_dir: dir.to_owned(), ..Inputs::default() }
}

fn entry(inputs: &Inputs, setting: &Setting) -> (Option<String>, Origin) {
    let resolved = resolve(inputs).unwrap();
    let entry = resolved.entries.into_iter().find(|e| e.setting.key == setting.key).unwrap();
    (entry.text, entry.origin)
}

#[test]
fn flag_beats_environment_beats_file_beats_default_for_every_setting() {
    for setting in SETTINGS {
        let dir = tempfile::tempdir().unwrap();
        let [file, env, flag] = values(setting);
        let mut inputs = inputs(dir.path());
        assert_eq!(entry(&inputs, setting), (setting.default.map(str::to_owned), Origin::Default), "{}", setting.key);

        let path = dir.path().join("lifeline.toml");
        std::fs::write(&path, format!("{} = {file:?}\n", setting.key)).unwrap();
        assert_eq!(entry(&inputs, setting), (Some(file.to_owned()), Origin::File(path)), "{}", setting.key);

        inputs.env.insert(setting.env(), env.to_owned());
        assert_eq!(entry(&inputs, setting), (Some(env.to_owned()), Origin::Env(setting.env())), "{}", setting.key);

        inputs.flags.push((setting.key, flag.to_owned()));
        assert_eq!(entry(&inputs, setting), (Some(flag.to_owned()), Origin::Flag(setting.flag())), "{}", setting.key);
    }
}

#[test]
fn secrets_come_from_files_too_and_are_never_shown() {
    for setting in SETTINGS.iter().filter(|setting| setting.secret()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(setting.key);
        std::fs::write(&path, "hush-hush\n").unwrap();
        let path = path.to_string_lossy().into_owned();
        for (variable, value) in [
            (setting.env(), "hush-hush".to_owned()),
            (format!("{}_FILE", setting.env()), path),
            ("CREDENTIALS_DIRECTORY".to_owned(), dir.path().to_string_lossy().into_owned()),
        ] {
            let mut inputs = inputs(dir.path());
            inputs.env.insert(variable, value);
            assert_eq!(entry(&inputs, setting).0.as_deref(), Some("hush-hush"));
            let (config, resolved) = Config::load(&inputs).unwrap();
            for shown in [show::table(&resolved), show::json(&resolved).to_string(), format!("{config:?}")] {
                assert!(!shown.contains("hush"), "{}: {shown}", setting.key);
            }
        }
        let mut inputs = inputs(dir.path());
        inputs.env.insert(setting.env(), "hush hush".to_owned());
        let error = resolve(&inputs).unwrap_err().to_string();
        assert!(error.contains(setting.key) && !error.contains("hush"), "{error}");
    }
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lifeline.toml"), "lisen = \"x\"\n[limits]\na = 1\n").unwrap();
    let error = resolve(&inputs(dir.path())).unwrap_err();
    assert_eq!(error.0.len(), 2);
    let text = error.to_string();
    assert!(text.contains(r#"unknown key "lisen"; did you mean "listen"?"#), "{text}");
    assert!(text.contains(r#"unknown key "limits""#), "{text}");
}

#[test]
fn a_broken_file_names_its_line_but_does_not_quote_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lifeline.toml"), "listen = \"127.0.0.1:0\"\nread_token = hush\n").unwrap();
    let text = resolve(&inputs(dir.path())).unwrap_err().to_string();
    assert!(text.contains("line 2") && !text.contains("hush"), "{text}");
}

#[test]
fn errors_name_key_origin_value_and_unit_and_come_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = inputs(dir.path());
    inputs.env.insert("LIFELINE_BODY_BYTES_MAX".into(), "lots".into());
    inputs.flags.push(("shutdown_grace_s", "0".into()));
    inputs.flags.push(("store", "postgres://db/x".into()));
    let error = resolve(&inputs).unwrap_err();
    assert_eq!(error.0.len(), 3);
    let text = error.to_string();
    for part in [
        "body_bytes_max (environment LIFELINE_BODY_BYTES_MAX): \"lots\"",
        "expected bytes, such as",
        "shutdown_grace_s (flag --shutdown-grace-s): \"0\": it is below 1; expected whole seconds",
        "not in this release",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_password_in_an_address_stays_out_of_errors_and_of_what_is_shown() {
    for (text, shown) in [
        ("postgres://u:hush@h/x", "postgres://[secret]@h/x"),
        ("mysql://u:hu@sh@h/x?password=hush#hush", "mysql://[secret]@h/x?[secret]"),
        ("postgres://u:hu?sh@h/x", "postgres://[secret]"),
        ("postgres://h/x?user=u&password=hu@sh", "postgres://[secret]"),
        ("u:hush@tcp(h)/x", "[secret]@tcp(h)/x"),
        ("postgres://h/x", "postgres://h/x"),
        ("nosql", "nosql"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut by_flag = inputs(dir.path());
        by_flag.flags.push(("store", text.into()));
        let mut by_env = inputs(dir.path());
        by_env.env.insert("LIFELINE_STORE".into(), text.into());
        let by_file = inputs(dir.path());
        for inputs in [by_flag, by_env] {
            let refused = resolve(&inputs).unwrap_err().to_string();
            assert!(refused.contains(&format!("{shown:?}")) && !refused.contains("hush"), "{refused}");
        }
        std::fs::write(dir.path().join("lifeline.toml"), format!("store = {text:?}\n")).unwrap();
        let refused = resolve(&by_file).unwrap_err().to_string();
        assert!(refused.contains(&format!("{shown:?}")) && !refused.contains("hush"), "{refused}");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = inputs(dir.path());
    inputs.flags.push(("audit_checkpoint_to", "https://u:hush@h/y?x=hush".into()));
    let shown = super::show::table(&resolve(&inputs).unwrap());
    assert!(shown.contains("https://[secret]@h/y?[secret]") && !shown.contains("hush"), "{shown}");
}

#[test]
fn settings_have_to_fit_together() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |flags: &[(&'static str, &str)]| {
        let flags = flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        match Config::load(&Inputs { flags, ..inputs(dir.path()) }) {
            Err(error) => matches!(error.0.as_slice(), [Problem::Combination(_)]),
            Ok(_) => false,
        }
    };
    assert!(refused(&[("tls_cert", "c.pem")]));
    assert!(refused(&[("tls_key", "k.pem")]));
    assert!(refused(&[("body_bytes_max", "65MiB")]));
    assert!(refused(&[("ingest_token", "a=same"), ("read_token", "same")]));
    assert!(!refused(&[("tls_cert", "c.pem"), ("tls_key", "k.pem")]));
}

#[test]
fn metrics_are_open_on_loopback_only_unless_said_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let public = |flags: &[(&'static str, &str)]| {
        let flags = flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        Config::load(&Inputs { flags, ..inputs(dir.path()) }).unwrap().0.network.metrics_public
    };
    assert!(public(&[]));
    assert!(!public(&[("listen", "0.0.0.0:8088")]));
    assert!(public(&[("listen", "0.0.0.0:8088"), ("metrics_public", "true")]));
    assert!(!public(&[("metrics_public", "no")]));
}

#[test]
fn misspelt_variables_are_pointed_out_and_foreign_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = inputs(dir.path());
    inputs.env.insert("LIFELINE_LISTN".into(), "x".into());
    inputs.env.insert("LIFELINE_SERVICE_HOST".into(), "10.0.0.1".into());
    inputs.env.insert("LIFELINE_READ_TOKEN".into(), String::new());
    let warnings = resolve(&inputs).unwrap().warnings;
    assert_eq!(warnings, ["the variable LIFELINE_LISTN is not read; did you mean LIFELINE_LISTEN?"]);
}

#[test]
fn the_reference_lists_every_setting() {
    let page = show::reference();
    for setting in SETTINGS {
        assert!(page.contains(&format!("| `{}` | `{}` |", setting.key, setting.env())), "{}", setting.key);
    }
}

#[test]
fn sinks_may_hold_commas_and_do_not_show_what_is_secret() {
    use super::value::{Sink, sinks};
    let found = sinks("file:/a,b, https://u:hush@h.example/hush?x=hush,y ,exec:tee a,b | cat").unwrap();
    let expected = [
        Sink::File("/a,b".into()),
        Sink::Post("https://u:hush@h.example/hush?x=hush,y".into()),
        Sink::Exec("tee a,b | cat".into()),
    ];
    assert_eq!(found, expected);
    let names: Vec<_> = found.iter().map(Sink::name).collect();
    assert_eq!(names, ["file:/a,b", "https://h.example", "exec"]);
    for bad in ["", "/a", "file:", "ftp://x", "exec: ", "https://"] {
        assert!(sinks(bad).is_err(), "{bad}");
    }
}
