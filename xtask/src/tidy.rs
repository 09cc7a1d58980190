//! The rules of the house that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::layers;
use crate::run::root;

/// Longest source file, in lines.
const MAX_LINES: usize = 600;
/// Fewest lines of the text at the head of a crate.
const MIN_CRATE_TEXT: usize = 8;
/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Marks that may not stand in source, with what to do instead. Split, so that this file does not find itself.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or write it down in an issue"),
    (concat!("FIX", "ME"), "do it, or write it down in an issue"),
    (concat!("todo", "!("), "build it or leave it out"),
    (concat!("unimplemented", "!("), "build it or leave it out"),
    (concat!("#[ig", "nore"), "assert today's behaviour with a note instead"),
    (concat!("#[should_", "panic"), "return an error and check it"),
    (concat!("allow(dead", "_code"), "delete what is not used"),
];

/// Checks everything and prints what is wrong, a line each.
///
/// # Errors
/// When a rule is broken, or a file cannot be read.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root();
    let mut problems = layers::check()?;
    let mut sources = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root.join(folder), &mut sources)?;
    }
    sources.sort();
    for path in &sources {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        check_file(&name, &text, &mut problems);
    }
    if problems.is_empty() {
        println!("tidy: {} files, no problems", sources.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    bail!("{} rules of the house are broken", problems.len());
}

fn check_file(name: &str, text: &str, problems: &mut Vec<String>) {
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(file, _)| *file == name);
    if lines > MAX_LINES && !excused {
        problems.push(format!(
            "{name} has {lines} lines, more than {MAX_LINES}: split it by job"
        ));
    }
    for (mark, advice) in BANNED {
        if let Some(at) = text.lines().position(|line| line.contains(mark)) {
            problems.push(format!("{name}:{} has {mark}: {advice}", at + 1));
        }
    }
    if name.ends_with("/src/lib.rs") {
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        if head < MIN_CRATE_TEXT {
            problems.push(format!(
                "{name} starts with {head} lines of text, fewer than {MIN_CRATE_TEXT}"
            ));
        }
    }
    if let Some((_, test)) = name.split_once("/tests/")
        && !test.starts_with("it/")
        && test.ends_with(".rs")
        && !test.contains('/')
        // Unit tests of a module may fill a folder of theirs.
        && !name.contains("/src/")
    {
        problems.push(format!("{name}: one integration binary per crate, tests/it/main.rs"));
    }
}

/// All Rust files below a folder.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
    Ok(())
}
