//! The shape of the source: who imports whom, how long a file may be, what may not stand in it.
//!
//! In: the files below `src`. Out: nothing; a breach fails the test with file and line. Rules are those of the `lib.rs` docs: pure
//! rooms know the shared words and little else, HTTP lives in `server`, SQL in `store/sqlite`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A room and the rooms of ours that it may use. Rooms that join others (`cli`, `server`, `pipeline`, `query`) are not bound.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("json", &[]),
    // What is no JSON in a native body is a line of a neighbour, or junk: only the room that reads such lines can tell.
    ("protocol", &["model", "json", "systems"]),
    ("body", &["model", "protocol"]),
    // The store's record of a kept token is what credentials are compared with.
    ("auth", &["model", "protocol", "config", "store"]),
    ("envelope", &["model", "json"]),
    ("systems", &["model"]),
    ("normalize", &["model", "json", "envelope"]),
    ("redact", &["model", "json"]),
    // The rule that tells use cases apart is the audit trail's; a use case's schema is found by it.
    ("validate", &["model", "json", "normalize", "redact", "audit"]),
    ("identity", &["model", "json", "redact"]),
    ("lifecycle", &["model", "json"]),
    ("audit", &["model", "json"]),
    ("diagnose", &["model", "json"]),
    // The fold runs inside the commit, so that a query after an acknowledgement sees the event.
    ("store", &["model", "json", "lifecycle", "audit"]),
    ("simulate", &["model", "json"]),
    ("config", &["model"]),
    ("query", &["model", "json", "lifecycle", "audit", "diagnose", "store"]),
    ("export", &["model", "json", "lifecycle", "audit", "store", "query"]),
    (
        "pipeline",
        &["model", "json", "envelope", "identity", "normalize", "protocol", "redact", "store", "systems", "validate"],
    ),
];

/// Crates and the only rooms that may name them.
const CRATES: &[(&str, &[&str])] = &[
    ("actix_web", &["server"]),
    ("actix_rt", &["server"]),
    ("actix_http", &["server"]),
    ("rusqlite", &["store/sqlite"]),
    ("clap", &["cli", "main.rs"]),
    ("rustls", &["server", "cli", "protocol"]),
];

/// Lines of code in one file, tests, blank lines and comments not counted.
const LINES_MAX: usize = 400;

/// Longer files, each with its reason.
const LONG: &[(&str, &str)] = &[];

struct SourceFile {
    /// Relative to `src`, with slashes.
    name: String,
    /// Lines without those of test modules; comments and strings are still in.
    lines: Vec<(usize, String)>,
}

/// Every file of the product; files that hold tests only are left out.
fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    assert!(paths.len() > 20, "the source is where it is looked for");
    let texts: Vec<(String, String)> = paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).expect("source is text"))
        })
        .collect();
    let for_tests: Vec<String> = texts.iter().flat_map(|(name, text)| test_modules(name, text)).collect();
    let is_test = |name: &str| {
        for_tests.iter().any(|module| name.strip_prefix(module).is_some_and(|rest| rest.starts_with(['.', '/'])))
    };
    texts
        .iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| SourceFile { name: name.clone(), lines: product_lines(text) })
        .collect()
}

