"""The skeleton of the cutter, before there were phases."""

__version__ = "0.4"
