"""Camera shake: one kernel for the photograph, estimated from it, and deconvolution with it.

A network of this size sees some twenty pixels and cannot follow a path of that length; what is
the same all over the frame is better found once. Only where the photo itself says so does the
result take the place of the network's: Gaussian, defocused and sharp photos stay as they are.
"""

from restoration.shake.remove import Unshaken, remove_shake

__all__ = ["Unshaken", "remove_shake"]
