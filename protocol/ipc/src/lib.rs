//! The Greengrass IPC: event-stream frames, connection rules, operations and errors.
//!
//! Pure: no socket, no clock, no task. A server reads bytes into a
//! [`connection::ServerConnection`], acts on the events it yields and writes answers with the
//! functions of [`reply`]; a client does the same through [`client::ClientConnection`].
//!
//! The wire is that of AWS's own device SDKs (service `GreengrassCoreIPC`, version 2020-06-08);
//! behaviour follows the Java nucleus, tolerance follows the C component SDK and nucleus lite.

pub mod client;
pub mod connection;
pub mod encoding;
pub mod error;
pub mod frame;
pub mod message;
pub mod operation;
pub mod reply;
pub mod shapes;

pub use connection::ServerConnection;
pub use error::{ErrorCode, IpcError};
pub use operation::Operation;
