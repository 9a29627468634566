# Parameters of AutoSpec. A line that you leave out keeps its default, which is the value shown here.
# This file is Python: text in quotes, True or False for switches, several values as ('one', 'two'), () for none.
# File names start at the folder of this file. Help: AutoSpec --help, and --check to see what a run would do.

# --- Mode ---
MODE        = 'param'          # SIZE and REF: 'param' from here, 'cat' from the catalogue
REF         = ''               # reference: '' white light, an image of IMG ('g-band') or a radius of APER (2.0)

# --- Input ---
DATACUBE    = 'datacube.fits'  # FITS file of the cube
CATALOG     = 'catalog.txt'    # text or CSV file of the sources: ID RA DEC ...
DATA_EXT    = ()               # extension(s) of data, or data and noise, e.g. 'FLUX', 'ERR: sigma'; (): as MUSE

# --- Spectra ---
APER        = ()               # radius or radii of apertures [arcsec], e.g. (1.0, 2.0)
IMG         = ()               # further image or images, for weights and masks, e.g. 'g-band.fits'
SIZE        = 5.0              # full width of the cube cut out around a source [arcsec]
SKY_SUB     = True             # subtract the mean spectrum of the sky around a source
NOISE       = 'propagated'     # errors: 'propagated' from the cube's, 'empirical': scaled to the scatter of blank sky

# --- Object masks ---
USE_IMGS    = True             # detect objects in white light and IMG; False: masks from SEG alone
OBJ_MASK    = 'INTER'          # 'INTER': the object in all maps, 'UNION': in any
SEG         = ()               # further segmentation map or maps, e.g. 'g-seg.fits'

# --- Cross-correlation ---
XCOR        = True             # cross-correlate the reference spectrum with every spaxel
CONT_SUB    = True             # do it a second time without the continuum; needs XCOR
CONT_POLY   = 5                # degree of the polynomial that stands for the continuum
XCOR_ITER   = 1                # how often at most: again with the spectrum that the map has given
XCOR_WEIGHT = 'none'           # 'variance': noisy wavelengths weigh less

# --- Joint extraction ---
DEBLEND     = False            # fit source and neighbours together; 'hst': shapes from that IMG
PSF         = ()               # seeing: FWHM [arcsec], (blue, red), (blue, red, beta) or 'header'

# --- Output ---
OUTPUT      = 'output'         # folder of the results; it is made where needed
PRE_OUT     = 'Source_'        # what a source's file name begins with
OUT_SUB     = False            # write the cut-out cubes (large)
OUT_IMG     = True             # write the images
OUT_SEG     = True             # write the segmentation maps
OUT_MASK    = True             # write the object and sky masks
OUT_XCOR    = True             # write the cross-correlation maps
OUT_SPEC    = True             # write all spectra; False: the reference and those of the cross-correlation
PLOTS       = True             # draw images, masks, spectra and maps of each source
CMAP        = 'viridis'        # matplotlib's colour map for the images

# --- Header ---
ORIG_FROM   = ''               # FROM: the program that found the sources
ORIG_FROMV  = ''               # FROM_V: its version
ORIG_CUBE   = ''               # CUBE: the name of the cube
ORIGN_CUBEV = ''               # CUBE_V: its version

# --- Run ---
CORES       = 1                # how many sources at a time; 0: one on each core
WARNINGS    = False            # show the warnings of astropy and MPDAF
