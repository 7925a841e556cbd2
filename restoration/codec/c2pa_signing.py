"""C2PA content credentials (C2PA 2.x): who signs for an output, and what was done to it.

Nothing goes over the network: no timestamp authority is asked, no certificate's revocation looked
up. A signature and its salts are random, so signed outputs differ from run to run in these bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from restoration import scratch
from restoration.codec import vips
from restoration.codec.metadata.model import AppliedStep, Provenance
from restoration.codec.pages import ColourModel
from restoration.errors import EncodeError, UsageError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
"""Of the formats in which the library finds a place for a manifest."""
_LABEL: Final = "org.restore-archive.provenance"
_PARENT: Final = "source"
_NEWSCODES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SETTINGS: Final = {
    "version": 1,
    # What was written is hashed for the manifest and read back by `verify` anyhow.
    "verify": {
        "verify_after_sign": False,
        "ocsp_fetch": False,
        "remote_manifest_fetch": False,
    },
    "builder": {"thumbnail": {"enabled": False}},
}
_ELLIPTIC: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Signing:
    """Whose signature outputs bear. Made by `load`; the key stays in its file.

    Attributes:
        certificates: file of the chain in PEM, the signer's first.
        key: file of the signer's private key in PEM, without a password.
        algorithm: C2PA's name, such as es256; follows from the key.
        sha256: of the chain, hexadecimal.
    """

    certificates: str = field(repr=False)
    key: str = field(repr=False)
    algorithm: str
    sha256: str

    @classmethod
    def asked_for(cls, certificates: str | None, key: str | None) -> Signing | None:
        """`load`, if both are given; None for neither.

        Raises:
            UsageError: one without the other, or as `load`.
        """
        if certificates is None and key is None:
            return None
        if certificates is None or key is None:
            raise UsageError("--c2pa-certificates and --c2pa-key go together")
        return cls.load(certificates, key)

    @classmethod
    def load(cls, certificates: str, key: str) -> Signing:
        """Check a chain and a key, and that something can be signed with them.

        Raises:
            UsageError: they cannot be read, do not belong together, or make no valid signature; or
                the extra is not installed.
        """
        try:
            import c2pa  # noqa: F401
        except ImportError as error:
            raise UsageError(
                f"signing needs c2pa-python ({error}): pip install 'restore-archive[c2pa]'"
            ) from error
        chain = _read(certificates, "--c2pa-certificates")
        algorithm = _algorithm(chain, _read(key, "--c2pa-key"))
        signing = cls(certificates, key, algorithm, hashlib.sha256(chain).hexdigest())
        signing._try()
        return signing

    def _try(self) -> None:
        pixel = io.BytesIO()
        with scratch.temporary_file() as bare:
            vips.save(np.zeros((1, 1, 3), np.uint8), bare, "pngsave", ColourModel.RGB)
            bare.seek(0)
            try:
                _sign(self, bare, pixel, "image/png", Provenance("", "", ""), "PNG")
            except EncodeError as error:
                raise UsageError(f"--c2pa-certificates: {error}") from error


def cannot_be_signed(file_format: str, pages: int) -> str:
    """Why a file cannot hold content credentials, or nothing.

    Args:
        file_format: a name of `FORMATS`.
        pages: of the file.
    """
    if file_format not in _MEDIA_TYPES:
        return f"not signed: {file_format} files have no place for content credentials"
    if pages > 1:  # c2pa 0.91 leaves a second page without its tags
        return "not signed: TIFF files of several pages would be damaged by it"
    return ""


def sign(
    file: BinaryIO,
    signed: BinaryIO,
    signing: Signing,
    provenance: Provenance,
    *,
    file_format: str,
    source_format: str,
) -> None:
    """Copy an image file with content credentials.

    Args:
        file: the image, at its start.
        signed: empty, open for reading and writing; it stands at its start afterwards.
        signing: who signs.
        provenance: what the credentials say.
        file_format: of the file; see `cannot_be_signed`.
        source_format: of the photo that it was made of.

    Raises:
        EncodeError: the library refused.
    """
    _sign(signing, file, signed, _MEDIA_TYPES[file_format], provenance, source_format)
    signed.seek(0)


def _sign(
    signing: Signing,
    file: BinaryIO,
    signed: BinaryIO,
    media_type: str,
    provenance: Provenance,
    source_format: str,
) -> None:
    import c2pa

    source_type = _MEDIA_TYPES.get(source_format, f"image/{source_format.lower()}")
    manifest = _manifest(provenance, media_type, source_type)
    try:
        info = c2pa.C2paSignerInfo(
            signing.algorithm,
            Path(signing.certificates).read_bytes(),
            Path(signing.key).read_bytes(),
            None,
        )
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(manifest), context=context) as builder,
        ):
            builder.sign(signer, media_type, file, signed)
    except (c2pa.C2paError, OSError) as error:
        reason = " ".join(str(error).split())
        raise EncodeError(f"content credentials cannot be signed: {reason}") from error


def _manifest(provenance: Provenance, media_type: str, source_type: str) -> dict[str, Any]:
    """The manifest definition, as c2pa-python reads it."""
    name, _, version = provenance.software.partition(" ")
    agent = {"name": name or "restore-archive", "version": version}
    actions: list[dict[str, Any]] = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
    ]
    actions += [_action(step, agent, provenance) for step in provenance.steps]
    if media_type != source_type:
        actions.append({"action": "c2pa.transcoded", "softwareAgent": agent})
    title = _text(provenance.source_name)
    return {
        "claim_generator_info": [agent],
        "title": title,
        "format": media_type,
        "ingredients": [
            {
                "title": title,
                "format": source_type,
                "relationship": "parentOf",
                "label": _PARENT,
                "instance_id": f"sha256:{provenance.source_sha256}",
            }
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": _LABEL, "data": _record(provenance)},
        ],
    }


def _action(step: AppliedStep, agent: dict[str, str], provenance: Provenance) -> dict[str, Any]:
    is_colour = step.name == "colorize"
    action: dict[str, Any] = {
        "action": "c2pa.color_adjustments" if is_colour else "c2pa.edited",
        "softwareAgent": agent,
        "parameters": {
            "org.restore-archive.step": step.name,
            "org.restore-archive.model": step.model,
            "org.restore-archive.model_sha256": step.model_sha256,
        },
    }
    if provenance.digital_source_type is not None:
        kind = "compositeWithTrainedAlgorithmicMedia" if is_colour else "algorithmicallyEnhanced"
        action["digitalSourceType"] = _NEWSCODES + kind
    return action


def _record(provenance: Provenance) -> dict[str, Any]:
    """What the XMP says too, for readers of credentials."""
    return {
        "software": provenance.software,
        "source_name": _text(provenance.source_name),
        "source_sha256": provenance.source_sha256,
        "steps": [
            {"name": step.name, "model": step.model, "model_sha256": step.model_sha256}
            for step in provenance.steps
        ],
        "strength": provenance.strength,
        "keep_grain": provenance.keep_grain,
        "passes": provenance.passes,
    }


def _text(text: str) -> str:
    """A name as it may stand in CBOR, which is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _read(path: str, option: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{option}: {path} cannot be read: {reason}") from error


def _algorithm(chain: bytes, key: bytes) -> str:
    """C2PA's name of the algorithm that a key signs with (C2PA 2.2, 13.2.1).

    Raises:
        UsageError: chain or key is not what it should be, or they do not belong together.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificates: list[Certificate] = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise UsageError("--c2pa-certificates: the file holds no certificates in PEM") from error
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError as error:
        raise UsageError("--c2pa-key: the key has a password; give one without") from error
    except ValueError as error:
        raise UsageError("--c2pa-key: the file holds no private key in PEM") from error
    if certificates[0].public_key() != private.public_key():
        raise UsageError("--c2pa-key is not the key of the first of --c2pa-certificates")
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _ELLIPTIC:
        return _ELLIPTIC[private.curve.name]
    raise UsageError("--c2pa-key: keys of this kind sign no content credentials")
