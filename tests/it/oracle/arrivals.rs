//! Lives over HTTP: however the lines of an account arrive, the answers are the same, byte for byte, and true.
//!
//! Usual runs take a few short lives of the account; `LIFELINE_ORACLE_ROUNDS` above 1 takes whole accounts, and more rounds.

use super::{
    account::{Account, accounts, old_spelling, rounds, time},
    folded::{Facts, Life, body, facts},
    sync::Sync,
    truth::{Answer, assert_none, differences, folded},
};
use crate::{
    app::{App, INGEST},
    http::{Conn, Response, request},
    loki_bytes,
    samples::{hec_body, rng, shuffled},
};
use lifeline::{
    lifecycle::{Fact, time_text},
    model::Micros,
    query::diagnosis::Diagnoser,
};
use proptest::strategy::{Strategy, ValueTree};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    time::{Duration, Instant, SystemTime},
};

/// What a server says of every connection: its timeline, the moment of asking taken out, and its days.
pub type Told = BTreeMap<String, String>;

/// An answer in which everything that was acknowledged is folded.
fn settled(app: &App, path: &str) -> Response {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = app.get(path).expect(200);
        if answer.header("lifeline-behind").is_none() {
            return answer;
        }
        assert!(Instant::now() < deadline, "late events are not folded in time");
    }
}

pub fn ids(app: &App) -> Vec<String> {
    settled(app, "/v1/connections?limit=1");
    let all = app.all_of("/v1/connections", "limit=1000");
    all.iter().map(|it| it["connection_id"].as_str().expect("an id").to_owned()).collect()
}

/// Without the digests of masked secrets, which every data directory makes with a key of its own.
fn unkeyed(text: &str) -> String {
    let mut parts = text.split("[redacted:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("[redacted");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

/// A timeline without the moment of asking.
fn timeline(app: &App, id: &str, query: &str) -> String {
    let text = settled(app, &format!("/v1/connections/{id}/timeline?{query}")).text();
    let from = text.find(",\"as_of\":\"").expect("an answer says when it was asked for");
    let to = text[from + 1..].find(",\"").map_or(text.len(), |at| from + 1 + at);
    unkeyed(&format!("{}{}", &text[..from], &text[to..]))
}

fn told(app: &App) -> Told {
    let mut all = Told::new();
    for id in ids(app) {
        let days = settled(app, &format!("/v1/connections/{id}/daily?from=2026-03-01&to=2026-04-02")).text();
        let life = timeline(app, &id, "");
        all.insert(id, format!("{life}\n{days}"));
    }
    all.insert("runs".to_owned(), settled(app, "/v1/transformations?limit=1000").text());
    all.insert("incidents".to_owned(), settled(app, "/v1/incidents?limit=1000").text());
    all
}

#[track_caller]
fn assert_same(one: &Told, other: &Told, how: &str) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{how}");
    for (id, text) in one {
        let found = &other[id];
        if text != found {
            let at = text.bytes().zip(found.bytes()).take_while(|(one, other)| one == other).count();
            let around = |text: &str| {
                String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200)..text.len().min(at + 200)]).into_owned()
            };
            panic!("{how}: {id} differs at byte {at}\n{}\n{}", around(text), around(found));
        }
    }
}

/// A server's answers against a pure fold of the same lines.
#[track_caller]
fn assert_as_folded(app: &App, facts: &Facts, how: &str) {
    let known = ids(app);
    let expected: Vec<&String> = facts.keys().flatten().collect();
    assert_eq!(known.iter().collect::<Vec<_>>(), expected, "{how}");
    for (id, facts) in facts.iter().filter_map(|(id, facts)| Some((id.as_ref()?, facts))) {
        same_life(&body(&timeline(app, id, "")), &Life::of(facts), id, how);
    }
}

