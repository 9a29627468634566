"""The settings for the segmentation of an image, in the terms of Source Extractor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# SExtractor's own filter, the default.conv that comes with it.
PYRAMID = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SegmentationSettings:
    """How to segment an image; a field is a key of ``default.sex`` in lower case and defaults to
    SExtractor's value.

    ``detect_thresh`` is one value, in sigma or in the image's unit (``thresh_type``), or a surface
    brightness and its zero point in mag/arcsec2. ``back_size`` [pixels] and ``back_filtersize``
    [meshes] are (width, height). ``pixel_scale`` is in arcsec, 0 = from the WCS. ``kernel`` (ky,
    kx) is the filter as in the .conv file, None = no filter; ``kernel_norm`` says whether it has to
    be normalised.
    """

    detect_minarea: int = 5
    detect_maxarea: int = 0
    detect_thresh: tuple[float, ...] = (1.5,)
    thresh_type: str = 'RELATIVE'
    kernel: NDArray[np.float32] | None = field(default_factory=PYRAMID.copy)
    kernel_norm: bool = True
    deblend_nthresh: int = 32
    deblend_mincont: float = 0.005
    clean: bool = True
    clean_param: float = 1.0
    back_type: str = 'AUTO'
    back_value: float = 0.0
    back_size: tuple[int, int] = (64, 64)
    back_filtersize: tuple[int, int] = (3, 3)
    back_filtthresh: float = 0.0
    pixel_scale: float = 1.0
