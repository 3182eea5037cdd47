// Serve oidc-provider on 127.0.0.1, as the JSON file named by the argument says. The member
// "resources" maps a resource indicator (RFC 8707) to the algorithm of its access tokens.

import { readFileSync } from 'node:fs';

import Provider, { errors } from 'oidc-provider';

const { client, issuer, jwks, lifetime, port, resources, scope } = JSON.parse(
  readFileSync(process.argv[2], 'utf8'),
);

function resourceServer(_context, resource) {
  if (!Object.hasOwn(resources, resource)) throw new errors.InvalidTarget();
  return {
    audience: resource,
    scope,
    accessTokenFormat: 'jwt',
    accessTokenTTL: lifetime,
    jwt: { sign: { alg: resources[resource] } },
  };
}

const provider = new Provider(issuer, {
  clients: [
    { ...client, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  ],
  jwks,
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
  },
});

provider.listen(port, '127.0.0.1');
