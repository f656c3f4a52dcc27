//! Secrets, from the configuration itself or from files of their own.

use mainstay_proto::auth::{SECRET_BYTES_MAX, Secret};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads the secret in the file at `path`: its only line. The file must be a regular one, of ours or root's, that
/// nobody else can read or write.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn read(path: &Path) -> Result<Secret, (String, String)> {
    let shown = path.display();
    let io = |error: std::io::Error| (format!("cannot read the secret in {shown}: {error}"), String::new());
    // Looked at before it is opened (a pipe would block), and again on what was opened.
    let open = || {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then_some((file, metadata)))
    };
    let Some((mut file, metadata)) = open().map_err(io)? else {
        return Err((format!("{shown} is not a regular file"), "name a file with the secret on its only line".into()));
    };
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        let what = format!("{shown} belongs to user {}, who could change the secret", metadata.uid());
        return Err((what, format!("chown {me} {}", quoted(path))));
    }
    if metadata.mode() & 0o077 != 0 {
        let what = format!("others may use {shown} (mode {:04o})", metadata.mode() & 0o7777);
        return Err((what, format!("chmod 600 {}", quoted(path))));
    }
    let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES_MAX + 3]);
    let mut len = 0;
    while len < bytes.len() {
        match file.read(&mut bytes[len..]).map_err(io)? {
            0 => break,
            n => len += n,
        }
    }
    let line = bytes[..len].strip_suffix(b"\n").unwrap_or(&bytes[..len]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err((format!("{shown} is empty"), "write the secret into it".into()));
    }
    if line.contains(&b'\n') {
        return Err((format!("{shown} has more than one line"), "only the secret can be in it".into()));
    }
    if line.len() > SECRET_BYTES_MAX {
        return Err((format!("the secret in {shown} is too long"), format!("at most {SECRET_BYTES_MAX} bytes fit")));
    }
    Ok(Secret::new(line))
}

/// The path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,=@".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
