//! MQTT 3.1.1 and 5: packets, topic filters, the subscription tree, session state machines.
