//! The manual says what is so: its commands run, its tables are those of the program, its links lead somewhere.
//!
//! In: the Markdown files of the repository. Out: nothing; what is out of date fails with file and line. A block of shell behind
//! `<!-- test:run -->` is run against a server of its page's own, in order, with `$B`, `$INGEST`, `$READ`, `$ADMIN` and `$SECRET` set and
//! `lifeline` on the path; it has to end with 0.

use crate::app::{ADMIN, App, INGEST, READ, SECRET, binary, command};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Marks a block that is run.
const RUN: &str = "<!-- test:run -->";

/// Beginnings of paths that exist on one machine only, and hosts of package registries. Split, so that this file has none of them.
const PRIVATE: &[[&str; 2]] = &[
    ["/wo", "rk/"],
    ["/ho", "me/"],
    ["/ro", "ot/"],
    ["/Us", "ers/"],
    ["index.cra", "tes.io"],
    ["static.cra", "tes.io"],
    ["docker", ".io/"],
    ["ghcr", ".io/"],
    ["quay", ".io/"],
    ["registry.npm", "js.org"],
    ["py", "pi.org"],
    ["arti", "factory"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that is, or would be, in the repository.
fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let listed = listed.expect("git is there; it knows what belongs to the repository");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("names in UTF-8");
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn pages() -> Vec<(PathBuf, String)> {
    let pages = tracked().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(&path).expect("a page is text"))).collect()
}

/// What stands between two marks of a page.
fn between(page: &str, begin: &str, end: &str) -> String {
    let text = fs::read_to_string(root().join(page)).expect("the page");
    let from = text.find(begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let text = &text[from..];
    let from = text.find('\n').expect("a line behind the mark") + 1;
    let to = text.find(end).unwrap_or_else(|| panic!("{page} has no {end}"));
    text[from..to].to_owned()
}

#[test]
fn the_settings_are_those_of_the_program() {
    let printed = command(root(), &[]).args(["config", "reference"]).output().expect("the binary runs");
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).expect("text");
    // On the page it is part of a section.
    let expected = printed.replace("\n## ", "\n### ");
    let page = between("docs/operations.md", "<!-- config reference: begin", "<!-- config reference: end");
    assert_eq!(
        page.trim(),
        expected.trim(),
        "docs/operations.md: paste what `lifeline config reference` prints, headings one deeper"
    );
}

#[test]
fn the_metrics_are_those_of_the_program() {
    let app = App::spawn();
    app.post_native(r#"{"event":"sync_end","created":"2026-08-17T09:41:23.518Z","data":{"status":5}}"#).expect(200);
    app.post_native("no event").expect(400);
    let text = app.get("/metrics").expect(200).text();
    let served: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    let table = between("docs/operations.md", "<!-- metrics: begin", "<!-- metrics: end");
    let told: BTreeSet<String> =
        table.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
    assert_eq!(told, served);
    // The alerts must not wait for a metric that nobody serves.
    let alerts = fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).expect("the alerts");
    for name in
        alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("lifeline_"))
    {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(served.contains(base), "deploy/prometheus/alerts.yml names {name}");
    }
}

#[test]
fn the_filters_are_those_of_the_program() {
    let printed = command(root(), &[]).arg("openapi").output().expect("the binary runs");
    let document: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("a document");
    let parameters = document["paths"]["/v1/events"]["get"]["parameters"].as_array().expect("a list");
    let served: BTreeSet<&str> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    let table = between("docs/api.md", "| parameter | value |", "Unknown parameters");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(names, _)| names);
    let mut told: BTreeSet<&str> =
        cells.flat_map(|names| names.split(", ").map(|name| name.trim_matches('`'))).collect();
    // Told in the sentence above the table.
    told.insert("order");
    assert_eq!(told, served);
}

#[test]
fn the_filters_of_connections_are_those_of_the_program() {
    let printed = command(root(), &[]).arg("openapi").output().expect("the binary runs");
    let document: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("a document");
    let parameters = document["paths"]["/v1/connections"]["get"]["parameters"].as_array().expect("a list");
    let served: BTreeSet<&str> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    let table = between("docs/api.md", "| connections | value |", "```json");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(names, _)| names);
    let told: BTreeSet<&str> = cells.flat_map(|names| names.split(", ").map(|name| name.trim_matches('`'))).collect();
    assert_eq!(told, served);
    for name in ["status", "health", "source", "sort", "order"] {
        let words = parameters.iter().find(|it| it["name"] == name).expect("a filter")["schema"]["enum"].clone();
        let words: Vec<String> = serde_json::from_value(words).expect("words");
        let line = table.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect("a row");
        for word in words {
            assert!(line.contains(&format!("`{word}`")), "docs/api.md: {name} may be {word}");
        }
    }
}

/// Blocks of shell that are marked to be run, with their line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim() != RUN {
            continue;
        }
        let fence = lines.next().map(|(_, line)| line.trim());
        assert_eq!(fence, Some("```sh"), "line {}: a block of shell follows the mark at once", at + 2);
        let block: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        found.push((at + 2, block.join("\n")));
    }
    found
}

