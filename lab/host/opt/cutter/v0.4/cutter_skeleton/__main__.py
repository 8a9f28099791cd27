"""Prints what is still to be written."""

from cutter_skeleton.phases import describe

if __name__ == "__main__":
    print("\n".join(describe()))
