//! Those mode parameters that can be changed.

use mainstay_base::unit::Behaviour;

/// What MODE SELECT can change. Nothing is saved: a reset brings the defaults back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// WCE of the caching page.
    pub write_cache: bool,
    /// D_SENSE of the control page.
    pub descriptor_sense: bool,
    /// SWP of the control page.
    pub software_protect: bool,
    /// TAS of the control page.
    pub task_aborted: bool,
}

impl Settings {
    /// All of them on; with [`Settings::default`] it spans what can be changed.
    pub const ON: Settings =
        Settings { write_cache: true, descriptor_sense: true, software_protect: true, task_aborted: true };

    /// The defaults of a volume.
    pub fn of(behaviour: &Behaviour) -> Settings {
        Settings { write_cache: behaviour.write_cache, ..Settings::default() }
    }
}
