"""The host's configuration: ``etc/cutter/cutter.toml`` and the host's name.

All paths hang on the deployment root. A tree that lies in ``<root>/opt/cutter/v0.7`` belongs to the system under
``<root>``, which is ``/`` on the real host and the mount point when an image is worked on.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from cutter.errors import ConfigError

#: What a live run needs from ``[orchestrator]``; a dry run needs none of it.
ORCHESTRATOR_KEYS = (
    "orchestrator.runs_dir",
    "orchestrator.batches_dir",
    "orchestrator.locks_dir",
    "orchestrator.max_units",
    "orchestrator.statement_timeout_ms",
)


def deployment_root() -> Path:
    """The root of the system that this tree is deployed in; ``/`` when it lies anywhere else."""
    tree = Path(__file__).resolve().parents[1]
    if tree.parent.name == "cutter" and tree.parents[1].name == "opt":
        return tree.parents[2]
    return Path("/")


@dataclass(frozen=True)
class Config:
    """The settings as ``section.key`` to value."""

    root: Path
    host: str
    values: Dict[str, Any] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of ``section.key``."""
        return self.values.get(key, default)

    def below_root(self, key: str) -> Path:
        """The absolute path under that key, below the deployment root."""
        return self.root / str(self.get(key)).lstrip("/")

    def missing_orchestrator_keys(self) -> List[str]:
        """The keys that a live run would look for in vain."""
        return [key for key in ORCHESTRATOR_KEYS if key not in self.values]


def load(root: Optional[str] = None) -> Config:
    """Reads the configuration below ``root``; a host without one gets an empty configuration."""
    base = deployment_root() if root is None else Path(root)
    path = base / "etc" / "cutter" / "cutter.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return Config(root=base, host=read_host(base), values=parse(text, path))


def read_host(root: Path) -> str:
    """The name in ``etc/hostname``."""
    path = root / "etc" / "hostname"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def parse(text: str, path: Path) -> Dict[str, Any]:
    """The part of TOML that our file uses: sections, and keys with a string, an integer or a truth value."""
    values: Dict[str, Any] = {}
    section = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip() + "."
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ConfigError(f"{path}:{number}: neither a section nor a key")
        values[section + key.strip()] = scalar(value.strip(), path, number)
    return values


def scalar(text: str, path: Path, number: int) -> Union[str, int, bool]:
    """One value of the configuration file."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{path}:{number}: {text} is not a string, an integer or a truth value") from error
