// A flame graph as SVG: time goes from the caller, below, to what it calls, above; the width is the share of the samples.
const width = 1200;
const rowHeight = 15;
const leastShare = 0.002;

const colours = [
  [/^process$/, '#d8d8d8'],
  [/kernel/, '#f2b179'],
  [/^pg_shop\.so|^shop-/, '#8fce8f'],
  [/^postgres$/, '#9dbfe6'],
];
const otherColour = '#d9c9e8';

const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const colourOf = (object) => (colours.find(([pattern]) => pattern.test(object)) ?? [null, otherColour])[1];

/** The frames that are wide enough to be seen, with their places. */
function layOut(node, total, left, depth, frames) {
  frames.push({ node, left, depth, share: node.count / total });
  let next = left;
  for (const child of [...node.children.values()].sort((one, other) => one.name.localeCompare(other.name))) {
    const share = child.count / total;
    if (share >= leastShare) layOut(child, total, next, depth + 1, frames);
    next += share * width;
  }
  return frames;
}

function drawFrame({ node, left, depth, share }, height) {
  const y = height - (depth + 1) * rowHeight;
  const wide = share * width;
  const room = Math.floor((wide - 4) / 6.2);
  const label = room < 3 ? '' : node.name.length <= room ? node.name : `${node.name.slice(0, room - 2)}..`;
  const percent = (100 * share).toFixed(1);
  return (
    `<g><title>${escape(node.name)} (${escape(node.object)}): ${percent} %</title>` +
    `<rect x="${left.toFixed(1)}" y="${y}" width="${Math.max(0.5, wide - 0.5).toFixed(1)}" height="${rowHeight - 1}" fill="${colourOf(node.object)}"/>` +
    (label ? `<text x="${(left + 3).toFixed(1)}" y="${y + 11}">${escape(label)}</text>` : '') +
    '</g>'
  );
}

/** The picture of a tree of { name, object, count, children }. */
export function flameGraph(root, title) {
  const frames = layOut(root, root.count, 0, 0, []);
  const height = (Math.max(...frames.map(({ depth }) => depth)) + 3) * rowHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="10.5">
<rect width="${width}" height="${height}" fill="white"/>
<text x="4" y="12" font-size="12">${escape(title)}: ${root.count} samples; green: ours, blue: PostgreSQL, orange: kernel</text>
${frames.map((frame) => drawFrame(frame, height)).join('\n')}
</svg>
`;
}
