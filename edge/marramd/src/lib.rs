//! The core device's runtime: arguments and composition only.
//!
//! A library, so that `marram core run` is the same program as `marramd`.

mod arguments;
mod failure;
mod guard;
pub mod install;
mod launch;
mod ready;
mod restart;
mod tool;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use marram_nucleus::alternatives::Alternatives;
use marram_nucleus::component::NativeComponent;
use marram_nucleus::paths::NucleusPaths;
use marram_nucleus::{Nucleus, NucleusSettings, Program, Restart};
use marram_os::clock::SystemClock;
use marram_os::notify::{self, Notifier};
use marram_telemetry::{Limits, SizeRotatingWriter, Target};
use marram_token_exchange::TokenExchange;

pub use arguments::{Arguments, default_root};
pub use marram_nucleus::NUCLEUS_VERSION;

use failure::Failure;
use guard::{Guard, Verdict};
use launch::Role;
use restart::Itself;

/// Blocking threads come and go with file and resolver work; idle ones cost memory.
const BLOCKING_THREADS: usize = 4;
const BLOCKING_THREAD_IDLE: Duration = Duration::from_secs(1);
/// Enough for all IPC connections and for what components and artifacts need besides; service
/// managers start programs with 1,024.
const DESCRIPTORS: u64 = 4096;
/// How long the end waits for a blocking thread: a resolver without a network can take minutes.
/// What it was writing is found half-written at the next start, as after a power cut.
const LAST_WORK: Duration = Duration::from_millis(500);

/// What the service manager, or another `marramd`, told this process, and not its components.
const OWN_VARIABLES: [&str; 4] = [
    notify::SOCKET_VARIABLE,
    notify::WATCHDOG_VARIABLE,
    notify::WATCHDOG_PID_VARIABLE,
    launch::VARIABLE,
];

/// Why the nucleus has stopped, in good order.
enum End {
    /// A signal.
    Signal,
    /// A deployment wants another start.
    Restart(Restart),
}

/// Runs the device until SIGTERM or SIGINT. A deployment may start it again on the way, by
/// replacing this process with itself or with another version.
pub fn run(arguments: Arguments) -> ExitCode {
    report(run_to_end(&arguments, true, Vec::new()))
}

/// As [`run`], in a program that is more than `marramd` and that no deployment can replace.
pub fn run_within(arguments: Arguments) -> ExitCode {
    run_with(arguments, Vec::new())
}

/// As [`run_within`], with native components beside `marramd`'s own.
pub fn run_with(arguments: Arguments, natives: Vec<Arc<dyn NativeComponent>>) -> ExitCode {
    report(run_to_end(&arguments, false, natives))
}

fn report(outcome: Result<ExitCode, Failure>) -> ExitCode {
    outcome.unwrap_or_else(|failure| failure.report())
}

