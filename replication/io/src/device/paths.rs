//! Whether every write to a disk takes the one way on which it is traced and counted: the request queue of that disk.
//!
//! A disk of a storage network is seen once for each path to it, and what is written by another path is neither traced nor counted
//! here: the sums would agree, and the copy be wrong. A device without requests of its own (the head of a multipath NVMe disk,
//! memory that is used as a disk) completes none that could be traced. Judges by texts of `/sys` alone; never opens a device.

use super::sysfs;

/// Why writes to a disk cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfollowed {
    /// There is another way to the same disk.
    #[error(
        "disk {disk} is one of several paths to one disk, which is also {other}, and what is written by another path is not seen; \
         leave one path, and take it out of multipath (`blacklist` in /etc/multipath.conf), then restart"
    )]
    ManyPaths {
        /// The kernel's name of the disk.
        disk: String,
        /// The multipath device that uses it, or another path.
        other: String,
    },
    /// Its requests are those of other devices, or none.
    #[error(
        "disk {disk} has no request queue, so the kernel tells of no write to it; if it is NVMe, start with nvme_core.multipath=N \
         on the kernel's command line"
    )]
    NoRequests {
        /// The kernel's name of the disk.
        disk: String,
    },
}

/// Why writes to the disk called `name` cannot be followed, if so. `text` reads a file of `/sys`, trimmed, `names` lists a folder;
/// what is not there is `None` or empty.
pub fn unfollowed(
    name: &str,
    text: impl Fn(&str) -> Option<String>,
    names: impl Fn(&str) -> Vec<String>,
) -> Option<Unfollowed> {
    let dir = format!("/sys/block/{name}");
    let disk = || name.to_owned();
    let is_multipath =
        |holder: &String| text(&format!("/sys/block/{holder}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("mpath-"));
    if let Some(holder) = names(&format!("{dir}/holders")).into_iter().find(is_multipath) {
        let other = text(&format!("/sys/block/{holder}/dm/name")).unwrap_or(holder);
        return Some(Unfollowed::ManyPaths { disk: disk(), other });
    }
    let own = sysfs::wwn(name, &text);
    // The paths that the kernel itself hides are those of a head, which is judged by its requests.
    let is_same = |other: &String| other != name && !sysfs::is_hidden(other, &text) && sysfs::wwn(other, &text) == own;
    let others = if own.is_empty() { Vec::new() } else { names("/sys/block") };
    if let Some(other) = others.into_iter().find(is_same) {
        return Some(Unfollowed::ManyPaths { disk: disk(), other });
    }
    // Before there were several queues a disk with requests had a scheduler, and one without had none.
    let scheduler = text(&format!("{dir}/queue/scheduler")).unwrap_or_default();
    let has_requests = !names(&format!("{dir}/mq")).is_empty() || !["", "none"].contains(&&*scheduler);
    (!has_requests).then(|| Unfollowed::NoRequests { disk: disk() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of `/sys/block` with their texts; a folder is there with what is in it.
    fn judged(name: &str, files: &[(&str, &str)]) -> Option<Unfollowed> {
        let text = |path: &str| {
            let found = files.iter().find(|(file, _)| format!("/sys/block/{file}") == path)?;
            Some(found.1.to_owned())
        };
        let names = |dir: &str| {
            let below = |(file, _): &(&str, &str)| {
                let rest = format!("/sys/block/{file}").strip_prefix(&format!("{dir}/"))?.to_owned();
                rest.split('/').next().map(str::to_owned)
            };
            files.iter().filter_map(below).collect()
        };
        unfollowed(name, text, names)
    }

    fn many(other: &str) -> Option<Unfollowed> {
        Some(Unfollowed::ManyPaths { disk: "sda".to_owned(), other: other.to_owned() })
    }

    const QUEUE: (&str, &str) = ("sda/mq/0/cpu_list", "0");

    #[test]
    fn a_disk_with_a_queue_of_its_own_is_followed_on_kernels_with_several_queues_and_with_one() {
        assert_eq!(judged("sda", &[QUEUE, ("sda/queue/scheduler", "[none] mq-deadline")]), None);
        assert_eq!(judged("sda", &[("sda/queue/scheduler", "noop [deadline] cfq")]), None);
        assert_eq!(judged("sda", &[QUEUE, ("sda/holders/dm-0", ""), ("dm-0/dm/uuid", "LVM-abc")]), None);
        assert_eq!(judged("sda", &[QUEUE, ("sda/device/wwid", "naa.5"), ("sdb/device/wwid", "naa.6")]), None);
        assert_eq!(judged("sda", &[QUEUE, ("sda/device/wwid", ""), ("sdb/device/wwid", "")]), None);
    }

    #[test]
    fn a_path_of_a_multipath_disk_is_not_followed_though_it_is_the_only_one_now() {
        let held = [QUEUE, ("sda/holders/dm-3", ""), ("dm-3/dm/uuid", "mpath-3600508b"), ("dm-3/dm/name", "mpatha")];
        assert_eq!(judged("sda", &held), many("mpatha"));
    }

    #[test]
    fn two_disks_with_one_world_wide_name_are_two_paths_to_one() {
        assert_eq!(judged("sda", &[QUEUE, ("sda/device/wwid", "naa.5"), ("sdb/device/wwid", "naa.5")]), many("sdb"));
    }

    #[test]
    fn the_head_of_a_multipath_nvme_disk_has_no_requests_and_its_hidden_paths_are_no_others() {
        let head = [
            ("nvme0n1/wwid", "eui.1"),
            ("nvme0n1/queue/scheduler", "none"),
            ("nvme0c0n1/wwid", "eui.1"),
            ("nvme0c0n1/hidden", "1"),
        ];
        assert_eq!(judged("nvme0n1", &head), Some(Unfollowed::NoRequests { disk: "nvme0n1".to_owned() }));
        let alone = [("nvme0n1/wwid", "eui.1"), ("nvme0n1/mq/0/cpu_list", "0"), ("nvme0n1/queue/scheduler", "none")];
        assert_eq!(judged("nvme0n1", &alone), None);
    }
}
