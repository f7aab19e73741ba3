//! `iotcore pub` and `iotcore sub`: messages to and from AWS IoT Core, through the nucleus.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use marram_ipc::Operation;
use serde_json::{Value, json};

use super::pubsub::{authorized, check_topic, decoded, payload, print_messages};
use super::{Options, block_on, client};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a message
    Pub {
        /// The topic
        #[arg(short, long)]
        topic: String,
        /// The message, or a file with it
        #[arg(short, long, allow_hyphen_values = true)]
        message: String,
        /// 0 at most once, 1 at least once
        #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
        qos: u8,
    },
    /// Print messages until interrupted
    Sub {
        /// The topic; `+` and `#` are wildcards
        #[arg(short, long)]
        topic: String,
        /// 0 at most once, 1 at least once
        #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
        qos: u8,
    },
}

pub(super) fn run(command: Command, options: &Options) -> Result<()> {
    block_on(async {
        match command {
            Command::Pub { topic, message, qos } => {
                check_topic(&topic)?;
                let payload = STANDARD.encode(payload(&message)?);
                let request =
                    json!({"topicName": topic, "qos": qos.to_string(), "payload": payload});
                let mut nucleus = client::connect(options).await?;
                let answer = nucleus.call(Operation::PublishToIoTCore, &request).await;
                authorized(answer, "publishing", &topic).map(drop)
            }
            Command::Sub { topic, qos } => {
                check_topic(&topic)?;
                let request = json!({"topicName": topic, "qos": qos.to_string()});
                let mut nucleus = client::connect(options).await?;
                let answer = nucleus.call(Operation::SubscribeToIoTCore, &request).await;
                authorized(answer, "subscribing", &topic)?;
                print_messages(&mut nucleus, &topic, message_text).await
            }
        }
    })
}

fn message_text(event: &Value) -> Option<String> {
    decoded(event.pointer("/message/payload")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::scripted_server::{Answer, ScriptedServer};
    use crate::output::Output;

    #[test]
    fn a_message_is_published_with_its_qos() {
        let server = ScriptedServer::start(vec![Answer::Response(json!({}))]);
        let options = Options { root: Some(server.root()), output: Output::Text };
        let command = Command::Pub { topic: "t".to_owned(), message: "hello".to_owned(), qos: 1 };
        run(command, &options).unwrap();
        let request = json!({"topicName": "t", "qos": "1", "payload": "aGVsbG8="});
        assert_eq!(server.requests(), [(Operation::PublishToIoTCore, request)]);
        let event = json!({"message": {"topicName": "t", "payload": "aGVsbG8="}});
        assert_eq!(message_text(&event).unwrap(), "hello");
    }
}
