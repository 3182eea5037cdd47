// Drive the client of docs/guides/mobile.md: read commands from standard input, one a line in JSON,
// and write a line in JSON for each.

import { createInterface } from 'node:readline';

import { createClient } from '../examples/mobile/client.js';

let stored = null;
let loggedOut = 0;
const storage = {
  get: async () => stored,
  set: async (value) => { stored = value; },
  remove: async () => { stored = null; },
};
const url = process.argv[2];
let isOffline = false;
const create = () => createClient({
  url,
  storage,
  fetch: (...args) => isOffline ? Promise.reject(new TypeError('fetch failed')) : fetch(...args),
  onLoggedOut: () => { loggedOut += 1; },
});
let client = create();

const commands = {
  logIn: (...args) => client.logIn(...args),
  logOut: () => client.logOut(),
  request: async (...paths) => {
    const responses = await Promise.all(paths.map((path) => client.request(path)));
    return responses.map((response) => response.status);
  },
  logInDuring: async (path, ...args) => {
    const request = client.request(path);
    await client.logIn(...args);
    await client.request('/me');
    return (await request).status;
  },
  logOutOffline: async () => {
    isOffline = true;
    try { return await client.logOut(); } finally { isOffline = false; }
  },
  logOutDuring: async (path) => {
    const request = client.request(path).catch(() => null);
    await new Promise((resolve) => { setTimeout(resolve, 150); });
    const hasEnded = await client.logOut();
    await request;
    return hasEnded;
  },
  restart: () => { client = create(); },
  state: () => ({ stored, loggedOut }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line);
  let result;
  try {
    result = { value: (await commands[name](...args)) ?? null };
  } catch (error) {
    result = { error: error.message, code: error.code ?? null };
  }
  console.log(JSON.stringify(result));
}
