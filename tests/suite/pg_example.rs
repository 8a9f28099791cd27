//! The package in examples/postgresql, with the real program and a server of the tests' own: from PARTIAL to closed, and every
//! way in which it is not.
