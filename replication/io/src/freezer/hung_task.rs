//! How long a freeze may be on this kernel: no longer than half of the time after which its hung-task detector panics.
//!
//! Whoever writes to a frozen filesystem waits as a hung task does, and where `kernel.hung_task_panic` is set the kernel takes
//! the whole server down for that. Two settings are read, before anything is stopped and again right before each freeze; what
//! follows from them is a pure function. Never changes a setting, and never makes a freeze shorter than was asked for: one that
//! ends too early costs the services a stop for nothing.

use super::{FreezeError, MAX_FREEZE};
use std::io;
use std::time::Duration;

/// Whether the detector panics: not 0. Kernels that count hung tasks before they panic have the count here.
pub const PANIC: &str = "/proc/sys/kernel/hung_task_panic";
/// After how many seconds of waiting a task is hung; 0 is never.
pub const TIMEOUT: &str = "/proc/sys/kernel/hung_task_timeout_secs";

/// What the two files hold; `None` where a kernel is without the detector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HungTask {
    /// [`PANIC`].
    pub panic: Option<String>,
    /// [`TIMEOUT`].
    pub timeout_seconds: Option<String>,
}

impl HungTask {
    /// As the kernel has them now.
    pub fn read() -> Result<Self, FreezeError> {
        Ok(Self { panic: read(PANIC)?, timeout_seconds: read(TIMEOUT)? })
    }

    /// The longest freeze that is safe.
    pub fn longest_freeze(&self) -> Result<Duration, FreezeError> {
        Ok(self.panics_after_seconds()?.map_or(MAX_FREEZE, longest_before))
    }

    /// Whether a freeze of `found` is safe, or why not.
    pub fn check(&self, found: Duration) -> Result<(), FreezeError> {
        if found > MAX_FREEZE {
            return Err(FreezeError::TooLong { found });
        }
        match self.panics_after_seconds()? {
            Some(seconds) if found > longest_before(seconds) => {
                Err(FreezeError::WouldPanic { found, longest: longest_before(seconds), seconds })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// After how many seconds a task that waits makes the kernel panic; `None` for never.
    fn panics_after_seconds(&self) -> Result<Option<u64>, FreezeError> {
        let panics = number(PANIC, self.panic.as_deref())? != 0;
        let seconds = number(TIMEOUT, self.timeout_seconds.as_deref())?;
        Ok(Some(seconds).filter(|seconds| panics && *seconds > 0))
    }
}

/// Half of it: the detector looks once in each period, so that a task is never called hung before all of one has passed; the
/// other half is for what was waiting before the freeze, and for the thaw.
fn longest_before(seconds: u64) -> Duration {
    Duration::from_millis(seconds.saturating_mul(500)).min(MAX_FREEZE)
}

/// Zero where there is no such setting.
fn number(path: &'static str, text: Option<&str>) -> Result<u64, FreezeError> {
    text.map_or(Ok(0), |text| {
        text.trim().parse().map_err(|_| FreezeError::Setting { path, found: text.chars().take(40).collect() })
    })
}

fn read(path: &'static str) -> Result<Option<String>, FreezeError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FreezeError::Unread { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(panic: &str, timeout: &str) -> HungTask {
        let given = |text: &str| Some(text.to_owned()).filter(|text| text != "absent");
        HungTask { panic: given(panic), timeout_seconds: given(timeout) }
    }

    #[test]
    fn half_of_what_a_panicking_kernel_bears_is_the_longest_freeze() {
        for (panic, timeout, longest_ms) in [
            ("1\n", "120\n", 60_000),
            ("1", "60", 30_000),
            ("1", "1", 500),
            ("3", "20", 10_000),
            ("1", "18446744073709551615", 60_000),
        ] {
            assert_eq!(set(panic, timeout).longest_freeze().unwrap().as_millis(), longest_ms, "{panic} {timeout}");
        }
    }

    #[test]
    fn a_detector_that_is_absent_off_or_only_speaks_sets_no_bound() {
        for (panic, timeout) in
            [("absent", "absent"), ("0", "10"), ("absent", "10"), ("1", "0"), ("1", "absent"), ("0", "absent")]
        {
            assert_eq!(set(panic, timeout).longest_freeze().unwrap(), MAX_FREEZE, "{panic} {timeout}");
            set(panic, timeout).check(MAX_FREEZE).unwrap();
        }
    }

    #[test]
    fn a_longer_freeze_is_refused_with_what_was_found_and_what_to_do() {
        let short = set("1", "40");
        short.check(Duration::from_secs(20)).unwrap();
        let refused = short.check(Duration::from_secs(30)).unwrap_err();
        assert!(matches!(refused, FreezeError::WouldPanic { seconds: 40, .. }));
        let words = refused.to_string();
        for part in ["freeze of 30 s", "20 s at most", "panics after 40 s", "hung_task_timeout_secs", "60 or more"] {
            assert!(words.contains(part), "{words}");
        }
        assert!(matches!(set("0", "0").check(Duration::from_secs(61)), Err(FreezeError::TooLong { .. })));
    }

    #[test]
    fn what_is_no_number_is_an_error_that_names_the_file() {
        for (panic, timeout, path) in
            [("yes", "120", PANIC), ("1", "", TIMEOUT), ("-1", "120", PANIC), ("0", "x", TIMEOUT)]
        {
            let error = set(panic, timeout).check(Duration::from_secs(1)).unwrap_err();
            assert!(matches!(error, FreezeError::Setting { .. }) && error.to_string().contains(path), "{error}");
        }
    }

    #[test]
    fn this_kernel_is_read() {
        HungTask::read().unwrap().longest_freeze().unwrap();
    }
}
