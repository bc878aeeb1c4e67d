//! The tests with a real control plane, most with the real controller on it, one with a whole node: one program, so that two of them
//! run at a time on two cores. Each has a control plane of its own, and none has a machine.

mod admit;
mod admit_attacks;
mod admit_attempts;
mod admit_audit;
mod admit_conditions;
mod admit_course;
mod admit_leaders;
mod admit_objects;
mod admit_refusals;
mod admit_roles;
mod admit_tables;
mod audit_attacks;
mod helm_on_node;
mod helm_values;
