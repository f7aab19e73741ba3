//! The core device's runtime: arguments and composition only.
//!
//! A library, so that `marram core run` is the same program as `marramd`.

mod arguments;
mod failure;
mod ready;
mod restart;
mod tool;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use marram_nucleus::{Nucleus, NucleusSettings, Restart};
use marram_os::clock::SystemClock;
use marram_telemetry::{Limits, SizeRotatingWriter, Target};
use marram_token_exchange::TokenExchange;

pub use arguments::{Arguments, default_root};
pub use marram_nucleus::NUCLEUS_VERSION;

use failure::Failure;
use restart::Itself;

/// Blocking threads come and go with file and resolver work; idle ones cost memory.
const BLOCKING_THREADS: usize = 4;
const BLOCKING_THREAD_IDLE: Duration = Duration::from_secs(1);
/// How long the end waits for a blocking thread: a resolver without a network can take minutes.
/// What it was writing is found half-written at the next start, as after a power cut.
const LAST_WORK: Duration = Duration::from_millis(500);

/// Why the nucleus has stopped, in good order.
enum End {
    /// A signal.
    Signal,
    /// A deployment wants another start.
    Restart(Restart),
}

/// Runs the device until SIGTERM or SIGINT. A deployment may start it again on the way, by
/// replacing this process with itself.
pub fn run(arguments: Arguments) -> ExitCode {
    match run_to_end(&arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run_to_end(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let itself = Itself::now().map_err(Failure::Runtime)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREAD_IDLE)
        .build()
        .map_err(Failure::Runtime)?;
    let end = runtime.block_on(serve(arguments));
    runtime.shutdown_timeout(LAST_WORK);
    match end? {
        End::Signal => Ok(ExitCode::SUCCESS),
        End::Restart(Restart::Nucleus) => Err(itself.start_again()),
        End::Restart(Restart::Device) => {
            restart::reboot(arguments.reboot_command.as_deref());
            Ok(ExitCode::from(failure::REBOOT))
        }
    }
}

async fn serve(arguments: &Arguments) -> Result<End, Failure> {
    let mut signal = tokio::spawn(marram_os::signal::termination());
    let settings = NucleusSettings {
        root: arguments.root()?,
        init: arguments.initial_config()?,
        natives: vec![Arc::new(TokenExchange::new(SystemClock::shared()))],
        clock: SystemClock::shared(),
        inherited: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let log = settings.prepare_log_file()?;
    let file = SizeRotatingWriter::open(&log, Limits::default(), SystemClock::shared())
        .map_err(Failure::Log)?;
    marram_telemetry::init(&arguments.log_level, Target::File(file))?;
    marram_os::process::become_subreaper().map_err(Failure::Runtime)?;
    let reaper = tokio::spawn(marram_os::process::reap_orphans());

    let root = settings.root.clone();
    let nucleus = Nucleus::start(settings).await?;
    tool::install(&root);
    if let Some(path) = &arguments.ready_file {
        ready::write(path, &nucleus)?;
    }
    let end = tokio::select! {
        signal = &mut signal => {
            tracing::info!(?signal, "stopping");
            End::Signal
        }
        restart = nucleus.restart_wanted() => {
            tracing::info!(?restart, "stopping, to start again");
            End::Restart(restart)
        }
    };
    nucleus.stop().await;
    reaper.abort();
    // Asked to end while stopping: it was heard, and must not be lost in the next process.
    let is_asked_to_end = matches!(end, End::Restart(Restart::Nucleus)) && signal.is_finished();
    Ok(if is_asked_to_end { End::Signal } else { end })
}
