"""Prints the page about the manifest: `python -m storage.manifest > storage/manifest/README.md`."""

import sys

from storage.manifest.page import manifest_page

sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
print(manifest_page(), end="")
