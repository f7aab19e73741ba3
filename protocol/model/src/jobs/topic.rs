//! Topics of the jobs API.

use super::NEXT;

/// What a jobs topic is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobsApi {
    /// `get`: list what is pending.
    GetPending,
    /// `start-next`: take the first pending job.
    StartNext,
    /// `JOB/get`: one execution; the job id may be [`NEXT`].
    Describe(String),
    /// `JOB/update`: report progress.
    Update(String),
    /// `notify`: the set of pending jobs changed (cloud to device).
    Notify,
    /// `notify-next`: the first pending job changed (cloud to device).
    NotifyNext,
}

/// Whether a topic is a request's or one of its two replies'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The request itself, or a notification.
    Plain,
    /// `/accepted`.
    Accepted,
    /// `/rejected`.
    Rejected,
}

/// A topic below `$aws/things/THING/jobs/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsTopic {
    /// What it is about.
    pub api: JobsApi,
    /// The namespace's id, for example [`DEPLOYMENT_NAMESPACE`](super::DEPLOYMENT_NAMESPACE);
    /// absent for ordinary jobs.
    pub namespace: Option<String>,
    /// Request or reply.
    pub leg: Leg,
}

impl JobsTopic {
    /// A request or notification in a namespace.
    pub fn namespaced(namespace: &str, api: JobsApi) -> Self {
        Self { api, namespace: Some(namespace.to_owned()), leg: Leg::Plain }
    }

    /// The same topic on another leg.
    pub fn on(&self, leg: Leg) -> Self {
        Self { leg, ..self.clone() }
    }

    /// Reads a topic of `thing`; `None` if it is none of the jobs API.
    pub fn parse(thing: &str, topic: &str) -> Option<Self> {
        let rest =
            topic.strip_prefix("$aws/things/")?.strip_prefix(thing)?.strip_prefix("/jobs/")?;
        let mut segments: Vec<&str> = rest.split('/').collect();
        let leg = match segments.last() {
            Some(&"accepted") => Leg::Accepted,
            Some(&"rejected") => Leg::Rejected,
            _ => Leg::Plain,
        };
        if leg != Leg::Plain {
            segments.pop();
        }
        let (namespace, api) = Self::parse_api(&segments)?;
        let is_notification = matches!(api, JobsApi::Notify | JobsApi::NotifyNext);
        if is_notification && leg != Leg::Plain {
            return None;
        }
        Some(Self { api, namespace: namespace.map(str::to_owned), leg })
    }

    fn parse_api<'a>(segments: &[&'a str]) -> Option<(Option<&'a str>, JobsApi)> {
        let namespace_of = |segment: &'a str| segment.strip_prefix("namespace-");
        match *segments {
            ["notify"] => Some((None, JobsApi::Notify)),
            ["notify-next"] => Some((None, JobsApi::NotifyNext)),
            ["get"] => Some((None, JobsApi::GetPending)),
            ["start-next"] => Some((None, JobsApi::StartNext)),
            [single] => {
                if let Some(namespace) = single.strip_prefix("notify-next-") {
                    Some((Some(namespace_of(namespace)?), JobsApi::NotifyNext))
                } else {
                    let namespace = single.strip_prefix("notify-")?;
                    Some((Some(namespace_of(namespace)?), JobsApi::Notify))
                }
            }
            [first, verb] => match namespace_of(first) {
                Some(namespace) if verb == "get" => Some((Some(namespace), JobsApi::GetPending)),
                Some(namespace) if verb == "start-next" => {
                    Some((Some(namespace), JobsApi::StartNext))
                }
                _ => Some((None, Self::parse_verb(first, verb)?)),
            },
            [job, namespace, verb] => {
                Some((Some(namespace_of(namespace)?), Self::parse_verb(job, verb)?))
            }
            _ => None,
        }
    }

    fn parse_verb(job: &str, verb: &str) -> Option<JobsApi> {
        match verb {
            _ if job.is_empty() => None,
            "get" => Some(JobsApi::Describe(job.to_owned())),
            "update" if job != NEXT => Some(JobsApi::Update(job.to_owned())),
            _ => None,
        }
    }

    /// The topic's text for `thing`.
    pub fn to_topic(&self, thing: &str) -> String {
        let namespace = self.namespace.as_ref().map(|id| format!("namespace-{id}"));
        let within = |verb: &str| match &namespace {
            Some(namespace) => format!("{namespace}/{verb}"),
            None => verb.to_owned(),
        };
        let notification = |verb: &str| match &namespace {
            Some(namespace) => format!("{verb}-{namespace}"),
            None => verb.to_owned(),
        };
        let name = match &self.api {
            JobsApi::GetPending => within("get"),
            JobsApi::StartNext => within("start-next"),
            JobsApi::Describe(job) => format!("{job}/{}", within("get")),
            JobsApi::Update(job) => format!("{job}/{}", within("update")),
            JobsApi::Notify => notification("notify"),
            JobsApi::NotifyNext => notification("notify-next"),
        };
        let leg = match self.leg {
            Leg::Plain => "",
            Leg::Accepted => "/accepted",
            Leg::Rejected => "/rejected",
        };
        format!("$aws/things/{thing}/jobs/{name}{leg}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::DEPLOYMENT_NAMESPACE;

    #[test]
    fn topics_are_those_of_the_protocol() {
        let topic =
            |api, leg| JobsTopic::namespaced(DEPLOYMENT_NAMESPACE, api).on(leg).to_topic("T");
        let cases = [
            (JobsApi::Notify, Leg::Plain, "notify-namespace-aws-gg-deployment"),
            (JobsApi::NotifyNext, Leg::Plain, "notify-next-namespace-aws-gg-deployment"),
            (JobsApi::Describe(NEXT.into()), Leg::Plain, "$next/namespace-aws-gg-deployment/get"),
            (
                JobsApi::Update("j".into()),
                Leg::Rejected,
                "j/namespace-aws-gg-deployment/update/rejected",
            ),
            (JobsApi::GetPending, Leg::Accepted, "namespace-aws-gg-deployment/get/accepted"),
        ];
        for (api, leg, expected) in cases {
            assert_eq!(topic(api, leg), format!("$aws/things/T/jobs/{expected}"));
        }
    }

    #[test]
    fn every_topic_comes_back() {
        let apis = [
            JobsApi::GetPending,
            JobsApi::StartNext,
            JobsApi::Describe(NEXT.into()),
            JobsApi::Describe("job-1".into()),
            JobsApi::Update("job-1".into()),
            JobsApi::Notify,
            JobsApi::NotifyNext,
        ];
        for api in apis {
            for namespace in [None, Some("ns".to_owned())] {
                for leg in [Leg::Plain, Leg::Accepted, Leg::Rejected] {
                    let is_notification = matches!(api, JobsApi::Notify | JobsApi::NotifyNext);
                    if is_notification && leg != Leg::Plain {
                        continue;
                    }
                    let topic = JobsTopic { api: api.clone(), namespace: namespace.clone(), leg };
                    let text = topic.to_topic("a:b");
                    assert_eq!(JobsTopic::parse("a:b", &text), Some(topic), "{text}");
                }
            }
        }
    }

    #[test]
    fn other_topics_are_none_of_the_api() {
        for bad in [
            "$aws/things/T/jobs/",
            "$aws/things/T/jobs/j/other/update",
            "$aws/things/T/jobs/$next/update",
            "$aws/things/T/jobs/j/delete",
            "$aws/things/U/jobs/get",
            "$aws/things/T/shadow/get",
        ] {
            assert_eq!(JobsTopic::parse("T", bad), None, "{bad}");
        }
    }
}
