"""Content credentials: valid, true, offline, and their key nowhere."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest

from flows.cli import main
from flows.verification import verify
from restoration.codec import FORMATS, ColourModel, Signing, decode
from restoration.codec.c2pa_signing import cannot_be_signed, sign
from restoration.codec.metadata.model import AppliedStep, Provenance
from restoration.errors import UsageError
from restoration.recipe import Options, recipe_id
from storage import open_results
from tests.certificates import KEYS, Signer, make_signer, pem
from tests.flows.runs import DENOISE, latest, run, sha256
from tests.pictures import page_of, tiff, written
from tests.scenes import encoded, gray_scene, noisy, scene

MEDIA = {"HEIF": "image/heif"}
STEPS = (AppliedStep("denoise", "d", "1" * 64), AppliedStep("colorize", "c", "2" * 64))
PROVENANCE = Provenance(
    "restore-archive 1.0", "1923\udce9.tif", "ab" * 32, STEPS,
    digital_source_type="compositeWithTrainedAlgorithmicMedia",
)  # fmt: skip


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return make_signer(tmp_path)


def loaded(signer: Signer) -> Signing:
    return Signing.load(str(signer.chain), str(signer.key))


def credentials(data: bytes, file_format: str) -> tuple[str, dict[str, Any], set[str]]:
    """State of validation, the manifest, and what speaks against it."""
    kind = MEDIA.get(file_format, f"image/{file_format.lower()}")
    settings = {"verify": {"ocsp_fetch": False, "remote_manifest_fetch": False}}
    with c2pa.Context.from_dict(settings) as context:
        held = json.loads(c2pa.Reader(kind, io.BytesIO(data), context=context).json())
    failures = {each["code"] for each in held.get("validation_status", ())}
    return held["validation_state"], held["manifests"][held["active_manifest"]], failures


def actions_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    [held] = [a for a in manifest["assertions"] if a["label"].startswith("c2pa.actions")]
    actions: list[dict[str, Any]] = held["data"]["actions"]
    return actions


@pytest.mark.parametrize("file_format", [n for n in FORMATS if not cannot_be_signed(n, 1)])
@pytest.mark.parametrize("colour", [ColourModel.RGB, ColourModel.GRAY])
def test_a_signed_file_is_the_same_photo(
    file_format: str, colour: ColourModel, signer: Signer
) -> None:
    data, _ = written([page_of(colour, 8)], file_format, provenance=PROVENANCE)
    out = io.BytesIO()
    sign(io.BytesIO(data), out, loaded(signer), PROVENANCE,
         file_format=file_format, source_format="TIFF")  # fmt: skip
    state, manifest, failures = credentials(out.getvalue(), file_format)
    # Nobody trusts a throwaway root; all else must hold.
    assert (state, failures) == ("Valid", {"signingCredential.untrusted"})
    before, after = decode(io.BytesIO(data)).pages[0], decode(out).pages[0]
    assert np.array_equal(before.stored, after.stored)
    assert before.embedded.metadata.xmp == after.embedded.metadata.xmp
    assert before.embedded.metadata.exif == after.embedded.metadata.exif
    assert (before.icc_profile, before.coding) == (after.icc_profile, after.coding)
    opened, edited, coloured, *rest = actions_of(manifest)
    assert opened["action"] == "c2pa.opened"
    assert edited["action"] == "c2pa.edited"
    assert edited["digitalSourceType"].endswith("/algorithmicallyEnhanced")
    assert edited["parameters"]["org.restore-archive.model_sha256"] == "1" * 64
    assert coloured["action"] == "c2pa.color_adjustments"
    assert coloured["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert [a["action"] for a in rest] == ["c2pa.transcoded"] * (file_format != "TIFF")
    [parent] = manifest["ingredients"]
    assert (parent["relationship"], parent["title"]) == ("parentOf", "1923\\udce9.tif")
    [ours] = [a for a in manifest["assertions"] if a["label"].startswith("org.restore-archive")]
    assert ours["data"]["source_sha256"] == "ab" * 32


def test_a_flipped_pixel_is_found(signer: Signer) -> None:
    data, _ = written([page_of(ColourModel.RGB, 8)], "PNG")
    out = io.BytesIO()
    sign(io.BytesIO(data), out, loaded(signer), PROVENANCE,
         file_format="PNG", source_format="PNG")  # fmt: skip
    damaged = bytearray(out.getvalue())
    damaged[damaged.index(b"IDAT") + 50] ^= 1
    state, _, failures = credentials(bytes(damaged), "PNG")
    assert state == "Invalid"
    assert "assertion.dataHash.mismatch" in failures


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind(kind: str, tmp_path: Path) -> None:
    signing = loaded(make_signer(tmp_path, kind))
    assert signing.algorithm == kind
    assert pickle.loads(pickle.dumps(signing)) == signing


def test_what_signs_nothing_is_one_line(tmp_path: Path, signer: Signer) -> None:
    other = make_signer(tmp_path, "es384")
    locked, junk = tmp_path / "locked.key", tmp_path / "junk.pem"
    locked.write_bytes(pem(KEYS["es256"](), b"secret"))
    junk.write_text("no certificate")
    for chain, key, problem in (
        (signer.chain, other.key, "--c2pa-key is not the key of the first of"),
        (signer.chain, locked, "--c2pa-key: the key has a password; give one without"),
        (signer.chain, junk, "--c2pa-key: the file holds no private key in PEM"),
        (junk, signer.key, "--c2pa-certificates: the file holds no certificates in PEM"),
        (tmp_path / "none", signer.key, "cannot be read: No such file or directory"),
    ):
        with pytest.raises(UsageError, match=problem):
            Signing.load(str(chain), str(key))
    expired = make_signer(tmp_path, days=-1)
    with pytest.raises(UsageError, match="the certificate was not valid at time of signing"):
        loaded(expired)
    useless = make_signer(tmp_path, usage=False)
    with pytest.raises(UsageError, match="the certificate is invalid"):
        loaded(useless)


def test_the_recipe_knows_certificates_by_their_hash(tmp_path: Path, signer: Signer) -> None:
    here = loaded(signer)
    (tmp_path / "moved").mkdir()
    moved = Signer(signer.chain.rename(tmp_path / "moved/chain"),
                   signer.key.rename(tmp_path / "moved/key"))  # fmt: skip
    ids = [recipe_id(Options(signing=each), ()) for each in (here, loaded(moved), None)]
    assert ids[0] == ids[1] != ids[2]
    assert recipe_id(Options(signing=loaded(make_signer(tmp_path, "ps256"))), ()) != ids[0]


@pytest.mark.usefixtures("prefect_harness")
def test_a_run_signs_what_it_encodes(tmp_path: Path, target: Path, signer: Signer) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    gray = noisy(gray_scene(64, 64), 25)
    (source / "noisy.png").write_bytes(encoded(gray, "PNG"))
    (source / "clean.png").write_bytes(encoded(scene(64, 64), "PNG"))
    (source / "book.tif").write_bytes(tiff([gray, gray], "minisblack"))
    (source / "page.jp2").write_bytes(encoded(gray, "JPEG2000"))
    options = {"c2pa_certificates": str(signer.chain), "c2pa_key": str(signer.key)}
    run(source, target, access="jpeg:32", **options)
    rows = latest(source, target)
    for folder, name, file_format in (
        ("restored", "noisy.png", "PNG"),
        ("colorized", "noisy.png", "PNG"),
        ("access", "noisy.png.jpg", "JPEG"),
    ):
        data = (target / folder / name).read_bytes()
        state, manifest, _ = credentials(data, file_format)
        assert state == "Valid"
        done = [a["action"] for a in actions_of(manifest)]
        assert ("c2pa.color_adjustments" in done) == (folder == "colorized")
        assert ("c2pa.transcoded" in done) == (folder == "access")
        models = [a.get("parameters", {}).get("org.restore-archive.model") for a in
                  actions_of(manifest)]  # fmt: skip
        assert DENOISE in models
        [ours] = [a for a in manifest["assertions"] if a["label"].startswith("org.")]
        assert ours["data"]["source_sha256"] == sha256(source / "noisy.png")
    assert (target / "restored/clean.png").read_bytes() == (source / "clean.png").read_bytes()
    assert any("TIFF files of several pages" in note for note in rows["book.tif"].notes)
    assert any("JPEG2000 files have no place" in note for note in rows["page.jp2"].notes)
    assert len(decode(io.BytesIO((target / "restored/book.tif").read_bytes())).pages) == 2
    assert verify(open_results(str(target))).findings == 0
    assert run(source, target, access="jpeg:32", **options).unchanged == 4
    secret = signer.key.read_bytes().splitlines()[1]
    for path in filter(Path.is_file, target.rglob("*")):
        data = path.read_bytes()
        assert secret not in data, path
        assert str(signer.key).encode() not in data, path


def test_credentials_of_a_source_do_not_travel(signer: Signer) -> None:
    data, _ = written([page_of(ColourModel.RGB, 8)], "TIFF")
    out = io.BytesIO()
    sign(io.BytesIO(data), out, loaded(signer), PROVENANCE,
         file_format="TIFF", source_format="TIFF")  # fmt: skip
    photo = decode(out)
    assert any("C2PA manifest" in note for note in photo.notes)
    again, _ = written(list(photo.pages), "TIFF")
    with pytest.raises(c2pa.C2paError.ManifestNotFound):
        credentials(again, "TIFF")


def test_one_photo_and_bad_arguments(tmp_path: Path, signer: Signer, capsys) -> None:
    photo, output = tmp_path / "photo.png", tmp_path / "out.png"
    photo.write_bytes(encoded(noisy(gray_scene(64, 64), 25), "PNG"))
    words = ["restore", str(photo), "-o", str(output), "--device", "cpu"]
    assert main([*words, "--c2pa-key", str(signer.key)]) == 2
    message = "restore-archive: --c2pa-certificates and --c2pa-key go together\n"
    assert capsys.readouterr().err == message
    assert not output.exists()
    words += ["--c2pa-certificates", str(signer.chain), "--c2pa-key", str(signer.key)]
    assert main(words) == 0
    assert credentials(output.read_bytes(), "PNG")[0] == "Valid"
