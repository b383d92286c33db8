/**
 * That people reach from the page whatever the server can do: every route of `docs/permissions.md` is called by the page, or is
 * for programs and says why.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

const root = new URL('../../static/js/', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const routes = [...readFileSync(new URL('../../docs/permissions.md', import.meta.url), 'utf8').matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE) (\/[^`]*)`/gm)]
  .map(([, method, path]) => `${method} ${path}`);

/** What the page does not call, and why it need not. */
const FOR_PROGRAMS = {
  'GET /livez': 'balancers ask it',
  'GET /readyz': 'balancers ask it',
  'GET /metrics': 'the operator’s own listener',
  'GET /.well-known/security.txt': 'for who finds a hole',
  'GET /api/openapi.json': 'for who writes a program',
  'GET /api/oidc/callback': 'the provider sends the browser there',
  'POST /api/tickets': 'for pages of other sites; the page has its cookie',
  'POST /api/hooks/{secret}': 'the address that the page hands out',
  'GET /api/rooms/{slug}': 'the socket tells it when it joins',
  'POST /api/rooms/{slug}/join': 'the socket joins',
  'GET /api/rooms/{slug}/messages': 'the socket reads pages',
  'POST /api/rooms/{slug}/messages': 'the socket sends',
  'PATCH /api/rooms/{slug}/messages/{seq}': 'the socket edits',
  'DELETE /api/rooms/{slug}/messages/{seq}': 'the socket deletes',
  'GET /api/rooms/{slug}/messages/{seq}/variants': 'the socket selects; a variant comes as the message',
  'PUT /api/rooms/{slug}/messages/{seq}/reactions/{emoji}': 'the socket reacts',
  'DELETE /api/rooms/{slug}/messages/{seq}/reactions/{emoji}': 'the socket reacts',
  'PUT /api/rooms/{slug}/messages/{seq}/pin': 'the socket pins',
  'DELETE /api/rooms/{slug}/messages/{seq}/pin': 'the socket pins',
  'POST /api/rooms/{slug}/replies/{seq}/stop': 'the socket stops',
  'POST /api/rooms/{slug}/replies/{seq}/retry': 'the socket retries',
  'POST /api/rooms/{slug}/replies/{seq}/regenerate': 'the socket regenerates',
  'POST /api/rooms/{slug}/replies/{seq}/select': 'the socket selects',
  'POST /api/chat': 'the view for programs that know no rooms',
  'GET /api/rooms/{slug}/events': 'an event stream in place of the socket',
  'GET /api/rooms/{slug}/replies/{seq}/events': 'an event stream in place of the socket',
};

/** Frames that stand for routes above, and where the page sends them. */
const FRAMES = ['room.join', 'message.send', 'message.history', 'message.edit', 'message.delete', 'message.pin', 'message.unpin', 'reaction.add',
  'reaction.remove', 'reply.stop', 'reply.retry', 'reply.regenerate', 'reply.select', 'reply.continue', 'read.mark', 'typing', 'room.leave'];

/** A path without what differs from call to call. */
const shape = (path) => path.replace(/^\/api/, '').replace(/\{[^}]*\}/g, '*').replace(/\?.*$/, '');

const api = read('api.js');
const called = [...api.matchAll(/#call\('(\w+)', (?:'([^']*)'|`((?:[^`])*)`)/g)]
  .map(([, method, plain, template]) => `${method} ${shape((plain ?? template).replace(/\?\$\{.*$/, '').replace(/\$\{[^}]*\}/g, '*'))}`);

test('every route is called by the client library, or is for programs', () => {
  const others = ['GET /ws', 'GET /rooms/*/export', 'GET /oidc/start'];
  const reached = new Set([...called, ...others]);
  assert.ok(routes.length > 70, `${routes.length} routes`);
  const missing = routes.filter((route) => {
    const [method, path] = route.split(' ');
    return !reached.has(`${method} ${shape(path)}`) && FOR_PROGRAMS[route] === undefined;
  });
  assert.deepEqual(missing, []);
  for (const route of Object.keys(FOR_PROGRAMS)) assert.ok(routes.includes(route), route);
  assert.match(read('elements/export-dialog.js'), /exportUrl/);
  assert.match(read('elements/sign-in.js'), /provider\.url/);
});

test('every call of the library is made by the page', () => {
  const elements = ['.', 'elements'].flatMap((folder) => readdirSync(new URL(`${folder}/`, root)).filter((name) => name.endsWith('.js') && name !== 'api.js').map((name) => read(`${folder}/${name}`))).join('\n');
  const methods = [...api.matchAll(/^ {2}(?:async )?(\w+)\([^)]*\) \{/gm)].map(([, name]) => name).filter((name) => name !== 'constructor');
  assert.ok(methods.length > 60, `${methods.length} methods`);
  assert.deepEqual(methods.filter((name) => !new RegExp(`\\.${name}\\(`).test(elements) && !new RegExp(`this\\.${name}\\(`).test(api)), []);
});

test('every frame a client may send is sent by the library', () => {
  const library = ['room.js', 'connection.js', 'salon.js', 'pending.js', 'store.js'].map(read).join('\n');
  assert.deepEqual(FRAMES.filter((frame) => !library.includes(`'${frame}'`)), []);
});
