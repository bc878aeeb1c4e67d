//! The API types of group `migration.qianyun.dev`, version `v1alpha1`: nouns only.
//!
//! | kind | who writes the spec | who writes the status |
//! |---|---|---|
//! | [`WorkCalendar`] [`FreezePeriod`] [`CheckWaiver`] [`CustodyRecord`] [`PolicyProfile`] [`CloudPlatform`] [`Department`] [`InformationSystem`] [`HostEnrollment`] [`SystemMigration`] | operator | controller |
//! | [`MigrationPlan`] | operator; issued by both offices through [`Approval`]s | controller |
//! | [`PhysicalHost`] | gateway, once, at enrolment | gateway |
//! | [`HostMigration`] | controller | controller |
//! | [`Approval`] | the person who decides; never changed afterwards | controller |
//!
//! This crate holds no decision: what a phase follows from is in `qianyun-planning`.
#![deny(missing_docs)]
// Printer columns repeat `type_ = "string"`; the lint takes them for one attribute given twice.
#![allow(clippy::duplicated_attributes)]
// `KubeSchema` derives a copy of each struct inside a function body, where `pub` reaches nobody.
#![allow(unreachable_pub)]

pub mod acceptance;
pub mod approval;
mod bounds;
pub mod caution;
pub mod check_waiver;
pub mod cloud_platform;
pub mod custody_record;
pub mod cutover_proof;
pub mod department;
pub mod digest;
pub mod freeze_period;
pub mod gate_name;
pub mod host_enrollment;
pub mod host_migration;
pub mod information_system;
pub mod manifest;
pub mod migration_plan;
pub mod physical_host;
pub mod policy_profile;
pub mod review;
pub mod scheme;
pub mod system_migration;
pub mod waiting;
pub mod work_calendar;

pub use acceptance::*;
pub use approval::*;
pub use caution::*;
pub use check_waiver::*;
pub use cloud_platform::*;
pub use custody_record::*;
pub use cutover_proof::*;
pub use department::*;
pub use digest::*;
pub use freeze_period::*;
pub use gate_name::*;
pub use host_enrollment::*;
pub use host_migration::*;
pub use information_system::*;
pub use migration_plan::*;
pub use physical_host::*;
pub use policy_profile::*;
pub use review::*;
pub use scheme::*;
pub use system_migration::*;
pub use waiting::*;
pub use work_calendar::*;

/// The API group.
pub const GROUP: &str = "migration.qianyun.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
