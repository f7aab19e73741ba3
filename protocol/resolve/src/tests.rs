use marram_model::error_code::ErrorCode;
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> ComponentName {
    text.parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// What exists: component → version → dependencies.
#[derive(Debug, Clone, Default)]
struct Catalogue(BTreeMap<ComponentName, BTreeMap<Version, Candidate>>);

impl Catalogue {
    fn with(mut self, component: &str, at: &str, needs: &[(&str, &str)]) -> Self {
        let dependencies = needs.iter().map(|(on, requirement)| {
            let requirement = requirement.parse().unwrap();
            (name(on), Dependency { requirement, dependency_type: DependencyType::Hard })
        });
        let component_type =
            if component == NUCLEUS { ComponentType::Nucleus } else { ComponentType::Generic };
        let candidate = Candidate {
            version: version(at),
            component_type,
            dependencies: dependencies.collect(),
        };
        self.0.entry(name(component)).or_default().insert(version(at), candidate);
        self
    }

    fn find(&self, query: &Query) -> Option<&Candidate> {
        let versions = self.0.get(&query.component)?;
        versions.iter().rev().find(|(v, _)| query.accepts(v)).map(|(_, candidate)| candidate)
    }

    fn resolve(&self, mut resolver: Resolver) -> Result<Resolution, Resolve> {
        loop {
            match resolver.next()? {
                Next::Done(resolution) => return Ok(resolution),
                Next::Query(query) => match self.find(&query) {
                    Some(candidate) => resolver.answer(&query, candidate.clone())?,
                    None => return Err(Resolve::no_version(&query, "no version of")),
                },
            }
        }
    }
}

fn roots(groups: &[(&str, &[(&str, &str)])]) -> Resolver {
    let all = groups.iter().map(|(group, roots)| {
        let roots = roots.iter().map(|(n, v)| (name(n), version(v))).collect();
        ((*group).to_owned(), roots)
    });
    Resolver::new(groups[0].0, all.collect(), Some(version("2.17.0")))
}

fn versions(resolution: &Resolution) -> BTreeMap<&str, String> {
    resolution.components.iter().map(|(n, c)| (n.as_str(), c.version.to_string())).collect()
}

#[test]
fn res_01_two_groups_share_a_dependency() {
    let catalogue = Catalogue::default()
        .with("A", "1.0.0", &[("C", ">=1.0.0 <2.0.0")])
        .with("B", "1.0.0", &[("C", "~1.2")])
        .with("C", "1.2.3", &[])
        .with("C", "1.2.9", &[])
        .with("C", "1.3.0", &[])
        .with("C", "2.0.0", &[]);
    let resolver =
        roots(&[("thinggroup/G1", &[("A", "1.0.0")]), ("thinggroup/G2", &[("B", "1.0.0")])]);
    let resolution = catalogue.resolve(resolver).unwrap();
    assert_eq!(versions(&resolution)["C"], "1.2.9");
    assert_eq!(resolution.roots, [name("A"), name("B")].into());
}

#[test]
fn res_02_two_groups_pin_different_versions() {
    let catalogue = Catalogue::default().with("A", "1.0.0", &[]).with("A", "1.1.0", &[]);
    let resolver =
        roots(&[("thinggroup/G1", &[("A", "1.0.0")]), ("thinggroup/G2", &[("A", "1.1.0")])]);
    let error = catalogue.resolve(resolver).unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("thinggroup/G1 requires =1.0.0, thinggroup/G2 requires =1.1.0"),
        "{text}"
    );
    assert!(text.contains(" A "), "{text}");
    assert_eq!(
        error.error_codes(),
        [ErrorCode::NoAvailableComponentVersion, ErrorCode::ComponentVersionRequirementsNotMet]
    );
}

#[test]
fn res_02_a_dependency_that_cannot_be_met_names_every_requirer() {
    let catalogue = Catalogue::default()
        .with("A", "1.0.0", &[("C", "^1.0.0")])
        .with("B", "1.0.0", &[("C", "^2.0.0")])
        .with("C", "1.5.0", &[])
        .with("C", "2.5.0", &[]);
    let resolver = roots(&[("thing/T", &[("A", "1.0.0"), ("B", "1.0.0")])]);
    let text = catalogue.resolve(resolver).unwrap_err().to_string();
    assert!(text.ends_with("A requires >=1.0.0 <2.0.0, B requires >=2.0.0 <3.0.0"), "{text}");
}

#[test]
fn res_05_components_that_need_each_other() {
    let catalogue =
        Catalogue::default().with("A", "1.0.0", &[("B", "*")]).with("B", "1.0.0", &[("A", "*")]);
    let error = catalogue.resolve(roots(&[("thing/T", &[("A", "1.0.0")])])).unwrap_err();
    assert_eq!(error, Resolve::Circular(vec![name("A"), name("B"), name("A")]));
    assert_eq!(error.error_codes(), [ErrorCode::ComponentCircularDependencyError]);
}

