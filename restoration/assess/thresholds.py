"""From which measurement on a photograph is changed.

Chosen on the 112 photographs of CID22 that the estimator was not fitted on (every other one by
name), and on old prints; not on CBSD68, which the README's figures are measured on.
"""

from __future__ import annotations

from typing import Final

NOISY_SIGMA: Final = 4.0
"""From this noise (8-bit units) on denoising is worthwhile.

The 112 clean photographs read at most 2.5, and with noise of sigma 3 95 % of them below 3.6. Of 34
old prints and press photographs the ones that show grain, raster or paper texture at full size
read 4.2-7.0, the others mostly below 3.
"""

BLURRED_SIGMA: Final = 1.3
"""From this blur (pixels, equivalent Gaussian) on deblurring is worthwhile.

The 112 photographs read at most 0.6, but for five without a sharp edge (cloudy skies: 1.4-2.6,
with confidences of at most 0.51); blurred by 1.6 px more than 90 % read at least 1.3.
"""

SURE_ENOUGH: Final = 0.55
"""Smallest confidence with which noise or blur is a reason to change a photograph.

Texture that looks like grain, and skies without an edge, read high with less. Photographs blurred
by 2 px have more in 97 % of all cases, under noise of sigma 10 in 95 %.
"""