/// Paths, without their extension, of the modules that a file declares for tests only.
fn test_modules(name: &str, text: &str) -> Vec<String> {
    let folder =
        ["/mod.rs", "mod.rs", "lib.rs", "main.rs", ".rs"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let marked =
        lines.windows(2).filter(|pair| pair[0].starts_with("#[cfg(test)]") || pair[0].starts_with("#[cfg(any(test"));
    let module = |line: &str| Some(line.rsplit_once("mod ")?.1.strip_suffix(';')?.to_owned());
    marked
        .filter_map(|pair| module(pair[1]))
        .map(|module| format!("{folder}/{module}").trim_start_matches('/').to_owned())
        .collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Numbered lines outside items that are marked `#[cfg(test)]`. Such an item ends at the first line that closes at its own
/// indentation, which the formatter guarantees.
fn product_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut skip_until: Option<String> = None;
    let mut marked: Option<usize> = None;
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some(end) = &skip_until {
            if line.trim_end() == end {
                skip_until = None;
            }
            continue;
        }
        if line.trim() == "#[cfg(test)]" {
            marked = Some(indent);
            continue;
        }
        if let Some(indent) = marked {
            if line.trim_start().starts_with("#[") {
                continue;
            }
            marked = None;
            if !line.trim_end().ends_with(';') && !line.trim_end().ends_with('}') {
                skip_until = Some(format!("{}}}", " ".repeat(indent)));
            }
            continue;
        }
        lines.push((at + 1, line.to_owned()));
    }
    lines
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// The room that a file belongs to: its folder, or its own name.
fn room(name: &str) -> &str {
    name.split('/').next().unwrap_or(name).trim_end_matches(".rs")
}

/// Rooms of ours that a line names: `crate::room` and, in grouped imports, `crate::{a, b::c}`.
fn named_rooms(lines: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut group: Option<(usize, String)> = None;
    for (number, line) in lines.iter().filter(|(_, line)| is_code(line)) {
        if let Some((_, text)) = &mut group {
            text.push_str(line.trim());
        } else if line.trim_start().trim_start_matches("pub ").starts_with("use crate::{") {
            group = Some((*number, line.trim().to_owned()));
        } else {
            for part in line.split("crate::").skip(1) {
                let word: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push((*number, word));
            }
        }
        if let Some((start, text)) = group.take_if(|(_, text)| text.ends_with(';')) {
            found.extend(top_level(&text).into_iter().map(|word| (start, word)));
        }
    }
    found
}

/// The first words of the outermost items of `use crate::{…};`.
fn top_level(text: &str) -> Vec<String> {
    let inner = text.split_once('{').map_or("", |(_, rest)| rest);
    let mut depth = 0;
    let mut words = vec![String::new()];
    let mut reading = true;
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(String::new());
                reading = true;
                continue;
            }
            _ => {}
        }
        if c.is_whitespace() {
            continue;
        }
        reading = reading && (c.is_alphanumeric() || c == '_');
        if reading
            && depth == 0
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty() && word != "self");
    words
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let own = room(&file.name);
        let Some(allowed) = arrows.get(own) else { continue };
        for (line, used) in named_rooms(&file.lines) {
            // A capital letter is an item of the crate root, of which there is none: macros and the like.
            if used != own && !allowed.contains(&used.as_str()) && used.starts_with(|c: char| c.is_lowercase()) {
                wrong.push(format!("src/{}:{line} uses crate::{used}", file.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn http_and_sql_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (number, line) in file.lines.iter().filter(|(_, line)| is_code(line)) {
            for (name, homes) in CRATES {
                let named = [format!("{name}::"), format!("use {name};")].iter().any(|text| {
                    line.find(text)
                        .is_some_and(|at| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
                });
                if named && !homes.iter().any(|home| file.name.starts_with(home)) {
                    wrong.push(format!("src/{}:{number} names {name}", file.name));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut wrong = Vec::new();
    for file in sources() {
        let count = file.lines.iter().filter(|(_, line)| is_code(line)).count();
        let excused = LONG.iter().any(|(name, _)| *name == file.name);
        if count > LINES_MAX && !excused {
            wrong.push(format!("src/{}: {count} lines of code", file.name));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (number, line) in file.lines.iter().filter(|(_, line)| is_code(line)) {
            for word in [".unwrap()", "panic!(", "unreachable!(", "todo!(", "unimplemented!(", "dbg!("] {
                if line.contains(word) {
                    wrong.push(format!("src/{}:{number} {word}", file.name));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for dir in ["src", "tests/it", "benches"] {
        walk(&root.join(dir), &mut paths);
    }
    let silent: Vec<_> =
        paths.iter().filter(|path| !fs::read_to_string(path).is_ok_and(|text| text.starts_with("//!"))).collect();
    assert_eq!(silent, Vec::<&PathBuf>::new());
}

#[test]
fn the_reader_of_imports_reads_them() {
    let lines = |text: &str| product_lines(text);
    let text = "use crate::{\n    model::{A, B},\n    store::sqlite as s, json,\n};\nlet x = crate::query::y;\n#[cfg(test)]\nmod tests {\n    use crate::server;\n}\n";
    let found: Vec<String> = named_rooms(&lines(text)).into_iter().map(|(_, word)| word).collect();
    assert_eq!(found, ["model", "store", "json", "query"]);
    assert_eq!(lines("a\n#[cfg(test)]\nmod tests;\nb\n").len(), 2);
    assert_eq!(test_modules("a/mod.rs", "#[cfg(test)]\nmod captures;"), ["a/captures"]);
    assert_eq!(test_modules("a/b.rs", "#[cfg(test)]\npub mod tests;"), ["a/b/tests"]);
    assert_eq!(test_modules("lib.rs", "#[cfg(test)]\nmod tests;"), ["tests"]);
}
