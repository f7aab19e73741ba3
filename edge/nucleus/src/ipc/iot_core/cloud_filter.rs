//! One subscription of the device's connection, followed from wish to confirmation to end.

use std::sync::Arc;

use marram_mqtt::QoS;
use tokio::sync::watch;

use super::{IotCore, SubscribeFailed};

/// A filter that the connection is, was or shall be subscribed to.
#[derive(Debug)]
pub(super) struct CloudFilter {
    wanted: watch::Sender<bool>,
    progress: Arc<watch::Sender<Progress>>,
}

/// How a subscription is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// The cloud has not answered.
    Pending,
    /// Messages come.
    Established,
    /// The cloud refused.
    Failed(SubscribeFailed),
}

/// Brings the connection to what is wanted, one request at a time, so that an end and a new
/// beginning cannot overtake each other.
#[derive(Debug)]
pub(super) struct Follower {
    filter: String,
    qos: QoS,
    wanted: watch::Receiver<bool>,
    progress: Arc<watch::Sender<Progress>>,
}

impl CloudFilter {
    /// A wanted filter, and the follower that must be run for it.
    pub(super) fn new(filter: String, qos: QoS) -> (Self, Follower) {
        let (wanted, wanted_receiver) = watch::channel(true);
        let progress = Arc::new(watch::Sender::new(Progress::Pending));
        let follower =
            Follower { filter, qos, wanted: wanted_receiver, progress: progress.clone() };
        (Self { wanted, progress }, follower)
    }

    pub(super) fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Wants the subscription, again if it had been ended.
    pub(super) fn want(&self) {
        if !self.is_wanted() {
            self.wanted.send_replace(true);
        }
    }

    /// Does not want the subscription any more.
    pub(super) fn end(&self) {
        self.progress.send_replace(Progress::Pending);
        self.wanted.send_replace(false);
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

impl Follower {
    /// Subscribes; ends with the cloud's answer, or when it is not wanted any more.
    pub(super) async fn subscribe(
        &mut self,
        iot_core: &dyn IotCore,
    ) -> Result<(), SubscribeFailed> {
        tokio::select! {
            result = iot_core.subscribe(self.filter.clone(), self.qos) => {
                result?;
                self.progress.send_replace(Progress::Established);
                Ok(())
            }
            _ = self.wanted.wait_for(|wanted| !wanted) => Ok(()),
        }
    }

    /// Waits until the subscription is not wanted any more, and ends it.
    pub(super) async fn unsubscribe_when_unwanted(&mut self, iot_core: &dyn IotCore) {
        while *self.wanted.borrow_and_update() {
            if self.wanted.changed().await.is_err() {
                break;
            }
            if *self.wanted.borrow() {
                // It was ended and wanted again before anybody looked.
                self.progress.send_replace(Progress::Established);
            }
        }
        iot_core.unsubscribe(self.filter.clone()).await;
    }

    /// Tells everyone who waits that the cloud refused.
    pub(super) fn refuse(self, error: SubscribeFailed) {
        self.progress.send_replace(Progress::Failed(error));
    }
}

/// Whether every topic that `narrow` selects is selected by `broad`. Shared subscriptions get only
/// a part of the messages, so they neither cover nor are covered.
pub(super) fn covers(broad: &str, narrow: &str) -> bool {
    if broad == narrow {
        return true;
    }
    let is_shared = |filter: &str| filter.starts_with("$share/");
    if is_shared(broad) || is_shared(narrow) {
        return false;
    }
    if narrow.starts_with('$') && broad.starts_with(['+', '#']) {
        return false;
    }
    let mut narrow = narrow.split('/');
    for level in broad.split('/') {
        match (level, narrow.next()) {
            ("#", _) => return true,
            ("+", Some(other)) if other != "#" => {}
            (literal, Some(other)) if literal == other => {}
            _ => return false,
        }
    }
    narrow.next().is_none()
}

#[cfg(test)]
mod tests {
    use marram_mqtt::topic;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broad_filters_cover_narrow_ones() {
        for (broad, narrow) in [
            ("a/#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/+/c"),
            ("a/#", "a/#"),
            ("+/b", "a/b"),
            ("#", "+"),
            ("#", "a/#"),
            ("$aws/#", "$aws/x"),
            ("$share/g/a", "$share/g/a"),
        ] {
            assert!(covers(broad, narrow), "{broad} {narrow}");
        }
        for (broad, narrow) in [
            ("a/b", "a/#"),
            ("a/+", "a/#"),
            ("a/+", "a"),
            ("a", "a/+"),
            ("#", "$aws/x"),
            ("+/x", "$aws/x"),
            ("#", "$share/g/a"),
            ("$share/g/a", "a"),
        ] {
            assert!(!covers(broad, narrow), "{broad} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn what_covers_selects_all_topics_of_the_other(
            broad in "(a|b|\\$|\\+){1,1}(/(a|b|\\+)){0,2}(/#)?",
            narrow in "(a|b|\\$|\\+){1,1}(/(a|b|\\+)){0,2}(/#)?",
            topic in "[ab$](/[ab]){0,3}",
        ) {
            if covers(&broad, &narrow) && topic::matches(&narrow, &topic) {
                prop_assert!(topic::matches(&broad, &topic));
            }
        }
    }
}
