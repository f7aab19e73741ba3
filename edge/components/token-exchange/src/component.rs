//! The component: its listeners, and what other components are told of them.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use marram_http::server::{Server, Settings};
use marram_nucleus::cloud::CloudSettings;
use marram_nucleus::component::{Context, NativeComponent, Running, StartNative};
use marram_nucleus::supervisor::environment::SharedEnvironment;
use marram_os::clock::SharedClock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::endpoint::{self, Endpoint, PATH};
use crate::provider::{Provider, RetrySettings};

const NAME: &str = "aws.greengrass.TokenExchangeService";
/// What AWS SDKs read the endpoint's address from.
const URI_VARIABLE: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// How long answers under way may take when the component stops.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// A free port on 127.0.0.1 may be taken on [::1].
const PORT_ATTEMPTS: usize = 16;

/// The token exchange service.
#[derive(Debug)]
pub struct TokenExchange {
    clock: SharedClock,
}

impl TokenExchange {
    /// The component as it is registered with the nucleus.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock }
    }

    async fn run(&self, context: Context) -> Result<Serving, StartNative> {
        let failed = |reason: String| StartNative { component: NAME.to_owned(), reason };
        let settings = CloudSettings::from_config(&context.config).ok_or_else(|| {
            failed("the device is not configured for a cloud, which gives the credentials".into())
        })?;
        if settings.role_alias.is_empty() {
            return Err(failed(
                "`iotRoleAlias` of aws.greengrass.Nucleus is empty: name the role alias that the \
                 device may assume"
                    .to_owned(),
            ));
        }
        let configuration = context.configuration();
        let port = configured_port(&configuration);
        let listeners = bind(port)
            .await
            .map_err(|error| failed(format!("could not listen on localhost:{port}: {error}")))?;
        let port = listeners.port;

        let retry = RetrySettings::read(&configuration);
        let provider = Provider::new(context.config.clone(), self.clock.clone(), retry);
        let endpoint = Arc::new(Endpoint { tokens: context.tokens.clone(), provider });
        let mut servers = Vec::new();
        for listener in listeners.sockets {
            let endpoint = Arc::clone(&endpoint);
            let service = move |request, _peer| endpoint::answer(Arc::clone(&endpoint), request);
            let server = Server::start(listener, None, Settings::default(), service)
                .map_err(|error| failed(format!("could not serve localhost:{port}: {error}")))?;
            servers.push(server);
        }
        let active_port = ["services", NAME, "configuration", "activePort"];
        let now_ms = self.clock.now_ms();
        let change = context.config.change(|tx| tx.merge(&active_port, &json!(port), now_ms));
        if let Err(error) = change.await {
            warn!(%error, "`activePort` is not kept");
        }
        context.environment.set(URI_VARIABLE, format!("http://localhost:{port}{PATH}"));
        info!(port, "components can get credentials");
        Ok(Serving { servers, environment: context.environment })
    }
}

impl NativeComponent for TokenExchange {
    fn name(&self) -> &'static str {
        NAME
    }

    fn start(
        self: Arc<Self>,
        context: Context,
    ) -> Pin<Box<dyn Future<Output = Result<Box<dyn Running>, StartNative>> + Send>> {
        Box::pin(async move {
            let serving = self.run(context).await?;
            Ok(Box::new(serving) as Box<dyn Running>)
        })
    }
}

/// The component while it runs.
#[derive(Debug)]
struct Serving {
    servers: Vec<Server>,
    environment: SharedEnvironment,
}

impl Running for Serving {
    fn stop(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            for server in std::mem::take(&mut self.servers) {
                server.stop(STOP_GRACE).await;
            }
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.environment.remove(URI_VARIABLE);
    }
}

/// `port`, 0 for any.
fn configured_port(configuration: &Value) -> u16 {
    let port = configuration.get("port");
    let number = port.and_then(|port| port.as_u64().or_else(|| port.as_str()?.trim().parse().ok()));
    number.and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
}

struct Listeners {
    port: u16,
    sockets: Vec<TcpListener>,
}

/// Listens on both loopback addresses with the same port; on IPv4 alone where there is no IPv6.
async fn bind(port: u16) -> io::Result<Listeners> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_ATTEMPTS {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let bound = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, bound)).await {
            Ok(v6) => return Ok(Listeners { port: bound, sockets: vec![v4, v6] }),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                return Ok(Listeners { port: bound, sockets: vec![v4] });
            }
            Err(error) if port != 0 => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
