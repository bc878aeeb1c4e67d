//! The real machine. It never interprets what it reads.

use super::{Entry, EntryKind, Host, HostError, MAX_READ_BYTES, Output, Space};
use crate::receive::wire_identity;
use qianyun_agent_api::inventory::DiskIdentity;
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::device::volume::folder_of;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine that this process runs on.
pub(crate) struct Linux;

fn read_error(path: &str) -> impl FnOnce(std::io::Error) -> HostError {
    move |source| HostError::Read { path: path.to_owned(), source }
}

fn write_error(path: &str) -> impl FnOnce(std::io::Error) -> HostError {
    move |source| HostError::Write { path: path.to_owned(), source }
}

/// Where programs are looked for, whatever the service was started with.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// What `end` gives before the limit; `None` at the limit.
fn within<T: Send + 'static>(limit: Duration, end: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, ended) = mpsc::sync_channel(1);
    std::thread::spawn(move || done.send(end()));
    ended.recv_timeout(limit).ok()
}

fn pid(id: u32) -> Option<rustix::process::Pid> {
    i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
}

/// Makes the names in the folder of `path` durable.
fn sync_folder(path: &str) -> std::io::Result<()> {
    File::open(folder_of(Path::new(path)))?.sync_all()
}

impl Host for Linux {
    fn read(&self, path: &str) -> Result<Vec<u8>, HostError> {
        let file = File::open(path).map_err(read_error(path))?;
        let mut bytes = Vec::new();
        file.take(MAX_READ_BYTES + 1).read_to_end(&mut bytes).map_err(read_error(path))?;
        if bytes.len() as u64 > MAX_READ_BYTES {
            return Err(HostError::TooLarge { path: path.to_owned(), limit_bytes: MAX_READ_BYTES });
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, HostError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(read_error(path))? {
            names.push(entry.map_err(read_error(path))?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn link(&self, path: &str) -> Result<String, HostError> {
        Ok(fs::read_link(path).map_err(read_error(path))?.to_string_lossy().into_owned())
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn entry(&self, path: &str) -> Result<Entry, HostError> {
        let found = fs::symlink_metadata(path).map_err(read_error(path))?;
        let kind = match found.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Folder,
            _ => EntryKind::Other,
        };
        Ok(Entry { kind, owner: found.uid(), mode: found.mode() & 0o7777 })
    }

    fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), HostError> {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder).map_err(write_error(path))?;
        }
        let temporary = format!("{path}.new");
        // A left-over of a killed run could have another mode; it is never reused.
        self.remove(&temporary)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
            .map_err(write_error(&temporary))?;
        file.write_all(bytes).map_err(write_error(&temporary))?;
        drop(file);
        self.rename(&temporary, path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        File::open(from).and_then(|file| file.sync_all()).map_err(write_error(from))?;
        fs::rename(from, to).map_err(write_error(to))?;
        sync_folder(to).map_err(write_error(to))
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        match fs::remove_file(path) {
            Ok(()) => sync_folder(path).map_err(write_error(path)),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(HostError::Write { path: path.to_owned(), source }),
        }
    }

    fn space(&self, path: &str) -> Result<Space, HostError> {
        let found = rustix::fs::statvfs(path).map_err(|errno| read_error(path)(errno.into()))?;
        Ok(Space {
            size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            free_inodes: found.f_favail,
        })
    }

    fn run(&self, program: &str, args: &[&str], limit: Duration) -> Result<Output, HostError> {
        let child = Command::new(program)
            .args(args)
            // What programs print is parsed, so they must not translate it.
            .env("LC_ALL", "C")
            .env("PATH", PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| HostError::Start { program: program.to_owned(), source })?;
        let id = child.id();
        match within(limit, move || child.wait_with_output()) {
            Some(Ok(out)) => Ok(Output {
                status: code(out.status),
                stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
            }),
            Some(Err(source)) => Err(HostError::Start { program: program.to_owned(), source }),
            None => {
                if let Some(pid) = pid(id) {
                    // The process may have ended just now; then there is nothing left to kill.
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                Err(HostError::TimedOut { program: program.to_owned(), limit_ms: limit.as_millis() })
            }
        }
    }

    fn run_alone(&self, program: &str, variables: &[(&str, &str)], limit: Duration) -> Result<i32, HostError> {
        let mut child = Command::new(program)
            .env_clear()
            .env("PATH", PATH)
            .envs(variables.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| HostError::Start { program: program.to_owned(), source })?;
        let id = child.id();
        match within(limit, move || child.wait()) {
            Some(Ok(status)) => Ok(code(status)),
            Some(Err(source)) => Err(HostError::Start { program: program.to_owned(), source }),
            None => {
                if let Some(group) = pid(id) {
                    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                }
                Err(HostError::TimedOut { program: program.to_owned(), limit_ms: limit.as_millis() })
            }
        }
    }

    fn disk_identity(&self, name: &str) -> Option<DiskIdentity> {
        // The kernel writes `!` for the `/` of names such as cciss/c0d0.
        let node = Path::new("/dev").join(name.replace('!', "/"));
        Some(wire_identity(LeafDisk::from_node(&node).ok()?.identity()))
    }

    fn now_unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn kernel(&self) -> (String, String) {
        let name = rustix::system::uname();
        (name.release().to_string_lossy().into_owned(), name.machine().to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_even_over_a_left_over() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key.pem").display().to_string();
        Linux.write(&path, b"first", 0o600).unwrap();
        fs::write(format!("{path}.new"), b"torn").unwrap();
        Linux.write(&path, b"second", 0o600).unwrap();
        assert_eq!(Linux.read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!Linux.exists(&format!("{path}.new")));
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        Linux.remove(&folder.path().join("none").display().to_string()).unwrap();
    }

    #[test]
    fn a_program_that_hangs_is_killed_at_its_limit() {
        let error = Linux.run("sleep", &["600"], Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, HostError::TimedOut { limit_ms: 50, .. }), "{error}");
    }

    #[test]
    fn a_failing_program_names_itself_its_arguments_and_its_words() {
        let error = Linux.ask("ls", &["/no/such/folder"], LIMIT).unwrap_err();
        assert!(error.to_string().contains("ls /no/such/folder"), "{error}");
    }

    const LIMIT: Duration = Duration::from_secs(10);
}
