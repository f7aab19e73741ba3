//! All checks, in the order in which they are shown: what others rest upon comes first.

mod api;
mod authority;
mod certificate;
mod cgroups;
mod clock;
mod configuration;
mod credentials;
mod data_folder;
mod data_plane;
mod database;
mod default_user;
mod deployments;
mod disk;
mod inodes;
mod ipc;
mod listeners;
mod modes;
mod mqtt;
mod nucleus;
mod ports;
mod private_key;
mod reach;
mod root;
mod root_ca;

use super::check::Check;
use super::cloud::Cloud;
use super::device::Device;

/// Of a core device.
pub(super) const DEVICE: &[Check<Device>] = &[
    root::CHECK,
    configuration::CHECK,
    disk::DEVICE,
    inodes::DEVICE,
    default_user::CHECK,
    cgroups::CHECK,
    private_key::CHECK,
    certificate::CHECK,
    root_ca::CHECK,
    clock::DEVICE,
    mqtt::CHECK,
    data_plane::CHECK,
    credentials::CHECK,
    nucleus::CHECK,
    ipc::CHECK,
    deployments::CHECK,
];

/// Of a cloud.
pub(super) const CLOUD: &[Check<Cloud>] = &[
    data_folder::CHECK,
    disk::CLOUD,
    inodes::CLOUD,
    authority::CHECK,
    database::CHECK,
    ports::CHECK,
    api::CHECK,
    listeners::CHECK,
    clock::CLOUD,
];
