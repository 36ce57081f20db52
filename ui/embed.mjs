// node embed.mjs DIST OUT: turn the built files of DIST into what the server links.
//
// Writes OUT/gz/N (gzip of file N, where that saves room), OUT/ui_files.s (all bytes, by .incbin)
// and OUT/ui_files_table.inc (the rows of src/server/ui_files.cc: the files, and the addresses of the pages
// in src/pages.ts, all of which are index.html). The same input gives the same output.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pages } from './src/pages.ts';

const contentTypes = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.md': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

const [dist, out] = process.argv.slice(2);
if (!dist || !out) throw new Error('usage: node embed.mjs DIST OUT');
mkdirSync(join(out, 'gz'), { recursive: true });

const names = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(dist, join(entry.parentPath, entry.name)))
  .sort();

const blob = (label, file) => `${label}:\n  .incbin ${JSON.stringify(file)}\n  .byte 0\n  .globl ${label}\n`;
const quoted = (text) => JSON.stringify(text);

let assembly = '  .section .rodata\n';
let externs = '';
let rows = '';
names.forEach((name, i) => {
  const type = contentTypes[extname(name)];
  if (!type) throw new Error(`${name}: add the content type of "${extname(name)}" to ui/embed.mjs`);
  const bytes = readFileSync(join(dist, name));
  const packed = gzipSync(bytes, { level: 9 });
  const gzip = packed.length < bytes.length * 0.95 ? packed : Buffer.alloc(0);
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const path = '/' + name.split(sep).join('/');

  assembly += blob(`millrace_ui_${i}`, join(dist, name));
  externs += `extern "C" const char millrace_ui_${i}[];\n`;
  let gzipView = '{}';
  if (gzip.length) {
    const file = join(out, 'gz', String(i));
    writeFileSync(file, gzip);
    assembly += blob(`millrace_ui_gz_${i}`, file);
    externs += `extern "C" const char millrace_ui_gz_${i}[];\n`;
    gzipView = `{millrace_ui_gz_${i}, ${gzip.length}}`;
  }
  // Vite puts the hash of the contents into the name of everything under assets/.
  const immutable = path.startsWith('/assets/');
  rows += `    {${quoted(path)}, ${quoted(type)}, {millrace_ui_${i}, ${bytes.length}}, ${gzipView}, ${quoted(`"${etag}"`)}, ${immutable}},\n`;
});

writeFileSync(join(out, 'ui_files.s'), assembly + '  .section .note.GNU-stack,"",@progbits\n');

const paths = pages.map((page) => quoted(page.path)).join(', ');
const table = `${externs}\nconstexpr UiFile kFiles[] = {\n${rows}};\nconstexpr std::string_view kPages[] = {${paths}};\n`;
writeFileSync(join(out, 'ui_files_table.inc'), table);
