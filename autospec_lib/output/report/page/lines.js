'use strict';
// Spectral lines, by their wavelengths in vacuum [Angstrom], the most useful of each kind first: where there is no room
// for all labels, the first have theirs. Values: NIST Atomic Spectra Database; ultraviolet resonance lines: Morton
// (2003, ApJS 149, 205). The G band is a blend of many lines, [N I] of two; Fe II* are fluorescent lines.
const EMISSION = [
  ['Hα', 6564.61], ['[O III]', 5008.24], ['[O II]', 3728.48], ['Hβ', 4862.69], ['Lyα', 1215.67], ['C IV', 1549.48],
  ['C III]', 1907.71], ['Mg II', 2796.35], ['Mg II', 2803.53], ['He II', 1640.42],
  ['[S II]', 6718.29], ['[N II]', 6585.27],
  ['[O III]', 4960.30], ['Hγ', 4341.69], ['Hδ', 4102.89], ['[Ne III]', 3869.86], ['[O I]', 6302.05],
  ['[N II]', 6549.86], ['[S II]', 6732.67], ['He I', 5877.25], ['[S III]', 9071.1], ['[S III]', 9533.2],
  ['Paγ', 10941.17], ['Paβ', 12821.58], ['He I', 10833.31], ['[Ar III]', 7137.76], ['[O III]', 4364.44],
  ['He II', 4687.02], ['O III]', 1666.15], ['N V', 1240.81], ['[Ne V]', 3426.85], ['Hε', 3971.20], ['[O I]', 6365.54],
  ['[N I]', 5200.53], ['Fe II*', 2626.45], ['Fe II*', 2612.65], ['Fe II*', 2396.36], ['Fe II*', 2365.55],
  ['[Fe II]', 12570.21], ['[Fe II]', 16440.02], ['[Fe II]', 8619.32],
];
const ABSORPTION = [
  ['K', 3934.78], ['H', 3969.59], ['Mg b', 5185.05], ['Mg b', 5174.13], ['Mg b', 5168.74], ['Na D', 5894.57],
  ['G', 4305.61], ['Ca II', 8544.44],
  ['Ca II', 8664.52], ['Ca II', 8500.36], ['Hβ', 4862.69], ['Hδ', 4102.89], ['Hγ', 4341.69], ['Hα', 6564.61],
  ['H8', 3890.17], ['H9', 3836.48], ['Fe II', 2600.17], ['Fe II', 2382.76], ['Fe II', 2344.21], ['Fe II', 2586.65],
  ['Fe II', 2374.46],
  ['Mg II', 2796.35], ['Mg II', 2803.53], ['Al III', 1854.72], ['Al II', 1670.79], ['Si II', 1526.71],
  ['C II', 1334.53], ['Si II', 1260.42], ['O I', 1302.17], ['Si IV', 1393.76], ['Si IV', 1402.77],
];

// What is seen at a closer look: a name, the limits, whether it is one of a star's; the most useful first.
const ZOOMS = [
  ['Hα', 6524, 6606, true], ['[O III]', 4938, 5030, false], ['[O II]', 3702, 3756, false], ['Hβ', 4828, 4898, true],
  ['Lyα', 1196, 1236, false], ['Ca H, K', 3905, 3995, true], ['Mg II', 2772, 2828, false], ['Mg b', 5135, 5225, true],
  ['C III]', 1884, 1932, false], ['C IV', 1524, 1576, false], ['Ca II', 8476, 8690, true],
  ['[S II]', 6690, 6760, false], ['Hγ', 4312, 4392, true], ['Na D', 5860, 5930, true], ['He II', 1624, 1682, false],
  ['Fe II', 2570, 2640, false], ['[S III]', 9040, 9102, false], ['Paβ', 12750, 12890, false],
  ['Fe II', 2336, 2402, false],
];

// The night sky's brightest lines apart from OH, which the spectrum's own noise shows, and the limits within which the
// atmosphere's oxygen and water absorb most; in air [Angstrom].
const SKY_LINES = [5577.34, 5889.95, 5895.92, 6300.30, 6363.78];
const SKY_WIDTH = 5;
const TELLURIC = [
  ['O₂ γ', 6276, 6318], ['O₂ B', 6867, 6944], ['H₂O', 7160, 7340], ['O₂ A', 7593, 7690], ['H₂O', 8130, 8340],
  ['H₂O', 8940, 9230], ['H₂O', 9300, 9780], ['H₂O', 11100, 11600], ['H₂O', 13400, 14600], ['H₂O', 17900, 19700],
];

/** The refractive index of air at 15 °C and 1 atm, from a vacuum wavelength: Birch & Downs (1994, Metrologia 31, 315),
 *  as in Morton (2000, ApJS 130, 403), equation 8. */
function refraction(vacuum) {
  const s2 = (1e4 / vacuum) ** 2;
  return 1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2);
}

/** By convention, wavelengths below 2000 Angstrom are given in vacuum. */
const toAir = (vacuum) => (vacuum < 2000 ? vacuum : vacuum / refraction(vacuum));

function toVacuum(air) {
  if (air < 2000) return air;
  let vacuum = air;
  for (let step = 0; step < 4; step += 1) vacuum = air * refraction(vacuum);
  return vacuum;
}

/** Converts between rest wavelengths in vacuum and wavelengths on the axis of a spectrum, in air or in vacuum. */
class Frame {
  constructor(data) {
    this.unit = data.angstrom;  // Angstrom in the axis' unit
    this.air = data.medium !== 'vacuum';  // as redshifts are measured where it is not known
  }

  /** The position on the axis of a rest wavelength [Angstrom, vacuum]. */
  seen(rest, z) {
    return this.ofVacuum(rest * (1 + z));
  }

  /** The rest wavelength [Angstrom, vacuum] of a position on the axis. */
  rest(place, z) {
    const angstrom = place * this.unit;
    return (this.air ? toVacuum(angstrom) : angstrom) / (1 + z);
  }

  ofVacuum(vacuum) {
    return (this.air ? toAir(vacuum) : vacuum) / this.unit;
  }

  ofAir(air) {
    return (this.air ? air : toVacuum(air)) / this.unit;
  }
}
