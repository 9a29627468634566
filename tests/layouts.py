"""One truth in the layout of every instrument and tool, written as their pipelines write it.

Each function of `LAYOUTS` writes a cube and returns what it should be taken for. The truth is a
`Field`: flux per spaxel, its error, and the voxels that must not be used. These hold `PLANTED`,
which no sum survives.
"""

import gzip
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS
from builders import DEC, NL, NX, NY, RA, gaussian

PLANTED = 1e4  # times the brightest voxel
WAVE = 4750 + 1.25 * np.arange(NL)
MICRON = 4.9 + 0.001 * np.arange(NL)
CGS = 'erg / (s cm2 Angstrom)'


@dataclass(frozen=True)
class Field:
    """Flux per spaxel and its error (nl, ny, nx), and True where a voxel must not be used."""

    flux: np.ndarray
    sigma: np.ndarray
    bad: np.ndarray


@dataclass(frozen=True)
class Truth:
    """What a cube should be taken for.

    ``wave`` is in Angstrom, ``unit`` that of the field's numbers ('' where the header has none),
    ``said`` are parts of the line that says what was recognised, ``warned`` parts of all the
    warnings there should be.
    """

    prefix: str
    said: tuple[str, ...]
    wave: np.ndarray
    unit: str = f'1e-16 {CGS}'
    medium: str = 'air'
    pixel: tuple[float, float] = (0.5, 0.5)
    noise: bool = True
    warned: tuple[str, ...] = ()


def field():
    """A source at pixel (y, x) = (11, 13) on noise that grows along x, with a dead spaxel, an edge
    and lost voxels."""
    rng = np.random.default_rng(5)
    spectrum = 1000 + 2000 * np.exp(-0.5 * ((np.arange(NL) - 15) / 1.5) ** 2)
    sigma = np.broadcast_to(0.5 + 0.05 * np.arange(NX), (NL, NY, NX))
    flux = spectrum[:, None, None] * gaussian(11, 13) + sigma * rng.normal(size=sigma.shape)
    bad = rng.random(flux.shape) < 0.01
    bad[:, 12, 15] = bad[:, 20, 3] = bad[:, 0, :] = True
    return Field(flux, sigma, bad)


def sky(pixel=0.5, cd=True, angle=0.0):
    """Cards of the sky with (RA, DEC) in the middle of pixel (11, 13); ``pixel`` along y and x in
    arcsec."""
    py, px = (pixel, pixel) if isinstance(pixel, float) else pixel
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = rotation @ np.diag([-px, py]) / 3600
    header = fits.Header()
    header.update(
        CTYPE1='RA---TAN', CTYPE2='DEC--TAN', CUNIT1='deg', CUNIT2='deg', CRVAL1=RA, CRVAL2=DEC
    )
    header.update(CRPIX1=14.0, CRPIX2=12.0)
    if cd:
        header.update(
            CD1_1=matrix[0, 0], CD1_2=matrix[0, 1], CD2_1=matrix[1, 0], CD2_2=matrix[1, 1]
        )
    else:
        header.update(CDELT1=-px / 3600, CDELT2=py / 3600)
    return header


def axis(header, ctype='AWAV', unit='Angstrom', start=WAVE[0], step=1.25, card='CD3_3', **more):
    """Add the cards of axis 3."""
    cards = {'CTYPE3': ctype, 'CUNIT3': unit, 'CRVAL3': start, 'CRPIX3': 1.0, card: step, **more}
    header.update({name: value for name, value in cards.items() if value is not None})
    return header


def planted(truth, kind='f4'):
    """The flux with something in the bad voxels that would show."""
    return np.where(truth.bad, PLANTED * truth.flux.max(), truth.flux).astype(kind)


def blank(truth, kind='f4'):
    """The flux with NaN in the bad voxels."""
    return np.where(truth.bad, np.nan, truth.flux).astype(kind)


def write(path, *hdus, **primary):
    """Write the HDUs; the first one is made if it is none."""
    if not isinstance(hdus[0], fits.PrimaryHDU):
        hdus = (fits.PrimaryHDU(), *hdus)
    hdus[0].header.update(primary)
    fits.HDUList(list(hdus)).writeto(path, overwrite=True)


