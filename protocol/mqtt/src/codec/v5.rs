//! Conversion between our packets and `rmqtt-codec`'s MQTT 5 packets.

use std::num::NonZeroU32;

use rmqtt_codec::error::{DecodeError, EncodeError};
use rmqtt_codec::types as wire_types;
use rmqtt_codec::v5 as wire;

use super::DecodePacket;
use super::v3::{at_most_one, qos_from, qos_to};
use crate::packet::{
    ConnAck, Connect, Disconnect, Packet, PubAck, PublishPacket, RetainHandling, ServerLimits,
    SubAck, Subscribe, SubscribeOptions, Unsubscribe, Version, Will,
};
use crate::publish::{Publish, PublishProperties};
use crate::reason::ReasonCode;

pub(super) fn from_wire(packet: wire::Packet) -> Result<Packet, DecodePacket> {
    Ok(match packet {
        wire::Packet::Connect(connect) => Packet::Connect(Box::new(connect_from(*connect)?)),
        wire::Packet::ConnectAck(ack) => Packet::ConnAck(Box::new(conn_ack_from(*ack))),
        wire::Packet::Publish(publish) => Packet::Publish(Box::new(publish_from(*publish)?)),
        wire::Packet::PublishAck(ack) => Packet::PubAck(PubAck {
            packet_id: ack.packet_id,
            reason: ReasonCode(ack.reason_code.into()),
        }),
        wire::Packet::PublishReceived(_) => return Err(DecodePacket::QosTwo("PUBREC")),
        wire::Packet::PublishRelease(_) => return Err(DecodePacket::QosTwo("PUBREL")),
        wire::Packet::PublishComplete(_) => return Err(DecodePacket::QosTwo("PUBCOMP")),
        wire::Packet::Subscribe(subscribe) => Packet::Subscribe(Subscribe {
            packet_id: subscribe.packet_id,
            subscription_id: subscribe.id,
            filters: subscribe
                .topic_filters
                .into_iter()
                .map(|(filter, options)| (filter, options_from(options)))
                .collect(),
        }),
        wire::Packet::SubscribeAck(ack) => Packet::SubAck(SubAck {
            packet_id: ack.packet_id,
            reasons: ack.status.into_iter().map(|code| ReasonCode(code.into())).collect(),
        }),
        wire::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Unsubscribe {
            packet_id: unsubscribe.packet_id,
            filters: unsubscribe.topic_filters,
        }),
        wire::Packet::UnsubscribeAck(ack) => Packet::UnsubAck(SubAck {
            packet_id: ack.packet_id,
            reasons: ack.status.into_iter().map(|code| ReasonCode(code.into())).collect(),
        }),
        wire::Packet::PingRequest => Packet::PingRequest,
        wire::Packet::PingResponse => Packet::PingResponse,
        wire::Packet::Disconnect(disconnect) => Packet::Disconnect(Disconnect {
            reason: ReasonCode(disconnect.reason_code.into()),
            session_expiry_s: disconnect.session_expiry_interval_secs,
            reason_string: disconnect.reason_string,
        }),
        wire::Packet::Auth(_) => Packet::Auth,
    })
}

