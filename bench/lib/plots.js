// Plots of the results, as SVG by gnuplot.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { select } from './eight.js';
import { median } from './statistics.js';

const colours = ['#2b6cb0', '#dd8833', '#2f855a', '#b83280', '#718096', '#d69e2e', '#319795'];

/** Runs gnuplot on a script whose data are named blocks. */
function gnuplot(file, blocks, commands) {
  const data = Object.entries(blocks).map(
    ([name, rows]) => `$${name} << END\n${rows.map((row) => row.join(' ')).join('\n')}\nEND\n`,
  );
  const script = [
    ...data,
    `set terminal svg size 900,440 dynamic enhanced font 'sans-serif,12' background '#ffffff'`,
    `set output '${file}'`,
    'set grid ytics lc rgb "#dddddd"',
    'set border 3 lc rgb "#555555"',
    'set tics nomirror',
    ...colours.map((colour, index) => `set linetype ${index + 1} lc rgb '${colour}' lw 2 pt 7 ps 0.6`),
    ...commands,
  ].join('\n');
  execFileSync('gnuplot', ['-'], { input: script, stdio: ['pipe', 'ignore', 'inherit'] });
}

const middle = (records, read) => median(records.map(read)) ?? 0;

/** Checkouts a second by arm and load. */
function plotRates(folder, records, armNames) {
  const loads = ['spread', 'zipf', 'hot'];
  const rows = armNames.map((name) => [
    `"${name}"`,
    ...loads.map((load) => middle(select(records, name, load), (record) => record.rate)),
  ]);
  gnuplot(`${folder}/rates.svg`, { rates: rows }, [
    'set title "Checkouts a second"',
    'set style data histogram',
    'set style histogram cluster gap 1',
    'set style fill solid',
    'set yrange [0:*]',
    'set xtics rotate by -30',
    'set key top left',
    `plot ${loads.map((load, index) => `$rates using ${index + 2}${index === 0 ? ':xtic(1)' : ''} title "${load}" lt ${index + 1}`).join(', ')}`,
  ]);
}

/** CPU of a checkout by process, stacked. */
function plotCpu(folder, records, armNames) {
  const parts = ['backends', 'auxiliary', 'gateway', 'service', 'poller'];
  const rows = armNames.map((name) => [
    `"${name}"`,
    ...parts.map((part) => middle(select(records, name, 'spread'), (record) => record.cpu[part] ?? 0)),
  ]);
  gnuplot(`${folder}/cpu.svg`, { cpu: rows }, [
    'set title "CPU of a checkout by process, spread SKUs, µs (the load generator left out)"',
    'set style data histogram',
    'set style histogram rowstacked',
    'set style fill solid',
    'set boxwidth 0.7',
    'set key outside right',
    'set yrange [0:*]',
    'set xtics rotate by -30',
    `plot ${parts.map((part, index) => `$cpu using ${index + 2}${index === 0 ? ':xtic(1)' : ''} title "${part}" lt ${index + 1}`).join(', ')}`,
  ]);
}

/** Latency of a checkout through the gateway by number of connections. */
function plotLatency(folder, records) {
  const rows = [1, 16, 64, 256].map((connections) => {
    const chosen = select(records, `http-${connections}`, 'spread');
    return [connections, ...['p50', 'p95', 'p99'].map((name) => middle(chosen, (record) => record[name] / 1000))];
  });
  gnuplot(`${folder}/latency.svg`, { latency: rows }, [
    'set title "Latency of a checkout through the gateway by connections, spread SKUs, ms"',
    'set logscale x 2',
    'set yrange [0:*]',
    'set xtics (1, 16, 64, 256)',
    'set key top left',
    `plot ${['p50', 'p95', 'p99'].map((name, index) => `$latency using 1:${index + 2} with linespoints title "${name}" lt ${index + 1}`).join(', ')}`,
  ]);
}

/** CPU of each call by number of orders stored. */
function plotGrowth(folder, growth) {
  const sizes = growth.filter((record) => record.kind === 'growth');
  const calls = Object.entries(sizes[0].calls);
  const rows = sizes.map((record) => [
    `"${record.orders.toLocaleString('en')}"`,
    ...calls.map(([name, none]) => record.calls[name].cpu / none.cpu),
  ]);
  gnuplot(`${folder}/growth.svg`, { growth: rows }, [
    'set title "CPU of a call over that with no orders stored"',
    'set style data histogram',
    'set style histogram cluster gap 1',
    'set style fill solid',
    'set yrange [0:*]',
    'set key outside right',
    `plot ${calls.map(([, { title }], index) => `$growth using ${index + 2}${index === 0 ? ':xtic(1)' : ''} title "${title}" noenhanced lt ${index + 1}`).join(', ')}`,
  ]);
}

/** Latency, memory and size of the hot tables over the time of the soak. */
function plotSoak(folder, soak) {
  const rows = soak
    .filter((record) => record.kind === 'soak')
    .map((record) => [
      record.minute,
      record.p99 / 1000,
      record.p50 / 1000,
      record.memory.gateway / 1e6,
      record.memory.poller / 1e6,
      record.hot_tables / 1e6,
    ]);
  gnuplot(`${folder}/soak.svg`, { soak: rows }, [
    'set title "Half load over time"',
    'set xlabel "minutes"',
    'set ylabel "ms"',
    'set y2label "MB"',
    'set y2tics',
    'set yrange [0:*]',
    'set y2range [0:*]',
    'set key outside right',
    'plot $soak using 1:2 with lines title "p99 (ms)" lt 1, $soak using 1:3 with lines title "p50 (ms)" lt 2, ' +
      '$soak using 1:4 axes x1y2 with lines title "gateway (MB)" lt 3, $soak using 1:5 axes x1y2 with lines title "poller (MB)" lt 4, ' +
      '$soak using 1:6 axes x1y2 with lines title "inventory, outbox (MB)" lt 5',
  ]);
}

/** Draws what there are results for; gives the files with their texts. */
export function drawPlots(folder, { records, growth, soak, armNames }) {
  mkdirSync(folder, { recursive: true });
  const drawn = [];
  const draw = (name, text, plot) => {
    plot();
    drawn.push({ name, text });
  };
  if (armNames.length > 0) {
    draw('rates.svg', 'Checkouts a second by arm and load', () => plotRates(folder, records, armNames));
    draw('cpu.svg', 'CPU of a checkout by process', () => plotCpu(folder, records, armNames));
  }
  if (select(records, 'http-64', 'spread').length > 0)
    draw('latency.svg', 'Latency by connections', () => plotLatency(folder, records));
  if (growth.some((record) => record.kind === 'growth'))
    draw('growth.svg', 'Cost by number of orders', () => plotGrowth(folder, growth));
  if (soak.some((record) => record.kind === 'soak'))
    draw('soak.svg', 'Half load over time', () => plotSoak(folder, soak));
  return drawn;
}
