// Bars as SVG.
import { html } from './preact.js';
import { formatNumber, formatShort } from './parts.js';

const [width, height, floor, ceiling, margin] = [720, 186, 160, 12, 40]; // the margin is for the numbers on the left

/** The next round number that is not below: 1, 2, 5, 10, 20 … */
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number);
}

/** Orders by hour: [{ hour, count }], the oldest first. */
export function HourChart({ hours }) {
  const top = roundUp(Math.max(...hours.map(({ count }) => count)));
  const step = (width - margin) / hours.length;
  const left = (i) => margin + i * step;
  const tall = (count) => (count / top) * (floor - ceiling);
  const peak = hours.reduce((most, hour) => (hour.count > most.count ? hour : most), hours[0]);
  const total = hours.reduce((sum, { count }) => sum + count, 0);
  const summary = `Orders by hour, last 24 hours, UTC: ${total} in all, most at ${peak.hour}: ${peak.count}`;
  return html`<svg class="chart" viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${summary}>
    ${[1, 0.5].map((part) => html`<g class="rule">
      <line x1=${margin} x2=${width} y1=${floor - tall(top * part)} y2=${floor - tall(top * part)} />
      ${Number.isInteger(top * part) && html`<text x=${margin - 10} y=${floor - tall(top * part) + 4} text-anchor="end">${formatShort(top * part)}</text>`}
    </g>`)}
    ${hours.map(({ hour, count }, i) => html`<g class="bar">
      <title>${hour} UTC: ${formatNumber(count)}</title>
      <rect class="reach" x=${left(i)} y="0" width=${step} height=${floor} />
      <rect x=${left(i) + step * 0.14} y=${floor - Math.max(tall(count), 2)} width=${step * 0.72} height=${Math.max(tall(count), 2)} rx="3" class=${count ? 'full' : 'empty'} />
      ${i % 3 === hours.length % 3 && html`<text x=${left(i + 0.5)} y=${floor + 18} text-anchor="middle">${hour}</text>`}
    </g>`)}
  </svg>`;
}

/** How stock is divided: reserved and available of what is in the house. */
export function StockBar({ reserved, available }) {
  const share = reserved + available > 0 ? (reserved / (reserved + available)) * 100 : 0;
  return html`<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=${`${reserved} reserved, ${available} available`}>
    <rect class="available" width=${reserved + available > 0 ? 100 : 0} height="4" />
    <rect class="reserved" width=${share} height="4" />
  </svg>`;
}
