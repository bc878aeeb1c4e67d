//! An answer of the calendar together with what it rests on. A bare date or number never leaves the calendar where a
//! year without a notice was looked at: nobody can forget to say that it is estimated.

use std::collections::BTreeSet;
use std::fmt;

/// An answer, and whether notices bear it. It touches a year without a notice (国务院办公厅关于…年部分节假日安排的通知) if a
/// single day that had to be looked at lies in one; then it must be shown as `~` or 预计.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Every day that was looked at lies in a year whose notice is known.
    Official(T),
    /// At least one does not.
    Estimated {
        /// The answer, by the law alone (see [`super::statutory`]).
        value: T,
        /// The years without a notice that were looked at, ascending; never empty.
        years: Vec<i16>,
    },
}

impl<T> Answer<T> {
    /// An answer for which these years without a notice were looked at.
    pub(super) fn new(value: T, without_notice: impl IntoIterator<Item = i16>) -> Self {
        let years: Vec<i16> = without_notice.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if years.is_empty() { Self::Official(value) } else { Self::Estimated { value, years } }
    }

    /// The answer, whatever it rests on. Whoever shows it says so, by [`Answer::years`] or by printing the answer
    /// itself.
    pub fn even_if_estimated(&self) -> &T {
        match self {
            Self::Official(value) | Self::Estimated { value, .. } => value,
        }
    }

    /// The answer if notices bear it.
    pub fn official(&self) -> Option<&T> {
        match self {
            Self::Official(value) => Some(value),
            Self::Estimated { .. } => None,
        }
    }

    /// The years without a notice that it touches, ascending; empty if it is official.
    pub fn years(&self) -> &[i16] {
        match self {
            Self::Official(_) => &[],
            Self::Estimated { years, .. } => years,
        }
    }

    /// Whether it is estimated.
    pub fn is_estimated(&self) -> bool {
        !self.years().is_empty()
    }

    /// What follows from it, resting on the same.
    pub fn map<U>(self, follow: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Official(value) => Answer::Official(follow(value)),
            Self::Estimated { value, years } => Answer::Estimated { value: follow(value), years },
        }
    }

    /// Both answers: estimated if one of them is.
    pub fn and<U>(self, other: Answer<U>) -> Answer<(T, U)> {
        let years: Vec<i16> = self.years().iter().chain(other.years()).copied().collect();
        Answer::new((self.into_value(), other.into_value()), years)
    }

    fn into_value(self) -> T {
        match self {
            Self::Official(value) | Self::Estimated { value, .. } => value,
        }
    }
}

/// As columns show it: an estimate is marked by `~`, as `~2027-03-05`.
impl<T: fmt::Display> fmt::Display for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Official(value) => value.fmt(f),
            Self::Estimated { value, .. } => write!(f, "~{value}"),
        }
    }
}
