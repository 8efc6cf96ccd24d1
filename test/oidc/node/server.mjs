// A certified authorization server for the tests, on a free port of 127.0.0.1.
//
//   node server.mjs ISSUER RESOURCE
//
// It believes to be ISSUER, which a TLS front makes it, and issues opaque
// tokens for RESOURCE or for itself. Every line of standard output is one event
// as JSON; the first one names the port. What is below /control/ is for the
// tests, which come to the port directly.

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';
import { forget, store } from './store.mjs';

const [issuer, resource] = process.argv.slice(2);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// What one has to keep for oneself, and its identifier is its value.
const secrets = ['AccessToken', 'AuthorizationCode', 'ClientCredentials', 'DeviceCode', 'RefreshToken', 'RegistrationAccessToken'];
const saved = (model, id, payload) => {
  if (secrets.includes(model)) say({ event: 'issued', kind: model, value: id, client: payload.clientId });
};

const lifetimes = new Map(); // client to seconds, of its access tokens
const lifetime = (ctx, token, client) => lifetimes.get(client.clientId) ?? 600;

const scopes = ['api:read', 'api:write'];
const provider = new Provider(issuer, {
  adapter: store(saved),
  // Who may ask for the state of tokens: the API.
  clients: [{ client_id: 'api', client_secret: 'api', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  cookies: { keys: [randomBytes(32).toString('hex')] },
  expiresWithSession: () => false,
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'api' },
    registration: { enabled: true, initialAccessToken: false },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, indicator) {
        if (indicator !== resource) throw new errors.InvalidTarget();
        return { scope: scopes.join(' '), accessTokenFormat: 'opaque' };
      },
    },
    revocation: { enabled: true },
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', ...scopes],
  ttl: {
    AccessToken: lifetime, AuthorizationCode: 60, ClientCredentials: lifetime, DeviceCode: 300, Grant: 86400, IdToken: 600, Interaction: 600,
    RefreshToken: 86400, Session: 86400,
  },
});
provider.proxy = true;

const controls = {
  forget: ({ model, id }) => forget(model, id),
  lifetime: ({ client, seconds }) => lifetimes.set(client, Number(seconds)),
  mark: ({ id }) => say({ event: 'mark', id }),
};

provider.use(async (ctx, next) => {
  const [, control] = /^\/control\/(\w+)$/.exec(ctx.path) ?? [];
  if (control) {
    controls[control](ctx.query);
    ctx.body = 'done';
    return;
  }
  await next();
  tell(ctx);
});

// tell says what a request was, and what it held that is secret.
function tell(ctx) {
  const { route, params } = ctx.oidc ?? {};
  if (!params) return;
  const client = params.client_id ?? ctx.oidc.client?.clientId;
  for (const kind of ['state', 'code_verifier']) {
    if (params[kind]) say({ event: 'sent', kind, value: params[kind], client });
  }
  if (ctx.body?.id_token) say({ event: 'sent', kind: 'id_token', value: ctx.body.id_token, client });
  if (['token', 'revocation', 'registration'].includes(route)) {
    say({ event: route, kind: params.grant_type, client, error: ctx.body?.error, status: ctx.status });
  }
}

provider.on('registration_create.success', (ctx, client) => say({ event: 'registered', client: client.clientId }));
provider.on('server_error', (ctx, error) => say({ event: 'defect', error: error.stack }));

const server = createServer(provider.callback());
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => say({ event: 'listening', value: String(server.address().port) }));
process.stdin.on('end', () => process.exit(0)).resume(); // the tests have ended
