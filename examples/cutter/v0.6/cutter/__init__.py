"""The cutter: a governed document goes in, addressable information units and a ledger entry come out."""

__version__ = "0.6"
__milestone__ = "O4 live-dryrun-orchestration"
__commit__ = "5d0c7a1be94f2d6683a1f0b7c9e24d58f1376ea2"
