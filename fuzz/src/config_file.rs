//! `config.yaml`: read, checked, merged into a fresh configuration, and read as cloud settings.

use std::fs;
use std::sync::Arc;

use marram_nucleus::cloud::CloudSettings;
use marram_nucleus::config::ConfigStore;
use marram_nucleus::config::initial::InitialConfig;
use marram_nucleus::paths::NucleusPaths;
use marram_os::clock::ManualClock;

pub(crate) fn run(data: &[u8]) {
    let root = tempfile::tempdir().expect("a folder");
    let paths = NucleusPaths::new(root.path());
    let file = root.path().join("given.yaml");
    fs::write(&file, data).expect("the file is written");
    let Ok(initial) = InitialConfig::read(&file) else { return };
    let clock = Arc::new(ManualClock::at_ms(1_700_000_000_000));
    let Ok(store) = ConfigStore::open(&paths, Some(initial), clock.clone()) else { return };
    let settings = CloudSettings::from_config(&store);
    let value = store.get(&[]);
    drop(store);
    let again = ConfigStore::open(&paths, None, clock).expect("what was kept can be opened");
    assert_eq!(again.get(&[]), value, "the configuration after a restart");
    assert_eq!(CloudSettings::from_config(&again), settings, "the settings after a restart");
}