def image(data, name, header=None, **cards):
    """An image extension."""
    hdu = fits.ImageHDU(data, header, name=name)
    hdu.header.update(cards)
    return hdu


MUSE_UNIT = '10**(-20)*erg/s/cm**2/Angstrom'
HDUCLAS = {'HDUCLASS': 'ESO', 'HDUDOC': 'DICD', 'HDUVERS': 'DICD version 6', 'HDUCLAS1': 'IMAGE'}


def muse(path, truth):
    """MUSE pipeline: DQ stands before STAT, 2-D images behind."""
    header = axis(sky(0.2))
    links = {**HDUCLAS, 'SCIDATA': 'DATA', 'ERRDATA': 'STAT', 'QUALDATA': 'DQ'}
    data, dq, stat = ({**links, 'HDUCLAS2': kind} for kind in ('DATA', 'QUALITY', 'ERROR'))
    flags = np.where(truth.bad, 1 << 23, 0).astype('i4')
    write(
        path,
        image(planted(truth), 'DATA', header, BUNIT=MUSE_UNIT, **data),
        image(flags, 'DQ', header, **dq, HDUCLAS3='FLAG32BIT', QUALMASK=4294967295),
        image(
            (truth.sigma**2).astype('f4'),
            'STAT',
            header,
            **stat,
            HDUCLAS3='MSE',
            BUNIT=f'({MUSE_UNIT})**2',
        ),
        image(np.ones((NY, NX), 'f4'), 'Cousins_R', sky(0.2)),
        INSTRUME='MUSE',
        TELESCOP='ESO-VLT-U4',
    )
    said = ('MUSE', 'DATA', 'STAT (variance', 'DQ (any but 0 is bad)', 'linear, air')
    return Truth('MUSE', said, WAVE, f'1e-20 {CGS}', pixel=(0.2, 0.2))


def muse_idp(path, truth):
    """MUSE from ESO's archive."""
    header = axis(sky(0.2), unit='angstrom')
    unit = '10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)'
    squared = '10**(-40)erg**2.s**(-2).cm**(-4).angstrom**(-2)'
    write(
        path,
        image(blank(truth), 'DATA', header, BUNIT=unit),
        image((truth.sigma**2).astype('f4'), 'STAT', header, BUNIT=squared),
        INSTRUME='MUSE',
        PRODCATG='SCIENCE.CUBE.IFS',
    )
    return Truth('MUSE', ('MUSE', 'STAT (variance'), WAVE, f'1e-20 {CGS}', pixel=(0.2, 0.2))


def mpdaf_written(path, truth):
    """MPDAF's own writing of a cube with a mask, the cards of its data in STAT too."""
    import mpdaf.obj

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        cube = mpdaf.obj.Cube(
            data=planted(truth),
            var=(truth.sigma**2).astype('f4'),
            mask=truth.bad,
            wcs=mpdaf.obj.WCS(sky(0.2), shape=(NY, NX)),
            wave=mpdaf.obj.WaveCoord(crval=WAVE[0], cdelt=1.25, ctype='AWAV', shape=NL),
            unit='1e-20 erg / (s cm2 Angstrom)',
        )
        cube.data_header['HDUCLAS2'], cube.data_header['ERRDATA'] = 'DATA', 'STAT'
        cube.write(str(path), savemask='dq')
    return Truth(
        'MUSE', ('DATA', 'STAT (variance', 'DQ (any'), WAVE, f'1e-20 {CGS}', pixel=(0.2, 0.2)
    )