#[track_caller]
fn same_life(answer: &Value, life: &Life, id: &str, how: &str) {
    // What the fold says, with what errors mean by it; no text is long enough to need its event.
    let diagnoser = Diagnoser::builtin();
    let mut summary = life.summary.clone().expect("a summary");
    let source = summary.source;
    let stages: Vec<Value> =
        life.stages.values().map(|stage| body(&unkeyed(&diagnoser.stage(&|_| None, source, stage)))).collect();
    let found = answer["stages"].as_array().expect("stages");
    for (found, expected) in found.iter().zip(&stages) {
        assert_eq!(found, expected, "{how}: {id}");
    }
    assert_eq!(found.len(), stages.len(), "{how}: {id}");
    let incidents: Vec<Value> = life
        .incidents
        .values()
        .map(|incident| body(&diagnoser.incident(&|_| None, Some(source), &incident.body)))
        .collect();
    assert_eq!(answer["incidents"].as_array().expect("incidents"), &incidents, "{how}: {id}");
    id.clone_into(&mut summary.connection_id);
    lifeline::query::lives::explain(&|_| None, &diagnoser, &mut summary);
    let mut expected = summary.json(0);
    let mut found = answer["connection"].clone();
    for connection in [&mut expected, &mut found] {
        // Depends on the moment of asking.
        connection["schema_changes_last_30_days"].take();
    }
    assert_eq!(found, expected, "{how}: {id}");
}

/// Lines of a few short lives, one for a scenario, in order of arrival; and all that belong to no connection.
pub fn some_lines(account: &Account) -> Vec<String> {
    if rounds() > 1 {
        return account.lines.clone();
    }
    let mut count: HashMap<String, usize> = HashMap::new();
    let id_of = |line: &str| body(line)["connection_id"].as_str().unwrap_or_default().to_owned();
    for line in &account.lines {
        *count.entry(id_of(line)).or_default() += 1;
    }
    let mut shortest: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for connection in &account.connections {
        let lines = count.get(&connection.connection_id).copied().unwrap_or_default();
        let found = shortest.entry(&connection.scenario).or_insert((usize::MAX, ""));
        *found = (*found).min((lines, &connection.connection_id));
    }
    let chosen: Vec<&str> = shortest.values().filter(|(lines, _)| *lines < 220).map(|(_, id)| *id).collect();
    let is_chosen = |line: &&String| {
        let id = id_of(line);
        id.is_empty() || chosen.contains(&id.as_str())
    };
    account.lines.iter().filter(is_chosen).cloned().collect()
}

fn send_native<S: AsRef<str>>(app: &App, lines: &[S]) {
    let body: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    let answer = app.post_native(body.join("\n")).expect(200).json();
    assert_eq!(answer["quarantined"], 0, "{answer}");
}

/// Lines in pieces of random sizes.
fn pieces<'l>(lines: &'l [String], rng: &mut StdRng, most: usize) -> Vec<&'l [String]> {
    let mut rest = lines;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rng.random_range(1..=most).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// In any order, some of them again.
fn shuffled_with_repeats(lines: &[String], rng: &mut StdRng) -> Vec<String> {
    let mut all = lines.to_vec();
    all.extend(lines.iter().filter(|_| rng.random_bool(0.1)).cloned());
    shuffled(&all, rng)
}

/// A server that was given the lines in order of arrival, and what it says.
pub fn given_in_order(lines: &[String]) -> (App, Told) {
    let app = App::spawn();
    for piece in lines.chunks(500) {
        send_native(&app, piece);
    }
    let told = told(&app);
    (app, told)
}

fn answers_of(app: &App) -> BTreeMap<String, Answer> {
    ids(app)
        .into_iter()
        .map(|id| {
            let whole = body(&timeline(app, &id, ""));
            let stages = whole["stages"].as_array().expect("stages").iter();
            let syncs = stages.filter(|stage| stage["stage"] == "sync").map(Sync::of).collect();
            (id, Answer { connection: whole["connection"].clone(), syncs })
        })
        .collect()
}

#[test]
fn a_whole_account_over_http_is_as_the_generator_knows_it() {
    let folded = &folded()[0];
    let mut app = App::spawn();
    for piece in folded.account.lines.chunks(2_000) {
        send_native(&app, piece);
    }
    assert_none(&differences(folded.account, &answers_of(&app)));
    assert_as_folded(&app, &folded.facts, "in order of arrival");
    app.stop();
    super::views::compare(folded, &app.data);
}

