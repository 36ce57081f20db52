// /openapi.json lists every call there is, and none that is not.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

const methods = ['get', 'put', 'post', 'patch', 'delete'];
/** Other spellings of what is described, for libraries that use them; and verbs refused where an id could stand. */
const undocumented = [
  /^POST (\/v1)?\/[abgipst]$/,
  /^POST (\/api\/s\/|\/beacon\/)/,
  /^(GET|DELETE) \/v1\/vectors\/\{\}\/(query|rows)$/,
];
let project;
let server;
let described;
before(async () => {
  project = await temporaryDir();
  await writeFile(path.join(project, 'millrace.yaml'), 'logging:\n  level: debug\n  format: json\n');
  server = await Server.start({ args: ['--project', project] });
  described = await server.json('/openapi.json');
});
after(async () => {
  await server?.stop();
  await rm(project, { recursive: true, force: true });
});

/** "GET /v1/items/{}" of what is served, from the lines that the server writes at its start. */
function served() {
  const lines = server.stderr.split('\n').filter((line) => line.includes('"serves"'));
  return lines.map((line) => JSON.parse(line).route).filter((route) => !undocumented.some((each) => each.test(route)));
}

function documented() {
  return Object.entries(described.paths).flatMap(([address, calls]) =>
    methods.filter((method) => calls[method]).map((method) => `${method.toUpperCase()} ${address.replace(/\{[^}]*\}/g, '{}')}`),
  );
}

test('the description and the router agree', () => {
  const routes = served();
  assert.ok(routes.length > 100, `${routes.length} routes`);
  assert.deepEqual([...new Set(documented())].sort(), routes.sort());
});

test('each call says what it does, what its path holds and what comes back', () => {
  const ids = new Set();
  for (const [address, calls] of Object.entries(described.paths))
    for (const method of methods.filter((each) => calls[each])) {
      const call = calls[method];
      const name = `${method} ${address}`;
      assert.ok(call.summary?.length > 5, `${name} has no summary`);
      assert.ok(Object.keys(call.responses ?? {}).length > 0, `${name} has no responses`);
      if (call.operationId) assert.ok(!ids.has(call.operationId) && ids.add(call.operationId), `${call.operationId} twice`);
      const named = [...(calls.parameters ?? []), ...(call.parameters ?? [])].filter((each) => each.in === 'path').map((each) => each.name);
      for (const [, variable] of address.matchAll(/\{([^}]*)\}/g))
        assert.ok(named.includes(variable), `${name} does not say what ${variable} is`);
    }
});
