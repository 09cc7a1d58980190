//! Templates that differ only in how the same text is packed.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use render::{keep_packed, pack, unpack};

/// What Go's `compress/gzip` makes of [`TEXT`], by default and at its best level.
const BY_GO: [&str; 2] = [
    "H4sIAAAAAAAA/1JOzskvTdFNzs9Ly0znKi/KLEmNT8vMSS224tJVKEgsybBS0E8tSdbPLk1KLcpLLUkt1oeqVVAoSC3KzSwuzszPK7ZSUDcwMTBQHxQmAAIAAP//Ws/059QAAAA=",
    "H4sIAAAAAAAC/1JOzskvTdFNzs9Ly0znKi/KLEmNT8vMSS224tJVKEgsybBS0E8tSdbPLk1KLcpLLUkt1oeqVVAoSC3KzSwuzszPK7ZSUDcwMTBQHxQmAAIAAP//Ws/059QAAAA=",
];
const TEXT: &str = "#cloud-config\n\
    write_files:\n- path: /etc/kubernetes/config\n  permissions: '0400'\n\
    write_files:\n- path: /etc/kubernetes/config\n  permissions: '0400'\n\
    write_files:\n- path: /etc/kubernetes/config\n  permissions: '0400'\n";

fn template(user_data: &str, rest: &str) -> String {
    format!("Resources:\n  LT:\n    UserData: \"{user_data}\"\n    Image: {rest}\n")
}

#[test]
fn a_text_that_go_packed_keeps_its_bytes() {
    for by_go in BY_GO {
        assert_eq!(unpack(by_go).as_deref(), Some(TEXT));
        assert_ne!(pack(TEXT), by_go);
        let existing = template(by_go, "ami-1");
        assert_eq!(keep_packed(&existing, &template(&pack(TEXT), "ami-1")), existing);
        // Everything else is as wanted.
        let wanted = template(&pack(TEXT), "ami-2");
        assert_eq!(keep_packed(&existing, &wanted), template(by_go, "ami-2"));
    }
}

#[test]
fn another_text_is_as_wanted() {
    let existing = template(BY_GO[0], "ami-1");
    let wanted = template(&pack(&TEXT.replace("0400", "0444")), "ami-1");
    assert!(matches!(keep_packed(&existing, &wanted), Cow::Borrowed(text) if text == wanted));
}

#[test]
fn each_packed_text_is_looked_at_by_itself() {
    let both = |a: &str, b: &str| format!("A: {a}\nB: \"{b}\"\n");
    let existing = both(BY_GO[0], &pack("other"));
    let wanted = both(&pack("new"), &pack(TEXT));
    assert_eq!(keep_packed(&existing, &wanted), both(&pack("new"), BY_GO[0]));
}

#[test]
fn what_is_no_gzip_in_base64_is_left_alone() {
    let cut = BY_GO[0].get(..40).unwrap();
    let inside = format!("x{}", BY_GO[0]);
    for odd in ["", "H4sI", "H4sIAAAA====", cut, inside.as_str(), "äH4sI"] {
        let existing = template(BY_GO[0], "a");
        let wanted = template(odd, "a");
        assert_eq!(keep_packed(&existing, &wanted), wanted, "{odd}");
        assert_eq!(keep_packed(&wanted, &existing), existing, "{odd}");
    }
    assert_eq!(unpack(&STANDARD.encode("plain")), None);
}

#[test]
fn an_endless_text_is_not_unpacked() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..17 {
        encoder.write_all(&zeros).unwrap();
    }
    assert_eq!(unpack(&STANDARD.encode(encoder.finish().unwrap())), None);
}

/// Another packer: any level of compression.
fn packed(text: &str, level: u32) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(text.as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// A template of these texts.
fn of(texts: &[String], level: u32) -> String {
    let lines = texts.iter().map(|text| format!("U: {}\n", packed(text, level)));
    lines.collect()
}

fn unpacked(template: &str) -> Vec<Option<String>> {
    template
        .lines()
        .map(|line| unpack(line.trim_start_matches("U: ")))
        .collect()
}

proptest! {
    #[test]
    fn what_is_kept_means_what_is_wanted(
        old in prop::collection::vec("[a-c\n]{0,40}", 0..5),
        new in prop::collection::vec("[a-c\n]{0,40}", 0..5),
        levels in (0u32..10, 0u32..10),
    ) {
        let (existing, wanted) = (of(&old, levels.0), of(&new, levels.1));
        let kept = keep_packed(&existing, &wanted);
        prop_assert_eq!(unpacked(&kept), unpacked(&wanted));
        prop_assert_eq!(keep_packed(&existing, &kept), kept.as_ref());
        let (same, again) = (of(&new, levels.0), of(&new, levels.1));
        prop_assert_eq!(keep_packed(&same, &again), same.as_str());
    }
}