#[test]
fn order_repeats_batches_and_spelling_leave_no_trace() {
    let mut rng = rng();
    for account in accounts() {
        let lines = some_lines(account);
        let (app, expected) = given_in_order(&lines);
        assert_as_folded(&app, &facts(&lines), "in order of arrival");
        drop(app);
        for round in 0..rounds() {
            let app = App::spawn();
            let old = rng.random_bool(0.5);
            let mixed: Vec<String> = shuffled_with_repeats(&lines, &mut rng)
                .into_iter()
                .map(|line| if old { old_spelling(&line) } else { line })
                .collect();
            for piece in pieces(&mixed, &mut rng, 400) {
                send_native(&app, piece);
            }
            assert_same(&expected, &told(&app), &format!("{}, round {round}, old spelling {old}", account.name));
        }
        let app = App::spawn();
        for piece in lines.chunks(700) {
            let old: Vec<String> = piece.iter().map(|line| old_spelling(line)).collect();
            send_native(&app, &old);
        }
        assert_same(&expected, &told(&app), "old spelling");
        if rounds() == 1 {
            break;
        }
    }
}

#[test]
fn the_old_spelling_folds_into_the_same_lives() {
    for folded in folded().iter().take(rounds()) {
        let old = facts(&folded.account.old_lines());
        assert_eq!(old.keys().collect::<Vec<_>>(), folded.facts.keys().collect::<Vec<_>>());
        for (id, facts) in &old {
            assert_eq!(Life::of(facts).text(), folded.lives[id].text(), "{id:?}");
        }
    }
}

#[test]
fn one_event_at_a_time_over_hec_leaves_no_trace() {
    let lines = some_lines(&accounts()[0]);
    let (reference, expected) = given_in_order(&lines);
    drop(reference);
    let app = App::spawn();
    let token = format!("Splunk {INGEST}");
    // Several senders at once, as a busy account has.
    std::thread::scope(|scope| {
        for part in lines.chunks(lines.len().div_ceil(8)) {
            let (app, token) = (&app, &token);
            scope.spawn(move || {
                let mut conn = Conn::open(app.addr).expect("the server accepts connections");
                for line in part {
                    let body = hec_body(&[line]);
                    let post =
                        request("POST", "/services/collector/event", &[("Authorization", token)], body.as_bytes());
                    conn.send(&post).expect("an answer").expect(200);
                }
            });
        }
    });
    assert_same(&expected, &told(&app), "one at a time");
}