def _manga(path, truth, log):
    step = WAVE[0] * np.log(10) * 1e-4 if log else 1.25
    wave = WAVE[0] * 10 ** (1e-4 * np.arange(NL)) if log else WAVE
    header = axis(sky(0.5), 'WAVE-LOG' if log else 'WAVE', step=step)
    header.update(
        TELESCOP='SDSS 2.5-M', INSTRUME='MaNGA', MASKNAME='MANGA_DRP3PIXMASK', HDUCLASS='SDSS'
    )
    kinds = np.arange(truth.bad.size).reshape(truth.bad.shape) % 3
    flags = np.where(truth.bad, np.choose(kinds, [1 << 10, 1 << 3, 1027]), 0)
    flags[:, 11, 12] |= 2  # LOWCOV is usable
    flags[:, 10, 13] |= 4  # and so is DEADFIBER alone
    unit = '1E-17 erg/s/cm^2/Ang/spaxel'
    links = {'ERRDATA': 'IVAR', 'QUALDATA': 'MASK', 'HDUCLAS1': 'CUBE'}
    lsf = np.full(truth.flux.shape, 2.5, 'f4')
    ivar = np.where(flags & 1, 0, truth.sigma**-2).astype('f4')
    inner = path.with_suffix('') if path.suffix == '.gz' else path
    write(
        inner,
        image(planted(truth), 'FLUX', header, BUNIT=unit, HDUCLAS2='DATA', **links),
        image(ivar, 'IVAR', HDUCLAS2='ERROR', HDUCLAS3='INVMSE', SCIDATA='FLUX', QUALDATA='MASK'),
        image(
            flags.astype('i4'),
            'MASK',
            HDUCLAS2='QUALITY',
            HDUCLAS3='FLAG32BIT',
            SCIDATA='FLUX',
            ERRDATA='IVAR',
        ),
        image(lsf, 'DISP'),
        image(lsf, 'PREDISP'),
        image(wave, 'WAVE'),
        image(np.full(NL, 2000.0), 'SPECRES'),
        image(np.ones((NY, NX)), 'RIMG', sky(0.5)),
        TELESCOP='SDSS 2.5-M',
        INSTRUME='MaNGA',
    )
    if path.suffix == '.gz':
        path.write_bytes(gzip.compress(inner.read_bytes(), 1))
        inner.unlink()
    said = (
        f'MaNGA {"LOG" if log else "LIN"}CUBE',
        'FLUX, IVAR (inverse variance',
        'MASK (bits 0, 3 and 10 are bad)',
        f'wavelengths {"logarithmic" if log else "linear"}, vacuum',
    )
    packed = ('compressed',) if path.suffix == '.gz' else ()
    return Truth('MANGA', said, wave, f'1e-17 {CGS}', 'vacuum', warned=packed)


def manga_logcube(path, truth):
    """MaNGA LOGCUBE."""
    return _manga(path, truth, True)


def manga_lincube(path, truth):
    """MaNGA LINCUBE."""
    return _manga(path, truth, False)


def califa(path, truth):
    """CALIFA: interpolated flux and a huge error in bad voxels; type and unit of axis 3 are not
    there."""
    header = axis(sky(1.0), None, None, card='CDELT3')
    write(
        path,
        fits.PrimaryHDU(planted(truth), header),
        image(np.where(truth.bad, 1e10, truth.sigma).astype('f4'), 'ERROR'),
        image(np.ones(truth.flux.shape, 'f4'), 'ERRWEIGHT'),
        image(truth.bad.astype('u1'), 'BADPIX'),
        image(np.full(truth.flux.shape, 3, 'u1'), 'FIBCOVER'),
        MED_VEL=4000.0,
        CALIFAID=1,
    )
    said = ('CALIFA', 'PRIMARY, ERROR (sigma', 'BADPIX (any but 0 is bad)', 'not known')
    warned = ('no CTYPE3', 'no unit of wavelengths', 'no unit (BUNIT)')
    return Truth('CALIFA', said, WAVE, '', '', (1.0, 1.0), warned=warned)


def sami(path, truth):
    """SAMI: reference in the middle of axis 3, a variance without cards, covariances in five
    dimensions."""
    middle = NL / 2
    header = axis(
        sky(0.5, cd=False), start=WAVE[0] + 1.25 * (middle - 1), card='CDELT3', CRPIX3=middle
    )
    table = fits.BinTableHDU.from_columns([fits.Column('filename', '8A', array=['a'])], name='QC')
    write(
        path,
        fits.PrimaryHDU(blank(truth, 'f8'), header),
        image(np.where(truth.bad, np.nan, truth.sigma**2), 'VARIANCE'),
        image(np.ones(truth.flux.shape), 'WEIGHT'),
        image(np.ones((2, 5, 5, NY, NX)), 'COVAR'),
        table,
        BUNIT='10**(-16) erg /s /cm**2 /angstrom /pixel',
        INSTRUME='AAOMEGA-SAMI',
    )
    return Truth('SAMI', ('SAMI', 'PRIMARY, VARIANCE (variance'), WAVE)


