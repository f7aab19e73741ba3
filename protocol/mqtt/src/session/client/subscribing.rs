//! A client's subscriptions: asked for, granted, renewed.

use std::collections::VecDeque;
use std::time::Instant;

use bytestring::ByteString;

use super::{Action, Failure, Outcome, Subscriptions};
use crate::packet::{Packet, PacketId, SubAck, Subscribe, SubscribeOptions, Unsubscribe};
use crate::publish::QoS;
use crate::reason::ReasonCode;

/// Filters in one renewing SUBSCRIBE; AWS IoT takes no more.
const FILTERS_PER_PACKET: usize = 8;

/// Requests that are not answered, and the subscriptions that were granted.
#[derive(Debug)]
pub(super) struct Subscribing<T> {
    requests: VecDeque<Request<T>>,
    /// Granted, so renewed whenever the server has lost the session.
    granted: Subscriptions,
    /// Granted and to be renewed on this connection.
    to_renew: Vec<ByteString>,
    renewing: Vec<(PacketId, Vec<ByteString>)>,
}

#[derive(Debug)]
struct Request<T> {
    token: T,
    filter: ByteString,
    kind: Kind,
    deadline: Instant,
    /// Set once sent on this connection.
    packet_id: Option<PacketId>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Subscribe(QoS),
    Unsubscribe,
}

impl<T> Default for Subscribing<T> {
    fn default() -> Self {
        Self {
            requests: VecDeque::new(),
            granted: Subscriptions::new(),
            to_renew: Vec::new(),
            renewing: Vec::new(),
        }
    }
}

impl<T> Subscribing<T> {
    pub(super) fn subscribe(&mut self, token: T, filter: ByteString, qos: QoS, deadline: Instant) {
        let kind = Kind::Subscribe(qos);
        self.requests.push_back(Request { token, filter, kind, deadline, packet_id: None });
    }

    pub(super) fn unsubscribe(&mut self, token: T, filter: ByteString, deadline: Instant) {
        self.granted.remove(&filter);
        self.to_renew.retain(|other| *other != filter);
        let kind = Kind::Unsubscribe;
        self.requests.push_back(Request { token, filter, kind, deadline, packet_id: None });
    }

    /// The connection is gone: requests without answer are sent again on the next one.
    pub(super) fn lost(&mut self) {
        for request in &mut self.requests {
            request.packet_id = None;
        }
        self.to_renew.clear();
        self.renewing.clear();
    }

    pub(super) fn connected(&mut self, session_present: bool) {
        if !session_present {
            self.to_renew = self.granted.keys().cloned().collect();
        }
    }

    /// Whether [`Self::next`] has a packet.
    pub(super) fn has_next(&self) -> bool {
        !self.to_renew.is_empty() || self.requests.iter().any(|request| request.packet_id.is_none())
    }

    /// The next packet to encode: renewals first, so that no message is missed for long.
    pub(super) fn next(&mut self, fresh: PacketId) -> Option<Packet> {
        if !self.to_renew.is_empty() {
            let count = self.to_renew.len().min(FILTERS_PER_PACKET);
            let filters: Vec<_> = self.to_renew.drain(..count).collect();
            let with_options = filters
                .iter()
                .map(|filter| (filter.clone(), self.granted.get(filter).copied()))
                .map(|(filter, qos)| (filter, options(qos.unwrap_or_default())))
                .collect();
            self.renewing.push((fresh, filters));
            return Some(subscribe_packet(fresh, with_options));
        }
        let request = self.requests.iter_mut().find(|request| request.packet_id.is_none())?;
        request.packet_id = Some(fresh);
        let filter = request.filter.clone();
        Some(match request.kind {
            Kind::Subscribe(qos) => subscribe_packet(fresh, vec![(filter, options(qos))]),
            Kind::Unsubscribe => {
                Packet::Unsubscribe(Unsubscribe { packet_id: fresh, filters: vec![filter] })
            }
        })
    }

    /// Takes a SUBACK or UNSUBACK.
    pub(super) fn acknowledged(&mut self, ack: SubAck, actions: &mut VecDeque<Action<T>>) {
        if let Some(at) = self.renewing.iter().position(|(id, _)| *id == ack.packet_id) {
            let (_, filters) = self.renewing.swap_remove(at);
            let refused = filters.into_iter().zip(ack.reasons).filter(|(_, code)| code.is_error());
            actions
                .extend(refused.map(|(filter, reason)| Action::RenewalRefused { filter, reason }));
            return;
        }
        let Some(request) = self.remove(ack.packet_id) else { return };
        // An UNSUBACK of 3.1.1 has no codes and always means success.
        let reason = ack.reasons.first().copied().unwrap_or(ReasonCode::SUCCESS);
        let outcome: Outcome =
            if reason.is_error() { Err(Failure::Refused(reason)) } else { Ok(reason) };
        if let (Kind::Subscribe(qos), Ok(_)) = (request.kind, &outcome) {
            self.granted.insert(request.filter, qos);
        }
        actions.push_back(Action::Done(request.token, outcome));
    }

    /// The request sent as `packet_id` could not be encoded.
    pub(super) fn withdraw(&mut self, packet_id: PacketId) -> Option<T> {
        self.renewing.retain(|(id, _)| *id != packet_id);
        self.remove(packet_id).map(|request| request.token)
    }

    fn remove(&mut self, packet_id: PacketId) -> Option<Request<T>> {
        let sent = |request: &Request<T>| request.packet_id == Some(packet_id);
        let at = self.requests.iter().position(sent)?;
        self.requests.remove(at)
    }

    /// The operations whose deadline has passed. Their late answer is ignored.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        let mut expired = Vec::new();
        while let Some(first) = self.requests.front()
            && first.deadline <= now
        {
            expired.extend(self.requests.pop_front().map(|request| request.token));
        }
        expired
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.requests.front().map(|request| request.deadline)
    }

    pub(super) fn drain(&mut self) -> Vec<T> {
        self.requests.drain(..).map(|request| request.token).collect()
    }

    pub(super) fn uses(&self, packet_id: PacketId) -> bool {
        self.requests.iter().any(|request| request.packet_id == Some(packet_id))
            || self.renewing.iter().any(|(id, _)| *id == packet_id)
    }

    pub(super) fn waiting(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.to_renew.is_empty() && self.renewing.is_empty()
    }
}

fn options(qos: QoS) -> SubscribeOptions {
    SubscribeOptions { qos, ..SubscribeOptions::default() }
}

fn subscribe_packet(packet_id: PacketId, filters: Vec<(ByteString, SubscribeOptions)>) -> Packet {
    Packet::Subscribe(Subscribe { packet_id, subscription_id: None, filters })
}
