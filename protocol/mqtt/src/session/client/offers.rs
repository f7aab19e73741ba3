//! What the server has, by its CONNACK: what it lacks is refused here, because a server that is
//! asked for it must end the connection (MQTT 5, 3.2.2.3).

use super::Feature;
use crate::packet::{Packet, ServerLimits};
use crate::publish::QoS;

/// What the server of this connection has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offers {
    qos_1: bool,
    retain: bool,
    wildcards: bool,
    shared: bool,
}

impl Offers {
    pub(super) fn of(limits: &ServerLimits) -> Self {
        Self {
            qos_1: limits.max_qos == QoS::AtLeastOnce,
            retain: limits.retain_available,
            wildcards: limits.wildcard_subscriptions,
            shared: limits.shared_subscriptions,
        }
    }

    /// What the packet needs and the server lacks. The QoS of a subscription is only the most that
    /// the client takes.
    pub(super) fn lacking(self, packet: &Packet) -> Option<Feature> {
        let needed = match packet {
            Packet::Publish(packet) => [
                (!self.qos_1 && packet.publish.qos == QoS::AtLeastOnce, Feature::QoS1),
                (!self.retain && packet.publish.retain, Feature::Retain),
            ],
            Packet::Subscribe(request) => {
                let any = |is: fn(&str) -> bool| request.filters.iter().any(|(f, _)| is(f));
                [
                    (!self.wildcards && any(|f| f.contains(['+', '#'])), Feature::Wildcards),
                    (!self.shared && any(|f| f.starts_with("$share/")), Feature::Shared),
                ]
            }
            _ => return None,
        };
        needed.into_iter().find(|(is_lacking, _)| *is_lacking).map(|(_, feature)| feature)
    }
}
