// The parts of a Markdown file that tests look at.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './settings.js';

/** The fenced blocks of a document: { language, text, line }, line being that of the opening fence. */
export async function fencedBlocks(document) {
  const blocks = [];
  let open;
  (await readFile(join(root, document), 'utf8')).split('\n').forEach((text, index) => {
    const fence = text.match(/^( *)```(\w*)$/);
    if (fence && !open) open = { language: fence[2], line: index + 1, indent: fence[1].length, lines: [] };
    else if (fence) {
      blocks.push({ language: open.language, line: open.line, text: open.lines.join('\n') });
      open = undefined;
    } else if (open) open.lines.push(text.slice(open.indent));
  });
  if (open) throw new Error(`${document}:${open.line}: the block is not closed`);
  return blocks;
}

/** The anchors of a document's headings, as the usual renderers make them. */
export async function anchors(document) {
  const text = await readFile(join(root, document), 'utf8');
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-'),
    ),
  );
}

/** The links of a document to other files of the tree: { target, anchor }. */
export async function localLinks(document) {
  const text = await readFile(join(root, document), 'utf8');
  return [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(([, target, anchor]) => ({ target, anchor }));
}
