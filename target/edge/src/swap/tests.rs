//! What needs no second program; the rest is in `tests/swap`.

use super::*;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const READS: &[(&str, u32, u32)] = &[("config", 1, 12), ("nexus", 0, u32::MAX)];

/// The smallest executable with a section of that name: header, contents, names, three section headers.
fn elf(name: &str, contents: &[u8]) -> Vec<u8> {
    let names = [b"\0.shstrtab\0", name.as_bytes(), b"\0"].concat();
    let names_at = 64 + contents.len();
    let table_at = (names_at + names.len()).next_multiple_of(8);
    let mut out = vec![0; table_at + 3 * 64];
    out[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    out[16..24].copy_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    out[40..48].copy_from_slice(&(table_at as u64).to_le_bytes());
    out[52..64].copy_from_slice(&[64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 1, 0]);
    out[64..names_at].copy_from_slice(contents);
    out[names_at..names_at + names.len()].copy_from_slice(&names);
    let mut section = |index: usize, name: u32, kind: u32, from: usize, len: usize| {
        let at = table_at + index * 64;
        out[at..at + 4].copy_from_slice(&name.to_le_bytes());
        out[at + 4..at + 8].copy_from_slice(&kind.to_le_bytes());
        out[at + 24..at + 32].copy_from_slice(&(from as u64).to_le_bytes());
        out[at + 32..at + 40].copy_from_slice(&(len as u64).to_le_bytes());
    };
    section(1, 1, 3, names_at, names.len());
    section(2, 11, 7, 64, contents.len());
    out
}

fn ours() -> Vec<u8> {
    elf(".note.mainstay", &encode::<512>("1.2.3", READS).0)
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
#[cfg(target_endian = "little")]
fn a_note_is_found_again() {
    let note = Note::parse(&ours()).unwrap();
    assert_eq!((note.product.as_str(), note.version.as_str()), ("mainstay", "1.2.3"));
    let reads: Vec<_> = note.reads.iter().map(|reads| (reads.kind.as_str(), reads.oldest, reads.newest)).collect();
    assert_eq!(reads, READS);
}

#[test]
#[cfg(target_endian = "little")]
fn hostile_executables_are_only_bytes() {
    let good = ours();
    for len in 0..good.len() {
        assert!(Note::parse(&good[..len]).is_err(), "cut at {len}");
    }
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let _ = Note::parse(&bytes);
        }
    }
    assert!(matches!(Note::parse(&elf(".note.other", &good)), Err(Refusal::NotOurs)));
    assert!(matches!(Note::parse(&elf(".note.mainstay", &[0; 64])), Err(Refusal::NotOurs)));
    assert!(matches!(Note::parse(b"#!/bin/sh\n"), Err(Refusal::NotExecutableFormat)));
    let no_version = elf(".note.mainstay", &encode::<512>("", READS).0);
    assert!(matches!(Note::parse(&no_version), Err(Refusal::NoteDamaged)));
}

#[test]
#[cfg(target_endian = "little")]
fn who_could_have_changed_it_is_asked_before_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    let refused = |why: &str| {
        let said = Image::stage(&path).map(|image| image.build()).unwrap_err().to_string();
        assert!(said.contains(why), "{said:?}, not {why:?}");
    };
    refused("does not exist");
    write(&path, &ours(), 0o755);
    let image = Image::stage(&path).unwrap();
    assert_eq!(image.note().unwrap().version, "1.2.3");
    assert_eq!(image.build().len(), 16);
    for (mode, why) in [(0o775, "its group"), (0o757, "everybody"), (0o644, "chmod +x")] {
        write(&path, &ours(), mode);
        refused(why);
    }
    write(&path, b"", 0o755);
    refused("is empty");
    write(&path, b"#!/bin/sh\nexit 0\n", 0o755);
    refused("not an executable of this kind");
    write(&path, &fs::read("/bin/sh").unwrap(), 0o755);
    refused("not of Mainstay");
    if rustix::process::geteuid().is_root() {
        write(&path, &ours(), 0o755);
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        refused("belongs to user 12345: it must belong to root");
    }
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o755.into(), 0).unwrap();
    refused("is a pipe");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("is a directory");
    // The first one is gone from its place, and still the same.
    assert!(image.unchanged().is_err(), "a link less is a change too");
}

#[test]
#[cfg(target_endian = "little")]
fn a_change_after_staging_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    write(&path, &ours(), 0o755);
    let image = Image::stage(&path).unwrap();
    image.untouched().unwrap();
    image.unchanged().unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    assert!(image.untouched().is_err());
    assert!(image.unchanged().is_err());
}

#[test]
fn a_fingerprint_fits_one_descriptor_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    let print = Fingerprint::of(near.as_fd()).unwrap();
    assert!(print.is_of(near.as_fd()).unwrap());
    assert!(print.is_of(near.try_clone().unwrap().as_fd()).unwrap());
    for fd in [listener.as_fd(), far.as_fd(), other.as_fd(), std::io::stdin().as_fd()] {
        assert!(!print.is_of(fd).unwrap());
    }
    // A peer that resets its connection does not make it another one.
    rustix::net::sockopt::set_socket_linger(&far, Some(std::time::Duration::ZERO)).unwrap();
    drop(far);
    while near.peer_addr().is_ok() {
        std::thread::yield_now();
    }
    assert!(print.is_of(near.as_fd()).unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_sealed_stays() {
    let file = sealed("test", 8, |file| file.write_all(b"for ever")).unwrap();
    assert_eq!(rustix::io::pwrite(&file, b"x", 0), Err(rustix::io::Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(&file, 0), Err(rustix::io::Errno::PERM));
}

#[test]
fn nothing_is_inherited_here() {
    assert!(inherited().is_none());
}