/// Sends a piece on a random road.
fn send_anyhow(app: &App, piece: &[String], rng: &mut StdRng) {
    match rng.random_range(0..5) {
        0 => send_native(app, piece),
        1 => drop(app.post_hec(hec_body(piece)).expect(200)),
        2 => drop(app.post_loki(loki_bytes::json_push(piece), "application/json").expect(204)),
        3 => {
            for line in piece {
                assert!(app.post_webhook(line).status < 300);
            }
        }
        _ => {
            let file = app.home().join(format!("{}.ndjson", rng.random::<u64>()));
            fs::write(&file, piece.join("\n")).expect("a file is written");
            let done = app.run(&["import", "--json", file.to_str().expect("a path in UTF-8")]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

#[test]
fn mixed_roads_and_kills_in_between_leave_no_trace() {
    let mut rng = rng();
    let lines = some_lines(&accounts()[0]);
    let (mut reference, expected) = given_in_order(&lines);
    for round in 0..rounds() {
        let mut app = App::spawn();
        let mixed = shuffled_with_repeats(&lines, &mut rng);
        let mut all = pieces(&mixed, &mut rng, 300);
        all.shuffle(&mut rng);
        let kill_every = (all.len() / 4).max(1);
        for (turn, piece) in all.iter().enumerate() {
            send_anyhow(&app, piece, &mut rng);
            if turn % kill_every == kill_every - 1 {
                app.kill();
                app.start();
            }
        }
        assert_same(&expected, &told(&app), &format!("mixed, round {round}"));
        app.stop();
        app.start();
        assert_same(&expected, &told(&app), "after a clean restart");
    }
    reference.kill();
    reference.start();
    assert_same(&expected, &told(&reference), "after a kill");
}

#[test]
fn what_is_made_anew_is_the_same() {
    let lines = some_lines(&accounts()[0]);
    let (mut app, expected) = given_in_order(&lines);
    app.with_token(crate::app::ADMIN, "POST", "/v1/rebuild", b"").expect(202);
    assert_same(&expected, &told(&app), "rebuilt while it serves");
    app.stop();
    let done = app.run(&["rebuild"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    app.start();
    assert_same(&expected, &told(&app), "rebuilt while nothing serves");
    // Killed in the middle of it.
    app.with_token(crate::app::ADMIN, "POST", "/v1/rebuild", b"").expect(202);
    app.kill();
    app.start();
    assert_same(&expected, &told(&app), "killed while it was rebuilt");
}

#[test]
fn as_of_is_what_a_server_says_that_knows_no_more() {
    let mut rng = rng();
    let account = &accounts()[0];
    let lines = some_lines(account);
    let app = App::spawn();
    // Late lines too: the past is made of all that is known of it.
    for piece in pieces(&shuffled(&lines, &mut rng), &mut rng, 800) {
        send_native(&app, piece);
    }
    let created = |line: &String| body(line)["created"].as_str().and_then(time).expect("a time");
    let all = facts(&lines);
    for _ in 0..2 * rounds() {
        // At the very microsecond of an event, which then counts.
        let at: Micros = created(&lines[rng.random_range(0..lines.len())]);
        let before: Vec<String> = lines.iter().filter(|line| created(line) <= at).cloned().collect();
        let other = App::spawn();
        send_native(&other, &before);
        let as_of = format!("as_of={}", time_text(at));
        let known = ids(&other);
        for id in &known {
            let then = timeline(&app, id, &as_of);
            assert_eq!(then, timeline(&other, id, &as_of), "{id} {as_of}");
            let path = format!("/v1/connections/{id}?{as_of}");
            assert_eq!(settled(&app, &path).text(), settled(&other, &path).text(), "{id} {as_of}");
            let facts: &[Fact] = &all[&Some(id.clone())];
            let life = Life::of(&facts[..facts.partition_point(|fact| fact.key.created_us <= at)]);
            same_life(&body(&then), &life, id, &as_of);
        }
        for id in ids(&app).iter().filter(|id| !known.contains(id)) {
            app.get(&format!("/v1/connections/{id}/timeline?{as_of}")).expect(404);
        }
    }
}

/// What has happened by now: what lies ahead waits, unless everything does.
fn present(facts: &[Fact]) -> &[Fact] {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let now = since.as_micros() as Micros + 600_000_000;
    match facts.partition_point(|fact| fact.key.created_us <= now) {
        0 => facts,
        until => &facts[..until],
    }
}

/// An id as a part of a path.
fn in_path(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The lives of [`super::odd`], which fold without a store; here with one: late lines, equal times, checkpoints in between.
#[test]
fn odd_lives_in_a_server_are_as_folded() {
    let mut rng = rng();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let app = App::spawn();
    let mut all: Vec<(usize, Vec<String>)> = Vec::new();
    for case in 0..40 * rounds() {
        let life = super::odd::odd_life().new_tree(&mut runner).expect("a life").current();
        // Every case has connections of its own; lines without one would all share a life.
        let own = |line: &String| -> Option<String> {
            let mut event = body(line);
            let id = format!("{}\u{7f}/{case}", event["connection_id"].as_str()?);
            event["connection_id"] = id.into();
            Some(event.to_string())
        };
        let lines: Vec<String> = life.iter().filter_map(own).collect();
        let mixed = shuffled_with_repeats(&lines, &mut rng);
        for piece in pieces(&mixed, &mut rng, 30) {
            send_native(&app, piece);
            // Asked in between, so that rows are made that later lines change.
            if rng.random_bool(0.2) {
                settled(&app, "/v1/connections?limit=1");
            }
        }
        all.push((case, lines));
    }
    for (case, lines) in all {
        for (id, facts) in facts(&lines) {
            let id = id.expect("every line has a connection");
            let path = in_path(&id);
            same_life(&body(&timeline(&app, &path, "")), &Life::of(present(&facts)), &id, &format!("case {case}"));
            let at = facts[rng.random_range(0..facts.len())].key.created_us;
            let then = timeline(&app, &path, &format!("as_of={}", time_text(at)));
            let life = Life::of(&facts[..facts.partition_point(|fact| fact.key.created_us <= at)]);
            same_life(&body(&then), &life, &id, &format!("case {case} as of {}", time_text(at)));
        }
    }
}

/// LOG as the Platform Connector writes it, made of the same lines: levels are given, names are not.
fn log_table(account: &Account, lines: &[String]) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let head =
        ["id", "time_stamp", "_fivetran_synced", "connection_id", "event", "message_data", "message_event", "sync_id"];
    table.write_record(head).expect("memory takes it");
    for (n, line) in lines.iter().enumerate() {
        let event = body(line);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let level = super::log::level(account, &event);
        let data = if event["data"].is_null() { String::new() } else { event["data"].to_string() };
        let at = text("created").replace('T', " ").replace('Z', "");
        let row = [
            n.to_string(),
            at.clone(),
            at,
            text("connection_id"),
            level.to_owned(),
            data,
            text("event"),
            text("sync_id"),
        ];
        table.write_record(row).expect("memory takes it");
    }
    String::from_utf8(table.into_inner().expect("memory takes it")).expect("UTF-8")
}

/// Rows of LOG and lines of the external log are the same events; one knows the level, the other the names. Whichever comes first, the
/// lives know both.
#[test]
fn rows_of_the_platform_and_lines_meet_in_any_order() {
    let mut rng = rng();
    let account = &accounts()[0];
    let lines: Vec<String> = some_lines(account).into_iter().filter(|line| line.contains("connection_id")).collect();
    let import = |app: &App, part: &[String]| {
        let log = app.home().join("log.csv");
        fs::write(&log, log_table(account, part)).expect("a file is written");
        let connections = app.home().join("connection.csv");
        fs::write(&connections, account.platform("connection")).expect("a file is written");
        let [log, connections] = [&log, &connections].map(|path| path.to_str().expect("a path in UTF-8"));
        let done = app.run(&["import", "--json", "--restart", log, connections]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let (mut after, _) = given_in_order(&lines);
    import(&after, &lines);
    let expected = told(&after);
    let before = App::spawn();
    import(&before, &lines);
    for piece in lines.chunks(300) {
        send_native(&before, piece);
    }
    let events = |app: &App| app.metric("lifeline_store_events", "");
    assert_eq!(events(&before) as usize, facts(&lines).values().map(Vec::len).sum::<usize>());
    assert_same(&expected, &told(&before), "rows before lines");
    let between = App::spawn();
    let mixed = shuffled(&lines, &mut rng);
    let (early, late) = mixed.split_at(mixed.len() / 2);
    send_native(&between, early);
    import(&between, &lines);
    send_native(&between, late);
    assert_same(&expected, &told(&between), "rows between lines");
    after.with_token(crate::app::ADMIN, "POST", "/v1/rebuild", b"").expect(202);
    assert_same(&expected, &told(&after), "rebuilt");
    after.stop();
}

/// Whoever asks after an acknowledgement sees the event, however late it came.
#[test]
fn every_answer_knows_what_was_acknowledged_before() {
    let mut rng = rng();
    let account = &accounts()[0];
    let connection = account.connections.iter().find(|it| it.scenario == "priority_sync_end").expect("a short life");
    let id = &connection.connection_id;
    let lines: Vec<String> =
        account.lines.iter().filter(|line| line.contains(&format!("\"connection_id\":\"{id}\""))).cloned().collect();
    let mixed = shuffled(&lines, &mut rng);
    let app = App::spawn();
    for known in 1..=mixed.len() {
        send_native(&app, &mixed[known - 1..known]);
        let facts = facts(&mixed[..known]).remove(&Some(id.clone())).expect("facts of the connection");
        same_life(&body(&timeline(&app, id, "")), &Life::of(&facts), id, &format!("{known} events"));
    }
}
