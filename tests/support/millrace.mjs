// Start the real binary for a test, talk to it, and stop it again.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.MILLRACE_BIN ?? path.join(root, 'build/release/millrace');
const shared = process.env.MILLRACE_SHARED_DATA ?? path.join(root, '../shared/data');

/** Path of a file of the shared real data, or null where this machine has none. */
export function sharedData(name) {
  const file = path.join(shared, name);
  return existsSync(file) ? file : null;
}

export async function temporaryDir() {
  return mkdtemp(path.join(tmpdir(), 'millrace-test-'));
}

/**
 * Before a command: run it as who may write only where the permissions say so, which root else does not need to
 * care for. Root without these rights goes by the same bits as everybody.
 */
export const heedingPermissions = process.getuid() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

/** Run a command of the binary to its end, `through` another program; resolves to { code, stdout, stderr }. */
export function run(args, { timeoutMs = 120_000, env = {}, through = [] } = {}) {
  return new Promise((resolve, reject) => {
    const [program, ...words] = [...through, binary, ...args];
    const child = spawn(program, words, { env: { ...process.env, ...env } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (d) => (stdout += d));
    child.stderr.on('data', (d) => (stderr += d));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Call `check` until it does not throw; returns what it returned. */
export async function eventually(what, check, ms = 40_000) {
  const end = Date.now() + ms;
  for (let last; ; await new Promise((r) => setTimeout(r, 50))) {
    try {
      return await check();
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: ${last.message}`);
  }
}

/** A running `millrace up`. */
export class Server {
  /** Start on a free port unless `listen` names one; `data` is kept when given, else made and removed at stop. */
  static async start({ data, listen = '127.0.0.1:0', args = [], env = {}, readyMs = 20_000 } = {}) {
    const server = new Server();
    server.ownsData = !data;
    server.data = data ?? (await temporaryDir());
    server.stderr = '';
    server.process = spawn(
      binary,
      ['up', '--data', server.data, '--listen', listen, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
    );
    server.process.stderr.on('data', (d) => (server.stderr += d));
    server.exited = new Promise((resolve) => server.process.on('close', (code, signal) => resolve({ code, signal })));
    server.url = await server.#listeningLine(readyMs);
    return server;
  }

  #listeningLine(readyMs) {
    return new Promise((resolve, reject) => {
      let seen = '';
      const timer = setTimeout(() => reject(new Error(`not ready after ${readyMs} ms:\n${seen}${this.stderr}`)), readyMs);
      this.process.stdout.on('data', (d) => {
        seen += d;
        const found = /listening on (http:\/\/\S+)/.exec(seen);
        if (found) {
          clearTimeout(timer);
          resolve(found[1]);
        }
      });
      this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        reject(new Error(`ended before it was ready (code ${code}, signal ${signal}):\n${seen}${this.stderr}`));
      });
    });
  }

  async fetch(route, options = {}) {
    return fetch(this.url + route, options);
  }

  async post(route, body, headers = {}) {
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    return this.fetch(route, { method: 'POST', body: text, headers: { 'content-type': 'application/json', ...headers } });
  }

  /** A call that only administrators may make, with the token that the commands take. */
  async asAdmin(method, route, body) {
    const { token } = JSON.parse(await readFile(path.join(this.data, 'server.json'), 'utf8'));
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return this.fetch(route, { method, headers, body: body && JSON.stringify(body) });
  }

  async json(route) {
    const answer = await this.fetch(route);
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Rows of a query, as arrays. */
  async sql(query) {
    const answer = await this.post('/v1/sql', { query });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${query}: ${body.message}`);
    return body.rows;
  }

  /** Wait until everything logged has reached the warehouse; returns the books. */
  async drained(timeoutMs = 30_000) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const { books } = await this.json('/v1/dashboard?window=all');
      if (books.pending === 0 && books.quarantine_pending === 0) return books;
      if (Date.now() > end) throw new Error(`still pending: ${JSON.stringify(books)}`);
      await new Promise((r) => setTimeout(r, 50));
    }
  }

  kill() {
    this.process.kill('SIGKILL');
    return this.exited;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
    const ended = await this.exited;
    if (this.ownsData) await rm(this.data, { recursive: true, force: true });
    return ended;
  }
}
