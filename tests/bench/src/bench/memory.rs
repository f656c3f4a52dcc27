//! What a target holds when nothing happens: alone, and with many sessions that say nothing.

use mainstay_testkit::host::{self, Host};
use mainstay_testkit::initiator::{self, Login};
use mainstay_testkit::process;

use super::target::{Contender, Over, Place};

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

/// Somebody who says nothing more.
enum Session {
    Iscsi { _session: Box<initiator::Session> },
    Nvme { _controller: Box<host::Controller> },
}

impl Session {
    /// With one command run.
    fn open(place: &Place, number: usize) -> Result<Session, String> {
        match place.over {
            Over::Iscsi => {
                let login = Login::new("iqn.2026-11.internal.mainstay.test:idle", &place.target).session(number as u16);
                let mut session = login.connect(place.portal).map_err(|e| e.to_string())?;
                session.clear_attentions(place.number as u8).map_err(|e| e.to_string())?;
                Ok(Session::Iscsi { _session: Box::new(session) })
            }
            Over::Nvme => {
                let host = Host::new(&place.target).named(&format!("nqn.2026-11.internal.mainstay.test:idle-{number}"));
                let mut controller = host.connect(place.portal).map_err(|e| e.to_string())?;
                controller.flush(place.number).map_err(|e| e.to_string())?;
                Ok(Session::Nvme { _controller: Box::new(controller) })
            }
        }
    }
}

/// Opens `sessions` sessions, each having run one command, and looks.
pub fn measure(contender: &Contender, sessions: usize) -> Result<Memory, String> {
    let pid = contender.pid().ok_or("a thread has no memory of its own")?;
    let place = &contender.place;
    let idle = process::resident_bytes(pid);
    // The first session pays for what all share.
    let open = |number| Session::open(place, number).map_err(|e| format!("{} session {number}: {e}", contender.name));
    let mut held = vec![open(1)?];
    let before = process::resident_bytes(pid);
    for number in 0..sessions {
        held.push(open(number + 2)?);
    }
    let after = process::resident_bytes(pid);
    Ok(Memory { idle, sessions, per_session: after.saturating_sub(before) / sessions as u64 })
}
