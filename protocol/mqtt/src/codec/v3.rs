//! Conversion between our packets and `rmqtt-codec`'s MQTT 3.1.1 packets.

use rmqtt_codec::error::EncodeError;
use rmqtt_codec::types as wire_types;
use rmqtt_codec::v3 as wire;

use super::DecodePacket;
use crate::packet::{
    ConnAck, Connect, Disconnect, Packet, PubAck, PublishPacket, ServerLimits, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe, Version, Will,
};
use crate::publish::{Publish, PublishProperties, QoS};
use crate::reason::ReasonCode;

/// In 3.1.1 a session that is not clean never expires.
const FOR_EVER: u32 = u32::MAX;

pub(super) fn from_wire(packet: wire::Packet) -> Result<Packet, DecodePacket> {
    Ok(match packet {
        wire::Packet::Connect(connect) => Packet::Connect(Box::new(connect_from(*connect)?)),
        wire::Packet::ConnectAck(ack) => Packet::ConnAck(Box::new(ConnAck {
            session_present: ack.session_present,
            reason: conn_ack_reason(ack.return_code),
            limits: ServerLimits::default(),
        })),
        wire::Packet::Publish(publish) => Packet::Publish(Box::new(PublishPacket {
            packet_id: publish.packet_id,
            dup: publish.dup,
            topic_alias: None,
            subscription_ids: Vec::new(),
            publish: Publish {
                topic: publish.topic,
                payload: publish.payload,
                qos: qos_from(publish.qos, "PUBLISH")?,
                retain: publish.retain,
                properties: PublishProperties::default(),
            },
        })),
        wire::Packet::PublishAck { packet_id } => {
            Packet::PubAck(PubAck { packet_id, reason: ReasonCode::SUCCESS })
        }
        wire::Packet::PublishReceived { .. } => return Err(DecodePacket::QosTwo("PUBREC")),
        wire::Packet::PublishRelease { .. } => return Err(DecodePacket::QosTwo("PUBREL")),
        wire::Packet::PublishComplete { .. } => return Err(DecodePacket::QosTwo("PUBCOMP")),
        wire::Packet::Subscribe { packet_id, topic_filters } => Packet::Subscribe(Subscribe {
            packet_id,
            subscription_id: None,
            filters: topic_filters
                .into_iter()
                .map(|(filter, qos)| {
                    (filter, SubscribeOptions { qos: at_most_one(qos), ..Default::default() })
                })
                .collect(),
        }),
        wire::Packet::SubscribeAck { packet_id, status } => Packet::SubAck(SubAck {
            packet_id,
            reasons: status.iter().map(sub_ack_reason).collect(),
        }),
        wire::Packet::Unsubscribe { packet_id, topic_filters } => {
            Packet::Unsubscribe(Unsubscribe { packet_id, filters: topic_filters })
        }
        wire::Packet::UnsubscribeAck { packet_id } => {
            Packet::UnsubAck(SubAck { packet_id, reasons: Vec::new() })
        }
        wire::Packet::PingRequest => Packet::PingRequest,
        wire::Packet::PingResponse => Packet::PingResponse,
        wire::Packet::Disconnect => Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS)),
    })
}

