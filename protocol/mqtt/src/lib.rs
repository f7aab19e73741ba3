//! MQTT 3.1.1 and 5: packets, topic filters, the subscription tree, session state machines.
//!
//! Pure: no socket, no clock, no task. A shell (`marram-broker`, `marram-mqtt-client`) reads bytes
//! into a [`codec::Decoder`], hands packets and the current instant to a machine in [`session`],
//! and writes what the machine asks for through a [`codec::Encoder`].
//!
//! The whole crate speaks QoS 0 and 1. That is AWS IoT's profile: a PUBLISH with QoS 2 is an error
//! of the sender, a SUBSCRIBE for QoS 2 is granted QoS 1.
//!
//! The wire format itself comes from `rmqtt-codec`; none of its types is visible outside
//! [`codec`], so that the codec can be exchanged.

pub mod codec;
pub mod packet;
pub mod publish;
pub mod reason;
pub mod session;
pub mod topic;
pub mod tree;

pub use bytestring::ByteString;
pub use packet::{Packet, Version};
pub use publish::{Publish, PublishProperties, QoS};
pub use reason::ReasonCode;
