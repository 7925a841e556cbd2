from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from flows.cli import main
from restoration.errors import UsageError
from restoration.training.data import load_photos, photo_sources
from restoration.training.duplicates import Excluded, excluded
from restoration.training.pack import is_pack, pack_sources, read_index, write_pack
from restoration.training.pack_encoding import PackOptions
from restoration.training.sources import decode, file_sources
from tests.scenes import encoded, scene

NOTHING = Excluded((), np.zeros((0, 256), np.float32))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "archive"
    (folder / "más").mkdir(parents=True)
    for i in range(6):
        Image.fromarray(scene(60, 80 + i, seed=i)).save(folder / f"{i}.png")
    (folder / "más" / "ñ.jpg").write_bytes(encoded(scene(50, 50, seed=7), "JPEG", quality=85))
    (folder / "broken.jpg").write_bytes(b"nothing")
    (folder / "empty.png").write_bytes(b"")
    return folder


def test_a_lossless_pack_holds_the_photos_themselves(photos: Path, tmp_path: Path) -> None:
    options = PackOptions(quality=None)
    index = write_pack(file_sources(photos), tmp_path / "p", options, NOTHING)
    assert read_index(tmp_path / "p") == index
    assert is_pack(tmp_path / "p")
    assert not is_pack(photos)
    packed = {source.name: decode(source.encoded()) for source in pack_sources(tmp_path / "p")}
    assert len(packed) == 7
    for source in file_sources(photos):
        original = decode(source.encoded())
        if original is not None:
            np.testing.assert_array_equal(packed[source.name], original)
    assert {photo.source for photo in index.left_out} == {"archive/broken.jpg", "archive/empty.png"}
    assert all("not an image" in photo.reason for photo in index.left_out)


def test_a_jpeg_is_not_compressed_twice(photos: Path, tmp_path: Path) -> None:
    index = write_pack(file_sources(photos), tmp_path / "p", PackOptions(quality=95), NOTHING)
    (kept,) = [photo for photo in index.photos if photo.as_it_was]
    assert kept.source == "archive/más/ñ.jpg"
    assert kept.packed_bytes == kept.source_bytes
    with safe_open(tmp_path / "p" / kept.shard, framework="np") as shard:
        assert shard.get_tensor(kept.key).tobytes() == (photos / "más" / "ñ.jpg").read_bytes()


def test_jpeg_packs_keep_full_chroma_and_reduce_large_photos(photos: Path, tmp_path: Path) -> None:
    options = PackOptions(quality=90, long_edge=64)
    index = write_pack(file_sources(photos), tmp_path / "p", options, NOTHING)
    assert {max(photo.width, photo.height) for photo in index.photos} == {50, 64}
    (first,) = [s for s in pack_sources(tmp_path / "p") if s.name == "archive/0.png"]
    header = first.encoded().tobytes()
    assert header[:2] == b"\xff\xd8"
    frame = header.index(b"\xff\xc0")
    assert header[frame + 11] == 0x11, "sampling factors of luma: 1 x 1, as of chroma"


