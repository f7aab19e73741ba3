//! The AWS wire: routes and shapes, SigV4, error envelopes.
