//! A small HTTP/1 client and server helpers with deadlines.