pub(super) fn to_wire(packet: Packet) -> Result<wire::Packet, EncodeError> {
    Ok(match packet {
        Packet::Connect(connect) => wire::Packet::Connect(Box::new(connect_to(*connect))),
        Packet::ConnAck(ack) => wire::Packet::ConnectAck(Box::new(conn_ack_to(*ack))),
        Packet::Publish(publish) => wire::Packet::Publish(Box::new(publish_to(*publish))),
        Packet::PubAck(ack) => wire::Packet::PublishAck(wire::PublishAck {
            packet_id: ack.packet_id,
            reason_code: code_or(ack.reason, wire::PublishAckReason::UnspecifiedError),
            ..wire::PublishAck::default()
        }),
        Packet::Subscribe(subscribe) => wire::Packet::Subscribe(wire::Subscribe {
            packet_id: subscribe.packet_id,
            id: subscribe.subscription_id,
            user_properties: Vec::new(),
            topic_filters: subscribe
                .filters
                .into_iter()
                .map(|(filter, options)| (filter, options_to(options)))
                .collect(),
        }),
        Packet::SubAck(ack) => wire::Packet::SubscribeAck(wire::SubscribeAck {
            packet_id: ack.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status: codes_or(ack.reasons, wire::SubscribeAckReason::UnspecifiedError),
        }),
        Packet::Unsubscribe(unsubscribe) => wire::Packet::Unsubscribe(wire::Unsubscribe {
            packet_id: unsubscribe.packet_id,
            user_properties: Vec::new(),
            topic_filters: unsubscribe.filters,
        }),
        Packet::UnsubAck(ack) => wire::Packet::UnsubscribeAck(wire::UnsubscribeAck {
            packet_id: ack.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status: codes_or(ack.reasons, wire::UnsubscribeAckReason::UnspecifiedError),
        }),
        Packet::PingRequest => wire::Packet::PingRequest,
        Packet::PingResponse => wire::Packet::PingResponse,
        Packet::Disconnect(disconnect) => wire::Packet::Disconnect(wire::Disconnect {
            reason_code: code_or(disconnect.reason, wire::DisconnectReasonCode::UnspecifiedError),
            session_expiry_interval_secs: disconnect.session_expiry_s,
            reason_string: disconnect.reason_string,
            ..wire::Disconnect::default()
        }),
        Packet::Auth => return Err(super::no_such_packet()),
    })
}

fn code_or<T: TryFrom<u8, Error = DecodeError>>(reason: ReasonCode, fallback: T) -> T {
    T::try_from(reason.0).unwrap_or(fallback)
}

fn codes_or<T: TryFrom<u8, Error = DecodeError> + Copy>(
    reasons: Vec<ReasonCode>,
    fallback: T,
) -> Vec<T> {
    reasons.into_iter().map(|reason| code_or(reason, fallback)).collect()
}

fn connect_from(connect: wire::Connect) -> Result<Connect, DecodePacket> {
    let will = match connect.last_will {
        Some(will) => Some(Will {
            delay_s: will.will_delay_interval_sec.unwrap_or(0),
            publish: Publish {
                topic: will.topic,
                payload: will.message,
                qos: qos_from(will.qos, "will")?,
                retain: will.retain,
                properties: PublishProperties {
                    response_topic: will.response_topic,
                    correlation_data: will.correlation_data,
                    user_properties: will.user_properties,
                    content_type: will.content_type,
                    payload_format_utf8: will.is_utf8_payload.unwrap_or(false),
                    message_expiry_s: will.message_expiry_interval.map(NonZeroU32::get),
                },
            },
        }),
        None => None,
    };
    Ok(Connect {
        version: Version::V5,
        client_id: connect.client_id,
        clean_start: connect.clean_start,
        keep_alive_s: connect.keep_alive,
        session_expiry_s: connect.session_expiry_interval_secs,
        receive_maximum: connect.receive_max,
        max_packet_size: connect.max_packet_size,
        topic_alias_maximum: connect.topic_alias_max,
        authentication_method: connect.auth_method,
        will,
        username: connect.username,
        password: connect.password,
    })
}

fn connect_to(connect: Connect) -> wire::Connect {
    wire::Connect {
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive_s,
        session_expiry_interval_secs: connect.session_expiry_s,
        auth_method: connect.authentication_method,
        auth_data: None,
        request_problem_info: true,
        request_response_info: false,
        receive_max: connect.receive_maximum,
        topic_alias_max: connect.topic_alias_maximum,
        user_properties: Vec::new(),
        max_packet_size: connect.max_packet_size,
        last_will: connect.will.map(will_to),
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        cert: None,
    }
}

fn will_to(will: Will) -> wire::LastWill {
    let Publish { topic, payload, qos, retain, properties } = will.publish;
    wire::LastWill {
        qos: qos_to(qos),
        retain,
        topic,
        message: payload,
        will_delay_interval_sec: (will.delay_s > 0).then_some(will.delay_s),
        correlation_data: properties.correlation_data,
        message_expiry_interval: properties.message_expiry_s.and_then(NonZeroU32::new),
        content_type: properties.content_type,
        user_properties: properties.user_properties,
        is_utf8_payload: properties.payload_format_utf8.then_some(true),
        response_topic: properties.response_topic,
    }
}