def test_a_bounded_pack_takes_evenly_from_all(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(40):
        Image.fromarray(scene(40, 40, seed=i)).save(folder / f"{i:02}.png")
    options = PackOptions(max_megabytes=0.03, shard_megabytes=0.01)
    index = write_pack(file_sources(folder), tmp_path / "p", options, NOTHING)
    assert 5 < len(index.photos) < 35
    assert index.megabytes <= 0.03
    assert len({photo.shard for photo in index.photos}) >= 3
    numbers = sorted(int(Path(photo.source).stem) for photo in index.photos)
    assert max(np.diff([0, *numbers, 39])) <= 3 * 40 / len(numbers)
    full = [photo for photo in index.left_out if "the pack is full" in photo.reason]
    assert len(full) + len(index.photos) == 40


def test_the_same_file_is_packed_once(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes((photos / "0.png").read_bytes())
    index = write_pack(file_sources(folder), tmp_path / "p", PackOptions(), NOTHING)
    assert [photo.source for photo in index.photos] == ["twice/a.png"]
    assert [photo.reason for photo in index.left_out] == ["same file as twice/a.png"]


def test_test_photos_are_found_again_in_other_sizes_and_qualities(tmp_path: Path) -> None:
    tests, archive = tmp_path / "test", tmp_path / "archive"
    tests.mkdir()
    archive.mkdir()
    for i in range(8):
        Image.fromarray(scene(96, 128, seed=i)).save(tests / f"t{i}.png")
        Image.fromarray(scene(96, 128, seed=100 + i)).save(archive / f"other{i}.png")
    small = Image.fromarray(scene(96, 128, seed=3)).resize((64, 48), Image.Resampling.LANCZOS)
    small.save(archive / "copy.jpg", quality=60)
    Image.fromarray(scene(96, 128, seed=6)).convert("L").save(archive / "gray.png")
    unwanted = excluded(file_sources(tests))
    assert unwanted.twin_of(scene(96, 128, seed=5)) == "test/t5.png"
    assert unwanted.twin_of(scene(96, 128, seed=50)) is None
    assert NOTHING.twin_of(scene(8, 8)) is None
    index = write_pack(file_sources(archive), tmp_path / "p", PackOptions(), unwanted)
    assert len(index.photos) == 8
    assert [(p.source, p.reason) for p in index.left_out] == [
        ("archive/copy.jpg", "shows the same as test/t3.png, which is excluded"),
        ("archive/gray.png", "shows the same as test/t6.png, which is excluded"),
    ]
    loaded = load_photos([archive], minimum_side=40, validation=2, excluded=unwanted)
    assert loaded.left_out == ("archive/copy.jpg", "archive/gray.png")
    assert len(loaded.train) == 6


def test_training_photos_come_from_packs_and_folders_alike(photos: Path, tmp_path: Path) -> None:
    write_pack(file_sources(photos), tmp_path / "p", PackOptions(quality=None), NOTHING)
    assert len(photo_sources([tmp_path / "p", photos])) == 7 + 9
    from_pack = load_photos([tmp_path / "p"], minimum_side=40, validation=2)
    from_files = load_photos([photos], minimum_side=40, validation=2)
    for part in ("train", "validation"):
        for a, b in zip(getattr(from_pack, part), getattr(from_files, part), strict=True):
            np.testing.assert_array_equal(a, b)


def test_large_photos_are_reduced_when_asked(photos: Path) -> None:
    loaded = load_photos([photos], minimum_side=30, validation=2, largest_short_side=32)
    assert {min(photo.shape[:2]) for photo in loaded.train} == {32}


def test_a_damaged_pack_is_one_clear_line(photos: Path, tmp_path: Path) -> None:
    write_pack(file_sources(photos), tmp_path / "p", PackOptions(), NOTHING)
    shard = next((tmp_path / "p").glob("*.safetensors"))
    shard.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="shard cannot be read"):
        pack_sources(tmp_path / "p")
    (tmp_path / "p" / "index.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(UsageError, match="no pack that can be read"):
        pack_sources(tmp_path / "p")


def test_pack_command(photos: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "packed"
    words = ["train", "pack", "--data", photos, "--output", output, "--quality", "lossless"]
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert "7 photographs" in printed
    assert "left out: archive/broken.jpg: not an image" in printed
    assert main([str(word) for word in words]) == 2
    assert "exists already" in capsys.readouterr().err
    assert not (tmp_path / "packed.part").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quality", "101"], "--quality must be 1-100 or lossless"),
        (["--max-megabytes", "0"], "--max-megabytes must be positive"),
        (["--long-edge", "-3"], "--long-edge must be positive"),
        (["--exclude", "/no/such/folder"], "--exclude /no/such/folder: no such folder"),
    ],
)
def test_bad_pack_arguments_are_one_line(words, message, photos, tmp_path, capsys) -> None:
    base = ["train", "pack", "--data", str(photos), "--output", str(tmp_path / "p")]
    assert main([*base, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
