//! The configuration: file and environment in, settings out, and the pages about it.

pub(crate) mod surroundings;

pub(crate) mod systems;

pub(crate) mod settings;

pub(crate) mod address;

pub(crate) mod load;

pub(crate) mod exposed;

pub(crate) mod pages;

pub(crate) mod show;