#[test]
fn res_06_a_dependency_must_not_change_the_nucleus_minor_version() {
    let catalogue = Catalogue::default().with("A", "1.0.0", &[(NUCLEUS, "^2.0.0")]).with(
        NUCLEUS,
        "2.18.0",
        &[],
    );
    let error = catalogue.resolve(roots(&[("thing/T", &[("A", "1.0.0")])])).unwrap_err();
    assert_eq!(error.error_codes(), [ErrorCode::UnauthorizedNucleusMinorVersionUpdate]);
    let named = roots(&[("thing/T", &[("A", "1.0.0"), (NUCLEUS, "2.18.0")])]);
    assert!(catalogue.resolve(named).is_ok());
}

#[test]
fn res_07_no_components_resolve_to_nothing() {
    let resolution = Catalogue::default().resolve(roots(&[("thinggroup/G", &[])])).unwrap();
    assert_eq!(resolution, Resolution::default());
}

#[test]
fn what_only_a_dropped_version_needed_is_dropped_with_it() {
    // C 2 needs D; B then forces C down to 1, which needs nothing.
    let catalogue = Catalogue::default()
        .with("A", "1.0.0", &[("C", "*")])
        .with("B", "1.0.0", &[("C", "<2.0.0")])
        .with("C", "1.0.0", &[])
        .with("C", "2.0.0", &[("D", "*")])
        .with("D", "1.0.0", &[("E", "*")])
        .with("E", "1.0.0", &[]);
    let resolver = roots(&[("thing/T", &[("A", "1.0.0")]), ("thinggroup/G", &[("B", "1.0.0")])]);
    let resolution = catalogue.resolve(resolver).unwrap();
    let names: Vec<&str> = versions(&resolution).into_keys().collect();
    assert_eq!(names, ["A", "B", "C"]);
}

#[test]
fn requirements_that_chase_each_other_end_in_an_error() {
    let catalogue = Catalogue::default()
        .with("R", "1.0.0", &[("X", "*")])
        .with("X", "2.0.0", &[("Y", "=1.0.0")])
        .with("X", "1.0.0", &[("Y", "=0.1.0")])
        .with("Y", "1.0.0", &[("X", "<2.0.0")])
        .with("Y", "0.1.0", &[("X", ">=2.0.0")]);
    let error = catalogue.resolve(roots(&[("thing/T", &[("R", "1.0.0")])])).unwrap_err();
    assert!(matches!(error, Resolve::Unsettled { .. }), "{error}");
}

#[test]
fn an_answer_that_does_not_meet_the_requirements_is_refused() {
    let mut resolver = roots(&[("thing/T", &[("A", "1.0.0")])]);
    let Next::Query(query) = resolver.next().unwrap() else { panic!("A is unknown yet") };
    let candidate = Candidate {
        version: version("1.0.1"),
        component_type: ComponentType::Generic,
        dependencies: BTreeMap::new(),
    };
    assert!(resolver.answer(&query, candidate).unwrap_err().to_string().contains("1.0.1"));
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const RANGES: [&str; 6] = ["*", "^1.0.0", "<2.0.0", "=1.0.0", ">=1.1.0", "~1.1 || ^2.0.0"];
const VERSIONS: [&str; 4] = ["1.0.0", "1.1.0", "1.1.5", "2.0.0"];

prop_compose! {
    /// Up to four versions of each component, each with up to three dependencies.
    fn any_catalogue()(
        versions in prop::collection::vec(
            (0..NAMES.len(), 0..VERSIONS.len(),
             prop::collection::vec((0..NAMES.len(), 0..RANGES.len()), 0..3)),
            0..20,
        )
    ) -> Catalogue {
        versions.into_iter().fold(Catalogue::default(), |catalogue, (component, at, needs)| {
            let needs: Vec<_> = needs.into_iter().map(|(n, r)| (NAMES[n], RANGES[r])).collect();
            catalogue.with(NAMES[component], VERSIONS[at], &needs)
        })
    }
}

proptest! {
    #[test]
    fn a_resolution_meets_every_requirement_or_there_is_a_reason(
        catalogue in any_catalogue(),
        first in prop::collection::btree_map(0..NAMES.len(), 0..VERSIONS.len(), 0..3),
        second in prop::collection::btree_map(0..NAMES.len(), 0..VERSIONS.len(), 0..3),
    ) {
        let pins = |roots: BTreeMap<usize, usize>| -> BTreeMap<ComponentName, Version> {
            roots.into_iter().map(|(n, v)| (name(NAMES[n]), version(VERSIONS[v]))).collect()
        };
        let groups = BTreeMap::from([
            ("thing/T".to_owned(), pins(first)),
            ("thinggroup/G".to_owned(), pins(second)),
        ]);
        let Ok(resolution) =
            catalogue.resolve(Resolver::new("thing/T", groups.clone(), None)) else { return Ok(()) };
        for pinned in groups.values().flatten() {
            prop_assert_eq!(&resolution.components[pinned.0].version, pinned.1);
        }
        for (component, resolved) in &resolution.components {
            let candidate = &catalogue.0[component][&resolved.version];
            for (on, dependency) in &candidate.dependencies {
                prop_assert!(dependency.requirement.matches(&resolution.components[on].version));
            }
        }
    }
}
