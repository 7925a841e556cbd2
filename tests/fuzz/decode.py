"""Fuzz the codec: `python -m tests.fuzz.decode --seconds 60 [--format JPEG] [--isolated]`.

Needs atheris (the `dev` extra, on Linux). Each input that brings about anything else than a
refusal is saved under --findings, with its traceback beside it; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS_PER_INPUT = 20
MEGABYTES = 3000


def main() -> int:
    """Run the fuzzer in a process of its own, which it never leaves in an orderly way."""
    arguments = _arguments()
    if arguments.input is not None:
        from tests.fuzz.target import in_this_process

        in_this_process(arguments.input.read_bytes())
        return 0
    if arguments.corpus is not None:
        _fuzz(arguments)
    findings: Path = arguments.findings
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "tests.fuzz.decode", *sys.argv[1:], "--corpus", corpus]
        done = subprocess.run(command, check=False)
    found = sorted(path for path in findings.iterdir() if path.suffix != ".txt")
    for path in found:
        print(f"finding: {path}")
    return 1 if found or done.returncode else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.decode", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long; default 60")
    parser.add_argument("--format", help="start from files of this format only, such as JPEG")
    parser.add_argument("--isolated", action="store_true", help="decode in a process of its own")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; default 1")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "fuzz")
    parser.add_argument("--input", type=Path, help="give one saved input to the target again")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _fuzz(arguments: argparse.Namespace) -> None:
    import atheris

    with atheris.instrument_imports(include=["restoration.codec"]):
        from tests.fuzz.seeds import all_seeds, is_png, with_checksums
        from tests.fuzz.target import InItsOwnProcess, in_this_process
    for name, files in all_seeds().items():
        if arguments.format in (None, name):
            for number, data in enumerate(files):
                (arguments.corpus / f"{name}-{number}").write_bytes(data)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        changed = bytes(atheris.Mutate(data, max_size))
        return with_checksums(changed) if is_png(changed) and seed % 8 else changed

    target = InItsOwnProcess() if arguments.isolated else in_this_process
    options = (
        f"-max_total_time={arguments.seconds}",
        f"-seed={arguments.seed}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-artifact_prefix={arguments.findings}/",  # crashes, hangs and hogs
        "-max_len=20000",
        "-print_final_stats=1",
        "-verbosity=0",
    )
    atheris.Setup(
        [sys.argv[0], *options, str(arguments.corpus)],
        saving(target, arguments.findings),
        custom_mutator=mutated,
    )
    atheris.Fuzz()


def saving(target: Callable[[bytes], None], findings: Path) -> Callable[[bytes], None]:
    """The target, going on after a finding: one input is saved of each place that raised."""
    seen: set[str] = set()

    def save(data: bytes) -> None:
        try:
            target(data)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} {last.filename}:{last.lineno}"
            if place not in seen:
                seen.add(place)
                path = findings / hashlib.sha256(data).hexdigest()[:16]
                path.write_bytes(data)
                path.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")

    return save


if __name__ == "__main__":
    sys.exit(main())