KCWI_PIXEL = (0.69, 0.29)


def kcwi(path, truth):
    """KCWI, Python pipeline: astropy's CCDData with MASK before UNCERT, FLAGS, a power of ten with
    the wrong sign."""
    header = axis(sky(KCWI_PIXEL, angle=30.0))
    header.update(INSTRUME='KCWI', WCSNAME='KCWI', WCSDIM=3)
    padding = np.zeros(truth.bad.shape, bool)
    padding[:, 0, :] = True  # of the correction for refraction: MASK is 0 there
    data, sigma = (np.where(padding, 0.0, values) for values in (planted(truth, 'f8'), truth.sigma))
    frame = CCDData(
        data,
        uncertainty=StdDevUncertainty(sigma),
        mask=truth.bad & ~padding,
        unit='adu',
        meta=header,
    )
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        hdus = frame.to_hdu(as_image_hdu=False)
    flags = np.where(padding, 128, 0).astype('u1')
    flags[:, 11, 12] |= 4  # a cosmic ray that was corrected
    hdus[0].header['BUNIT'] = '1e+16 erg / (Angstrom cm2 s)'
    hdus[0].header.update(header)
    fits.HDUList([*hdus, fits.ImageHDU(flags, name='FLAGS')]).writeto(path)
    said = ('KCWI', 'PRIMARY, UNCERT (sigma', 'MASK (any but 0 is bad)', 'linear, air')
    return Truth('KCWI', said, WAVE, pixel=KCWI_PIXEL, warned=('mistake of the pipeline',))


def kcwi_idl(path, truth):
    """KCWI, IDL pipeline: three files."""
    header = axis(sky(KCWI_PIXEL))
    header.update(INSTRUME='KCWI', BUNIT='FLAM16')
    arrays = {'i': planted(truth), 'v': (truth.sigma**2).astype('f4'), 'm': truth.bad.astype('u1')}
    for letter, array in arrays.items():
        fits.PrimaryHDU(array, header).writeto(
            path.with_name(path.name.replace('_icubes', f'_{letter}cubes'))
        )
    said = ('KCWI', 'vcubes.fits (variance, beside', 'mcubes.fits (any but 0 is bad)')
    return Truth('KCWI', said, WAVE, pixel=KCWI_PIXEL)


def pypeit(path, truth):
    """PypeIt: astropy's cards, in metres; surface brightness without a unit."""
    header = WCS(axis(sky(0.5), 'WAVE')).to_header()
    area = 0.25
    bpm = image(truth.bad.astype('u1'), 'BPM', header)
    write(
        path,
        image(
            planted(truth) / np.float32(area),
            'FLUX',
            header,
            PYP_SPEC='keck_kcwi',
            DMODCLS='DataCube',
            FLUXED=True,
        ),
        image((truth.sigma / area).astype('f4'), 'SIG', header),
        bpm,
        image(WAVE.astype('f4'), 'WAVE'),
        image(WAVE.astype('f4'), 'BLAZE_WAVE'),
        image(np.ones(NL, 'f4'), 'BLAZE_SPEC'),
        PYP_SPEC='keck_kcwi',
        INSTRUME='KCWI',
    )
    said = ('PypeIt', 'FLUX, SIG (sigma', 'BPM (any but 0 is bad)', 'linear, vacuum')
    warned = ('wavelengths are in m', 'no BUNIT', 'surface brightness')
    return Truth('PYPEIT', said, WAVE, f'1e-17 {CGS}', 'vacuum', warned=warned)


PIXAR_SR = 2.35e-13


