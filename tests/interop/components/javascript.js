// A component in JavaScript: says what each step of its life with the nucleus gave.
// Its messages are on the topic that its argument names.

const { greengrasscoreipc } = require("aws-iot-device-sdk-v2");

const topic = process.argv[2];
const say = (word, value) => console.log(`${word} ${JSON.stringify(value)}`);

async function main() {
  const client = greengrasscoreipc.createClient();
  client.on("disconnection", () => say("disconnected", null));
  await client.connect();
  say("connected", null);

  const messages = client.subscribeToTopic({ topic: `${topic}/#`, receiveMode: "RECEIVE_ALL_MESSAGES" });
  messages.on("message", (event) => {
    if (event.jsonMessage) {
      say("json", [event.jsonMessage.context.topic, event.jsonMessage.message]);
    } else {
      say("binary", [event.binaryMessage.context.topic, Buffer.from(event.binaryMessage.message).toString()]);
    }
  });
  await messages.activate();
  await client.publishToTopic({ topic: `${topic}/a`, publishMessage: { jsonMessage: { message: { n: 1 } } } });
  await client.publishToTopic({ topic: `${topic}/b`, publishMessage: { binaryMessage: { message: "bytes" } } });
  try {
    await client.publishToTopic({ topic: "denied", publishMessage: { jsonMessage: { message: {} } } });
    say("allowed", null);
  } catch (error) {
    say("denied", error.serviceError && error.serviceError.message);
  }

  say("configuration", (await client.getConfiguration({ keyPath: ["rate"] })).value);
  const changes = client.subscribeToConfigurationUpdate({ keyPath: ["rate"] });
  changes.on("message", (event) => say("changed", event.configurationUpdateEvent.keyPath));
  await changes.activate();
  await client.updateConfiguration({ keyPath: [], timestamp: new Date(), valueToMerge: { rate: 2 } });
  say("configuration", (await client.getConfiguration({ keyPath: ["rate"] })).value);
  try {
    await client.getConfiguration({ keyPath: ["nope"] });
  } catch (error) {
    say("missing", error.serviceError && error.serviceError.message);
  }
}

main().then(() => say("done", null), (error) => say("failed", String(error)));
setInterval(() => {}, 1000);
