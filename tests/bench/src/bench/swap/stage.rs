//! A daemon under load, and somebody beside the load who asks for swaps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mainstay_testkit::daemon::{Daemon, free_port};

use super::super::client::{Client, Stop};
use super::super::pattern::{Ledger, Pattern};
use super::super::row::{CHECK, FILL, Row};
use super::super::target::{Over, Place, on_all_cores};
use super::super::watch::{Phase, Watch};
use super::control::Control;

/// A load, and what is hoped for under it.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the initiators do.
    pub row: Row,
    /// How.
    pub over: Over,
    /// Size of the disk, which is in memory.
    pub mib: u64,
    /// More lines of the configuration's table of limits.
    pub limits: String,
    /// Promise P1: 99 of 100 pauses are no longer.
    pub aim_ms: Option<f64>,
    /// Looked at from outside too.
    pub outside: bool,
}

impl Load {
    /// In tables.
    pub fn name(&self) -> String {
        match self.row.idle {
            0 => self.row.name.to_owned(),
            idle => format!("{idle} {}", self.row.name),
        }
    }
}

/// A daemon with a filled disk, and a load for it.
pub struct Stage<'a> {
    daemon: Daemon,
    place: Place,
    load: &'a Load,
    pattern: &'a Pattern,
    ledger: Ledger,
    generation: u8,
}

/// The one who asks, while the load runs.
pub struct Asker<'a> {
    /// The control socket.
    pub control: Control,
    /// What the watch counts.
    pub phase: Phase,
    failed: &'a AtomicBool,
}

impl Asker<'_> {
    /// Lets so much time go by. An error when the load has failed meanwhile: there is no sense in going on.
    pub fn wait(&self, span: Duration) -> Result<(), String> {
        thread::sleep(span);
        if self.failed.load(Ordering::Relaxed) { Err("the load has ended".to_owned()) } else { Ok(()) }
    }
}

/// Sets the flag when it goes, however that comes.
struct Sets<'a>(&'a AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> Stage<'a> {
    /// Starts a daemon of its own, and fills the disk.
    pub fn begin(load: &'a Load, cores: usize, pattern: &'a Pattern) -> Result<Stage<'a>, String> {
        let text = format!(
            r#"
            [[portal]]
            bind = "127.0.0.1:{port}"
            [[volume]]
            name = "disk"
            memory = "{mib} MiB"
            [[target]]
            name = "disk"
            [[target.lun]]
            number = 0
            volume = "disk"
            {nvme}
            [limits]
            {limits}
            "#,
            port = free_port(),
            nvme = if load.over == Over::Nvme { nvme(free_port()) } else { String::new() },
            mib = load.mib,
            limits = load.limits
        );
        let daemon = on_all_cores(cores, || Daemon::builder().config(&text).try_start())?;
        let place = Place::of(&daemon, load.over);
        let ledger = Ledger::new(place.bytes);
        let mut stage = Stage { daemon, place, load, pattern, ledger, generation: 1 };
        stage.whole_disk(&FILL)?;
        stage.generation = 2;
        Ok(stage)
    }

    fn whole_disk(&mut self, row: &Row) -> Result<(), String> {
        let mut client = Client::new(&self.place, row, self.pattern, self.generation, false)?;
        let done = client.run(&mut self.ledger, Stop::WholeDisk, || {});
        done.map(|_| ()).map_err(|why| format!("{}: {why}\n{}", row.name, self.daemon.words()))
    }

    /// Runs the load while `ask` asks; then sees that every session is still there and that the disk has what it should.
    pub fn run<T: Send>(
        &mut self,
        ask: impl FnOnce(&mut Asker<'_>) -> Result<T, String> + Send,
    ) -> Result<(T, Watch), String> {
        let done = self.attempt(ask);
        done.map_err(|why| format!("swaps under {}: {why}\n{}", self.load.name(), self.daemon.words()))
    }

    fn attempt<T: Send>(
        &mut self,
        ask: impl FnOnce(&mut Asker<'_>) -> Result<T, String> + Send,
    ) -> Result<(T, Watch), String> {
        let row = &self.load.row;
        let (over, failed, phase) = (AtomicBool::new(false), AtomicBool::new(false), Phase::default());
        let control = Control::connect(self.daemon.control())?;
        let mut asker = Asker { control, phase: phase.clone(), failed: &failed };
        let mut client = Client::new(&self.place, row, self.pattern, self.generation, false)?;
        client.watch = Some(Watch::new(row.sessions, phase));
        let ledger = &mut self.ledger;
        let (ran, asked) = thread::scope(|scope| {
            let over = &over;
            let asking = scope.spawn(move || {
                let _over = Sets(over);
                ask(&mut asker)
            });
            let ran = client.run(ledger, Stop::Told(over), || {});
            failed.store(true, Ordering::Relaxed);
            (ran, asking.join().unwrap_or_else(|_| Err("the thread that asks has ended".to_owned())))
        });
        // What the load has seen says more than that asking came to nothing then.
        ran?;
        let asked = asked?;
        client.roll_call()?;
        let watch = client.watch.take().ok_or("nobody watched")?;
        drop(client);
        if row.write {
            self.whole_disk(&CHECK)?;
        }
        match self.daemon.exited() {
            None => Ok((asked, watch)),
            Some(status) => Err(format!("the daemon ended: {status}")),
        }
    }
}

/// The same disk over NVMe/TCP.
fn nvme(port: u16) -> String {
    format!(
        r#"
        [[nvme.portal]]
        bind = "127.0.0.1:{port}"
        [[nvme.subsystem]]
        name = "disk"
        [[nvme.subsystem.namespace]]
        nsid = 1
        volume = "disk"
        "#
    )
}

/// A while that is never the same, so that swaps come at all moments of what goes on: `from` to twice that.
pub fn jitter(from: Duration, seed: &mut u64) -> Duration {
    from + from.mul_f64(super::super::pattern::next(seed) as f64 / u64::MAX as f64)
}
