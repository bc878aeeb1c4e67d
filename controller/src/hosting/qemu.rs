//! The `qemu` backend: raw volumes, receivers and QEMU machines beside the controller.
//!
//! Everything it knows is in its state directory and in the processes themselves, so a controller that was killed finds
//! all of it again. A volume is written by its receiver alone: machines run on overlays, and once an overlay exists no
//! receiver is started on its volume any more.

mod machine;
mod process;
mod qmp;
mod receiver;
mod volume;

use super::{
    Capabilities, Hosting, HostingError, MachineSpec, MigrationKey, Observed, Receiver, ReceiverSpec, VolumeSpec,
};
use crate::ca::Authority;
use futures::future::BoxFuture;
use machine::Machine;
use qianyun_crds::Accelerator;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Longest file name of Linux filesystems.
const NAME_MAX: usize = 255;

/// The backend of one state directory.
pub(crate) struct Qemu {
    state_dir: PathBuf,
    agent_binary: PathBuf,
    authority: Arc<Authority>,
    accelerator: OnceCell<Accelerator>,
    /// One change of a migration at a time; the lock files do the same between processes.
    turns: Mutex<HashMap<MigrationKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// Where the things of one migration lie.
struct Places {
    volumes: PathBuf,
    receiver: PathBuf,
    machine: PathBuf,
}

impl Qemu {
    /// A backend that keeps its files in `state_dir` and starts `agent_binary receive`.
    pub(crate) fn new(state_dir: PathBuf, agent_binary: PathBuf, authority: Arc<Authority>) -> Self {
        let (accelerator, turns) = (OnceCell::new(), Mutex::default());
        Self { state_dir, agent_binary, authority, accelerator, turns }
    }

    fn places(&self, migration: &MigrationKey) -> Result<Places, HostingError> {
        let name = format!("{}.{}", migration.namespace, migration.name);
        if name.len() > NAME_MAX || name.contains('/') || name.starts_with('.') {
            return Err(HostingError::Refused {
                what: format!("the name of {migration}"),
                expected: format!("at most {NAME_MAX} bytes with the namespace, fit for a file name"),
                found: format!("{} bytes", name.len()),
            });
        }
        let volumes = self.state_dir.join("volumes").join(&name);
        let receiver = volumes.join("receiver");
        Ok(Places { volumes, receiver, machine: self.state_dir.join("machines").join(&name) })
    }

    fn turn(&self, migration: &MigrationKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(migration.clone()).or_default())
    }

    async fn accelerator(&self) -> Accelerator {
        *self.accelerator.get_or_init(machine::find_accelerator).await
    }

    async fn start_receiver(&self, migration: &MigrationKey, spec: &ReceiverSpec) -> Result<Receiver, HostingError> {
        let places = self.places(migration)?;
        volume::ensure(&self.state_dir.join("volumes"), &places.volumes, &spec.volumes)?;
        // After the receiver's own lock is taken, in `receiver::ensure`, and before anything is started: whoever starts
        // a machine looks at that lock after making the overlay, so of two that race at least one sees the other.
        let may_start = || machine::refuse_if_made(&places.machine);
        let program = receiver::Program { binary: &self.agent_binary, authority: &self.authority };
        receiver::ensure(&program, &places.receiver, &places.volumes, migration, spec, &may_start).await
    }

    async fn start_machine(&self, migration: &MigrationKey, spec: &MachineSpec) -> Result<(), HostingError> {
        let places = self.places(migration)?;
        let no_receiver = || receiver::refuse_if_running(&places.receiver);
        let machine = Machine { dir: &places.machine, volumes: &places.volumes, accelerator: self.accelerator().await };
        machine.ensure(migration, spec, &no_receiver).await
    }
}

impl Hosting for Qemu {
    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, HostingError>> {
        Box::pin(async {
            let free_storage_bytes = volume::free_bytes(&self.state_dir.join("volumes"))?;
            Ok(Capabilities { accelerator: self.accelerator().await, free_storage_bytes })
        })
    }

    fn ensure_volumes<'a>(
        &'a self,
        migration: &'a MigrationKey,
        volumes: &'a [VolumeSpec],
    ) -> BoxFuture<'a, Result<(), HostingError>> {
        Box::pin(async move {
            let turn = self.turn(migration);
            let _turn = turn.lock().await;
            volume::ensure(&self.state_dir.join("volumes"), &self.places(migration)?.volumes, volumes)
        })
    }

    fn ensure_receiver<'a>(
        &'a self,
        migration: &'a MigrationKey,
        spec: &'a ReceiverSpec,
    ) -> BoxFuture<'a, Result<Receiver, HostingError>> {
        Box::pin(async move {
            let turn = self.turn(migration);
            let _turn = turn.lock().await;
            self.start_receiver(migration, spec).await
        })
    }

    fn stop_receiver<'a>(&'a self, migration: &'a MigrationKey) -> BoxFuture<'a, Result<(), HostingError>> {
        Box::pin(async move {
            let turn = self.turn(migration);
            let _turn = turn.lock().await;
            receiver::stop(&self.places(migration)?.receiver).await
        })
    }

    fn ensure_machine<'a>(
        &'a self,
        migration: &'a MigrationKey,
        spec: &'a MachineSpec,
    ) -> BoxFuture<'a, Result<(), HostingError>> {
        Box::pin(async move {
            let turn = self.turn(migration);
            let _turn = turn.lock().await;
            self.start_machine(migration, spec).await
        })
    }

    fn observe<'a>(&'a self, migration: &'a MigrationKey) -> BoxFuture<'a, Result<Observed, HostingError>> {
        Box::pin(async move {
            let turn = self.turn(migration);
            let _turn = turn.lock().await;
            let places = self.places(migration)?;
            let machine = machine::observe(&places.machine).await?;
            Ok(Observed { receiver: receiver::observe(&places.receiver)?, machine })
        })
    }
}

/// A file operation that did not work, with the path that the operating system leaves out.
fn failed(what: &str, path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HostingError {
    HostingError::Failed { what: format!("{what} {}", path.display()), source: source.into() }
}

/// Writes a file whole: a reader sees the old one or the new one, also after a crash.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), HostingError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        // A file that a crash left would keep its old mode.
        if let Err(error) = std::fs::remove_file(&fresh)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        sync_dir(path)
    };
    write().map_err(|error| failed("writing", path, error))
}

/// Makes the name of `path` durable.
fn sync_dir(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn make_dir(path: &Path) -> Result<(), HostingError> {
    use std::os::unix::fs::DirBuilderExt;
    // 0700: the disks of a department lie below.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("making directory", path, error))
}

#[cfg(test)]
mod tests;
