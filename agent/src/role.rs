//! Which of a host's two machines this is: the enrolled one, or the one in the cloud that its disk has travelled to. The arrival is
//! recognised by what was announced for it, never by the absence of the old: a server whose board was replaced or whose
//! firmware lost its serial number is still the server, and its services stay down while an attempt is in its ledger.

use crate::host::Host;
use crate::inventory;
use crate::ledger::Ledger;
use crate::steps::adapt_network::has_card;
use qianyun_agent_api::report::Role;

/// The arrival has other hardware than was enrolled, and a card that was announced for the attempt in the ledger.
pub(crate) fn role(host: &dyn Host, ledger: &Ledger) -> Role {
    let announced = ledger.armed.iter().flat_map(|armed| &armed.arrival.nics).any(|nic| has_card(host, &nic.mac));
    if announced && is_other_hardware(host, ledger) { Role::Arrival } else { Role::Source }
}

/// Whether anything that names the hardware differs from what was enrolled.
pub(crate) fn is_other_hardware(host: &dyn Host, ledger: &Ledger) -> bool {
    inventory::fingerprint(host) != ledger.fingerprint
}
