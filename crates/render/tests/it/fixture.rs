//! A real tree must render byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use render::{Outcome, Renderer};

use crate::support::{files, fixture, fixture_input};

fn differing(outcome: &Outcome, expected: &BTreeMap<String, String>) -> Vec<String> {
    let texts: BTreeMap<String, Arc<str>> = outcome.desired.texts();
    let mut wrong = Vec::new();
    for (path, text) in expected {
        match texts.get(path) {
            None => wrong.push(format!("{path}: missing")),
            Some(found) if **found != **text => {
                let line = found.lines().zip(text.lines()).position(|(a, b)| a != b);
                let line = line.unwrap_or_else(|| found.lines().count().min(text.lines().count()));
                let at = |text: &str| text.lines().nth(line).unwrap_or("<end>").chars().take(200).collect::<String>();
                wrong.push(format!("{path}:{}: {:?} instead of {:?}", line + 1, at(found), at(text)));
            }
            Some(_) => {}
        }
    }
    wrong.extend(texts.keys().filter(|path| !expected.contains_key(*path)).map(|path| format!("{path}: not expected")));
    wrong
}

#[test]
fn fact_48_the_whole_tree_renders_byte_for_byte() {
    let Some(folder) = fixture() else { return };
    let outcome = Renderer::new().render(&fixture_input(&folder));
    let errors: Vec<String> = outcome.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, Vec::<String>::new());
    let wrong = differing(&outcome, &files(&folder.join("expected")));
    assert_eq!(wrong, Vec::<String>::new());
}
