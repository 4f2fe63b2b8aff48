// Medians and spread of repeats.

/** The median; undefined of nothing. */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((left, right) => left - right);
  if (sorted.length === 0) return undefined;
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How far the repeats lie apart, in percent of the median. */
export function spread(values) {
  const known = values.filter((value) => Number.isFinite(value));
  const middle = median(known);
  return known.length < 2 || !middle ? 0 : (100 * (Math.max(...known) - Math.min(...known))) / middle;
}

/** The value that so many percent of the sorted values do not exceed. */
export function percentile(sorted, percent) {
  return sorted.length === 0 ? undefined : sorted[Math.floor(((sorted.length - 1) * percent) / 100)];
}
