"""The cutter: a governed document goes in, addressable information units and a ledger entry come out."""

__version__ = "0.7"
__milestone__ = "O9 live-write-execution"
__commit__ = "a83e19f0c47b5d2266e09b1f73c8d45a90be172f"