def _jwst(path, truth, table):
    from stdatamodels.jwst.datamodels import IFUCubeModel

    wave = (
        MICRON
        if not table
        else np.where(np.arange(NL) < 20, MICRON, MICRON + 0.002 * (np.arange(NL) - 20))
    )
    flags = np.where(truth.bad, 513, 0).astype('u4')
    flags[:, 11, 12] |= 4  # JUMP_DET and the like are information
    to_brightness = 1 / (PIXAR_SR * 1e12)  # from uJy to MJy/sr
    model = IFUCubeModel(
        data=(planted(truth) * to_brightness).astype('f4'),
        err=(truth.sigma * to_brightness).astype('f4'),
        dq=flags,
        weightmap=np.ones(truth.flux.shape, 'f4'),
    )
    meta = model.meta
    meta.telescope, meta.instrument.name = 'JWST', 'MIRI' if table else 'NIRSPEC'
    meta.bunit_data = meta.bunit_err = 'MJy/sr'
    meta.photometry.pixelarea_steradians, meta.photometry.pixelarea_arcsecsq = PIXAR_SR, 0.01
    meta.ifu.flux_extension, meta.ifu.error_extension, meta.ifu.dq_extension = 'SCI', 'ERR', 'DQ'
    meta.ifu.error_type = 'ERR'
    cards = sky(0.1, cd=False)
    for card in ('CTYPE1', 'CTYPE2', 'CUNIT1', 'CUNIT2', 'CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2'):
        setattr(meta.wcsinfo, card.lower(), cards[card])
    cosine = {
        f'pc{i}_{j}': -1.0 if i == j == 1 else float(i == j) for i in (1, 2, 3) for j in (1, 2, 3)
    }
    third = {'ctype3': 'WAVE-TAB' if table else 'WAVE', 'cunit3': 'um', 'crpix3': 1.0}
    third |= (
        {'crval3': 1.0, 'ps3_0': 'WCS-TABLE', 'ps3_1': 'wavelength'}
        if table
        else {'crval3': wave[0]}
    )
    third |= {} if table else {'cdelt3': 0.001}
    scales = {'cdelt1': 0.1 / 3600, 'cdelt2': 0.1 / 3600, 'wcsaxes': 3}
    for name, value in {**cosine, **third, **scales}.items():
        setattr(meta.wcsinfo, name, value)
    model.wavetable = np.array([(wave[:, None],)], dtype=[('wavelength', '<f4', (NL, 1))])
    model.wavedim = f'(1,{NL})'
    model.save(str(path))
    said = (
        f'JWST {"MIRI" if table else "NIRSpec"}',
        'SCI, ERR (sigma',
        'DQ (bit 0 is bad)',
        f'wavelengths {"of a table" if table else "linear"}, vacuum',
    )
    warned = ('surface brightness', *(('TAB_WAVE',) if table else ()))
    return Truth('JWST', said, 1e4 * wave, 'uJy', 'vacuum', (0.1, 0.1), warned=warned)


def jwst_nirspec(path, truth):
    """JWST NIRSpec, written by the model of its pipeline."""
    return _jwst(path, truth, False)


def jwst_miri(path, truth):
    """JWST MIRI of several bands: a table of wavelengths with two steps."""
    return _jwst(path, truth, True)


def weave(path, truth):
    """WEAVE LIFU: counts, to be multiplied by a spectrum."""
    header = axis(sky(0.5))
    response = np.linspace(2.0, 3.0, NL)
    counts = (planted(truth) / response[:, None, None]).astype('f4')
    ivar = np.where(truth.bad, 0, (truth.sigma / response[:, None, None]) ** -2.0).astype('f4')
    write(
        path,
        image(counts, 'RED_DATA', header, BUNIT='count'),
        image(ivar, 'RED_IVAR', header),
        image(2 * counts, 'RED_DATA_NOSS', header),
        image(ivar, 'RED_IVAR_NOSS', header),
        image(response, 'RED_SENSFUNC', BUNIT='1e-18 erg/s/cm2/Angstrom'),
        image(counts.sum(axis=0), 'RED_DATA_COLLAPSE3', sky(0.5)),
        image(ivar.sum(axis=0), 'RED_IVAR_COLLAPSE3', sky(0.5)),
    )
    return Truth('WEAVE', ('WEAVE', 'RED_DATA, RED_IVAR (inverse variance'), WAVE, f'1e-18 {CGS}')


