//! Connections of the control socket: each machine in its owner's form.

use super::handed::{Handed, Role, parked};
use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::control::machine::Machine;
use crate::control::saved::MachineV1;
use crate::daemon::control::{Control, ControlId};
use crate::daemon::world::World;
use mainstay_base::snapshot::Section;
use std::rc::Rc;

pub(super) const KIND: &str = "controls";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct ControlsV1 {
    #[prost(message, repeated, tag = "1")]
    controls: Vec<ControlV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ControlV1 {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, optional, tag = "2")]
    machine: Option<MachineV1>,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let one = |(id, control): (&ControlId, &Control)| ControlV1 { id: id.0, machine: Some(control.machine.save()) };
    let saved = ControlsV1 { controls: world.controls.iter().map(one).collect() };
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "control connections")),
    }
}

pub(super) fn restore(sections: &Sections<'_>, world: &mut World, from: &mut dyn Handed) -> Result<(), Unreadable> {
    let saved: ControlsV1 = get(KIND, sections.one(KIND)?)?;
    let mut last = None;
    for ControlV1 { id, machine } in saved.controls {
        if last.replace(id) >= Some(id) || id >= world.control_next {
            return Err(Unreadable::section(KIND, format!("{id} is not in its turn")));
        }
        let machine = Machine::restore(need(KIND, machine, "a machine")?);
        let machine = machine.map_err(|error| Unreadable::section(KIND, error))?;
        let socket = parked(&Role::Control(id), from)?;
        world.controls.insert(ControlId(id), Control { machine, socket, changed: Rc::default() });
    }
    Ok(())
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: ControlsV1 = get(KIND, section)?;
    let one = |control: &ControlV1| {
        let machine = control.machine.clone().unwrap_or_default();
        let listens = if machine.subscribed { ", listens to events" } else { "" };
        let (open, input, output) = (machine.open.len(), machine.input.len(), machine.output.len());
        format!("{}: {open} requests open{listens}; {input} bytes read, {output} unsent\n", control.id)
    };
    Ok(saved.controls.iter().map(one).collect())
}
