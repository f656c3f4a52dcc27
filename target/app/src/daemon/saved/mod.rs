//! The whole world as a snapshot, and back.
//!
//! Each kind of section has a file here with its saved form, or with the way to the form its owner keeps beside itself.
//! A file knows the versions it reads and writes ([`READS`]): when a program meets one of another version, the newer of the two
//! converts, both ways, in these files.
//!
//! I1 Saved forms are canonical: sorted, instants as nanoseconds of the monotonic clock, no addresses. What was restored,
//! saved again in the same versions, gives the same bytes. I2 A world that was restored is *parked*: nothing is opened,
//! read or written, and no runtime is needed. I3 What a snapshot says is checked: a strange one is an error that names the
//! section, never a panic.
//!
//! Not carried, because it is empty between two calls (I2 of the world): effects, batches, touched connections. Because it
//! is a guess or a cache: the vigil, scratch memory, how the heap and the arena are tidied up, who has tried for memory in
//! vain, what was complained of links. Because it is worked out again: the site (from the configuration), the session of
//! each name, whose TSIH is in use, how many of each address wait in a lobby, who manages tasks, what sockets are waited for, which
//! controllers live and which queues linger. Because it is asked again ([`World::resume`]): who wants a controller or a computation.

mod announcer;
mod arena;
mod associations;
mod config;
mod connection;
mod controls;
mod descriptors;
mod error;
mod forms;
mod handed;
mod journal;
mod live;
#[cfg(feature = "next")]
mod next;
mod nexus;
mod program;
mod queue;
mod rehearsal;
mod sections;
mod sessions;
mod show;
mod state;
#[cfg(test)]
mod tests;
mod volume;

pub(super) use descriptors::{Inherited, Streams};
pub use error::{Inexpressible, Unreadable};
pub use forms::Forms;
pub(super) use handed::Role;
pub(super) use live::{Kept, LiveSave};
pub use rehearsal::Rehearsal;
pub use rehearsal::rehearse;
pub use show::show;

use super::fault;
use super::world::{Ground, Hold, World};
use handed::Handed;
use mainstay_base::snapshot::{Section, Snapshot};
use mainstay_edge::swap;
use sections::Sections;

/// Every kind of section: the oldest and the newest version that this program reads and writes, in the order in which they
/// stand in a snapshot. Oldest 0: a snapshot may be without it.
pub const READS: &[(&str, u32, u32)] = &[
    program::READS,
    live::READS,
    config::READS,
    state::READS,
    volume::READS,
    arena::READS,
    associations::READS,
    nexus::READS,
    queue::READS,
    #[cfg(not(feature = "next"))]
    connection::READS,
    #[cfg(feature = "next")]
    next::connection::READS,
    #[cfg(not(feature = "next"))]
    sessions::READS,
    #[cfg(feature = "next")]
    next::registry::SESSIONS,
    #[cfg(feature = "next")]
    next::registry::READS,
    controls::READS,
    journal::READS,
    announcer::READS,
    descriptors::READS,
    // No section: what a handover itself is like.
    swap::FORM,
];

