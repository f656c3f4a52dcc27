//! REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS (SPC-4 §6.35, §6.36): the command table in print.

use super::cdb::Cdb;
use super::sense::Sense;
use super::table::{COMMANDS, Command};
use super::task::Cx;

/// REPORT SUPPORTED OPERATION CODES.
pub fn data(cdb: &Cdb, cx: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    let unit = cx.unit.as_deref().ok_or(Sense::NO_SUCH_UNIT)?;
    let offered = || COMMANDS.iter().filter(|command| command.is_offered_by(unit));
    let timeouts = cdb.has(2, 0x80);
    let (opcode, action) = (cdb.0[3], cdb.u16(4));
    let of_opcode = || offered().filter(|command| command.opcode == opcode);
    let has_actions = of_opcode().any(|command| command.action.is_some());
    let one = match cdb.0[2] & 0x07 {
        0 => return Ok(all(offered(), timeouts)),
        // The opcode alone, which must not have service actions.
        1 if has_actions => return Err(Sense::invalid_cdb(3, 7)),
        1 => of_opcode().next(),
        // The opcode and its service action, which it must have.
        2 if !has_actions && of_opcode().next().is_some() => return Err(Sense::invalid_cdb(4, 7)),
        2 => of_opcode().find(|command| command.action == Some(action)),
        // Either: without service actions the field must be zero.
        3 => of_opcode().find(|command| command.action.unwrap_or(0) == action),
        _ => return Err(Sense::invalid_cdb(2, 2)),
    };
    Ok(one.map_or_else(|| vec![0, 0x01, 0, 0], |command| alone(command, timeouts)))
}

fn all<'a>(commands: impl Iterator<Item = &'a Command>, timeouts: bool) -> Vec<u8> {
    let mut out = vec![0; 4];
    for command in commands {
        out.extend([command.opcode, 0]);
        out.extend(command.action.unwrap_or(0).to_be_bytes());
        let flags = u8::from(timeouts) << 1 | u8::from(command.action.is_some());
        out.extend([0, flags, 0, command.len() as u8]);
        if timeouts {
            out.extend(timeout(command));
        }
    }
    let len = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&len.to_be_bytes());
    out
}

/// The one-command format: supported as the standard says (011b), and the CDB usage data.
fn alone(command: &Command, timeouts: bool) -> Vec<u8> {
    let mut out = vec![0, u8::from(timeouts) << 7 | 0x03, 0, command.len() as u8, command.opcode];
    out.extend(command.usage);
    if let Some(action) = command.action {
        out[5] |= action as u8;
    }
    if timeouts {
        out.extend(timeout(command));
    }
    out
}

/// The command timeouts descriptor.
fn timeout(command: &Command) -> [u8; 12] {
    let mut out = [0; 12];
    out[1] = 0x0a;
    out[4..8].copy_from_slice(&1u32.to_be_bytes());
    out[8..12].copy_from_slice(&command.timeout_s.to_be_bytes());
    out
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET.
pub fn tmf(_: &Cdb, _: &mut Cx<'_>) -> Result<Vec<u8>, Sense> {
    Ok(vec![0xd8, 0, 0, 0])
}
