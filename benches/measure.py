"""Runs commands and says what they took: wall time, processor time, peak memory."""

import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys

# The system's own programs for both sides, without wrappers that a person may have in front of them.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}


@dataclasses.dataclass
class Command:
    """A command, how it must end, and what it must print so that it is known to have done its work."""

    words: list
    status: int = 0
    shows: str = ""
    # How many of the things that are compared it handles, where the other side handles another number.
    units: int = 1
    # Asked before each run, outside the measurement.
    before: object = None


@dataclasses.dataclass
class Run:
    """What one run took."""

    seconds: float
    processor: float
    peak_mb: float


class Clock:
    """Measures with the small program that `benches/clock.c` is built to."""

    def __init__(self, program, scratch):
        self.program, self.scratch = program, pathlib.Path(scratch)

    def once(self, command):
        """One run; anything but what the command must do ends the benchmark."""
        if command.before:
            command.before()
        took, printed = self.scratch / "took", self.scratch / "printed"
        with printed.open("wb") as out:
            words = [self.program, took, *command.words]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=ENVIRONMENT)
        fields = took.read_text().split() if done.returncode == 0 else ["no answer", 0, 0, 0, 0]
        said = printed.read_text(errors="replace")
        if str(fields[0]) != str(command.status) or command.shows not in said:
            words = " ".join(str(word) for word in command.words)[:400]
            sys.exit(
                f"scripts/bench: {words}\nended with {fields[0]}, expected {command.status} and {command.shows!r}\n"
                f"{said[-1000:]}{done.stderr.decode(errors='replace')[-1000:]}"
            )
        nanos, user, system, peak = (int(field) for field in fields[1:5])
        return Run(nanos / 1e9, (user + system) / 1e6, peak / 1024)

    def in_turn(self, commands, runs):
        """Runs all commands in turn, A B C A B C …, so that a machine that gets slower slows all of them. The first run
        of each warms caches and does not count."""
        taken = [[] for _ in commands]
        for run in range(runs + 1):
            for into, command in zip(taken, commands):
                took = self.once(command)
                if run:
                    into.append(took)
        return [Taken(runs, command.units) for runs, command in zip(taken, commands)]


@dataclasses.dataclass
class Taken:
    """What the runs of one command took."""

    runs: list
    units: int

    @property
    def seconds(self):
        """The median of the wall times."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def each(self):
        """The median for one of the things that are compared."""
        return self.seconds / self.units

    @property
    def processor(self):
        """The median of the processor times."""
        return statistics.median(run.processor for run in self.runs)

    @property
    def peak_mb(self):
        """The largest peak, MB of 2^20 bytes."""
        return max(run.peak_mb for run in self.runs)

    def shown(self):
        """Median with the range."""
        times = [run.seconds for run in self.runs]
        return f"{shown(self.seconds)} ({shown(min(times))}–{shown(max(times))})"


def shown(seconds):
    """A time as people write it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
