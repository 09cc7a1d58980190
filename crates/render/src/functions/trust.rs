//! Functions on keys, certificates and identity documents.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gotemplate::{Functions, Value};
use sha2::{Digest, Sha256};

use super::der::{self, Reader, SEQUENCE};
use super::{Outcome, failed, of_string};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("publicKey", of_string(public_key))
        .add("certificateExpiry", of_string(certificate_expiry))
        .add("generateJWKSDocument", of_string(jwks_document))
        .add("generateOIDCDiscoveryDocument", of_string(discovery_document));
}

fn public_key(text: &str) -> Outcome {
    let (_, content) = der::pem(text).ok_or_else(|| failed("no PEM data found"))?;
    let (modulus, exponent) =
        der::rsa_of_private_key(&content).ok_or_else(|| failed("not a PKCS#1 RSA private key"))?;
    let info = der::public_key_info(modulus, exponent);
    Ok(Value::from(der::to_pem("PUBLIC KEY", &info)))
}

fn certificate_expiry(text: &str) -> Outcome {
    let (label, content) = der::pem(text).ok_or_else(|| failed("no PEM data found"))?;
    if label != "CERTIFICATE" {
        return Err(failed(format!("expected a PEM block CERTIFICATE, got {label}")));
    }
    not_after(&content)
        .map(Value::from)
        .ok_or_else(|| failed("malformed certificate"))
}

/// The end of a certificate's validity in RFC 3339, UTC.
fn not_after(certificate: &[u8]) -> Option<String> {
    let mut body = Reader(Reader(Reader(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    // Version (optional), serial number, signature algorithm, issuer, validity.
    let (tag, _) = body.next()?;
    if tag == VERSION {
        body.next()?;
    }
    body.next()?;
    body.next()?;
    let mut validity = Reader(body.expect(SEQUENCE)?);
    validity.next()?;
    let (tag, time) = validity.next()?;
    let digits = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = match tag {
        // Two digits: 50 and above are the last century.
        UTC_TIME if digits.len() == 12 => {
            let century = if digits.get(..2)? >= "50" { "19" } else { "20" };
            format!("{century}{digits}")
        }
        GENERALIZED_TIME if digits.len() == 14 => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// Two entries for the same key: with its id, and with an empty id for tokens that name none.
fn jwks_document(text: &str) -> Outcome {
    let (_, content) = der::pem(text).ok_or_else(|| failed("no PEM data found"))?;
    let (modulus, exponent) = der::rsa_of_public_key(&content).ok_or_else(|| failed("public key is not RSA"))?;
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(&content));
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
        URL_SAFE_NO_PAD.encode(bytes.get(start..).unwrap_or_default())
    };
    let (n, e) = (number(modulus), number(exponent));
    let entry = |kid: &str| {
        format!(
            "        {{\n            \"use\": \"sig\",\n            \"kty\": \"RSA\",\n            \"kid\": \"{kid}\",\n            \"alg\": \"RS256\",\n            \"n\": \"{n}\",\n            \"e\": \"{e}\"\n        }}"
        )
    };
    Ok(Value::from(format!(
        "{{\n    \"keys\": [\n{},\n{}\n    ]\n}}",
        entry(&id),
        entry("")
    )))
}

fn discovery_document(issuer: &str) -> Outcome {
    let quote = |text: String| serde_json::Value::from(text).to_string();
    Ok(Value::from(format!(
        "{{\n    \"issuer\": {},\n    \"jwks_uri\": {},\n    \"authorization_endpoint\": \"urn:kubernetes:programmatic_authorization\",\n    \"response_types_supported\": [\n        \"id_token\"\n    ],\n    \"subject_types_supported\": [\n        \"public\"\n    ],\n    \"id_token_signing_alg_values_supported\": [\n        \"RS256\"\n    ],\n    \"claims_supported\": [\n        \"sub\",\n        \"iss\"\n    ]\n}}",
        quote(issuer.to_owned()),
        quote(format!("{issuer}/openid-configuration/keys.json")),
    )))
}
