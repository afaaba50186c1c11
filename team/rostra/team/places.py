"""Where things are kept on this machine: transcripts, logs, sockets (docs/decisions/0020)."""

import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import msgspec
import platformdirs

from rostra.protocol import BadName, RostraError, events_address

SOCKET = "bus"


class UnsafePlace(RostraError):
    """A directory that must be this user's alone is not."""

    code = "refused"


class Places(msgspec.Struct, frozen=True):
    """The three roots: `data` (transcripts), `state` (logs), `runtime` (sockets and who runs; 0700)."""

    data: Path
    state: Path
    runtime: Path

    @classmethod
    def here(cls, environ: Mapping[str, str] | None = None) -> "Places":
        """The places of this user: below `ROSTRA_HOME` where that is set, else as XDG has it."""
        home = (os.environ if environ is None else environ).get("ROSTRA_HOME", "")
        if home:
            root = Path(home).expanduser().absolute()
            return cls(root / "data", root / "state", root / "run")
        dirs = platformdirs.PlatformDirs("rostra", appauthor=False)
        with warnings.catch_warnings():
            # A machine without it is none of the caller's business: the place that is taken instead is made private, or refused.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            runtime = dirs.user_runtime_path
        return cls(dirs.user_data_path, dirs.user_state_path, runtime)

    def transcript(self, team: str, instance: str) -> Path:
        """The database of one instance of a team; its directory is made."""
        return _made(self.data / team / instance) / "transcript.db"

    def mail(self, team: str, instance: str) -> Path:
        """The database of an instance's letters; its directory is made."""
        return _made(self.data / team / instance) / "mail.db"

    def memory(self, team: str, agent: str) -> Path:
        """The database of what a teachable agent has learned, in whichever instance; it may not be there."""
        return self.data / team / "memory" / f"{agent}.db"

    def agent_state(self, team: str, instance: str, agent: str) -> Path:
        """The database of what an agent keeps between messages; it may not be there."""
        return self.data / team / instance / "state" / f"{agent}.db"

    def keys(self, team: str) -> Path:
        """The directory of a team's key ring, which may not be there."""
        return self.data / team / "keys"

    def transcripts(self, team: str) -> list[Path]:
        """The databases of all instances of a team, the team's namesake first."""
        found = (self.data / team).glob("*/transcript.db")
        return sorted(found, key=lambda path: (path.parent.name != team, len(path.parent.name), path.parent.name))

    def logs(self, team: str, instance: str) -> Path:
        """The directory of an instance's log files; it is made."""
        return _made(self.state / team / instance / "logs")

    def instance(self, team: str, instance: str) -> Path:
        """The runtime directory of an instance; it is made, for this user alone."""
        return _private(_private(_private(self.runtime) / team) / instance)

    def socket_directory(self, team: str, instance: str) -> Path:
        """Where the sockets of an instance are: its runtime directory, or a short one where that path is too long for a socket.

        The kernel allows 107 bytes. The short one is below the system's directory for temporary files, named after the long one.
        """
        directory = self.instance(team, instance)
        try:
            events_address(f"ipc://{directory / SOCKET}")
        except BadName:
            digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
            return _private(Path(tempfile.gettempdir()) / f"rostra-{os.getuid()}-{digest}")
        return directory

    def address(self, team: str, instance: str) -> str:
        """The broker's `ipc://` address of an instance."""
        return f"ipc://{self.socket_directory(team, instance) / SOCKET}"


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _private(directory: Path) -> Path:
    """Make `directory` this user's alone; raises `UnsafePlace` when somebody else could have made it."""
    _made(directory)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UnsafePlace(f"{directory} is not a directory of this user")
    if stat.S_IMODE(status.st_mode) != 0o700:
        directory.chmod(0o700)
    return directory
