//! The worlds that events begin in: how many servers the scheme has, whom the city asks, and whether they have signed.

use crate::world::{APPROVERS, World};
use proptest::prelude::*;
use qianyun_crds::{Decision, GateName, Party, PolicyProfileSpec, RoleBinding, SchemeHost};
use qianyun_planning::facts::Known;

/// Whom the policy asks to approve a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offices {
    /// One office alone, which opens nothing.
    One,
    /// One office, named twice: still one.
    OneTwice,
    /// The regulation's two.
    Two,
    /// The regulation's two, each with a list of its persons.
    TwoListed,
    /// A third one beside them.
    Three,
    /// One office, and the department beside its confirmation.
    WithDepartment,
}

/// What is signed before anything happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Nothing,
    /// All but the offices' approval of the scheme.
    ButOffices,
    All,
}

/// A world to begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) servers: usize,
    pub(crate) offices: Offices,
    pub(crate) signed: Signed,
    pub(crate) depends: Depends,
}

/// Which servers of a system cannot work without which.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depends {
    /// None.
    Nobody,
    /// Each needs the one before it in the scheme.
    OnTheOneBefore,
    /// Each needs the one after it.
    OnTheOneAfter,
}

/// The third office and its person.
pub(crate) const THIRD: (&str, &str) = ("dataBureau", "db-qian");

const NAMES: [&str; 3] = ["db1", "web1", "app1"];

pub(crate) fn start() -> impl Strategy<Value = Start> {
    let signed = prop_oneof![1 => Just(Signed::Nothing), 1 => Just(Signed::ButOffices), 12 => Just(Signed::All)];
    let servers = prop_oneof![4 => Just(1_usize), 4 => Just(2_usize), 1 => Just(3_usize)];
    let depends = prop_oneof![
        2 => Just(Depends::Nobody),
        1 => Just(Depends::OnTheOneBefore),
        1 => Just(Depends::OnTheOneAfter),
    ];
    (servers, offices(), signed, depends).prop_map(|(servers, offices, signed, depends)| Start {
        servers,
        offices,
        signed,
        depends,
    })
}

/// One server, and nothing missing but the offices' approval.
pub(super) fn before_approval() -> impl Strategy<Value = Start> {
    // Each rule about who may decide has to do with one of these, so none is rarer than another.
    let more_than_one = [Offices::Two, Offices::TwoListed, Offices::Three, Offices::WithDepartment];
    let offices = prop_oneof![1 => offices(), 4 => prop::sample::select(more_than_one.to_vec())];
    offices.prop_map(|offices| Start { servers: 1, offices, signed: Signed::ButOffices, depends: Depends::Nobody })
}

fn offices() -> impl Strategy<Value = Offices> {
    prop_oneof![
        1 => Just(Offices::One),
        1 => Just(Offices::OneTwice),
        6 => Just(Offices::Two),
        2 => Just(Offices::TwoListed),
        2 => Just(Offices::Three),
        2 => Just(Offices::WithDepartment),
    ]
}

impl Start {
    pub(crate) fn world(self) -> World {
        let mut world = World::with_servers(&NAMES[..self.servers]);
        let Known::Is(policy) = &mut world.policy else { panic!("there is no policy") };
        self.offices.rewrite(&mut policy.spec);
        self.depends.write(&mut world.migration.spec.scheme.hosts);
        match self.signed {
            Signed::Nothing => {}
            Signed::ButOffices => {
                world.sign_all();
                world.approvals.retain(|a| a.spec.gate != GateName::DualApproved);
            }
            Signed::All => sign(&mut world),
        }
        world
    }
}

impl Depends {
    fn write(self, hosts: &mut [SchemeHost]) {
        for (host, needed) in (0..hosts.len()).zip(1..hosts.len()) {
            match self {
                Depends::Nobody => {}
                Depends::OnTheOneBefore => hosts[needed].depends_on = vec![hosts[host].host_ref.clone()],
                Depends::OnTheOneAfter => hosts[host].depends_on = vec![hosts[needed].host_ref.clone()],
            }
        }
    }
}

impl Offices {
    fn rewrite(self, policy: &mut PolicyProfileSpec) {
        match self {
            Offices::One => drop(policy.scheme_approvers.pop()),
            Offices::OneTwice => policy.scheme_approvers = vec![APPROVERS[0].0.into(), APPROVERS[0].0.into()],
            Offices::Two => {}
            Offices::WithDepartment => policy.scheme_approvers = vec![APPROVERS[0].0.into(), "department".into()],
            Offices::TwoListed => {
                for role in &mut policy.roles {
                    let person = APPROVERS.iter().find(|(name, _)| *name == role.name).map(|(_, person)| *person);
                    role.subjects = person.into_iter().map(String::from).collect();
                }
            }
            Offices::Three => {
                policy.scheme_approvers.push(THIRD.0.into());
                policy.roles.push(RoleBinding {
                    name: THIRD.0.into(),
                    display_name: THIRD.0.into(),
                    display_name_zh: THIRD.0.into(),
                    party: Party::SmartCityOffice,
                    subjects: Vec::new(),
                });
            }
        }
    }
}

/// Everybody whom a city may ask signs the scheme as it is now.
pub(crate) fn sign(world: &mut World) {
    world.sign_all();
    world.decide(GateName::DualApproved, THIRD.0, THIRD.1, Decision::Approve);
    world.decide(GateName::DualApproved, "department", "dept-li", Decision::Approve);
}
