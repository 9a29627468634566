# Parameters of AutoSpec. A line that you leave out keeps its default, which is the value shown here.
# This file is Python: text in quotes, True or False for switches, several values as ('one', 'two'), () for none.
# File names start at the folder of this file. Help: AutoSpec --help, and --check to see what a run would do.

# --- Mode ---
MODE        = 'param'          # 'param': one SIZE and REF for all sources; 'cat': from columns of the catalogue
REF         = ''               # reference: '' white light, an image in IMG ('g-band') or a radius in APER (2.0)

# --- Input ---
DATACUBE    = 'datacube.fits'  # FITS file of the cube
CATALOG     = 'catalog.txt'    # table of the sources: text with ID RA DEC ..., FITS, VOTable, DS9 regions ...
DATA_EXT    = ()               # extensions of data, noise and mask ('MASK: 0 is bad'); () = AutoSpec finds them

# --- Spectra ---
APER        = ()               # radius or radii of apertures [arcsec], e.g. (1.0, 2.0)
IMG         = ()               # further image or images, for weights and masks, e.g. 'g-band.fits'
IMG_SHIFT   = ()               # moves the images: 'measured', or by (dRA, dDec) [arcsec]; one, or one for each
WEIGHT      = ()               # further image or images, for weights alone, e.g. 'f814w.fits'
NARROWBAND  = ()               # narrow bands: range(s) [Angstrom] or lines at the redshift, e.g. (6840, 6870), 'Halpha'
SIZE        = 5.0              # full width of the cube cut out around a source [arcsec]
SKY_SUB     = True             # subtract the mean spectrum of the sky around a source
NOISE       = 'propagated'     # errors: 'propagated' from the cube; 'empirical': scaled to the scatter of blank sky

# --- Object masks ---
USE_IMGS    = True             # make masks from white light, IMG and SEG; False: from SEG alone
OBJ_MASK    = 'INTER'          # object mask: pixels of the source in all maps ('INTER') or in any ('UNION')
SEG         = ()               # segmentation map or maps of your own, e.g. 'g-seg.fits'

# --- Cross-correlation ---
XCOR        = True             # cross-correlate the reference spectrum with every spaxel
CONT_SUB    = True             # cross-correlate a second time without the continuum; needs XCOR
CONT_POLY   = 5                # degree of the polynomial that is fitted to the continuum
XCOR_ITER   = 1                # largest number of maps; each is made with the spectrum from the one before
XCOR_WEIGHT = 'none'           # 'variance': noisy wavelengths count less

# --- Joint extraction ---
DEBLEND     = False            # fit a source together with its neighbours; 'hst': shapes from that image in IMG
PSF         = ()               # seeing: FWHM [arcsec], (blue, red), (blue, red, beta), 'header' or 'stars'
CATERR      = 0.0              # error of the catalogue's positions along an axis [arcsec]; 0: measured in the field

# --- Redshifts ---
REDSHIFT    = False            # measure redshift and lines of each source; writes redshifts.ecsv
LSF         = ()               # FWHM of the line-spread function [Angstrom]; (): that of MUSE, else 2.5 channels

# --- Output ---
OUTPUT      = 'output'         # folder of the results; made if it is not there
PRE_OUT     = 'Source_'        # what a source's file name begins with
PREFIX      = ''               # what AutoSpec's names begin with, e.g. 'MUSE'; '': the instrument's
OUT_SUB     = False            # write the cut-out cubes (large)
OUT_IMG     = True             # write the images
OUT_SEG     = True             # write the segmentation maps
OUT_MASK    = True             # write the object and sky masks
OUT_XCOR    = True             # write the cross-correlation maps
OUT_SPEC    = True             # write all spectra; False: reference, best one (BEST), cross-correlation
PLOTS       = True             # draw images, masks, spectra and maps of each source
REPORT      = True             # write index.html, a page with all sources for the browser
REPORT_CUBE = True             # put a binned cube of each source into the report, for narrow-band images
OUT_1D      = False            # write each spectrum as a table of its own too
MARZ        = False            # write the file that the redshift program MARZ loads
CMAP        = 'viridis'        # matplotlib colour map for images and cross-correlation maps

# --- Header ---
ORIG_FROM   = ''               # header card FROM: the program that found the sources
ORIG_FROMV  = ''               # header card FROM_V: its version
ORIG_CUBE   = ''               # header card CUBE: the name of the cube
ORIGN_CUBEV = ''               # header card CUBE_V: its version

# --- Run ---
CORES       = 1                # number of sources extracted at a time; 0: one on each core
WARNINGS    = False            # show the warnings of astropy and MPDAF during the extraction
