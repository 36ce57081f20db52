// Read the public data sets that tests hold Millrace against.
import { createReadStream } from 'node:fs';
import readline from 'node:readline';
import { createGunzip } from 'node:zlib';

/** Fields of each line after the header; good for these files' simple quoting. */
export async function* csvRows(file) {
  const raw = createReadStream(file);
  const lines = readline.createInterface({ input: file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw });
  let header = true;
  for await (const line of lines) {
    if (header) header = false;
    else if (line) yield [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) => m[1].replace(/^"|"$/g, '').replaceAll('""', '"'));
  }
}
