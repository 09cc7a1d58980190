//! The files of a pool as its nodes load them: a compressed archive whose secret members are ciphertext (cloud fact 4.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ports::cloud::{CloudError, Keys};
use render::RemoteFile;
use sha2::{Digest as _, Sha512};

/// Where the archive of a pool is: content-addressed by the rendered text, so that user data changes exactly with it.
#[must_use]
pub(crate) fn key(local_id: &str, role: &str, text: &str) -> String {
    format!("{local_id}/{role}/{}.userdata", hex::encode(Sha512::digest(text)))
}

/// Packs the files with their modes; encrypted ones become `<path>.enc`.
pub(crate) async fn archive<K: Keys + ?Sized>(
    keys: &K,
    key: &str,
    files: &[RemoteFile],
) -> Result<Vec<u8>, CloudError> {
    let mut members = Vec::new();
    for file in files {
        // The renderer has read the file's entries strictly, so its data decodes.
        let plain = STANDARD.decode(&file.data).unwrap_or_default();
        let bytes = if file.encrypted {
            keys.encrypt(key, &plain).await?
        } else {
            plain
        };
        members.push((file.archive_name(), file.permissions, bytes));
    }
    // Writing to a vector cannot fail.
    Ok(pack(&members).unwrap_or_default())
}

fn pack(members: &[(String, u32, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, mode, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, name.trim_start_matches('/'), bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}
