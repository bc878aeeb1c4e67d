//! The target's drivers as an archive that the boot loader hands to the kernel after the vendor's own initramfs. The kernel
//! unpacks several archives one over the other (Documentation/driver-api/early-userspace/buffer-format.rst), so the vendor's
//! stays as it is, byte for byte, and nothing is rebuilt. It reads; it writes nothing.
//!
//! The archive carries the modules that the vendor's initramfs lacks, with all that they need, and the host's module index,
//! so that udev in the initramfs finds them by the hardware that is there. Equal hosts give equal bytes.

use super::super::StepError;
use crate::host::Host;
use crate::inventory::{initramfs_files, module_name};
use std::collections::{BTreeMap, BTreeSet};

/// The target's disk and the ladder of buses below it. Network, filesystems and volume managers come from the root, which
/// the vendor's initramfs mounts today.
const WANTED: [&str; 5] = ["virtio_pci", "virtio_blk", "virtio_scsi", "ahci", "sd_mod"];

/// Without these the target does not find its disk.
const NEEDED: [&str; 2] = ["virtio_pci", "virtio_blk"];

/// What kmod looks modules up in; the last one is not on every host.
const INDEX: [&str; 5] = ["modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.softdep"];

/// The archive for `initramfs`, or `None` where it lacks nothing.
pub(super) fn archive(host: &dyn Host, initramfs: &str) -> Result<Option<Vec<u8>>, StepError> {
    let release = host.kernel().0;
    let folder = format!("/lib/modules/{release}");
    let listing = initramfs_files(host, initramfs)?;
    let inside = Inside::of(&listing, &release);
    let built_in = host.text(&format!("{folder}/modules.builtin")).unwrap_or_default();
    let present: BTreeSet<String> = listing.lines().chain(built_in.lines()).filter_map(module_name).collect();
    let lacking: Vec<&str> = WANTED.into_iter().filter(|driver| !present.contains(*driver)).collect();
    if lacking.is_empty() {
        return Ok(None);
    }
    let dependencies = Dependencies::parse(&host.text(&format!("{folder}/modules.dep")).unwrap_or_default());
    inside.must_be_of(&dependencies)?;
    let mut files = BTreeMap::new();
    for module in dependencies.closure(&lacking)?.difference(&inside.modules) {
        files.insert(module.clone(), host.read(&format!("{folder}/{module}"))?);
    }
    for name in INDEX {
        let path = format!("{folder}/{name}");
        if host.exists(&path) || name != "modules.softdep" {
            files.insert(name.to_owned(), host.read(&path)?);
        }
    }
    Ok(Some(cpio(&inside.folder, &files)))
}

/// Where the vendor's initramfs has its modules, and which.
struct Inside {
    folder: String,
    modules: BTreeSet<String>,
}

impl Inside {
    fn of(listing: &str, release: &str) -> Self {
        let folders = [format!("usr/lib/modules/{release}"), format!("lib/modules/{release}")];
        let paths: BTreeSet<&str> = listing.lines().map(|line| line.trim_start_matches("./")).collect();
        let within = |folder: &String| paths.iter().any(|path| path.starts_with(&format!("{folder}/")));
        // Without modules: where `lib` has contents of its own it is a folder, else it points to `usr/lib`.
        let merged = !paths.iter().any(|path| path.starts_with("lib/"));
        let [usr, root] = folders;
        let folder = if within(&usr) || (merged && !within(&root)) { usr } else { root };
        let relative = |path: &&str| path.strip_prefix(&folder)?.strip_prefix('/').map(str::to_owned);
        let modules = paths.iter().filter(|path| module_name(path).is_some()).filter_map(relative).collect();
        Self { folder, modules }
    }

    /// The index in the archive replaces the vendor's, so it must know every module that is there under the same name.
    fn must_be_of(&self, dependencies: &Dependencies) -> Result<(), StepError> {
        match self.modules.iter().find(|module| !dependencies.needs.contains_key(*module)) {
            None => Ok(()),
            Some(other) => Err(StepError::Refused {
                expected: "modules in the initramfs that are those of the running kernel".into(),
                found: other.clone(),
            }),
        }
    }
}

/// `modules.dep`: each module's file, and all that it needs.
struct Dependencies {
    needs: BTreeMap<String, Vec<String>>,
}

