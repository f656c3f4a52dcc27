//! Those mode parameters that can be changed.

use mainstay_base::unit::Behaviour;

/// What MODE SELECT can change. Nothing is saved: a reset brings the defaults back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// WCE of the caching page. Kept with the disk, for it holds in every dialect.
    pub write_cache: bool,
    /// The control page.
    pub control: Control,
}

/// The control mode page, as far as it can be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// D_SENSE.
    pub descriptor_sense: bool,
    /// SWP.
    pub software_protect: bool,
    /// TAS.
    pub task_aborted: bool,
}

impl Settings {
    /// All of them on; with [`Settings::default`] it spans what can be changed.
    pub const ON: Settings = Settings {
        write_cache: true,
        control: Control { descriptor_sense: true, software_protect: true, task_aborted: true },
    };

    /// The defaults of a volume.
    pub fn of(behaviour: &Behaviour) -> Settings {
        Settings { write_cache: behaviour.write_cache, ..Settings::default() }
    }
}
