//! What a target holds when nothing happens: alone, and with many sessions that say nothing.

use mainstay_testkit::initiator::Login;
use mainstay_testkit::process;

use super::target::Contender;

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident, without sessions.
    pub idle: u64,
    /// Sessions opened.
    pub sessions: usize,
    /// More that is resident for each.
    pub per_session: u64,
}

/// Opens `sessions` sessions, each having run one command, and looks.
pub fn measure(contender: &Contender, sessions: usize) -> Result<Memory, String> {
    let pid = contender.pid().ok_or("a thread has no memory of its own")?;
    let place = &contender.place;
    let login =
        |number: usize| Login::new("iqn.2026-11.internal.mainstay.test:idle", &place.target).session(number as u16);
    let idle = process::resident_bytes(pid);
    // The first session pays for what all share.
    let open = |number: usize| {
        let mut session =
            login(number).connect(place.portal).map_err(|e| format!("{} session {number}: {e}", contender.name))?;
        session.clear_attentions(place.lun).map_err(|e| format!("{} session {number}: {e}", contender.name))?;
        Ok::<_, String>(session)
    };
    let mut held = vec![open(1)?];
    let before = process::resident_bytes(pid);
    for number in 0..sessions {
        held.push(open(number + 2)?);
    }
    let after = process::resident_bytes(pid);
    Ok(Memory { idle, sessions, per_session: after.saturating_sub(before) / sessions as u64 })
}
