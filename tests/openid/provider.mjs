/**
 * A real OpenID provider for tests: the `oidc-provider` package with one client, the people who type their name into its page, and
 * keys of its own. What it is told comes by the environment; it prints nothing but what goes wrong.
 *
 *   OPENID_MODULES  the folder of its packages     OPENID_PORT          where it listens, on 127.0.0.1
 *   OPENID_CLIENT   the client's id                OPENID_SECRET        its secret
 *   OPENID_CALLBACK the client's redirect_uri      OPENID_KEY_ID        the name of its key
 */
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const { OPENID_MODULES, OPENID_PORT, OPENID_CLIENT, OPENID_SECRET, OPENID_CALLBACK, OPENID_KEY_ID } = process.env;
const { Provider } = await import(pathToFileURL(`${OPENID_MODULES}/oidc-provider/lib/index.js`))
  .then((module) => ({ Provider: module.Provider ?? module.default }));

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: OPENID_KEY_ID, use: 'sig', alg: 'RS256' };

const provider = new Provider(`http://127.0.0.1:${OPENID_PORT}`, {
  clients: [{
    client_id: OPENID_CLIENT,
    client_secret: OPENID_SECRET,
    redirect_uris: [OPENID_CALLBACK],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  jwks: { keys: [key] },
  cookies: { keys: ['only for tests'] },
  pkce: { methods: ['S256'], required: () => true },
  scopes: ['openid', 'profile', 'email', 'groups'],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'], groups: ['groups'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/login/${interaction.uid}` },
  // Names with a dash are of people who are in a group.
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, preferred_username: id, name: `${id} the tester`, email: `${id}@corp.example`,
      groups: id.includes('-') ? ['everybody', id.split('-')[1]] : ['everybody'],
    }),
  }),
  // Everybody agrees to everything.
  loadExistingGrant: async (context) => {
    const { client, session, params } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    await grant.save();
    return grant;
  },
});

const page = `<!doctype html><title>Test provider</title><form method="post">
<label>Name <input id="login" name="login"></label><button id="go" name="answer" value="yes">Sign in</button>
<button id="no" name="answer" value="no">No</button></form>`;

async function login(request, response) {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    response.end(page);
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const form = new URLSearchParams(body);
  const result = form.get('answer') === 'no'
    ? { error: 'access_denied', error_description: '<script>no</script>' }
    : { login: { accountId: form.get('login') } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith('/login/')) return answer(request, response);
  return login(request, response).catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end();
  });
}).listen(Number(OPENID_PORT), '127.0.0.1');
