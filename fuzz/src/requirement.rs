//! `requirement \n version`.

use marram_model::{Requirement, Version};

pub(crate) fn run(data: &[u8]) {
    let Some(([requirement], version)) = crate::lines::split(data) else { return };
    let version = version.parse::<Version>();
    if let Ok(version) = &version {
        let again: Version = version.to_string().parse().expect("a version's own text");
        assert_eq!(&again, version);
        assert!(Requirement::exact(version).matches(version), "{version} is itself");
    }
    let Ok(requirement) = requirement.parse::<Requirement>() else { return };
    let text = requirement.to_string();
    let again: Requirement = text.parse().expect("a requirement's own text");
    assert_eq!(again.to_string(), text, "the normal form is stable");
    if let Ok(version) = version {
        assert_eq!(again.matches(&version), requirement.matches(&version), "{text} on {version}");
    }
}