def gmos(path, truth):
    """GMOS: VAR with the unit of SCI, A for Angstrom."""
    header = axis(sky(0.2), 'LAMBDA', None)
    header['BUNIT'] = 'erg/cm2/s/A'
    write(
        path,
        image(planted(truth), 'SCI', header),
        image((truth.sigma**2).astype('f4'), 'VAR', header),
        # Non-linear and overlap: good.
        image(np.where(truth.bad, 16, 2 + 32).astype('i2'), 'DQ', header),
        INSTRUME='GMOS-S',
    )
    said = ('GMOS', 'SCI, VAR (variance', 'DQ (bits 0, 2, 3 and 4 are bad)')
    warned = ("CTYPE3 = 'LAMBDA'", 'no unit of wavelengths', 'A in BUNIT')
    return Truth('GMOS', said, WAVE, CGS, '', (0.2, 0.2), warned=warned)


def nifs(path, truth):
    """NIFS: a blank CTYPE3."""
    header = axis(sky(0.05), '', 'angstroms')
    header['BUNIT'] = 'counts/s'
    write(
        path,
        image(planted(truth), 'SCI', header),
        image((truth.sigma**2).astype('f4'), 'VAR', header),
        image(truth.bad.astype('i2'), 'DQ', header),
        INSTRUME='NIFS',
    )
    return Truth(
        'NIFS', ('NIFS', 'VAR (variance'), WAVE, 'ct / s', '', (0.05, 0.05), warned=('no CTYPE3',)
    )


def sinfoni(path, truth):
    """SINFONI: one HDU in micron."""
    header = axis(sky(0.125), 'WAVE', 'microns', MICRON[0], 0.001)
    header['BUNIT'] = 'adu/s'
    write(path, fits.PrimaryHDU(blank(truth), header), INSTRUME='SINFONI')
    said, warned = ('SINFONI', 'PRIMARY, BUNIT', 'linear, vacuum'), ('no variance',)
    return Truth('SINFONI', said, 1e4 * MICRON, 'adu / s', 'vacuum', (0.125, 0.125), False, warned)


def eris(path, truth):
    """ERIS: ESO's HDUCLAS with sigma and a quality of bits."""
    header = axis(sky(0.1), 'WAVE', 'um', MICRON[0], 0.001)
    links = {**HDUCLAS, 'SCIDATA': 'DATA', 'ERRDATA': 'ERR', 'QUALDATA': 'DQI'}
    write(
        path,
        image(planted(truth), 'DATA', header, **links, HDUCLAS2='DATA', BUNIT='erg/s/cm2/um'),
        image(truth.sigma.astype('f4'), 'ERR', header, **links, HDUCLAS2='ERROR', HDUCLAS3='RMSE'),
        image(
            truth.bad.astype('i4') * 5,
            'DQI',
            header,
            **links,
            HDUCLAS2='QUALITY',
            HDUCLAS3='FLAG32BIT',
        ),
        INSTRUME='ERIS',
    )
    said = ('ERIS', 'DATA, ERR (sigma, by its HDUCLAS3)', 'DQI (any but 0 is bad)')
    return Truth('ERIS', said, 1e4 * MICRON, 'erg / (s cm2 um)', 'vacuum', (0.1, 0.1))


def eso(path, truth):
    """A cube in ESO's standard with names of its own: pointers alone say what is what; the mask is
    1 where good."""
    header = axis(sky(0.2))
    links = {**HDUCLAS, 'SCIDATA': 'REDUCED', 'ERRDATA': 'SCATTER', 'QUALDATA': 'USABLE'}
    write(
        path,
        image(np.zeros(truth.flux.shape, 'f4'), 'MODEL', header),
        image(planted(truth), 'REDUCED', header, **links, HDUCLAS2='DATA', BUNIT=f'1e-16 {CGS}'),
        image(
            (truth.sigma**-1.0).astype('f4'),
            'SCATTER',
            header,
            **links,
            HDUCLAS2='ERROR',
            HDUCLAS3='INVRMSE',
        ),
        image(
            (~truth.bad).astype('u1'),
            'USABLE',
            header,
            **links,
            HDUCLAS2='QUALITY',
            HDUCLAS3='MASKONE',
        ),
        INSTRUME='SPIFFIER',
        PRODCATG='SCIENCE.CUBE.IFS',
    )
    said = ('REDUCED, SCATTER (inverse sigma', 'USABLE (0 is bad)')
    return Truth('MUSE', said, WAVE, pixel=(0.2, 0.2))


