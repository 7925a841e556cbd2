"""The command `restore-archive`.

Exit codes: 0 all well, 1 some photos failed (or an error stopped the work), 2 bad arguments,
130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Final

from flows.console import printable
from flows.parser import CommandParser, sentence
from flows.stopping import (
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    Terminated,
    sigterm_like_ctrl_c,
)
from flows.version import software_version
from restoration.errors import RestorationError, UsageError

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

COMMANDS: Final = {
    "run": ("flows.commands.run", "crawl, assess and restore a folder of photographs"),
    "assess": ("flows.commands.assess", "measure photographs: noise, blur, monochrome, plan"),
    "restore": ("flows.commands.restore", "restore one photograph"),
    "report": (
        "flows.commands.report",
        "write the audit report of restored archives: a page with pictures",
    ),
    "verify": ("flows.commands.verify", "read restored archives back against their manifest"),
    "show": ("flows.commands.show", "say what was done to one photo of an archive, and why"),
    "query": ("flows.commands.query", "ask about a restored archive, in SQL or ready made"),
    "bag": ("flows.commands.bag", "make a BagIt bag of a restored archive"),
    "diff": ("flows.commands.diff", "say what changed between two runs or two models"),
    "sheet": ("flows.commands.sheet", "draw contact sheets: original, restored, colorized"),
    "review": ("flows.commands.review", "record what people decided on photos, list what waits"),
    "models": ("flows.commands.models", "list the shipped models"),
    "evaluate": ("restoration.evaluation.command", "measure the models on clean photographs"),
    "train": ("restoration.training.command", "train a model on clean photographs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Pillow, torch and others warn about files and machines that we report on in our own words.
    warnings.simplefilter("ignore")
    try:
        with sigterm_like_ctrl_c():
            arguments = _parse(words)
            module = importlib.import_module(COMMANDS[arguments.command][0])
            return int(module.run(arguments))
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except KeyboardInterrupt as error:
        code = EXIT_TERMINATED if isinstance(error, Terminated) else EXIT_INTERRUPTED
        return _complain("interrupted; run the same command again to go on", code)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _expected(error)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        prog="restore-archive",
        description="Restore archives of old photographs; the originals are never changed.",
    )
    parser.add_argument(
        "--version", action="version", version=f"restore-archive {software_version()}"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        child = subparsers.add_parser(name, help=summary, description=sentence(summary))
        if name == chosen:
            # Only the command that runs is imported: torch and Prefect take seconds.
            importlib.import_module(module).add_arguments(child)
    return parser.parse_args(words)


def _expected(error: Exception) -> int:
    """Turn the packages' own errors into one line; anything else is a bug and keeps its trace."""
    from flows.embedded_server import ServerError
    from flows.workers import ClusterError
    from storage import BadLocation, DestinationBusy, StorageError

    if isinstance(error, DestinationBusy | BadLocation):
        return _complain(error, EXIT_USAGE)
    if isinstance(error, RestorationError | StorageError | ServerError | ClusterError | OSError):
        return _complain(error, EXIT_FAILED)
    raise error


def _complain(message: object, code: int) -> int:
    print(f"restore-archive: {printable(str(message))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
