"""The job: parameters, cube and settings that all sources of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autospec_lib.config.params import Params
from autospec_lib.core import file_names
from autospec_lib.core.products import Group
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs.cubes.cube import OpenCube
from autospec_lib.output import spectra_1d
from autospec_lib.output.figures import Kept


@dataclass(frozen=True)
class Job:
    """What all sources of a run share. With ``resume``, sources that are complete already are kept.

    ``catalogue`` holds all its rows, including those that this run does not extract; ``taken`` is one line on which
    columns were read as what. ``sources`` are the pixel positions of all rows for the joint extraction, empty if it is
    off. ``kept`` are the figures that this process reuses for plots.
    """

    folder: Path
    params: Params
    segmentation: SegmentationSettings
    cube: OpenCube
    fingerprint: str = ''
    resume: bool = False
    sources: Mapping[Ident, tuple[float, float]] = field(default_factory=dict)
    catalogue: tuple[Target, ...] = ()
    taken: str = ''
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.folder / self.params.output

    def path(self, target: Target) -> Path:
        """The path of a source's file."""
        return self.output / f'{self.params.pre_out}{file_names.file_stem(target.id)}.fits'

    def picture(self, target: Target, key: str) -> Path:
        """The path of one of a source's plots."""
        return self.output / 'images' / file_names.file_stem(target.id) / file_names.picture(target.id, key)

    def data(self, target: Target) -> Path:
        """The path of the report's file on a source."""
        return self.output / file_names.REPORT / 'data' / file_names.report_data(target.id)

    @property
    def spectra(self) -> Path:
        """The folder of spectra as tables."""
        return self.output / spectra_1d.FOLDER

    @property
    def prefix(self) -> str:
        """The prefix of AutoSpec's own names: the user's choice, else the instrument's."""
        return self.params.prefix or self.cube.instrument.prefix

    @property
    def written(self) -> set[Group]:
        """The groups of products that go into the files."""
        params = self.params
        switches = {
            Group.IMAGE: params.out_img,
            Group.FITTED: params.out_img,
            Group.SEGMAP: params.out_seg,
            Group.MASK: params.out_mask,
            Group.MAP: params.out_xcor,
        }
        return {group for group in Group if switches.get(group, True)}

    @property
    def origin(self) -> dict[str, str]:
        """The header cards on the origin of sources and cube."""
        params = self.params
        return {
            'FROM': params.orig_from,
            'FROM_V': params.orig_fromv,
            'CUBE': params.orig_cube,
            'CUBE_V': params.orign_cubev,
        }