pub(super) fn to_wire(packet: Packet) -> Result<wire::Packet, EncodeError> {
    Ok(match packet {
        Packet::Connect(connect) => wire::Packet::Connect(Box::new(connect_to(*connect))),
        Packet::ConnAck(ack) => wire::Packet::ConnectAck(wire::ConnectAck {
            session_present: ack.session_present,
            return_code: conn_ack_code(ack.reason),
        }),
        Packet::Publish(packet) => wire::Packet::Publish(Box::new(wire_types::Publish {
            dup: packet.dup,
            retain: packet.publish.retain,
            qos: qos_to(packet.publish.qos),
            topic: packet.publish.topic,
            packet_id: packet.packet_id,
            payload: packet.publish.payload,
            properties: None,
        })),
        Packet::PubAck(ack) => wire::Packet::PublishAck { packet_id: ack.packet_id },
        Packet::Subscribe(subscribe) => wire::Packet::Subscribe {
            packet_id: subscribe.packet_id,
            topic_filters: subscribe
                .filters
                .into_iter()
                .map(|(filter, options)| (filter, qos_to(options.qos)))
                .collect(),
        },
        Packet::SubAck(ack) => wire::Packet::SubscribeAck {
            packet_id: ack.packet_id,
            status: ack.reasons.into_iter().map(sub_ack_code).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => wire::Packet::Unsubscribe {
            packet_id: unsubscribe.packet_id,
            topic_filters: unsubscribe.filters,
        },
        Packet::UnsubAck(ack) => wire::Packet::UnsubscribeAck { packet_id: ack.packet_id },
        Packet::PingRequest => wire::Packet::PingRequest,
        Packet::PingResponse => wire::Packet::PingResponse,
        Packet::Disconnect(_) => wire::Packet::Disconnect,
        Packet::Auth => return Err(super::no_such_packet()),
    })
}

fn connect_from(connect: wire::Connect) -> Result<Connect, DecodePacket> {
    let will = match connect.last_will {
        Some(will) => Some(Will {
            publish: Publish {
                topic: will.topic,
                payload: will.message,
                qos: qos_from(will.qos, "will")?,
                retain: will.retain,
                properties: PublishProperties::default(),
            },
            delay_s: 0,
        }),
        None => None,
    };
    Ok(Connect {
        version: Version::V311,
        client_id: connect.client_id,
        clean_start: connect.clean_session,
        keep_alive_s: connect.keep_alive,
        session_expiry_s: if connect.clean_session { 0 } else { FOR_EVER },
        receive_maximum: None,
        max_packet_size: None,
        topic_alias_maximum: 0,
        authentication_method: None,
        will,
        username: connect.username,
        password: connect.password,
    })
}

fn connect_to(connect: Connect) -> wire::Connect {
    wire::Connect {
        protocol: wire_types::Protocol(wire_types::MQTT_LEVEL_311),
        clean_session: connect.clean_start,
        keep_alive: connect.keep_alive_s,
        last_will: connect.will.map(|will| wire::LastWill {
            qos: qos_to(will.publish.qos),
            retain: will.publish.retain,
            topic: will.publish.topic,
            message: will.publish.payload,
        }),
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        cert: None,
    }
}

pub(super) fn qos_from(qos: wire_types::QoS, packet: &'static str) -> Result<QoS, DecodePacket> {
    match qos {
        wire_types::QoS::AtMostOnce => Ok(QoS::AtMostOnce),
        wire_types::QoS::AtLeastOnce => Ok(QoS::AtLeastOnce),
        wire_types::QoS::ExactlyOnce => Err(DecodePacket::QosTwo(packet)),
    }
}

/// The QoS granted for a requested one: QoS 2 becomes QoS 1.
pub(super) fn at_most_one(qos: wire_types::QoS) -> QoS {
    match qos {
        wire_types::QoS::AtMostOnce => QoS::AtMostOnce,
        wire_types::QoS::AtLeastOnce | wire_types::QoS::ExactlyOnce => QoS::AtLeastOnce,
    }
}

pub(super) fn qos_to(qos: QoS) -> wire_types::QoS {
    match qos {
        QoS::AtMostOnce => wire_types::QoS::AtMostOnce,
        QoS::AtLeastOnce => wire_types::QoS::AtLeastOnce,
    }
}

fn conn_ack_reason(code: wire::ConnectAckReason) -> ReasonCode {
    match code {
        wire::ConnectAckReason::ConnectionAccepted => ReasonCode::SUCCESS,
        wire::ConnectAckReason::UnacceptableProtocolVersion => {
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
        }
        wire::ConnectAckReason::IdentifierRejected => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        wire::ConnectAckReason::ServiceUnavailable => ReasonCode::SERVER_UNAVAILABLE,
        wire::ConnectAckReason::BadUserNameOrPassword => ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        wire::ConnectAckReason::NotAuthorized => ReasonCode::NOT_AUTHORIZED,
        wire::ConnectAckReason::Reserved => ReasonCode::UNSPECIFIED_ERROR,
    }
}

fn conn_ack_code(reason: ReasonCode) -> wire::ConnectAckReason {
    match reason {
        ReasonCode::SUCCESS => wire::ConnectAckReason::ConnectionAccepted,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => {
            wire::ConnectAckReason::UnacceptableProtocolVersion
        }
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => wire::ConnectAckReason::IdentifierRejected,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => wire::ConnectAckReason::BadUserNameOrPassword,
        ReasonCode::NOT_AUTHORIZED => wire::ConnectAckReason::NotAuthorized,
        _ => wire::ConnectAckReason::ServiceUnavailable,
    }
}

fn sub_ack_reason(code: &wire::SubscribeReturnCode) -> ReasonCode {
    match code {
        wire::SubscribeReturnCode::Success(qos) => ReasonCode(qos.value()),
        wire::SubscribeReturnCode::Failure => ReasonCode::UNSPECIFIED_ERROR,
    }
}

fn sub_ack_code(reason: ReasonCode) -> wire::SubscribeReturnCode {
    match reason {
        ReasonCode::SUCCESS => wire::SubscribeReturnCode::Success(wire_types::QoS::AtMostOnce),
        ReasonCode::GRANTED_QOS_1 => {
            wire::SubscribeReturnCode::Success(wire_types::QoS::AtLeastOnce)
        }
        _ => wire::SubscribeReturnCode::Failure,
    }
}
