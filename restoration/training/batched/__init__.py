"""Training batches made on the device: patches, noise, blur and JPEG of whole batches at once.

The same degradations as in `restoration.training.degradations`, which works on one photograph
with NumPy and OpenCV and serves measuring, validation and `train assess`. Here everything is
batched PyTorch: one code path for CPU and CUDA, no loop over samples, no wait for the device.

Images are float32 tensors (N, 3, H, W) in [0, 255] (8-bit units) unless a docstring says
otherwise.
"""

from restoration.training.batched.draws import Draws
from restoration.training.batched.film import as_old_prints
from restoration.training.batched.photos import PhotoBuffer
from restoration.training.batched.recipes import (
    as_gray,
    gray_at_the_end,
    random_blur,
    random_noise,
)

__all__ = [
    "Draws",
    "PhotoBuffer",
    "as_gray",
    "as_old_prints",
    "gray_at_the_end",
    "random_blur",
    "random_noise",
]