fn is_there(tool: &str) -> bool {
    Command::new("sh")
        .arg("-c")
        .arg(format!("command -v {tool} >/dev/null"))
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs the blocks of one page against one server.
fn run_page(page: &str) {
    let blocks = blocks(&fs::read_to_string(root().join(page)).expect("the page"));
    assert!(!blocks.is_empty(), "{page} has commands that are run");
    let app = App::spawn();
    let bin = app.home().join("bin");
    fs::create_dir(&bin).expect("a directory");
    std::os::unix::fs::symlink(binary(), bin.join("lifeline")).expect("a link");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    for (line, block) in blocks {
        if let Some(tool) = ["curl", "openssl", "gzip", "sqlite3", "python3"]
            .iter()
            .find(|tool| block.contains(**tool) && !is_there(tool))
        {
            eprintln!("SKIPPED: {page}:{line}: {tool} is not installed");
            continue;
        }
        let mut shell = Command::new("bash");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LIFELINE_")) {
            shell.env_remove(name);
        }
        let done = shell
            .args(["-euo", "pipefail", "-c", &block])
            .current_dir(app.home())
            .env("PATH", &path)
            .env("LIFELINE_DATA_DIR", &app.data)
            .env("LIFELINE_LISTEN", "127.0.0.1:0")
            .env("LIFELINE_INGEST_TOKEN", INGEST)
            .envs([("B", format!("http://{}", app.addr).as_str()), ("INGEST", INGEST), ("READ", READ)])
            .envs([("ADMIN", ADMIN), ("SECRET", SECRET)])
            .output()
            .expect("bash runs");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{page}:{line}: {}\n{block}\n{out}\n{err}", done.status);
    }
    app.assert_well();
}

#[test]
fn the_commands_on_the_page_about_roads_work() {
    run_page("docs/delivery.md");
}

/// The pages with commands about single roads.
fn road_pages() -> Vec<String> {
    let found = pages().into_iter().filter(|(_, text)| text.lines().any(|line| line.trim() == RUN));
    found.map(|(path, _)| shown(&path)).filter(|page| page.starts_with("docs/roads/")).collect()
}

#[test]
fn the_commands_on_the_pages_about_single_roads_work() {
    let pages = road_pages();
    assert!(!pages.is_empty());
    pages.iter().for_each(|page| run_page(page));
}

#[test]
fn every_road_has_a_page_that_the_index_names() {
    let index = fs::read_to_string(root().join("docs/roads/README.md")).expect("the index");
    for protocol in lifeline::protocol::PROTOCOLS {
        let page = format!("{}.md", protocol.name());
        assert!(root().join("docs/roads").join(&page).exists() && index.contains(&format!("({page})")), "{page}");
    }
}

#[test]
fn the_commands_on_the_page_about_operations_work() {
    run_page("docs/operations.md");
}

#[test]
fn the_commands_on_the_page_about_questions_work() {
    run_page("docs/api.md");
}

#[test]
fn the_commands_on_the_page_about_exports_work() {
    run_page("docs/exports.md");
}

#[test]
fn the_commands_on_the_page_about_the_audit_trail_work() {
    run_page("docs/audit.md");
}

#[test]
fn the_commands_on_the_page_about_neighbours_work() {
    run_page("docs/neighbours.md");
}

#[test]
fn the_commands_on_the_page_about_sql_work() {
    run_page("docs/sql.md");
}

#[test]
fn the_commands_on_the_page_about_storage_work() {
    run_page("docs/storage.md");
}

#[test]
fn the_columns_are_those_of_the_program() {
    use lifeline::export::csv::{What, columns};
    for (what, begin) in [(What::Syncs, "| column of syncs |"), (What::Tables, "| column of tables |")] {
        let table = between("docs/exports.md", begin, "\n\n");
        let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(names, _)| names);
        let told: Vec<String> =
            cells.flat_map(|names| names.split(", ").map(|name| name.trim_matches('`').to_owned())).collect();
        assert_eq!(told, columns(what), "{begin}");
    }
}

#[test]
fn no_other_page_has_a_mark_that_nobody_looks_at() {
    let mut run = road_pages();
    run.extend(
        [
            "docs/delivery.md",
            "docs/operations.md",
            "docs/api.md",
            "docs/exports.md",
            "docs/audit.md",
            "docs/sql.md",
            "docs/neighbours.md",
            "docs/storage.md",
        ]
        .map(str::to_owned),
    );
    let others = pages().into_iter().filter(|(path, _)| !run.contains(&shown(path)));
    let marked: Vec<String> =
        others.filter(|(_, text)| text.lines().any(|l| l.trim() == RUN)).map(|(path, _)| shown(&path)).collect();
    assert_eq!(marked, Vec::<String>::new());
}

/// The targets of links and pictures, without those in code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push((at + 1, target.to_owned()));
            }
        }
    }
    found
}

/// The names by which the headings of a page are reached.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|text| text.to_lowercase().chars().filter(|c| kept(*c)).map(|c| if c == ' ' { '-' } else { c }).collect())
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in pages() {
        let folder = path.parent().expect("a page lies in a folder");
        for (line, target) in links(&text) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = if file.is_empty() { path.clone() } else { folder.join(file) };
            let good = to.exists()
                && (anchor.is_empty() || fs::read_to_string(&to).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !good {
                dead.push(format!("{}:{line} {target}", shown(&path)));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn nothing_names_a_machine_or_a_registry() {
    let mut wrong = Vec::new();
    for path in tracked() {
        // What is not UTF-8 is no text of ours.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (at, line) in text.lines().enumerate() {
            for word in PRIVATE.iter().map(|parts| parts.concat()) {
                if line.contains(&word) {
                    wrong.push(format!("{}:{} {word}", shown(&path), at + 1));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_reader_of_pages_reads_them() {
    let page =
        "# A title, `x`\n[a](b.md#c) ![p](i.png)\n```sh\n[no](link)\n```\n<!-- test:run -->\n```sh\ntrue\nfalse\n```\n";
    assert_eq!(links(page), [(2, "b.md#c".to_owned()), (2, "i.png".to_owned())]);
    assert_eq!(blocks(page), [(7, "true\nfalse".to_owned())]);
    assert!(anchors(page).contains("a-title-x"));
}
