//! OpenPGP keyrings made by the real gpg.
