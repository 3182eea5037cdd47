// A client for an app. `storage` keeps one string where other apps can't read it, and has the
// methods get, set and remove; `fetch` is the platform's.
export function createClient({ url, storage, fetch = globalThis.fetch, onLoggedOut = () => {} }) {
  let accessToken = null;
  let refreshing = null;

  async function post(path, body, token) {
    const headers = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    return fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  // Return the JSON of a response, or {} if it isn't the server's: of a proxy, or of a Wi-Fi login.
  async function read(response) {
    return (await response.clone().json().catch(() => null)) ?? {};
  }

  async function keep(tokens) {
    if (!tokens.refresh_token) throw new Error("The response contains no tokens");
    accessToken = tokens.access_token;
    await storage.set(tokens.refresh_token); // before anything else: the earlier one is used up
  }

  async function forget() {
    accessToken = null;
    await storage.remove();
    onLoggedOut();
  }

  async function rotate() {
    const refreshToken = await storage.get();
    if (!refreshToken) return false;
    const response = await post("/auth/refresh", {}, refreshToken);
    const body = await read(response);
    if (response.ok) await keep(body);
    else if (response.status === 401 && body.code) await forget(); // the session has ended
    else throw new Error(`The server responded ${response.status}`); // try again later
    return response.ok;
  }

  // However many requests find that the token has expired, one of them refreshes it.
  function refresh() {
    refreshing ??= rotate().finally(() => {
      refreshing = null;
    });
    return refreshing;
  }

  async function send(path, options = {}) {
    const headers = { ...options.headers, Authorization: `Bearer ${accessToken}` };
    return fetch(url + path, { ...options, headers });
  }

  return {
    async logIn(username, password, label) {
      const response = await post("/auth", { username, password, label });
      const body = await read(response);
      const message = body.description ?? `The server responded ${response.status}`;
      if (!response.ok) throw Object.assign(new Error(message), { code: body.code });
      await keep(body);
    },

    // Send a request with the access token. Refresh it before, if the app has just started, or
    // after the server has said that it has expired or is invalid.
    async request(path, options) {
      if (accessToken === null && !(await refresh())) throw new Error("Nobody is logged in");
      const sent = accessToken;
      const response = await send(path, options);
      if (response.status !== 401) return response;
      const { code } = await read(response);
      // Responses overtake each other: this 401 may be about a token that is replaced by now.
      if (accessToken !== sent) return accessToken ? send(path, options) : response;
      // An invalid token was signed with a key that the server no longer has. The refresh shows
      // whether the session goes on.
      const isUseless = code === "token_expired" || code === "token_invalid";
      if (isUseless) return (await refresh()) ? send(path, options) : response;
      if (code === "token_revoked" || code === "user_gone") await forget();
      return response;
    },

    // Forget the tokens in any case. Return whether the server has ended the session, too.
    async logOut() {
      await refreshing?.catch(() => {}); // it would keep its new tokens after this
      const refreshToken = await storage.get();
      await forget();
      if (!refreshToken) return true;
      const response = await post("/auth/logout", {}, refreshToken).catch(() => null); // no network
      return response !== null && (await read(response)).revoked !== undefined;
    },
  };
}
