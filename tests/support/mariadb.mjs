// Start a MariaDB server of a test's own: its files in a temporary directory, on a free port of this machine.
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './millrace.mjs';

const call = promisify(execFile);

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A running mariadbd. The user `reader` may read everything, see replication and follow the binary log, the user `root` may do all. */
export class MariaDb {
  static password = 'reader-secret-93af';

  static async start({ options = [] } = {}) {
    const db = new MariaDb();
    db.dir = await mkdtemp(path.join(tmpdir(), 'millrace-mariadb-'));
    db.port = await freePort();
    db.socket = path.join(db.dir, 's');
    const user = userInfo().username;
    const data = path.join(db.dir, 'data');
    // Each its own: a server that starts removes what looks like temporary tables of a dead one, also those of its neighbour.
    const scratch = path.join(db.dir, 'tmp');
    await mkdir(scratch);
    await call('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, `--user=${user}`, '--auth-root-authentication-method=normal',
      `--tmpdir=${scratch}`, '--skip-test-db', '--skip-name-resolve', '--innodb-log-file-size=16M']);
    db.command = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${scratch}`, `--user=${user}`, `--socket=${db.socket}`, `--port=${db.port}`, '--bind-address=127.0.0.1',
      '--skip-name-resolve', '--log-bin=bin', '--server-id=1', '--binlog-format=ROW', '--innodb-log-file-size=16M',
      '--innodb-buffer-pool-size=64M', '--innodb-flush-log-at-trx-commit=0', '--sync-binlog=0', '--performance-schema=OFF', ...options];
    await db.launch();
    await db.sql(`CREATE USER reader@'%' IDENTIFIED BY '${MariaDb.password}'; GRANT SELECT, SLAVE MONITOR, REPLICATION SLAVE ON *.* TO reader@'%'`);
    return db;
  }

  async launch() {
    this.stderr = '';
    this.process = spawn('mariadbd', this.command, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (d) => (this.stderr += d));
    this.exited = new Promise((resolve) => this.process.on('close', resolve));
    this.process.on('error', (error) => (this.stderr += error.message));
    await eventually('mariadbd answers', async () => {
      if (this.process.exitCode !== null) throw new Error(this.stderr);
      await this.sql('SELECT 1');
    });
  }

  /** Run statements as root with the mariadb client; returns what it prints: a line a row, tabs between the cells. */
  async sql(statements, { database = '', args = [] } = {}) {
    const child = call('mariadb', ['--no-defaults', `--socket=${this.socket}`, '--user=root', '--batch', '--skip-column-names', '--default-character-set=utf8mb4',
      ...args, ...(database ? [database] : [])], { maxBuffer: 256 << 20, encoding: 'buffer' });
    child.child.stdin.on('error', () => {});  // a client that found no server reads nothing; it says so itself
    child.child.stdin.end(statements);
    return (await child).stdout.toString('utf8');
  }

  /** Rows of a query as arrays of texts, NULL as null: an independent read. */
  async rows(query, database) {
    const xml = await this.sql(query, { database, args: ['--xml'] });
    const unescape = (s) => s.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
    return [...xml.matchAll(/<row>([\s\S]*?)<\/row>/g)].map(([, row]) =>
      [...row.matchAll(/<field name="[^"]*"(?:( xsi:nil="true") \/|>([\s\S]*?)<\/field)>/g)].map(([, nil, text]) => (nil ? null : unescape(text))));
  }

  /** Write a project whose source `name` is this server; returns its folder. */
  async project(name, settings = {}) {
    const folder = await mkdtemp(path.join(this.dir, 'project-'));
    const source = { kind: 'mysql', host: '127.0.0.1', port: this.port, user: 'reader', password: '${env:READER_PASSWORD}', allow_primary: true, ...settings };
    for (const key of Object.keys(source)) if (source[key] === undefined) delete source[key];
    await writeFile(path.join(folder, 'millrace.yaml'), JSON.stringify({ sources: { [name]: source } }, null, 2));
    return folder;
  }

  /** Shut down as an administrator does, and start again on the same files. */
  async restart({ options = [], away = async () => {} } = {}) {
    this.process.kill('SIGTERM');
    await this.exited;
    await away();
    this.command.push(...options);
    await this.launch();
  }

  async stop() {
    this.process.kill('SIGKILL');  // nothing in it is to be kept
    await this.exited;
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** What the server's environment needs for `project`. */
export const readerEnv = { READER_PASSWORD: MariaDb.password };
