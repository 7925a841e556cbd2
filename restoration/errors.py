"""What can go wrong with one photograph.

Every message is one plain line for the person who looks after the archive: it ends up in the
manifest's `error_message`.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Final


class RestorationError(Exception):
    """A photograph, a model or an option that cannot be worked with.

    `is_permanent` says that the same file fails in the same way next time: an unchanged photo
    is then not tried again until the recipe changes or the user forces it.
    """

    is_permanent: ClassVar[bool] = True


class UsageError(ValueError):
    """Arguments that make no sense; the message is one line for the person who gave them."""


class UnsupportedPhoto(RestorationError):  # noqa: N818 - reads as a sentence in the manifest
    """A sound file of a kind that would lose something here: left alone, status skipped."""


class ReaderMissing(UnsupportedPhoto):
    """A format whose reader is an extra that is not installed here."""

    is_permanent = False


class DecodeError(RestorationError):
    """The file is damaged or is not an image."""


class DecoderDied(DecodeError):  # noqa: N818
    """The decoder process crashed on the file or took too long."""


class DecoderKilled(DecoderDied):
    """Somebody ended the decoder process: the system, out of memory, or a person."""

    is_permanent = False


class DecoderUnavailable(RestorationError):  # noqa: N818
    """The decoder process does not start; the photo has nothing to do with it."""

    is_permanent = False


class DeviceLost(RestorationError):  # noqa: N818
    """The GPU does not answer any more: every further photo would meet the same, and work ends."""

    is_permanent = False


class TooLarge(RestorationError):  # noqa: N818
    """The image has more pixels than the limit allows."""


class NoRoom(RestorationError):  # noqa: N818
    """This machine is out of something; the photo has nothing to do with it."""

    is_permanent = False


_OF_THE_MACHINE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS}
)


def no_room(error: Exception) -> NoRoom | None:
    """What to raise instead of blaming a photo, where an error is this machine's; else None."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return NoRoom(f"this machine is out of room for temporary files ({error.strerror})")
    if "No space left" in str(error):  # libvips says it in words
        return NoRoom("this machine is out of room for temporary files (No space left on device)")
    return None


class GuardError(RestorationError):
    """A network's output looks wrong; it is thrown away."""


class EncodeError(RestorationError):
    """The restored pixels could not be written in the source's format."""


class WeightsError(RestorationError):
    """A weights file is missing, altered or not of the expected shape."""

    is_permanent = False
