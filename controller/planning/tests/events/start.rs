//! The worlds that events begin in: how many servers the scheme has, whom the city asks, and whether they have signed.

use crate::world::{APPROVERS, World};
use proptest::prelude::*;
use qianyun_crds::{Decision, GateName, Party, PolicyProfileSpec, RoleBinding};
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
}

/// A world to begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) servers: usize,
    pub(crate) offices: Offices,
    pub(crate) signed: bool,
}

/// The third office and its person.
pub(crate) const THIRD: (&str, &str) = ("dataBureau", "db-qian");

const NAMES: [&str; 3] = ["db1", "web1", "app1"];

pub(crate) fn start() -> impl Strategy<Value = Start> {
    let offices = prop_oneof![
        1 => Just(Offices::One),
        1 => Just(Offices::OneTwice),
        6 => Just(Offices::Two),
        2 => Just(Offices::TwoListed),
        3 => Just(Offices::Three),
    ];
    let servers = prop_oneof![4 => Just(1_usize), 4 => Just(2_usize), 1 => Just(3_usize)];
    (servers, offices, prop::bool::weighted(0.9)).prop_map(|(servers, offices, signed)| Start {
        servers,
        offices,
        signed,
    })
}

impl Start {
    pub(crate) fn world(self) -> World {
        let mut world = World::with_servers(&NAMES[..self.servers]);
        let Known::Is(policy) = &mut world.policy else { panic!("there is no policy") };
        self.offices.rewrite(&mut policy.spec);
        if self.signed {
            sign(&mut world);
        }
        world
    }
}

impl Offices {
    fn rewrite(self, policy: &mut PolicyProfileSpec) {
        match self {
            Offices::One => drop(policy.scheme_approvers.pop()),
            Offices::OneTwice => policy.scheme_approvers = vec![APPROVERS[0].0.into(), APPROVERS[0].0.into()],
            Offices::Two => {}
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
}