fn run_to_end(
    arguments: &Arguments,
    is_replaceable: bool,
    mut natives: Vec<Arc<dyn NativeComponent>>,
) -> Result<ExitCode, Failure> {
    let itself = Itself::now().map_err(Failure::Runtime)?;
    let launched = std::env::var(launch::VARIABLE).ok();
    let paths = NucleusPaths::new(arguments.root()?);
    let alternatives = Alternatives::new(&paths);
    match launch::role(&alternatives, itself.executable(), launched.as_deref()) {
        Role::HandOver(program) => {
            return Err(launch::hand_over(program, &arguments.words()?));
        }
        Role::Guard(program) => return stand_guard(arguments, &paths, &alternatives, &program),
        Role::Nucleus => {}
    }
    let executable = itself.executable();
    let program = match is_replaceable {
        true => Program::replaceable(executable.to_owned(), alternatives.version_of(executable)),
        false => Program::fixed(),
    };
    let runtime = runtime()?;
    natives.push(Arc::new(TokenExchange::new(SystemClock::shared())));
    let end = runtime.block_on(serve(arguments, program, natives));
    runtime.shutdown_timeout(LAST_WORK);
    match end? {
        End::Signal => Ok(ExitCode::SUCCESS),
        // The guard starts what is to start now.
        End::Restart(Restart::Nucleus) if launched.as_deref() == Some(launch::TRIAL) => {
            Ok(ExitCode::from(failure::START_AGAIN))
        }
        End::Restart(Restart::Nucleus) => Err(itself.start_again()),
        End::Restart(Restart::Device) => {
            restart::reboot(arguments.reboot_command.as_deref());
            Ok(ExitCode::from(failure::REBOOT))
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREAD_IDLE)
        .build()
        .map_err(Failure::Runtime)
}

/// Watches over a new version of the nucleus, whose own log this process must not touch.
fn stand_guard(
    arguments: &Arguments,
    paths: &NucleusPaths,
    alternatives: &Alternatives,
    program: &Path,
) -> Result<ExitCode, Failure> {
    open_log(&arguments.log_level, &paths.logs().join("loader.log"))?;
    let words = arguments.words()?;
    let deadline = Duration::from_secs(arguments.update_deadline);
    let runtime = runtime()?;
    let verdict = runtime.block_on(async {
        let reaper = tokio::spawn(marram_os::process::reap_orphans());
        let guard = Guard { alternatives, program, words: &words, deadline };
        let verdict = guard.watch().await;
        reaper.abort();
        verdict
    });
    drop(runtime);
    match verdict.map_err(Failure::Trial)? {
        Verdict::Exit(code) => Ok(ExitCode::from(code)),
        Verdict::Become(program) => Err(launch::hand_over(program, &words)),
    }
}

fn open_log(level: &str, path: &Path) -> Result<(), Failure> {
    let file = SizeRotatingWriter::open(path, Limits::default(), SystemClock::shared())
        .map_err(Failure::Log)?;
    marram_telemetry::init(level, Target::File(file))?;
    Ok(())
}

async fn serve(
    arguments: &Arguments,
    program: Program,
    natives: Vec<Arc<dyn NativeComponent>>,
) -> Result<End, Failure> {
    let mut signal = tokio::spawn(marram_os::signal::termination());
    let settings = NucleusSettings {
        root: arguments.root()?,
        program,
        init: arguments.initial_config()?,
        natives,
        clock: SystemClock::shared(),
        inherited: inherited(),
    };
    open_log(&arguments.log_level, &settings.prepare_log_file()?)?;
    marram_os::process::become_subreaper().map_err(Failure::Runtime)?;
    marram_os::process::allow_descriptors(DESCRIPTORS).map_err(Failure::Runtime)?;
    let reaper = tokio::spawn(marram_os::process::reap_orphans());
    let manager = Arc::new(Notifier::from_environment());

    let root = settings.root.clone();
    let nucleus = Nucleus::start(settings).await?;
    tool::install(&root);
    if let Some(path) = &arguments.ready_file {
        ready::write(path, &nucleus)?;
    }
    manager.notify(notify::READY);
    let watchdog = feed_watchdog(Arc::clone(&manager));
    let end = tokio::select! {
        signal = &mut signal => {
            tracing::info!(?signal, "stopping");
            manager.notify(notify::STOPPING);
            End::Signal
        }
        restart = nucleus.restart_wanted() => {
            tracing::info!(?restart, "stopping, to start again");
            End::Restart(restart)
        }
    };
    nucleus.stop().await;
    reaper.abort();
    if let Some(watchdog) = watchdog {
        watchdog.abort();
    }
    // Asked to end while stopping: it was heard, and must not be lost in the next process.
    let is_asked_to_end = matches!(end, End::Restart(Restart::Nucleus)) && signal.is_finished();
    Ok(if is_asked_to_end { End::Signal } else { end })
}

fn inherited() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
        .collect()
}

fn watchdog_period() -> Option<Duration> {
    let variable = |name: &str| std::env::var(name).ok();
    notify::watchdog_period(
        variable(notify::WATCHDOG_VARIABLE).as_deref(),
        variable(notify::WATCHDOG_PID_VARIABLE).as_deref(),
    )
}

/// Signs of life, if the service manager wants them. They come from the loop that does all the
/// work, so that they stop when it does.
fn feed_watchdog(manager: Arc<Notifier>) -> Option<tokio::task::JoinHandle<()>> {
    let period = watchdog_period()?;
    Some(tokio::spawn(async move {
        loop {
            manager.notify(notify::ALIVE);
            tokio::time::sleep(period).await;
        }
    }))
}