def kmos(path, truth):
    """KMOS: 24 arms of which one has data; NOISE is sigma."""
    header = axis(sky(0.2), 'WAVE', 'um', MICRON[0], 0.001)
    write(
        path,
        image(None, 'IFU.1.DATA'),
        image(None, 'IFU.1.NOISE'),
        image(blank(truth), 'IFU.3.DATA', header, BUNIT='erg.s**(-1).cm**(-2).angstrom**(-1)'),
        image(truth.sigma.astype('f4'), 'IFU.3.NOISE', header),
        INSTRUME='KMOS',
    )
    said = ('KMOS', 'IFU.3.DATA, IFU.3.NOISE (sigma')
    return Truth('KMOS', said, 1e4 * MICRON, CGS, 'vacuum', (0.2, 0.2))


def specutils(path, truth):
    """A cube that specutils has written: astropy's cards in metres."""
    from astropy import units
    from specutils import Spectrum

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        spectrum = Spectrum(
            flux=planted(truth) * units.Unit(f'1e-16 {CGS}'),
            wcs=WCS(axis(sky(0.2))),
            uncertainty=StdDevUncertainty(truth.sigma),
            mask=truth.bad,
        )
        spectrum.write(str(path), format='wcs1d-fits')
    said = ('FLUX, STD (sigma', 'MASK (any but 0 is bad)')
    return Truth('MUSE', said, WAVE, pixel=(0.2, 0.2), warned=('wavelengths are in m',))


def spectral_cube(path, truth):
    """A cube as spectral-cube writes it: one HDU, astropy's cards, NaN."""
    header = WCS(axis(sky(0.2))).to_header()
    header['BUNIT'] = f'1e-16 {CGS}'
    write(path, fits.PrimaryHDU(blank(truth), header))
    return Truth(
        'MUSE', ('PRIMARY,',), WAVE, pixel=(0.2, 0.2), noise=False, warned=('no variance', 'in m')
    )


def primary_and_variance(path, truth):
    """Data in the first HDU, VARIANCE with the unit of the data."""
    header = axis(sky(0.2))
    header['BUNIT'] = f'1e-16 {CGS}'
    variance = image((truth.sigma**2).astype('f4'), 'VARIANCE', header)
    write(path, fits.PrimaryHDU(blank(truth), header), variance)
    return Truth('MUSE', ('PRIMARY, VARIANCE (variance',), WAVE, pixel=(0.2, 0.2))


def nameless(path, truth):
    """Two HDUs without names, of which the second has the square of the first one's unit."""
    header = axis(sky(0.2))
    header['BUNIT'] = f'1e-16 {CGS}'
    squared = fits.ImageHDU((truth.sigma**2).astype('f4'))
    squared.header['BUNIT'] = '1e-32 erg2 / (s2 cm4 Angstrom2)'
    write(path, fits.PrimaryHDU(blank(truth), header), squared)
    said = ('PRIMARY, extension 1 (variance, by its unit)',)
    return Truth('MUSE', said, WAVE, pixel=(0.2, 0.2), warned=('extension 1, which has no name',))


LAYOUTS = (
    *(
        muse,
        muse_idp,
        mpdaf_written,
        manga_logcube,
        manga_lincube,
        califa,
        sami,
        kcwi,
        kcwi_idl,
        pypeit,
        jwst_nirspec,
    ),
    *(
        jwst_miri,
        weave,
        gmos,
        nifs,
        sinfoni,
        eris,
        eso,
        kmos,
        specutils,
        spectral_cube,
        primary_and_variance,
        nameless,
    ),
)
NAMES = {'manga_logcube': 'c.fits.gz', 'kcwi_idl': 'kb180101_00012_icubes.fits'}
