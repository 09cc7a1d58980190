//! As much of PEM and DER as keys and certificates need: an own reader of 80 lines instead of an ASN.1 stack, since three
//! fields are read and one structure is written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;

/// The algorithm identifier of RSA keys: the object id 1.2.840.113549.1.1.1 and a null.
const RSA: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// Label and content of the first PEM block of a text.
pub(super) fn pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    // Headers, as in encrypted keys, end with an empty line.
    let body = match body.split_once("\n\n") {
        Some((headers, body)) if headers.contains(':') => body,
        _ => body,
    };
    let packed: String = body.split_ascii_whitespace().collect();
    Some((label.to_owned(), STANDARD.decode(packed).ok()?))
}

/// A PEM block with lines of 64 characters.
pub(super) fn to_pem(label: &str, content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}

/// Reads elements one after the other.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    /// The next element: tag and content.
    pub(super) fn next(&mut self) -> Option<(u8, &'b [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            let length = bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'b [u8]> {
        match self.next()? {
            (found, content) if found == tag => Some(content),
            _ => None,
        }
    }
}

fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let bytes: Vec<u8> = content
                .len()
                .to_be_bytes()
                .into_iter()
                .skip_while(|b| *b == 0)
                .collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Modulus and exponent of a PKCS#1 private key, as encoded integers.
pub(super) fn rsa_of_private_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = Reader(Reader(der).expect(SEQUENCE)?);
    key.expect(INTEGER)?;
    Some((key.expect(INTEGER)?, key.expect(INTEGER)?))
}

/// The PKIX form of an RSA public key.
pub(super) fn public_key_info(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut pair = write(INTEGER, modulus);
    pair.extend(write(INTEGER, exponent));
    let mut bits = vec![0];
    bits.extend(write(SEQUENCE, &pair));
    let mut info = RSA.to_vec();
    info.extend(write(BIT_STRING, &bits));
    write(SEQUENCE, &info)
}

/// Modulus and exponent of a PKIX public key; `None` unless it is RSA.
pub(super) fn rsa_of_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Reader(Reader(der).expect(SEQUENCE)?);
    let algorithm = info.expect(SEQUENCE)?;
    if !algorithm.starts_with(RSA.get(2..13)?) {
        return None;
    }
    let bits = info.expect(BIT_STRING)?.strip_prefix(&[0])?;
    let mut pair = Reader(Reader(bits).expect(SEQUENCE)?);
    Some((pair.expect(INTEGER)?, pair.expect(INTEGER)?))
}
