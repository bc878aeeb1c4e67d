//! Which chunks of a volume may hold something: all but the holes that its filesystem vouches for.

use crate::device::{DeviceError, io_error};
use qianyun_replication::geometry::{CHUNK_BYTES, DeviceSize};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// Runs of chunks that are not wholly in a hole. A volume without holes, as a block device, is all of it.
pub(super) fn maybe_written(path: &Path, size: DeviceSize) -> Result<Vec<Range<u64>>, DeviceError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    // Some filesystems have called a hole what was not on the disk yet.
    file.sync_all().map_err(io_error("flush", path))?;
    let failed = |errno: Errno| io_error("look for holes in", path)(errno.into());
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < size.bytes() {
        let data = match seek(&file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            // No holes are told: everything may be written.
            Err(Errno::INVAL) => return Ok(std::iter::once(0..size.chunks()).collect()),
            Err(errno) => return Err(failed(errno)),
        };
        let hole = seek(&file, SeekFrom::Hole(data)).map_err(failed)?;
        let run = data / CHUNK_BYTES..hole.div_ceil(CHUNK_BYTES).min(size.chunks());
        match runs.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            Some(_) | None => runs.push(run),
        }
        at = hole.max(data + 1);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn only_chunks_with_something_in_them_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v");
        let file = File::create(&path).unwrap();
        let size = DeviceSize::from_bytes(8 * CHUNK_BYTES + 512).unwrap();
        file.set_len(size.bytes()).unwrap();
        assert_eq!(maybe_written(&path, size).unwrap(), vec![]);
        file.write_all_at(&[1], 3 * CHUNK_BYTES + 5).unwrap();
        file.write_all_at(&[1], 8 * CHUNK_BYTES).unwrap();
        file.sync_all().unwrap();
        assert_eq!(maybe_written(&path, size).unwrap(), vec![3..4, 8..9]);
    }
}
