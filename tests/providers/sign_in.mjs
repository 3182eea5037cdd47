// Serve oidc-provider with its own pages for login and consent, as the JSON file named by the
// argument says. Anyone can log in; the claims stand in the ID token, as Google's do.

import { readFileSync } from 'node:fs';

import Provider from 'oidc-provider';

const { client, issuer, jwks, port } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const provider = new Provider(issuer, {
  clients: [client],
  jwks,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['a key for the tests'] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: sub === 'nameless' ? undefined : `Name of ${sub}`, email: `${sub}@example.com`, email_verified: true }),
  }),
});

provider.listen(port, '127.0.0.1');