impl Dependencies {
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (module, needs) = line.split_once(':')?;
            Some((module.to_owned(), needs.split_whitespace().map(str::to_owned).collect()))
        };
        Self { needs: text.lines().filter_map(line).collect() }
    }

    /// Files of the drivers and of all that they need. The lists of `modules.dep` are complete (depmod(8)).
    fn closure(&self, drivers: &[&str]) -> Result<BTreeSet<String>, StepError> {
        let mut files = BTreeSet::new();
        for &driver in drivers {
            match self.needs.iter().find(|(file, _)| module_name(file).as_deref() == Some(driver)) {
                Some((file, needs)) => files.extend(std::iter::once(file).chain(needs).cloned()),
                None if NEEDED.contains(&driver) => {
                    let expected = format!("{driver} among the modules of the running kernel");
                    return Err(StepError::Refused { expected, found: "none of that name".into() });
                }
                // A step of the ladder that this kernel does not have.
                None => {}
            }
        }
        Ok(files)
    }
}

/// The files below `folder` as an archive of format `newc` (the same document), uncompressed, with every folder on the way.
fn cpio(folder: &str, files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let paths: BTreeMap<String, &Vec<u8>> =
        files.iter().map(|(path, bytes)| (format!("{folder}/{path}"), bytes)).collect();
    let above =
        |path: &String| -> Vec<String> { path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect() };
    let folders: BTreeSet<String> = paths.keys().flat_map(above).collect();
    let mut out = Vec::new();
    let mut number = 0;
    let mut add = |name: &str, mode: u32, links: u32, bytes: &[u8]| {
        number += 1;
        let (size, name_size) = (bytes.len(), name.len() + 1);
        out.extend_from_slice(b"070701");
        let fields = [number, mode as usize, 0, 0, links as usize, 0, size, 0, 0, 0, 0, name_size, 0];
        fields.iter().for_each(|field| out.extend_from_slice(format!("{field:08x}").as_bytes()));
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    folders.iter().for_each(|folder| add(folder, 0o040_755, 2, &[]));
    paths.iter().for_each(|(path, bytes)| add(path, 0o100_644, 1, bytes));
    add("TRAILER!!!", 0, 1, &[]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_lie_where_the_vendors_initramfs_has_them() {
        let folder = |listing: &str| Inside::of(listing, "6.1").folder;
        assert_eq!(folder("lib\nusr/lib/modules/6.1/kernel/x.ko\n"), "usr/lib/modules/6.1");
        assert_eq!(folder("./lib/modules/6.1/kernel/x.ko.xz\nusr/lib/libc.so\n"), "lib/modules/6.1");
        assert_eq!(folder("lib\nusr/lib/libc.so\n"), "usr/lib/modules/6.1", "no modules, and `lib` is a link");
        assert_eq!(folder("lib\nlib/libc.so\n"), "lib/modules/6.1", "no modules, and `lib` is a folder");
    }

    #[test]
    fn a_module_comes_with_all_that_it_needs_and_a_missing_one_is_named() {
        let dependencies =
            Dependencies::parse("k/virtio_blk.ko.xz: k/virtio.ko.xz k/ring.ko.xz\nk/virtio-pci.ko.xz:\n");
        let files = dependencies.closure(&["virtio_blk", "virtio_pci", "virtio_scsi"]).unwrap();
        let expected = ["k/ring.ko.xz", "k/virtio-pci.ko.xz", "k/virtio.ko.xz", "k/virtio_blk.ko.xz"];
        assert_eq!(files.into_iter().collect::<Vec<_>>(), expected);
        let error = Dependencies::parse("").closure(&["virtio_blk"]).unwrap_err();
        assert!(error.to_string().contains("virtio_blk among the modules"), "{error}");
    }

    #[test]
    fn an_initramfs_with_modules_in_another_form_is_refused() {
        let inside = Inside::of("lib/modules/6.1/k/ahci.ko\n", "6.1");
        let error = inside.must_be_of(&Dependencies::parse("k/ahci.ko.xz:\n")).unwrap_err();
        assert!(error.to_string().ends_with("found k/ahci.ko"), "{error}");
    }

    #[test]
    fn every_entry_of_the_archive_begins_on_four_bytes_after_its_folders() {
        let files = BTreeMap::from([("kernel/a.ko".to_owned(), b"12345".to_vec()), ("modules.dep".into(), vec![])]);
        let bytes = cpio("lib/modules/6.1", &files);
        let text = String::from_utf8_lossy(&bytes);
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let names: Vec<&str> =
            starts.iter().map(|&at| text[at + 110..].split('\0').next().unwrap_or_default()).collect();
        assert_eq!(
            names,
            [
                "lib",
                "lib/modules",
                "lib/modules/6.1",
                "lib/modules/6.1/kernel",
                "lib/modules/6.1/kernel/a.ko",
                "lib/modules/6.1/modules.dep",
                "TRAILER!!!"
            ]
        );
    }
}