fn conn_ack_from(ack: wire::ConnectAck) -> ConnAck {
    ConnAck {
        session_present: ack.session_present,
        reason: ReasonCode(ack.reason_code.into()),
        limits: ServerLimits {
            session_expiry_s: ack.session_expiry_interval_secs,
            receive_maximum: ack.receive_max,
            max_qos: at_most_one(ack.max_qos),
            max_packet_size: ack.max_packet_size,
            assigned_client_id: ack.assigned_client_id,
            topic_alias_maximum: ack.topic_alias_max,
            server_keep_alive_s: ack.server_keepalive_sec,
            retain_available: ack.retain_available,
            wildcard_subscriptions: ack.wildcard_subscription_available,
            shared_subscriptions: ack.shared_subscription_available,
            reason_string: ack.reason_string,
        },
    }
}

fn conn_ack_to(ack: ConnAck) -> wire::ConnectAck {
    let ConnAck { session_present, reason, limits } = ack;
    wire::ConnectAck {
        session_present,
        reason_code: code_or(reason, wire::ConnectAckReason::UnspecifiedError),
        session_expiry_interval_secs: limits.session_expiry_s,
        receive_max: limits.receive_maximum,
        // A refusal carries no limits, so that it stays small.
        max_qos: if reason.is_error() {
            wire_types::QoS::ExactlyOnce
        } else {
            qos_to(limits.max_qos)
        },
        max_packet_size: limits.max_packet_size,
        assigned_client_id: limits.assigned_client_id,
        topic_alias_max: limits.topic_alias_maximum,
        retain_available: limits.retain_available,
        wildcard_subscription_available: limits.wildcard_subscriptions,
        shared_subscription_available: limits.shared_subscriptions,
        server_keepalive_sec: limits.server_keep_alive_s,
        reason_string: limits.reason_string,
        ..wire::ConnectAck::default()
    }
}

fn publish_from(publish: wire_types::Publish) -> Result<PublishPacket, DecodePacket> {
    let qos = qos_from(publish.qos, "PUBLISH")?;
    let properties = publish.properties.unwrap_or_default();
    Ok(PublishPacket {
        packet_id: publish.packet_id,
        dup: publish.dup,
        topic_alias: properties.topic_alias,
        subscription_ids: properties.subscription_ids,
        publish: Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos,
            retain: publish.retain,
            properties: PublishProperties {
                response_topic: properties.response_topic,
                correlation_data: properties.correlation_data,
                user_properties: properties.user_properties,
                content_type: properties.content_type,
                payload_format_utf8: properties.is_utf8_payload,
                message_expiry_s: properties.message_expiry_interval.map(NonZeroU32::get),
            },
        },
    })
}

fn publish_to(packet: PublishPacket) -> wire_types::Publish {
    let Publish { topic, payload, qos, retain, properties } = packet.publish;
    wire_types::Publish {
        dup: packet.dup,
        retain,
        qos: qos_to(qos),
        topic,
        packet_id: packet.packet_id,
        payload,
        properties: Some(wire::PublishProperties {
            topic_alias: packet.topic_alias,
            correlation_data: properties.correlation_data,
            message_expiry_interval: properties.message_expiry_s.and_then(NonZeroU32::new),
            content_type: properties.content_type,
            user_properties: properties.user_properties,
            is_utf8_payload: properties.payload_format_utf8,
            response_topic: properties.response_topic,
            subscription_ids: packet.subscription_ids,
        }),
    }
}

fn options_from(options: wire::SubscriptionOptions) -> SubscribeOptions {
    SubscribeOptions {
        qos: at_most_one(options.qos),
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: match options.retain_handling {
            wire::RetainHandling::AtSubscribe => RetainHandling::Send,
            wire::RetainHandling::AtSubscribeNew => RetainHandling::SendIfNew,
            wire::RetainHandling::NoAtSubscribe => RetainHandling::DoNotSend,
        },
    }
}

fn options_to(options: SubscribeOptions) -> wire::SubscriptionOptions {
    wire::SubscriptionOptions {
        qos: qos_to(options.qos),
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: match options.retain_handling {
            RetainHandling::Send => wire::RetainHandling::AtSubscribe,
            RetainHandling::SendIfNew => wire::RetainHandling::AtSubscribeNew,
            RetainHandling::DoNotSend => wire::RetainHandling::NoAtSubscribe,
        },
    }
}
