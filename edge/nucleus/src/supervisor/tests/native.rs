//! Guests in the nucleus's own process.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::component::{Context, NativeComponent, Running, StartNative, StartingNative};

/// Counts its starts and stops; fails while it is told to.
#[derive(Debug, Default)]
struct Guest {
    fails: AtomicU32,
    running: AtomicU32,
    stopped: AtomicU32,
}

struct RunningGuest(Arc<Guest>);

impl Running for RunningGuest {
    fn stop(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.0.stopped.fetch_add(1, Ordering::SeqCst);
        })
    }
}

impl Drop for RunningGuest {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl NativeComponent for Guest {
    fn name(&self) -> &'static str {
        "com.example.Guest"
    }

    fn start(self: Arc<Self>, context: Context) -> StartingNative {
        Box::pin(async move {
            assert!(context.work.is_dir());
            let fails = self.fails.load(Ordering::SeqCst);
            if fails > 0 {
                self.fails.store(fails - 1, Ordering::SeqCst);
                let component = context.name.to_string();
                return Err(StartNative { component, reason: "told to".to_owned() });
            }
            context.environment.set("FROM_GUEST", "hello");
            self.running.fetch_add(1, Ordering::SeqCst);
            let running: Box<dyn Running> = Box::new(RunningGuest(self));
            Ok(running)
        })
    }
}

fn native(guest: &Arc<Guest>) -> ServiceSpec {
    let kind = ServiceKind::Native(Arc::clone(guest) as Arc<dyn NativeComponent>);
    ServiceSpec { kind, ..spec(guest.name(), json!({})) }
}

fn counts(guest: &Guest) -> (u32, u32) {
    (guest.running.load(Ordering::SeqCst), guest.stopped.load(Ordering::SeqCst))
}

#[tokio::test]
async fn guest_runs_before_what_depends_on_it_and_stops_after() {
    let device = Device::new().await;
    let guest = Arc::new(Guest::default());
    let c = spec("c", json!({"run": "echo $FROM_GUEST > got; sleep 1000"}));
    let c = depending(c, guest.name(), DependencyType::Hard);
    assert_eq!(device.settle([native(&guest), c]).await, Settled::Reached);
    assert_eq!(counts(&guest), (1, 0));
    assert!(device.status(guest.name()).is_native);
    until("the variable", || device.read("c", "got") == "hello\n").await;
    device.supervisor.stop_all(DEADLINE).await;
    assert_eq!(counts(&guest), (0, 1));
}

#[tokio::test]
async fn guest_that_cannot_start_is_tried_again_and_then_broken() {
    let device = Device::new().await;
    let guest = Arc::new(Guest::default());
    guest.fails.store(2, Ordering::SeqCst);
    assert_eq!(device.settle([native(&guest)]).await, Settled::Reached);
    device.supervisor.remove([name(guest.name())]).await;
    guest.fails.store(3, Ordering::SeqCst);
    let Settled::Broken(broken) = device.settle([native(&guest)]).await else { panic!("it runs") };
    assert_eq!(broken[0].code, StatusCode::StartupError);
    assert!(broken[0].reason.contains("told to"), "{}", broken[0].reason);
    assert_eq!(counts(&guest), (0, 1));
}
