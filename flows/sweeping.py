"""What a killed run left behind, and what is removed of it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

from flows.places import FOLDERS, RESTORED, possible_outputs, possible_owners
from storage import DestinationStore
from storage.manifest import MANIFEST_FOLDER, WORKLIST_FOLDER, ManifestIndex, read_worklist
from storage.paths import PRIVATE_FOLDER


def sweep_after_killed_runs(target: DestinationStore) -> None:
    """Remove what a killed run left: work-lists, temporary files, outputs that no row names.

    A work-list still there names the photos whose batch was not finished, so only they and their
    folders need a look, however large the archive.
    """
    folders: set[str] = {"", PRIVATE_FOLDER, MANIFEST_FOLDER}  # where runs write at their end
    unfinished: list[str] = []
    leftovers = [entry.path for entry in target.list(WORKLIST_FOLDER)]
    for path in leftovers:
        of_run = path.rpartition("/")[0]
        folders |= {of_run, f"{MANIFEST_FOLDER}/{of_run.rpartition('/')[2]}"}
        # What had a problem was never worked on, and its name may be no path at all.
        unfinished += [item.path for item in read_worklist(target, path) if not item.problem]
    for name in unfinished:
        folder = name.rpartition("/")[0]
        folders |= {f"{top}/{folder}".rstrip("/") for top in FOLDERS}
    folders |= {entry.path.rpartition("/")[0] for entry in target.list(MANIFEST_FOLDER)}
    target.sweep(sorted(folders))
    if unfinished:
        _delete_unrecorded(target, unfinished)
    for path in leftovers:
        target.delete(path)
    target.sweep(sorted({path.rpartition("/")[0] for path in leftovers}))  # empty by now


def _delete_unrecorded(target: DestinationStore, unfinished: list[str]) -> None:
    """Remove outputs whose row was never written: under other options nothing would do it later.

    A photo that is restored to the same path is written anew when its source is done.
    """
    with closing(ManifestIndex.load(target)) as index:
        known = index.lookup(unfinished)
        stale: set[str] = set()
        for name, earlier in zip(unfinished, known, strict=True):
            if earlier is None or not earlier.status.keeps_outputs:
                recorded = {path for path, _ in earlier.outputs} if earlier else set()
                stale |= {*possible_outputs(name)} - recorded - {f"{RESTORED}/{name}"}
        there = list(target.sizes(stale))  # a listing or two, where most of them do not exist
        kept = owned(there, index)
    for path in there:
        if path not in kept:
            target.delete(path)


def owned(
    paths: Collection[str], index: ManifestIndex, *, apart_from: Collection[str] = ()
) -> set[str]:
    """Those of some outputs that are a photo's, or may be, by what the manifest says.

    What has one suffix more than a photo may be another photo's.

    Args:
        paths: of outputs that are there.
        index: of the manifest.
        apart_from: photos that do not count.
    """
    owners = [
        (path, owner)
        for path in paths
        for owner in possible_owners(path)
        if owner not in apart_from
    ]
    photos = index.lookup([owner for _, owner in owners])
    return {
        path
        for (path, _), photo in zip(owners, photos, strict=True)
        if photo is not None and photo.may_have(path)
    }
