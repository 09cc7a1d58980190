//! Arbitrary text as YAML: it is read or refused, and what was read prints to text that reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaml::{Options, inspect_tags, load_documents, load_string_map, load_value, to_string};

fuzz_target!(|text: &str| {
    let options = Options::manifests();
    let _ = inspect_tags(text, &options);
    let _ = load_string_map(text, &options);
    let _ = yaml::from_str::<serde_json::Value>(text);
    for document in load_documents(text, &options).unwrap_or_default() {
        let printed = to_string(&document.value);
        let again = load_value(&printed, &options).map(|document| document.value);
        assert_eq!(again, Ok(document.value), "{printed}");
    }
});
