//! Which program is asked for, and whether it may take over: known without running it.

use super::super::saved::Forms;
use super::{Ended, VERSION};
use crate::control::words::{self, Program, SwapOutcome};
use mainstay_edge::swap::{Image, Note};
use semver::Version;
use std::path::Path;

pub(super) struct Staged {
    pub image: Image,
    pub old: Image,
    pub note: Note,
    pub from: Program,
    pub to: Program,
}

/// Open and look at both programs. Reads both files: not for the reactor's thread.
pub(super) fn stage(path: &Path, started_by: &Path) -> Result<Staged, Ended> {
    let refused = |refusal: mainstay_edge::swap::Refusal| Ended::refused("stage", refusal);
    let old = Image::running().map_err(refused)?;
    let image = Image::stage(path).map_err(refused)?;
    let note = image.note().map_err(refused)?;
    let program = |image: &Image, version: &str, path: &Path| Program {
        version: version.to_owned(),
        build: image.build(),
        path: path.to_owned(),
    };
    // The system's own name for the program that runs is of use to nobody once its file was replaced.
    let (from, to) = (program(&old, VERSION, started_by), program(&image, &note.version, image.path()));
    Ok(Staged { image, old, note, from, to })
}

/// Whether to go on, and in which forms the state is then handed over.
pub(super) fn decide(staged: &Staged, asked: &words::Swap) -> Result<Forms, Ended> {
    let Staged { note, from, to, .. } = staged;
    let version = |program: &Program| {
        Version::parse(&program.version).map_err(|error| {
            Ended::refused("stage", format!("version {:?} cannot be compared: {error}", program.version))
        })
    };
    let (running, offered) = (version(from)?, version(to)?);
    if offered < running && !asked.allow_downgrade {
        let why = format!(
            "{} is version {offered}, older than the {running} that runs; --allow-downgrade swaps to it all the same",
            to.path.display()
        );
        return Err(Ended::refused("stage", why));
    }
    if offered == running && !asked.allow_same {
        let build = if to.build == from.build { "the same build" } else { "another build of it" };
        let why = format!(
            "version {running} runs already ({} is {build}); --allow-same swaps all the same",
            to.path.display()
        );
        return Err(Ended { step: "stage", outcome: SwapOutcome::NothingToDo, why });
    }
    let reads = note.reads.iter().map(|reads| (reads.kind.as_str(), reads.oldest, reads.newest));
    Forms::agree(reads).map_err(|why| Ended::refused("stage", format!("{}: {why}", to.path.display())))
}
