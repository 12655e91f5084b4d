//! The verifier that auditors get, in one long process that is fed many files.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Where the verifier lies.
pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/audit")
}

const DRIVER: &str = "
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import verify
for line in sys.stdin:
    path, key = line.rstrip('\\n').split('\\t')
    try:
        print('0', verify.check(path, {key} if key else ()), flush=True)
    except verify.Bad as wrong:
        print('1', ascii(str(wrong)), flush=True)
";

/// The process.
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Whether there is a Python; says so loudly when there is none.
pub fn is_there(what: &str) -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("SKIPPED: python3 is not installed; {what} is not checked with the verifier that auditors get");
    }
    there
}

impl Python {
    /// `None`, said loudly, when there is no Python.
    pub fn start(what: &str) -> Option<Self> {
        is_there(what).then_some(())?;
        let mut child = Command::new("python3")
            .args(["-c", DRIVER])
            .arg(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Self { child, to, from })
    }

    /// What the verifier says: the line of a good file, or what is wrong.
    pub fn check(&mut self, file: &Path, key: Option<&str>) -> Result<String, String> {
        writeln!(self.to, "{}\t{}", file.display(), key.unwrap_or_default()).expect("the verifier lives");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("the verifier answers");
        match answer.trim_end().split_once(' ') {
            Some(("0", text)) => Ok(text.to_owned()),
            Some(("1", text)) => Err(text.to_owned()),
            _ => panic!("the verifier died over {}", file.display()),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
