//! Commands Supported and Effects (page 05h, base §5.16.1.6) and the same of features (page 12h, base §5.16.1.18).

use crate::nvme::controller::ADMIN_COMMANDS;
use crate::nvme::controller::feature::{FEATURES, Feature, Scope};
use crate::nvme::entry::FABRICS;
use crate::nvme::page::Page;
use crate::nvme::{Status, io};

/// It is supported.
const SUPPORTED: u32 = 1;
/// NCC: it may change what a namespace can.
const NAMESPACE_CHANGES: u32 = 1 << 2;
/// Scope: one namespace.
const OF_NAMESPACE: u32 = 1 << 20;
/// Scope: the controller.
const OF_CONTROLLER: u32 = 1 << 21;

/// Set Features: a host that protects a namespace, or lets go of it, has to look at it again.
const SET_FEATURES: u8 = 0x09;
const WRITE_PROTECTION: u8 = 0x84;

/// I/O command sets (base 2.0, figure 274): ours, and the last one that means anything. The others are Key Value and Zoned.
const NVM: u8 = 0;
const CSI_LAST: u8 = 2;

/// Page 05h. I/O commands are told without their scope: Linux takes it for an effect it does not know, and warns. Of another
/// I/O command set no command is supported: nvme-cli asks for the zoned one unless CAP says that there are no sets to choose from.
pub fn commands(discovery: bool, csi: u8) -> Result<Vec<u8>, Status> {
    if csi > CSI_LAST {
        return Err(Status::INVALID_FIELD);
    }
    let mut page = Page::new(4096);
    page.put(4 * usize::from(FABRICS), (SUPPORTED | OF_CONTROLLER).to_le_bytes());
    for command in ADMIN_COMMANDS.iter().filter(|command| command.discovery || !discovery) {
        let changes = if command.opcode == SET_FEATURES && !discovery { NAMESPACE_CHANGES } else { 0 };
        page.put(4 * usize::from(command.opcode), (SUPPORTED | changes | OF_CONTROLLER).to_le_bytes());
    }
    if !discovery && csi == NVM {
        page.put(1024 + 4 * usize::from(FABRICS), SUPPORTED.to_le_bytes());
        for (opcode, effects) in io::effects() {
            page.put(1024 + 4 * usize::from(opcode), effects.to_le_bytes());
        }
    }
    Ok(page.done())
}

/// Page 12h.
pub fn features(discovery: bool) -> Vec<u8> {
    let mut page = Page::new(1024);
    for feature in FEATURES.iter().filter(|feature| feature.discovery || !discovery) {
        page.put(4 * usize::from(feature.fid), effects_of(feature).to_le_bytes());
    }
    page.done()
}

fn effects_of(feature: &Feature) -> u32 {
    let scope = match feature.scope {
        Scope::Controller => OF_CONTROLLER,
        Scope::Namespace => OF_NAMESPACE,
    };
    SUPPORTED | scope | if feature.fid == WRITE_PROTECTION { NAMESPACE_CHANGES } else { 0 }
}
