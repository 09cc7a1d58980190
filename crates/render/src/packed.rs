//! User data as launch templates hold it: gzip, then base64.
//!
//! Two packers of the same text write different bytes, so a comparison of templates has to look at what is packed
//! (docs/decisions/0005-packed-user-data-is-compared-unpacked.md).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How every gzip stream begins in base64.
const START: &str = "H4sI";

/// Bytes of a text that is unpacked; user data may have 16 KiB packed, so nothing real comes near.
const MOST: u64 = 16 << 20;

/// Packs a text: gzip without name or time, then base64. The same text always gives the same bytes.
///
/// ```
/// let packed = render::pack("#cloud-config\n");
/// assert_eq!(render::unpack(&packed).as_deref(), Some("#cloud-config\n"));
/// ```
#[must_use]
pub fn pack(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing to a vector cannot fail.
    let packed = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    STANDARD.encode(packed)
}

/// The text in gzip in base64; `None` if it is anything else, or unpacks to more than 16 MiB.
#[must_use]
pub fn unpack(packed: &str) -> Option<String> {
    let bytes = STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    // Every member counts, as it does for whoever boots from it; what follows the last one makes it something else.
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MOST + 1);
    decoder.read_to_string(&mut text).ok()?;
    (u64::try_from(text.len()).ok()? <= MOST).then_some(text)
}

/// The wanted template with the packed texts that the existing one has already, byte for byte.
///
/// Use it before templates are compared or a stack is updated: a text that another packer packed, such as the manager that
/// ran a cluster before, keeps its bytes, so that taking the cluster over creates no launch template version and replaces no
/// node. A packed text that differs, and everything outside of packed texts, is as wanted.
///
/// ```
/// // Go packed the one, we the other; both hold `#cloud-config` and a line end.
/// let existing = "UserData: H4sIAAAAAAAA/1JOzskvTdFNzs9Ly0znAgQAAP//BVazuA4AAAA=\n";
/// let wanted = format!("UserData: {}\n", render::pack("#cloud-config\n"));
/// assert_ne!(existing, wanted);
/// assert_eq!(render::keep_packed(existing, &wanted), existing);
///
/// let changed = format!("UserData: {}\n", render::pack("#cloud-config\nruncmd: []\n"));
/// assert_eq!(render::keep_packed(existing, &changed), changed);
/// ```
#[must_use]
pub fn keep_packed<'w>(existing: &str, wanted: &'w str) -> Cow<'w, str> {
    if existing == wanted {
        return Cow::Borrowed(wanted);
    }
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for token in tokens(existing) {
        let packed = existing.get(token).unwrap_or_default();
        if let Some(text) = unpack(packed) {
            // Two packings of one text are as good as each other; the first is as good a choice as any that is fixed.
            known.entry(text).or_insert(packed);
        }
    }
    if known.is_empty() {
        return Cow::Borrowed(wanted);
    }
    let mut out = String::new();
    let mut done = 0;
    for token in tokens(wanted) {
        let packed = wanted.get(token.clone()).unwrap_or_default();
        let kept = unpack(packed).and_then(|text| known.get(&text).copied());
        if let Some(kept) = kept.filter(|kept| *kept != packed) {
            out.push_str(wanted.get(done..token.start).unwrap_or_default());
            out.push_str(kept);
            done = token.end;
        }
    }
    if done == 0 {
        return Cow::Borrowed(wanted);
    }
    out.push_str(wanted.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where whole words of base64 begin as gzip does.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    text.match_indices(START).filter_map(move |(start, _)| {
        let before = text.get(..start)?.chars().next_back();
        if before.is_some_and(is_base64) {
            return None;
        }
        let rest = text.get(start..)?;
        let body = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
        let padding = rest.get(body..)?.bytes().take(2).take_while(|b| *b == b'=').count();
        Some(start..start + body + padding)
    })
}