/// What `snapshot` holds, whatever descriptors it is handed over with: as hexadecimal digits.
pub fn digest(snapshot: &Snapshot) -> String {
    let digest = snapshot.digest(|section| !is_circumstance(section));
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Said of the snapshot itself and not of the world.
fn is_circumstance(section: &Section) -> bool {
    [descriptors::KIND, live::KIND].contains(&&*section.kind)
}

impl World {
    /// Everything, for a successor that reads `forms`. Nothing may be at a store.
    ///
    /// # Errors
    /// [`Inexpressible`]: an older form cannot say what there is.
    pub fn save(&self, forms: &Forms) -> Result<Snapshot, Inexpressible> {
        if self.in_flight() > 0 {
            return Err(Inexpressible::in_flight(self.in_flight()));
        }
        Inexpressible::looking(|| {
            fault::at("save").map_err(|why| Inexpressible::new("snapshot", 1, why))?;
            let kept = self.kept.as_ref().filter(|kept| kept.forms == *forms);
            let pairs = self.connections.iter().map(|(id, connection)| match kept.and_then(|kept| kept.take(*id)) {
                Some(same) => {
                    debug_assert_eq!(Ok(&same), connection::save(self, connection, forms).as_ref(), "it has changed");
                    Ok(same)
                }
                None => connection::save(self, connection, forms),
            });
            let mut sections = self.save_around(forms, pairs.collect::<Result<_, _>>()?)?;
            sections.extend(descriptors::save(self, forms)?);
            Ok(snapshot(sections))
        })
    }

    /// All sections but the circumstances, around those of the connections, which are in order.
    fn save_around(&self, forms: &Forms, connections: Vec<(Section, Section)>) -> Result<Vec<Section>, Inexpressible> {
        let mut sections = self.save_before(forms)?;
        let after = self.save_after(forms)?;
        arrange(&mut sections, connections, after);
        Ok(sections)
    }

    fn save_before(&self, forms: &Forms) -> Result<Vec<Section>, Inexpressible> {
        Inexpressible::looking(|| {
            let mut sections = Vec::with_capacity(READS.len() + self.volumes.len() + 2 * self.connections.len());
            sections.extend(program::save(self, forms)?);
            sections.extend(config::save(self, forms)?);
            sections.extend(state::save(self, forms)?);
            volume::save(self, forms, &mut sections)?;
            sections.extend(arena::save(self, forms)?);
            sections.extend(associations::save(self, forms)?);
            Ok(sections)
        })
    }

    fn save_after(&self, forms: &Forms) -> Result<Vec<Section>, Inexpressible> {
        Inexpressible::looking(|| {
            let mut sections = Vec::new();
            sections.extend(sessions::save(self, forms)?);
            #[cfg(feature = "next")]
            sections.extend(next::registry::save(self, forms)?);
            sections.extend(controls::save(self, forms)?);
            sections.extend(journal::save(self, forms)?);
            sections.extend(announcer::save(self, forms)?);
            Ok(sections)
        })
    }

    /// The world that was saved, parked: its requests are held, and its sockets are only descriptors.
    ///
    /// # Errors
    /// [`Unreadable`] names the section.
    pub fn restore(snapshot: &Snapshot, from: &mut dyn Handed) -> Result<World, Unreadable> {
        let sections = Sections::sort(&snapshot.sections)?;
        let program = program::restore(&sections)?;
        let config = config::restore(&sections)?;
        let site = program.site(&config)?;
        let state = state::restore(&sections, from)?;
        let (volumes, histories) = volume::restore(&sections, &config, &state, from)?;
        let memory = arena::restore(&sections, from)?;
        let listeners = program.listeners(from)?;
        let mut world = World::new(Ground {
            site: site.0,
            exports: site.1,
            nvme: site.2,
            units: histories.units,
            volumes,
            arena: memory.arena.clone(),
            region: memory.region.clone(),
            listeners,
            control_listener: handed::parked(&Role::ControlListener, from)?,
            room: program.room,
            console: Box::new(handed::Silent),
            voice: program.voice,
            places: program.places.clone(),
            state,
            config,
        });
        world.hold = Hold::All;
        (world.traffic, world.faults) = (histories.traffic, histories.faults);
        program.apply(&mut world);
        associations::restore(&sections, &mut world)?;
        connection::restore(&sections, &mut world)?;
        memory.apply(&mut world)?;
        sessions::restore(&sections, &mut world)?;
        controls::restore(&sections, &mut world, from)?;
        journal::restore(&sections, &mut world)?;
        announcer::restore(&sections, &mut world, from)?;
        Ok(world)
    }
}

fn arrange(sections: &mut Vec<Section>, connections: Vec<(Section, Section)>, after: Vec<Section>) {
    let (machines, connections): (Vec<_>, Vec<_>) = connections.into_iter().unzip();
    let (nexuses, queues): (Vec<_>, Vec<_>) =
        machines.into_iter().partition(|machine: &Section| *machine.kind == *nexus::KIND);
    sections.extend(nexuses);
    sections.extend(queues);
    sections.extend(connections);
    sections.extend(after);
}

fn snapshot(sections: Vec<Section>) -> Snapshot {
    Snapshot { product: super::VERSION.to_owned(), sections }
}
