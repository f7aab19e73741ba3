//! The cloud's durable state: one module per noun, numbered migrations.
