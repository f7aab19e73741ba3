//! A reconnecting MQTT client with tracked acknowledgements.
