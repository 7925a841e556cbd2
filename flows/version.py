"""The software's version, as the manifest and `--version` state it."""

from importlib.metadata import PackageNotFoundError, version


def software_version() -> str:
    """The installed distribution's version, or 'source' when run from a bare checkout."""
    try:
        return version("restore-archive")
    except PackageNotFoundError:
        return "source"
